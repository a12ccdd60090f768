"""Folders that others may write to: nothing goes through what they laid there; and what the source never does."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from command_line import gridsearch
from sweeps import write_sweep
from test_house import MODULES, ROOT, SOURCES, imported

from gridsearch.submitting.run_lock import lock_owner, locked
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory


def test_a_temporary_file_is_nobodys_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    names = set()
    for _ in range(2):
        with replacing(tmp_path / "rows.parquet") as temporary:
            assert not temporary.is_symlink() and temporary.exists()
            names.add(temporary.name)
            temporary.write_text("rows")
    assert len(names) == 2 and not any(str(os.getpid()) == part for name in names for part in name.split("."))
    assert (tmp_path / "rows.parquet").read_text() == "rows"

    with pytest.raises(OSError, match="somebody else"), replacing(tmp_path / "rows.parquet") as temporary:
        temporary.unlink()
        temporary.symlink_to(victim)
    assert victim.read_text() == "precious" and (tmp_path / "rows.parquet").read_text() == "rows"
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_foreseen_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 16)
    (tmp_path / f".rows.{'0' * 16}.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError), replacing(tmp_path / "rows"):
        raise AssertionError
    assert victim.read_text() == "precious"


def test_a_file_keeps_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    with replacing(tmp_path / "rows") as temporary:
        temporary.write_text("rows")
    before = os.umask(0)
    os.umask(before)
    assert (tmp_path / "rows").stat().st_mode & 0o777 == 0o666 & ~before


def test_the_lock_is_nobodys_link(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.root.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    run.lock.symlink_to(victim)
    with pytest.raises(OSError), locked(run):
        raise AssertionError
    assert victim.read_text() == "precious" and lock_owner(run) is None


def test_logs_of_workers_are_nobodys_links(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    gridsearch(tmp_path, "submit", "sweep.toml")
    run = RunDirectory(tmp_path / "results" / "small")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    logs = list(run.logs.iterdir())
    assert logs
    for path in (*logs, *run.summary_files()):
        path.unlink()
    for path in logs:
        path.symlink_to(victim)
    assert "Too many levels of symbolic links" in gridsearch(tmp_path, "submit", "sweep.toml", code=2)
    assert victim.read_text() == "precious"


FORBIDDEN = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml"}
CALLS = re.compile(r"^(eval|exec|os\.system|os\.popen|compile|subprocess\.getoutput|subprocess\.getstatusoutput)$")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_makes_no_code_of_data(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imported(path)} & FORBIDDEN
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert not CALLS.match(called), f"{path}:{node.lineno}: {called}"
            for keyword in node.keywords:
                on = not isinstance(keyword.value, ast.Constant) or keyword.value.value
                assert not (keyword.arg == "shell" and on), f"{path}:{node.lineno}: shell string"
                assert not (keyword.arg == "allow_pickle" and on), f"{path}:{node.lineno}: pickles"


def test_the_rules_know_what_they_forbid() -> None:
    assert len(MODULES) > 100
    assert [bool(CALLS.match(one)) for one in ("eval", "os.system", "re.compile", "evaluate")] == [1, 1, 0, 0]
