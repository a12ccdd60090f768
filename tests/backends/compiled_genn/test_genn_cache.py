"""The cache of compiled models, without PyGeNN: any folder with a file in it is a model here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workplaces import ROOT

from simulators.backends.genn_simulator.host.cache import cache_key, compiled, prune
from simulators.backends.genn_simulator.host.held_folders import held_folder, left_behind, sweep
from simulators.backends.simulator import SimulatorUnavailableError

HOUR = 3600.0


def make_model(folder: Path, name: str, hours: float) -> Path:
    """A model that was used last so many hours ago."""
    model = folder / name
    model.mkdir(parents=True)
    (model / "code").write_text("compiled")
    os.utime(model, (time.time() - hours * HOUR,) * 2)
    return model


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_code(folder: Path) -> None:
    (folder / "code").write_text("compiled")


def test_the_models_used_last_are_kept(tmp_path: Path) -> None:
    for hours in (5, 2, 9, 3, 7):
        make_model(tmp_path, f"model{hours}", hours)
    prune(tmp_path, 3)
    assert names(tmp_path) == {"model2", "model3", "model5"}
    prune(tmp_path, 3)
    assert names(tmp_path) == {"model2", "model3", "model5"}


def test_models_in_use_are_kept_however_many(tmp_path: Path) -> None:
    for number in range(5):
        make_model(tmp_path, f"model{number}", 0.5 + 0.1 * number)
    make_model(tmp_path, "old", 2.0)
    prune(tmp_path, 1)
    assert names(tmp_path) == {f"model{number}" for number in range(5)}


def test_what_a_killed_worker_left_goes_and_what_is_being_made_stays(tmp_path: Path) -> None:
    make_model(tmp_path, ".abc-killed", 30.0)
    make_model(tmp_path, ".abc-at-work", 0.01)
    make_model(tmp_path, "model", 100.0)
    prune(tmp_path, 10)
    assert names(tmp_path) == {".abc-at-work", "model"}


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


def test_a_compilers_end_is_told_and_the_second_is_the_machines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end_while_compiling(tmp_path)
    with caplog.at_level("WARNING"), pytest.raises(KeyboardInterrupt):
        compiled(tmp_path, "key", interrupted)
    assert "said last:\noptimizeBlockSize: NVCC failed" in caplog.text
    end_while_compiling(tmp_path)
    with pytest.raises(SimulatorUnavailableError, match=r"2 workers ended (.|\n)*NVCC failed"):
        compiled(tmp_path, "key", write_code)
    assert names(tmp_path) == set(), "what they left is gone"
    assert compiled(tmp_path, "key", write_code) == tmp_path / "key"


def test_what_ended_workers_left_of_a_model_goes_once_it_is_there(tmp_path: Path) -> None:
    end_while_compiling(tmp_path)
    with held_folder(tmp_path, ".key-") as at_work:
        assert compiled(tmp_path, "key", write_code) == tmp_path / "key"
        assert names(tmp_path) == {"key", at_work.name}


def test_a_folder_is_its_processes_alone_and_swept_when_they_have_died(tmp_path: Path) -> None:
    hold = "import os, sys, time; from pathlib import Path\n"
    hold += "from simulators.backends.genn_simulator.host.held_folders import held_folder\n"
    hold += "with held_folder(Path(sys.argv[1]), 'mine-') as f: print(f, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (tmp_path / "mine-but-a-file").touch()
    sweep(tmp_path, "mine-")
    assert names(tmp_path) == {folder.name, "mine-but-a-file"}
    assert left_behind(tmp_path, "mine-") == []
    process.kill()
    process.communicate()
    assert left_behind(tmp_path, "mine-") == [folder]
    sweep(tmp_path, "mine-")
    assert names(tmp_path) == {"mine-but-a-file"}


def interrupted(folder: Path) -> None:
    raise KeyboardInterrupt


def test_asking_for_a_model_counts_as_its_use(tmp_path: Path) -> None:
    for name, hours in (("asked", 9.0), ("other", 5.0)):
        make_model(tmp_path, name, hours)

    def never(folder: Path) -> None:
        raise AssertionError("it is there already")

    assert compiled(tmp_path, "asked", never) == tmp_path / "asked"
    prune(tmp_path, 1)
    assert names(tmp_path) == {"asked"}


def test_a_new_model_drives_out_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.backends.genn_simulator.host.cache.MAX_MODELS", 2)
    for name, hours in (("older", 9.0), ("younger", 5.0)):
        make_model(tmp_path, name, hours)
    assert compiled(tmp_path, "new", write_code) == tmp_path / "new"
    assert names(tmp_path) == {"younger", "new"}


def test_a_model_that_was_removed_is_compiled_again(tmp_path: Path) -> None:
    make_model(tmp_path, "model", 9.0)
    prune(tmp_path, 0)
    assert names(tmp_path) == set()
    assert (compiled(tmp_path, "model", write_code) / "code").read_text() == "compiled"


def test_a_model_that_does_not_compile_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        os.write(1, b"what the compiler said\n")  # as a child does, past the streams of Python
        raise RuntimeError("make failed")

    with pytest.raises(SimulatorUnavailableError, match=r"make failed(.|\n)*what the compiler said"):
        compiled(tmp_path, "model", fail)
    assert names(tmp_path) == set()


WORKER = """
import sys, time
from pathlib import Path
from simulators.backends.genn_simulator.host import cache

cache.MAX_MODELS, cache._IN_USE = 2, 0.3
until = time.monotonic() + 3.0
number = int(sys.argv[2])
while time.monotonic() < until:
    number = (number * 5 + 3) % 16  # visits all of them
    key = f"model{number}"
    folder = cache.compiled(Path(sys.argv[1]), key, lambda private: (private / "code").write_text(key))
    assert (folder / "code").read_text() == key  # loaded well within the time that a model counts as in use
"""


def test_workers_may_add_and_remove_at_the_same_time(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(number)], env=environment)
        for number in range(4)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    assert not {name for name in names(tmp_path) if name.startswith(".")}


def test_the_name_of_a_model_depends_on_all_that_makes_it() -> None:
    given = ("layout", "single_threaded_cpu", "5.4.0", "")
    others = [(*given[:k], f"{given[k]} other", *given[k + 1 :]) for k in range(len(given))]
    assert len({cache_key(*given), *(cache_key(*other) for other in others)}) == 5
    assert cache_key(*given) == cache_key(*given)
