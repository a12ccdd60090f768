"""``make pool``: its folder has a name that anybody can foresee. A stand-in for Docker notes what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from workplaces import ROOT

# The container is there once it was started, or if the test says so
DOCKER = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$1 $2" in
    "container inspect") [[ -e $CALLS.runs ]] && echo true ;;
    "run --detach") touch "$CALLS.runs" ;;
    "exec gridsearch-pool") [[ $3 == condor_status ]] && echo slot1 ;;
    *) true ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    return tmp_path / "calls"


def pool(command: str, calls: Path, base: Path, code: int) -> str:
    environment = {
        **os.environ,
        "PATH": f"{calls.parent / 'bin'}:{os.environ['PATH']}",
        "TMPDIR": str(base),
        "CALLS": str(calls),
    }
    environment.pop("GRIDSEARCH_POOL_WORK", None)
    script = [str(ROOT / "containers" / "pool.sh"), command]
    ended = subprocess.run(script, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_the_folder_is_made_for_this_user_alone_and_goes_again(tmp_path: Path, calls: Path) -> None:
    base = tmp_path / "new" / "tmp"
    before = os.umask(0)
    try:
        assert "is up" in pool("start", calls, base, 0)
    finally:
        os.umask(before)
    root = base / "gridsearch-pool"
    assert root.stat().st_mode & 0o777 == 0o755
    assert f"--volume {root}/execute:{root}/execute" in calls.read_text()
    shutil.rmtree(root / "work")
    assert "is stopped" in pool("stop", calls, base, 0)
    assert not root.exists()


@pytest.mark.parametrize("command", ["start", "stop"])
@pytest.mark.parametrize("planted", ["link", "dangling link", "file", "group", "others", "another user"])
def test_a_folder_that_is_not_this_users_alone_is_refused(
    tmp_path: Path, calls: Path, command: str, planted: str
) -> None:
    victim, root = tmp_path / "victim", tmp_path / "tmp" / "gridsearch-pool"
    (victim / "execute").mkdir(parents=True)
    (victim / "execute" / "thesis").write_text("precious")
    root.parent.mkdir()
    if planted == "link":
        root.symlink_to(victim)
    elif planted == "dangling link":
        root.symlink_to(tmp_path / "nothing")
    elif planted == "file":
        root.write_text("")
    else:
        root.mkdir()
        (root / "execute").symlink_to(victim / "execute")
        root.chmod({"group": 0o775, "others": 0o757}.get(planted, 0o755))
    if planted == "another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give folders to others")
        os.chown(root, 12345, -1)
    if command == "stop":
        calls.with_name("calls.runs").touch()
    said = pool(command, calls, root.parent, 1)
    assert f"{root} is not a folder that only this user can write to: remove it, or set TMPDIR" in said
    assert not [line for line in calls.read_text().splitlines() if not line.startswith("container inspect")]
    assert (victim / "execute" / "thesis").read_text() == "precious" and not (tmp_path / "nothing").exists()
