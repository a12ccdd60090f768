"""The command line as a user meets it: real processes, real files, real accidents."""

from __future__ import annotations

import os
import platform
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import ROOT, SLOW, environment, every_point_once, gridsearch, listing, ok_rows, start
from required import skip_or_fail
from sweeps import SMALL, write_sweep

from gridsearch.planning.plan import make_plan
from simulators.records.job import write_job
from simulators.records.run_directory import RunDirectory
from simulators.worker.exit_codes import TRANSIENT

MANY = "I_th_E = { start = 1.0, step = 0.01, num = 40 }"
ENDLESS = MANY.replace("40", "400")


def workers(folder: Path) -> list[int]:
    """Return the processes that run a job of a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode().split("\0")
                same = (entry / "cwd").resolve() == folder.resolve()
            except OSError:
                continue
            if "simulators.worker" in command and same:
                found.append(int(entry.name))
    return found


def wait_for(condition: object, seconds: float = 40.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A submit of 40 slow points (or an axis of them) that has finished a few of them."""
    write_sweep(tmp_path, axes=getattr(request, "param", MANY), more=SLOW)
    process = start(tmp_path, "submit", "sweep.toml")
    try:
        wait_for(lambda: len(ok_rows(tmp_path)) >= 3)
        assert len(ok_rows(tmp_path)) < 40, "too fast to be interrupted"
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_from_nothing_to_a_report(tmp_path: Path) -> None:
    said = gridsearch(tmp_path, "init", "first.toml")
    assert "python -m gridsearch plan first.toml" in said
    assert "exists already" in gridsearch(tmp_path, "init", "first.toml", code=2)
    assert "36" in gridsearch(tmp_path, "plan", "first.toml")

    write_sweep(tmp_path, replicates="seeds = [3, 5]", targets="rate_E = { min = 1.0 }")
    before = listing(tmp_path)
    assert "grid 3, 2 seeds" in gridsearch(tmp_path, "plan", "sweep.toml")
    assert listing(tmp_path) == before, "plan writes nothing"

    said = gridsearch(tmp_path, "submit", "sweep.toml")
    assert "6 of 6 results are good" in said
    assert "\x1b" not in said and "ETA" not in said, "no bar where nobody watches"
    run = RunDirectory(tmp_path / "results" / "small")
    assert run.sweep.read_bytes() == (tmp_path / "sweep.toml").read_bytes()
    assert run.provenance.exists() and run.points.exists()
    assert list(run.figures.glob("*.png"))
    summaries = listing(run.summaries)

    assert "nothing to run" in gridsearch(tmp_path, "submit", "sweep.toml")
    assert listing(run.summaries) == summaries
    assert every_point_once(tmp_path, 6)

    assert "no submit is at work" in gridsearch(tmp_path, "status", "results/small")
    assert "6 of 6" in gridsearch(tmp_path, "report", "results/small")
    assert "nothing is at work" in gridsearch(tmp_path, "cancel", "results/small")


def test_nest(tmp_path: Path) -> None:
    pytest.importorskip("nest")
    write_sweep(tmp_path, simulators=["nest", "poisson"], axes="I_th_E = { values = [1.5] }")
    assert "2 of 2 results are good" in gridsearch(tmp_path, "submit", "sweep.toml")


def test_a_grown_or_changed_axis_reuses_shared_points(tmp_path: Path) -> None:
    write_sweep(tmp_path, axes="I_th_E = { values = [1.0, 1.5] }")
    gridsearch(tmp_path, "submit", "sweep.toml")
    first = ok_rows(tmp_path)
    write_sweep(tmp_path, axes="I_th_E = { values = [1.5, 1.0, 2.0] }")
    assert "3 of 3" in gridsearch(tmp_path, "submit", "sweep.toml")
    assert every_point_once(tmp_path, 3) and first.keys() < ok_rows(tmp_path).keys()

    write_sweep(tmp_path, axes="I_th_E = { values = [2.0, 2.5] }")
    before = listing(tmp_path)
    said = gridsearch(tmp_path, "submit", "sweep.toml", code=2)
    assert "2 of its points are not in this one" in said
    assert "another name" in said and "--replace" in said
    assert listing(tmp_path) == before

    said = gridsearch(tmp_path, "submit", "sweep.toml", "--replace")
    assert "2 of 2" in said
    assert every_point_once(tmp_path, 4), "the others' rows stay, what is shared is not repeated"
    kept = list((tmp_path / "results" / "small").glob("sweep.before-*.toml"))
    assert len(kept) == 1 and "1.5, 1.0, 2.0" in kept[0].read_text()


