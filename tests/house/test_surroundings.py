"""Commands and workers beside files that bear the names of our packages and of Python's: those are never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, gridsearch
from sweeps import write_sweep

from gridsearch.planning.plan import make_plan
from jobs.htcondor_executor.descriptions.archive import write_worker_archive
from simulators.records.job import write_job

NAMES = ("analysis", "jobs", "simulators", "defaults", "statistics", "random", "numpy", "pandas", "yaml", "nest")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with a sweep, and modules that leave a trace if anybody imports them."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write('{name}\\n')\n")
    write_sweep(tmp_path)
    return tmp_path


def nothing_was_imported(folder: Path) -> bool:
    assert not (folder / "imported").exists(), (folder / "imported").read_text()
    return True


def test_commands(hostile: Path) -> None:
    gridsearch(hostile, "plan", "sweep.toml")
    assert nothing_was_imported(hostile)


def test_a_whole_run(hostile: Path) -> None:
    gridsearch(hostile, "check", "sweep.toml")
    assert "3 of 3" in gridsearch(hostile, "submit", "sweep.toml")
    gridsearch(hostile, "status", "results/small")
    gridsearch(hostile, "report", "results/small")
    assert nothing_was_imported(hostile)


# As they come about: PYTHONPATH=$PYTHONPATH:/x where it was not set, or .:/x
HERE = (":{}", "{}:", "{}::/nowhere", ".:{}", "./:{}", "results/..:{}")


@pytest.mark.parametrize("path", HERE)
def test_entries_of_the_path_that_mean_the_working_directory(hostile: Path, path: str) -> None:
    (hostile / "results").mkdir()
    given = path.format(ROOT)
    assert "3 of 3" in gridsearch(hostile, "submit", "sweep.toml", PYTHONPATH=given)
    assert nothing_was_imported(hostile)
    # by hand; Python itself must find ours before it runs a line of it
    job = next((hostile / "results" / "small" / "jobs").iterdir())
    for program in ("simulators.worker", "simulators.worker.supervisor"):
        command = [sys.executable, "-P", "-m", program, str(job), "--summary", "rows.parquet"]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{given}"}
        ended = subprocess.run(command, cwd=hostile, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert nothing_was_imported(hostile)
        (hostile / "rows.parquet").unlink()


def test_a_working_directory_that_is_named_in_full_is_meant(tmp_path: Path) -> None:
    show = (
        "import os, sys; from simulators.working_directory import keep_it_off_the_path\n"
        "keep_it_off_the_path(); print(os.environ.get('PYTHONPATH')); print(os.getcwd() in sys.path)"
    )

    def shown(path: str) -> list[str]:
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-P", "-c", show]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.split()

    here = str(tmp_path)
    assert shown(f"{ROOT}") == [str(ROOT), "False"]
    assert shown(f":{ROOT}:lib") == [f"{ROOT}:lib", "False"]
    assert shown(f":{here}:{ROOT}") == [f"{here}:{ROOT}", "True"]


def test_a_model_still_finds_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("SIZE = 40\n")
    (tmp_path / "mine.py").write_text(
        "from analysis import SIZE\n"
        "from simulators.models.clustered import make_network as make\n"
        "def make_network(parameters):\n"
        "    return make({**parameters, 'N_E': 2 * SIZE})\n"
    )
    (tmp_path / "mine.toml").write_text((ROOT / "defaults" / "clustered.toml").read_text())
    write_sweep(tmp_path, model="mine.py", parameters="N_I = 20\nQ = 4")
    assert "3 of 3" in gridsearch(tmp_path, "submit", "sweep.toml")


@pytest.mark.parametrize("path", ["", ":/nowhere", ".:/nowhere"])
@pytest.mark.parametrize("how", ["supervisor", "archive"])
def test_workers_on_a_pool(hostile: Path, how: str, path: str) -> None:
    job = make_plan(hostile / "sweep.toml", hostile / "results").jobs[0].job
    write_job(job, hostile / "job.json")
    program = ["-P", "-m", "simulators.worker.supervisor"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{path}" if path else str(ROOT)}
    if how == "archive":
        program = [str(write_worker_archive(hostile))]
        environment["PYTHONPATH"] = path
    command = [sys.executable, *program, "job.json", "--summary", "rows.parquet"]
    ended = subprocess.run(command, cwd=hostile, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert nothing_was_imported(hostile) and (hostile / "rows.parquet").exists()


def test_without_matplotlib_a_run_says_what_it_left_out(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "matplotlib"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ModuleNotFoundError('No module named matplotlib', name='matplotlib')\n")
    path = os.pathsep.join([str(missing.parent), str(ROOT)])
    write_sweep(tmp_path)
    said = gridsearch(tmp_path, "submit", "sweep.toml", PYTHONPATH=path)
    assert "figures left out: No module named matplotlib" in said and "3 of 3 results are good" in said, said
    said = gridsearch(tmp_path, "report", "results/small", "--after-jobs", "0", "0", PYTHONPATH=path)
    assert "report left out" in said and "0 points are missing" in said, said
    assert "report:" in gridsearch(tmp_path, "report", "results/small")
