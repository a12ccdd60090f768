"""What a job brings back survives transfers that break off: nothing that was whole is written over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_dag import SWEEP, a_job
from workplaces import ROOT

from gridsearch.commands.cli import main
from gridsearch.planning.plan import make_plan
from gridsearch.submitting.submission import write_plan
from simulators.records.attempts import NoRowsError, attempt_files, begin_attempt, end_attempt
from simulators.records.broken_transfers import restore_summaries, start_attempts
from simulators.records.job import write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import read_summary, start_summary
from simulators.worker.exit_codes import DONE, TRANSIENT


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run whose job nobody has begun."""
    job = a_job("poisson-1")
    run = RunDirectory(tmp_path)
    write_job(job, run.job(job.name))
    start_summary(job, run)
    start_attempts(job, run)
    return run


def write_rows(path: Path, n_rows: int) -> None:
    rows = {"point_id": [f"{i:020x}" for i in range(n_rows)], "simulator": ["x"] * n_rows, "status": ["ok"] * n_rows}
    text = pa.schema([(name, pa.string()) for name in rows])
    pq.write_table(pa.table(rows, schema=text), path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def n_rows(path: Path) -> int:
    return int(read_summary(path).num_rows)


def test_an_attempt_goes_on_from_the_newest_file_that_is_whole(run: RunDirectory) -> None:
    folder, summary = run.attempts("poisson-1"), run.summary("poisson-1")
    write_rows(folder / "0001-0.parquet", 2)
    write_rows(folder / "0002-0.parquet", 3)
    write_rows(folder / "0010-1.parquet", 5)
    cut(folder / "0010-1.parquet")
    (folder / ".0010-1.parquet.in-flight").write_text("{}")
    mine = begin_attempt(folder, summary, holds=1, was_cut=False)
    assert mine.name == "0011-1.parquet", "a name that no attempt had, so nothing is written over"
    assert list(folder.iterdir()) == [mine], "what came is not sent again"
    assert n_rows(mine) == n_rows(summary) == 3
    write_rows(mine, 4)
    assert n_rows(summary) == 4, "the summary is what the attempt has"
    end_attempt(mine, summary)
    assert list(folder.iterdir()) == [] and not summary.is_symlink() and n_rows(summary) == 4


def test_rows_whose_spikes_may_not_have_come_do_not_count(run: RunDirectory) -> None:
    folder, summary = run.attempts("poisson-1"), run.summary("poisson-1")
    write_rows(folder / "0001-0.parquet", 2)
    write_rows(folder / "0002-0.parquet", 3)
    mine = begin_attempt(folder, summary, holds=1, was_cut=True)
    assert n_rows(mine) == 2, "it was held since the second began"
    write_rows(mine, 4)
    assert n_rows(begin_attempt(folder, summary, holds=1, was_cut=True)) == 4, "it was not held since"


def test_an_attempt_that_left_before_its_first_row_can_be_looked_at(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = attempt_files(run.attempts("poisson-1"))
    assert n_rows(first) == 0 and first.stat().st_size < 6000, "thousands of jobs have one"
    plan = make_plan(SWEEP, tmp_path, executor="local")
    write_plan(plan, replace_sweep=False)
    plan.run.summaries.mkdir()
    for planned in plan.jobs:
        shutil.copyfile(first, plan.run.summary(planned.job.name))
    assert main(["status", str(plan.run.root)]) == 1
    assert "no submit is at work" in capsys.readouterr().out


def test_without_a_whole_file_an_attempt_does_not_begin(run: RunDirectory) -> None:
    folder = run.attempts("poisson-1")
    for path in attempt_files(folder):
        cut(path)
    with pytest.raises(NoRowsError, match="poisson-1: no file of an earlier attempt is whole"):
        begin_attempt(folder, run.summary("poisson-1"), holds=0, was_cut=False)


@pytest.mark.parametrize("damage", ["cut", "gone", "older", "none"])
def test_what_a_transfer_took_is_put_back(run: RunDirectory, damage: str) -> None:
    folder, summary = run.attempts("poisson-1"), run.summary("poisson-1")
    write_rows(folder / "0001-0.parquet", 2)
    write_rows(folder / "0002-0.parquet", 3)
    write_rows(folder / "0003-0.parquet", 4)
    cut(folder / "0003-0.parquet")
    write_rows(summary, {"older": 2, "none": 7}.get(damage, 3))
    if damage == "cut":
        cut(summary)
    if damage == "gone":
        summary.unlink()
    assert restore_summaries(run, {"poisson-1"}) == 0 and folder.exists(), "its job may bring something yet"
    assert restore_summaries(run, set()) == (damage != "none")
    assert n_rows(summary) == (7 if damage == "none" else 3)
    assert not folder.exists(), "of no more use"


def test_a_supervisor_goes_on_from_what_earlier_attempts_brought(run: RunDirectory) -> None:
    command = ("jobs/poisson-1.json", "--summary", "summaries/poisson-1.parquet", "--attempts", "attempts/poisson-1")
    assert supervise(run, *command) == DONE
    summary = run.summary("poisson-1")
    first = read_summary(summary)
    assert first.num_rows == 3 and not summary.is_symlink()
    assert list(run.attempts("poisson-1").iterdir()) == []
    pq.write_table(first.slice(0, 2), run.attempts("poisson-1") / "0001-0.parquet")
    summary.unlink()
    assert supervise(run, *command) == DONE
    again = read_summary(summary)
    assert again["finished"].to_pylist()[:2] == first["finished"].to_pylist()[:2], "not done again"
    assert again.num_rows == 3 and again["finished"].to_pylist()[2] > first["finished"].to_pylist()[2]
    assert supervise(run, *command) == TRANSIENT, "nothing to begin with: not this machine's to decide"


def supervise(run: RunDirectory, *arguments: str) -> int:
    command = [sys.executable, "-P", "-m", "simulators.worker.supervisor", *arguments]
    return subprocess.run(command, cwd=run.root, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60).returncode