def test_failed_points_are_retried_when_asked(tmp_path: Path) -> None:
    settings = "\n[jobs.poisson]\nmax_rate_hz = 1000.0\n"
    quiet = f"{SMALL}\nI_th_I = 0.1"
    write_sweep(tmp_path, parameters=quiet, axes="I_th_E = { values = [0.1, 2.0] }", more=settings)
    said = gridsearch(tmp_path, "submit", "sweep.toml", code=1)
    assert "1 of 2 results are good" in said and "diverged" in said and "max_rate" in said
    assert "--retry-failed" in gridsearch(tmp_path, "submit", "sweep.toml", code=1)
    write_sweep(tmp_path, parameters=quiet, axes="I_th_E = { values = [0.1, 2.0] }")
    assert "2 of 2" in gridsearch(tmp_path, "submit", "sweep.toml", "--retry-failed")
    assert every_point_once(tmp_path, 2)


def test_wrong_input_writes_nothing(tmp_path: Path) -> None:
    write_sweep(tmp_path, parameters="N_E = -1\ntau = 3", more="[jobs.nst]\nthreads = 2\n")
    before = listing(tmp_path)
    said = gridsearch(tmp_path, "submit", "sweep.toml", code=2)
    assert "3 problems; nothing was written" in said
    assert "missing.toml: cannot be read" in gridsearch(tmp_path, "plan", "missing.toml", code=2)
    assert "results/none" in gridsearch(tmp_path, "status", "results/none", code=2)
    assert "required" in gridsearch(tmp_path, code=2)
    assert listing(tmp_path) == before


