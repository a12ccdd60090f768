"""The cache of compiled models, without PyGeNN: any folder with a file in it is a model here."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from workplaces import ROOT

from simulators.backends.genn_simulator.host.cache import cache_key, compiled
from simulators.backends.genn_simulator.host.held_folders import held_folder, left_behind, sweep
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.records import code_cache

HOUR = 3600.0

prune = partial(code_cache.prune, kind="genn")


def key(name: str) -> str:
    """A key as they are, of which only folders of such names are models."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return code_cache.claimed(tmp_path / "cache", "genn")


def make_model(folder: Path, name: str, hours: float, left: str = "") -> Path:
    """A model that was used last so many hours ago, or what is left of one."""
    model = folder / (f".{key(name)}-{left}" if left else key(name))
    model.mkdir(parents=True)
    (model / "code").write_text("compiled")
    os.utime(model, (time.time() - hours * HOUR,) * 2)
    return model


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".gridsearch-genn"}


def keys(*of: str) -> set[str]:
    return {key(name) for name in of}


def write_code(folder: Path) -> None:
    (folder / "code").write_text("compiled")


def test_the_models_used_last_are_kept(cache: Path) -> None:
    for hours in (5, 2, 9, 3, 7):
        make_model(cache, f"model{hours}", hours)
    prune(cache, n_entries=3)
    assert names(cache) == keys("model2", "model3", "model5")
    prune(cache, n_entries=3)
    assert names(cache) == keys("model2", "model3", "model5")


def test_models_in_use_are_kept_however_many(cache: Path) -> None:
    for number in range(5):
        make_model(cache, f"model{number}", 0.5 + 0.1 * number)
    make_model(cache, "old", 2.0)
    prune(cache, n_entries=1)
    assert names(cache) == keys(*(f"model{number}" for number in range(5)))


def test_what_a_killed_worker_left_goes_and_what_is_being_made_stays(cache: Path) -> None:
    make_model(cache, "model", 30.0, left="killed_0")
    at_work = make_model(cache, "model", 0.01, left="at_work0")
    make_model(cache, "model", 100.0)
    prune(cache, n_entries=10)
    assert names(cache) == {at_work.name, key("model")}


DYING = """
import os, sys
from pathlib import Path
from simulators.backends.genn_simulator.host.cache import compiled

def compile_into(folder):
    os.write(1, b"optimizeBlockSize: NVCC failed\\n")
    os._exit(1)

compiled(Path(sys.argv[1]), "key", compile_into)
"""


def end_while_compiling(folder: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", DYING, str(folder)], cwd=ROOT, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_a_compilers_end_is_told_and_the_second_is_the_machines(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    end_while_compiling(cache)
    with caplog.at_level("WARNING"), pytest.raises(KeyboardInterrupt):
        compiled(cache, "key", interrupted)
    assert "said last:\noptimizeBlockSize: NVCC failed" in caplog.text
    end_while_compiling(cache)
    with pytest.raises(SimulatorUnavailableError, match=r"2 workers ended (.|\n)*NVCC failed"):
        compiled(cache, "key", write_code)
    assert names(cache) == set(), "what they left is gone"
    assert compiled(cache, "key", write_code) == cache / "key"


def test_what_ended_workers_left_of_a_model_goes_once_it_is_there(cache: Path) -> None:
    end_while_compiling(cache)
    with held_folder(cache, ".key-") as at_work:
        assert compiled(cache, "key", write_code) == cache / "key"
        assert names(cache) == {"key", at_work.name}


def test_a_folder_is_its_processes_alone_and_swept_when_they_have_died(cache: Path) -> None:
    hold = "import os, sys, time; from pathlib import Path\n"
    hold += "from simulators.backends.genn_simulator.host.held_folders import held_folder\n"
    hold += "with held_folder(Path(sys.argv[1]), 'mine-') as f: print(f, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", hold, str(cache)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (cache / "mine-but-a-file").touch()
    sweep(cache, "mine-")
    assert names(cache) == {folder.name, "mine-but-a-file"}
    assert left_behind(cache, "mine-") == []
    process.kill()
    process.communicate()
    assert left_behind(cache, "mine-") == [folder]
    sweep(cache, "mine-")
    assert names(cache) == {"mine-but-a-file"}


def interrupted(folder: Path) -> None:
    raise KeyboardInterrupt


def test_asking_for_a_model_counts_as_its_use(cache: Path) -> None:
    for name, hours in (("asked", 9.0), ("other", 5.0)):
        make_model(cache, name, hours)

    def never(folder: Path) -> None:
        raise AssertionError("it is there already")

    assert compiled(cache, key("asked"), never) == cache / key("asked")
    prune(cache, n_entries=1)
    assert names(cache) == keys("asked")


def test_a_new_model_drives_out_the_oldest(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.backends.genn_simulator.host.cache.MAX_MODELS", 2)
    for name, hours in (("older", 9.0), ("younger", 5.0)):
        make_model(cache, name, hours)
    assert compiled(cache, key("new"), write_code) == cache / key("new")
    assert names(cache) == keys("younger", "new")


def test_a_model_that_was_removed_is_compiled_again(cache: Path) -> None:
    make_model(cache, "model", 9.0)
    prune(cache, n_entries=0)
    assert names(cache) == set()
    assert (compiled(cache, key("model"), write_code) / "code").read_text() == "compiled"


def test_a_model_that_does_not_compile_leaves_nothing_behind(cache: Path) -> None:
    def fail(folder: Path) -> None:
        os.write(1, b"what the compiler said\n")  # as a child does, past the streams of Python
        raise RuntimeError("make failed")

    with pytest.raises(SimulatorUnavailableError, match=r"make failed(.|\n)*what the compiler said"):
        compiled(cache, key("model"), fail)
    assert names(cache) == set()


WORKER = """
import sys, time
from pathlib import Path
from simulators.backends.genn_simulator.host import cache
from simulators.records import code_cache

cache.MAX_MODELS, code_cache.IN_USE = 2, 0.3
until = time.monotonic() + 3.0
number = int(sys.argv[2])
while time.monotonic() < until:
    number = (number * 5 + 3) % 16  # visits all of them
    key = f"{number:024x}"
    folder = cache.compiled(Path(sys.argv[1]), key, lambda private: (private / "code").write_text(key))
    assert (folder / "code").read_text() == key  # loaded well within the time that a model counts as in use
"""


def test_workers_may_add_and_remove_at_the_same_time(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "deep" / "cache"  # which all of them make
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(number)], env=environment)
        for number in range(4)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    assert not {name for name in names(folder) if name.startswith(".")}


def test_the_name_of_a_model_depends_on_all_that_makes_it() -> None:
    given = ("layout", "single_threaded_cpu", "5.4.0", "")
    others = [(*given[:k], f"{given[k]} other", *given[k + 1 :]) for k in range(len(given))]
    assert len({cache_key(*given), *(cache_key(*other) for other in others)}) == 5
    assert cache_key(*given) == cache_key(*given)
