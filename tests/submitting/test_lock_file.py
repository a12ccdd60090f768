"""Runs on file systems that know no locks, which answer a call for one with an error."""

from __future__ import annotations

import errno
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SLOW, environment, every_point_once
from sweeps import write_sweep
from workplaces import wait_until

from gridsearch.submitting import lock_file
from gridsearch.submitting.owner import Busy, Owner, this_process
from gridsearch.submitting.run_lock import lock_owner, locked
from simulators.records.run_directory import RunDirectory

NO_LOCKS = """
import errno, fcntl, os, platform, sys

def flock(*given):
    number = getattr(errno, os.environ["ANSWER"])
    raise OSError(number, os.strerror(number))

fcntl.flock = flock
host = os.environ.get("HOST")
if host:
    platform.node = lambda: host
from gridsearch.commands.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, *arguments: str, answer: str = "ENOSYS", host: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", NO_LOCKS, *arguments],
        cwd=folder, env=environment(ANSWER=answer, HOST=host),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run_to_end(folder: Path, *arguments: str, code: int = 0, answer: str = "ENOSYS", host: str = "") -> str:
    process = start(folder, *arguments, answer=answer, host=host)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def slow_run(tmp_path: Path, n_points: int) -> RunDirectory:
    write_sweep(tmp_path, axes=f"I_th_E = {{ start = 0.8, step = 0.001, num = {n_points} }}", more=SLOW)
    return RunDirectory(tmp_path / "results" / "small")


@pytest.mark.parametrize("answer", ["ENOLCK", "ENOTSUP", "ENOSYS"])
def test_a_submit_needs_no_locks(tmp_path: Path, answer: str) -> None:
    write_sweep(tmp_path)
    run = RunDirectory(tmp_path / "results" / "small")
    assert "3 of 3" in run_to_end(tmp_path, "submit", "sweep.toml", answer=answer)
    assert not run.lock_file.exists()
    assert "nothing to run" in run_to_end(tmp_path, "submit", "sweep.toml", answer=answer)


def test_another_error_names_the_file(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    said = run_to_end(tmp_path, "submit", "sweep.toml", answer="EIO", code=2)
    assert ".lock: Input/output error" in said


def test_two_submits_notice_each_other(tmp_path: Path) -> None:
    run = slow_run(tmp_path, 1000)
    first = start(tmp_path, "submit", "sweep.toml")
    try:
        wait_until(lambda: any(run.summaries.glob("*.parquet")))
        said = run_to_end(tmp_path, "submit", "sweep.toml", code=2)
        assert f"another submit is at work (process {first.pid} on {platform.node()})" in said
        said = run_to_end(tmp_path, "submit", "sweep.toml", code=2, host="login2")
        assert f"process {first.pid} on {platform.node()}" in said and "remove results/small/.at-work" in said
        assert f"a submit is at work (process {first.pid} on" in run_to_end(tmp_path, "status", str(run.root), code=1)
        assert f"asked process {first.pid}" in run_to_end(tmp_path, "cancel", str(run.root))
        said, _ = first.communicate(timeout=60)
        assert first.returncode == 130, said
    finally:
        first.kill()
        first.communicate()
    assert not run.lock_file.exists()


def test_a_killed_submit_is_noticed_on_its_machine_alone(tmp_path: Path) -> None:
    run = slow_run(tmp_path, 40)
    first = start(tmp_path, "submit", "sweep.toml")
    wait_until(lambda: any(run.summaries.glob("*.parquet")))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert run.lock_file.exists()
    said = run_to_end(tmp_path, "submit", "sweep.toml", code=2, host="login2")
    assert (
        f"process {first.pid} on {platform.node()}" in said and "has been killed, remove results/small/.at-work" in said
    )
    assert "no submit is at work" in run_to_end(tmp_path, "status", str(run.root), code=1)
    assert "40 of 40" in run_to_end(tmp_path, "submit", "sweep.toml")
    assert every_point_once(tmp_path, 40)


def test_many_take_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    """However many are at it, one holds the file at a time."""
    path = tmp_path / ".at-work"
    hold = (
        "import sys, time; from pathlib import Path\n"
        "from gridsearch.submitting.lock_file import held; from gridsearch.submitting.owner import Busy\n"
        "path, alone = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "for _ in range(200):\n"
        " try:\n"
        "  with held(path):\n"
        "   alone.mkdir(); time.sleep(0.001); alone.rmdir()\n"
        " except Busy: time.sleep(0.001)\n"
    )
    boot, namespace, _ = this_process().started.split()
    path.write_text(Owner(2**22 - 1, platform.node(), f"{boot} {namespace} 1").text())
    command = [sys.executable, "-P", "-c", hold, str(path), str(tmp_path / "alone")]
    processes = [subprocess.Popen(command, env=environment()) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert not path.exists() and not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"host": "login9"}, {"started": ""}, {"process": "x"}, {"namespace": "pid:[1]"}])
def test_who_cannot_be_known_is_taken_to_be_alive(tmp_path: Path, change: dict[str, str]) -> None:
    path = tmp_path / ".at-work"
    boot, namespace, _ = this_process().started.split()
    ended = json.loads(Owner(2**22 - 1, platform.node(), f"{boot} {change.pop('namespace', namespace)} 1").text())
    path.write_text(json.dumps(ended | change))
    with pytest.raises(Busy, match=f"remove {path}"), lock_file.held(path):
        raise AssertionError
    assert path.exists()


def test_a_machine_that_has_started_since_has_none_of_its_processes(tmp_path: Path) -> None:
    path = tmp_path / ".at-work"
    path.write_text(Owner(os.getpid(), platform.node(), "another-boot pid:[1] 1").text())
    assert lock_file.holder(path) is None
    with lock_file.held(path):
        assert lock_file.holder(path) == this_process()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_processes_that_are_hidden_have_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    boot, namespace, _ = this_process().started.split()
    hidden = Owner(2**22 - 1, platform.node(), f"{boot} {namespace} 1")
    assert hidden.has_ended()

    def kill(process: int, number: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "kill", kill)
    assert not hidden.has_ended()


def test_the_file_is_nobodys_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".at-work").symlink_to(victim)
    with pytest.raises(OSError), lock_file.held(tmp_path / ".at-work"):
        raise AssertionError
    assert victim.read_text() == "precious"


def test_with_locks_there_is_no_file(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with locked(run):
        assert not run.lock_file.exists() and lock_owner(run) == this_process()