def test_results_that_cannot_be_written(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    (tmp_path / "file").write_text("")
    assert "file" in gridsearch(tmp_path, "submit", "sweep.toml", "--results", "file", code=2)
    # root may write anywhere but here
    assert "/proc" in gridsearch(tmp_path, "submit", "sweep.toml", "--results", "/proc/results", code=2)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a small file system, which only root may do."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        if os.geteuid() == 0:
            skip_or_fail("file systems cannot be mounted here")
        pytest.skip("only root may mount file systems")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    if os.geteuid() == 0:  # whom permissions do not keep from writing
        with mounted(tmp_path / "results", "ro"):
            assert "Read-only file system" in gridsearch(tmp_path, "submit", "sweep.toml", code=2)
    else:
        (tmp_path / "results").mkdir(mode=0o555)
        assert "Permission denied" in gridsearch(tmp_path, "submit", "sweep.toml", code=2)


def test_full_disk(tmp_path: Path) -> None:
    write_sweep(tmp_path, axes=MANY)
    with mounted(tmp_path / "disk", "size=16k"):
        said = gridsearch(tmp_path, "submit", "sweep.toml", "--results", "disk", code=2)
    assert "No space left on device" in said and "disk" in said


@pytest.mark.parametrize("package", ["nest", "pygenn"])
def test_a_simulator_that_is_installed_but_broken(tmp_path: Path, package: str) -> None:
    broken = tmp_path / "broken"
    (broken / package).mkdir(parents=True)
    (broken / package / "__init__.py").write_text("raise ImportError('libdl.so.9: cannot open shared object file')")
    simulator = package.removeprefix("py")
    write_sweep(tmp_path, simulators=[simulator])
    path = f"{broken}{os.pathsep}{ROOT}"
    before = listing(tmp_path)
    said = gridsearch(tmp_path, "submit", "sweep.toml", code=2, PYTHONPATH=path)
    assert f'simulators = "{simulator}"' in said and "libdl.so.9" in said and "pip install" in said
    assert listing(tmp_path) == before
    # the worker, which meets it on a pool's machine, says the same and is tried elsewhere
    plan = make_plan(tmp_path / "sweep.toml", tmp_path / "results")
    write_job(plan.jobs[0].job, tmp_path / "job.json")
    worker = subprocess.run(
        [sys.executable, "-m", "simulators.worker", "job.json"],
        cwd=tmp_path, env=environment(PYTHONPATH=path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert worker.returncode == TRANSIENT
    assert "libdl.so.9" in worker.stderr and "Traceback" not in worker.stderr


def test_a_simulator_that_is_not_installed(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: None if name == 'nest' else find(name, *rest)\n"
    )
    write_sweep(tmp_path, simulators=["nest"])
    path = f"{hidden}{os.pathsep}{ROOT}"
    assert "3" in gridsearch(tmp_path, "plan", "sweep.toml", PYTHONPATH=path), "planning needs no simulator"
    before = listing(tmp_path)
    said = gridsearch(tmp_path, "submit", "sweep.toml", code=2, PYTHONPATH=path)
    assert 'simulators = "nest"' in said and "install" in said
    assert listing(tmp_path) == before


def test_corrupt_summaries_are_set_aside_and_run_again(tmp_path: Path) -> None:
    jobs = 'executor = "local"\nminutes_per_job = 1e-9'
    write_sweep(tmp_path, jobs=jobs)
    gridsearch(tmp_path, "submit", "sweep.toml")
    run = RunDirectory(tmp_path / "results" / "small")
    garbage, cut, whole = run.summary_files()
    garbage.write_bytes(b"not parquet at all")
    cut.write_bytes(cut.read_bytes()[:-100])
    good = whole.read_bytes()
    said = gridsearch(tmp_path, "submit", "sweep.toml")
    assert garbage.name in said and cut.name in said and "3 of 3" in said
    assert {path.name for path in run.corrupt_files()} == {f"{path.name}.corrupt" for path in (garbage, cut)}
    assert whole.read_bytes() == good
    assert every_point_once(tmp_path, 3)


@pytest.mark.parametrize("running", [ENDLESS], indirect=True, ids=["endless"])
def test_a_second_submit_and_cancel(tmp_path: Path, running: subprocess.Popen[str]) -> None:
    said = gridsearch(tmp_path, "submit", "sweep.toml", code=2)
    assert f"another submit is at work (process {running.pid} on {platform.node()})" in said
    assert f"process {running.pid}" in gridsearch(tmp_path, "status", "results/small", code=1)
    assert running.poll() is None
    gridsearch(tmp_path, "cancel", "results/small")
    stdout, stderr = running.communicate(timeout=40)
    assert running.returncode == 130 and "interrupted" in stderr and "Traceback" not in stdout + stderr
    assert not workers(tmp_path)
    assert 3 <= len(ok_rows(tmp_path)) < 400, "finished points are kept"


def test_ctrl_c(tmp_path: Path, running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=40)
    assert running.returncode == 130 and "interrupted" in stderr and "Traceback" not in stdout + stderr
    assert not workers(tmp_path)
    assert len(ok_rows(tmp_path)) < 40
    assert "40 of 40" in gridsearch(tmp_path, "submit", "sweep.toml")
    assert every_point_once(tmp_path, 40)


def test_a_killed_worker_is_replaced(tmp_path: Path, running: subprocess.Popen[str]) -> None:
    os.kill(workers(tmp_path)[0], signal.SIGKILL)
    stdout, stderr = running.communicate(timeout=90)
    assert running.returncode == 0, stdout + stderr
    assert "signal 9" in stderr, "the user hears of it"
    assert every_point_once(tmp_path, 40)


def test_a_killed_submit_takes_its_workers_along(tmp_path: Path, running: subprocess.Popen[str]) -> None:
    assert workers(tmp_path)
    running.kill()
    running.communicate()
    wait_for(lambda: not workers(tmp_path), 15.0)
    assert len(ok_rows(tmp_path)) < 40
    assert "40 of 40" in gridsearch(tmp_path, "submit", "sweep.toml")
    assert every_point_once(tmp_path, 40)


def test_a_terminal_sees_a_bar_with_an_eta(tmp_path: Path) -> None:
    write_sweep(tmp_path, axes="I_th_E = { start = 1.0, step = 0.1, num = 10 }", more=SLOW)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gridsearch", "submit", "sweep.toml"],
        cwd=tmp_path,
        env=environment(TERM="xterm"),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    assert process.wait() == 0, said
    assert b"ETA" in said and b"10/10" in said
