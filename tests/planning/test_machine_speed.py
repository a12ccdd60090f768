"""How fast this machine is: measured once, and kept where nobody else can write."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobs import machine_speed


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own" / "gridsearch" / "speed.json"


def test_a_machine_is_measured_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = machine_speed.slowness()
    assert 0.05 < measured < 50.0
    assert cache.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(machine_speed, "measure", lambda: pytest.fail("measured again"))
    assert machine_speed.slowness() == pytest.approx(measured, abs=1e-3)


def test_other_machines_keep_theirs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "measure", lambda: 2.0)
    assert machine_speed.slowness() == 2.0
    monkeypatch.setattr("simulators.records.machine.host_name", lambda: "another")
    monkeypatch.setattr(machine_speed, "measure", lambda: 3.0)
    assert machine_speed.slowness() == 3.0
    assert sorted(json.loads(cache.read_text()).values()) == [2.0, 3.0]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', "\0" * 50])
def test_a_damaged_file_is_measured_over(cache: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    cache.parent.mkdir()
    cache.write_text(content)
    monkeypatch.setattr(machine_speed, "measure", lambda: 2.0)
    assert machine_speed.slowness() == machine_speed.slowness() == 2.0


def test_what_others_may_write_is_not_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "measure", lambda: 2.0)
    machine_speed.slowness()
    kept = cache.read_text()
    monkeypatch.setattr(machine_speed, "measure", lambda: 3.0)
    cache.chmod(0o666)
    assert machine_speed.slowness() == 3.0, "anybody could have written it"
    cache.unlink()
    elsewhere = cache.with_name("theirs.json")
    elsewhere.write_text(kept)
    cache.symlink_to(elsewhere)
    assert machine_speed.slowness() == 3.0, "it may lead anywhere"
    assert elsewhere.read_text() == kept
    cache.unlink()
    cache.parent.chmod(0o777)
    assert machine_speed.slowness() == 3.0
    assert not cache.exists(), "nothing is kept where others can replace it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to others")
def test_nothing_is_kept_below_a_folder_of_others(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "measure", lambda: 2.0)
    os.chown(cache.parent.parent, 12345, -1)
    assert machine_speed.slowness() == 2.0
    assert not cache.parent.exists()


def test_a_home_that_cannot_be_written_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(machine_speed, "measure", lambda: 2.0)
    assert machine_speed.slowness() == 2.0
