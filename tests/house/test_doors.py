"""Folders that others may write to: nothing goes through what they laid there; and what the source never does."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from command_line import gridsearch
from sweeps import write_sweep
from test_house import MODULES, ROOT, SOURCES

from gridsearch.planning.plan import make_plan
from gridsearch.submitting.run_lock import lock_owner, locked
from simulators.records.atomic_file import leave_empty, replacing
from simulators.records.attempts import FIRST
from simulators.records.broken_transfers import start_attempts
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


def test_what_jobs_of_a_pool_begin_with_is_nobodys_link(tmp_path: Path) -> None:
    """Its names can be foreseen by who reads the run's folder."""
    run = RunDirectory(tmp_path / "run")
    job = make_plan(write_sweep(tmp_path), tmp_path / "results").jobs[0].job
    victim = tmp_path / "victim"
    victim.write_text("precious")
    first = run.attempts(job.name) / FIRST
    first.parent.mkdir(parents=True)
    first.symlink_to(victim)
    start_attempts(job, run)
    assert not first.is_symlink() and first.read_bytes()[:4] == b"PAR1"
    assert [path.name for path in first.parent.iterdir()] == [FIRST]
    assert victim.read_text() == "precious"


def test_a_placeholder_is_nobodys_link(tmp_path: Path) -> None:
    place = tmp_path / ".started"
    leave_empty(place)
    place.write_text("as it was")
    leave_empty(place)
    assert place.read_text() == "as it was"
    place.unlink()
    place.symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        leave_empty(place)
    assert not (tmp_path / "made").exists()
    strangers = [path for path in MODULES if ".touch(" in path.read_text(encoding="utf-8")]
    assert not strangers, "which follows links"


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


FORBIDDEN = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "yaml",
    "code",
    "codeop",
}
# By their full names, however they are imported, and whether they are called or only named
RUNS = re.compile(
    r"(builtins\.)?(eval|exec|compile)|(os|posix)\.(system|popen|exec[lv]p?e?|spawn[lv]p?e?)|runpy\.\w+|pty\.spawn"
    r"|subprocess\.get(status)?output|types\.(FunctionType|CodeType)|\w+(\.\w+)*\.(read_pickle|to_pickle|eval|exec)"
)


def names_of(tree: ast.AST) -> dict[str, str]:
    """What the names of a file stand for that it imports."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname: one.name for one in node.names if one.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def makes_code_of_data(text: str) -> list[str]:
    """Say what in a file would make code of data, and in which line."""
    tree = ast.parse(text)
    names = names_of(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            found += [f"{node.lineno}: {one}" for one in modules if one.partition(".")[0] in FORBIDDEN]
            if isinstance(node, ast.ImportFrom):
                taken = [f"{node.module}.{one.name}" for one in node.names]
                found += [f"{node.lineno}: {one}" for one in taken if RUNS.fullmatch(one) or one.endswith(".*")]
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            first, *rest = ast.unparse(node).split(".")
            full = ".".join([names.get(first, first), *rest])
            found += [f"{node.lineno}: {full}"] if RUNS.fullmatch(full) else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            for keyword in node.keywords:
                on = not isinstance(keyword.value, ast.Constant) or keyword.value.value
                found += [f"{node.lineno}: {keyword.arg}"] if keyword.arg in {"shell", "allow_pickle"} and on else []
            # by their places: file, mmap_mode, allow_pickle
            if called in {"np.load", "numpy.load"} and len(node.args) > 2:
                found.append(f"{node.lineno}: allow_pickle")
            by_name = called.endswith(("getattr", "import_module", "__import__"))
            given = [str(one.value) for one in node.args if isinstance(one, ast.Constant)] if by_name else []
            found += [
                f"{node.lineno}: {one}" for one in given if one in FORBIDDEN | {"system", "popen", "eval", "exec"}
            ]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_makes_no_code_of_data(path: Path) -> None:
    assert makes_code_of_data(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')", "exec(text)", "import builtins\nbuiltins.exec(text)", "compile(text, '', 'exec')",
        "import os\nos.system('ls')", "from os import system\nsystem('ls')", "import os as o\no.popen('ls')",
        "from os import system as run", "import os\nrun = os.system", "from os import *",
        "import os\nos.execvp('ls', [])",
        "import pickle", "from pickle import load", "import importlib\nimportlib.import_module('pickle')",
        "__import__('marshal')", "getattr(os, 'system')('ls')", "import pandas as pd\npd.read_pickle('x')",
        "table.to_pickle('x')", "table.eval('a + b')", "import numpy as np\nnp.load(x, allow_pickle=True)",
        "import numpy as np\nnp.load(x, None, True)", "import subprocess\nsubprocess.run('ls', shell=True)",
        "subprocess.Popen('ls', shell=flag)", "from subprocess import getoutput\ngetoutput('ls')",
        "import yaml", "import runpy\nrunpy.run_path('x')",
    ],
)  # fmt: skip
def test_the_rules_catch(text: str) -> None:
    assert makes_code_of_data(text)


@pytest.mark.parametrize(
    "text",
    [
        "import re\nre.compile('a')", "evaluate(1)", "import platform\nplatform.system()", "np.load(x)",
        "subprocess.run(['ls'], shell=False)", "network.compile()", "executor.submit(run)", "getattr(module, 'run')",
    ],
)  # fmt: skip
def test_the_rules_let_pass(text: str) -> None:
    assert makes_code_of_data(text) == [] and len(MODULES) > 100
