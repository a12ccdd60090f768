"""What is in flight is planned once, counted once, and told from what is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import gridsearch
from sweeps import write_sweep
from test_submission import finish, plan

from gridsearch.inputs.input_files import InputError
from gridsearch.planning import plan as planning
from gridsearch.planning.in_flight import count_missing
from gridsearch.planning.plan import choose_executor, make_plan
from gridsearch.submitting.run_lock import locked
from gridsearch.submitting.submission import sweep_leftovers, write_plan
from jobs.executor import InFlight, JobInFlight
from simulators.records.job import write_job
from simulators.records.run_directory import RunDirectory


def hand_over(made: planning.Plan, monkeypatch: pytest.MonkeyPatch) -> list[JobInFlight]:
    """Write down a plan, and let its jobs be in flight from now on."""
    jobs = []
    for one in made.jobs:
        write_job(one.job, made.run.job(one.job.name))
        jobs.append(JobInFlight(one.job.name, one.job.simulator, len(one.job.points), "idle"))
    monkeypatch.setattr(planning, "look_up", lambda run: [InFlight("a pool", tuple(jobs))])
    return jobs


def test_a_retry_in_flight_is_planned_once_and_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(tmp_path)
    finish(made, "poisson", "failed", "diverged")
    retry = plan(tmp_path, retry_failed=True)
    assert retry.simulators["poisson"].n_left == 3
    jobs = hand_over(retry, monkeypatch)
    for again in (plan(tmp_path, retry_failed=True), plan(tmp_path)):
        assert again.simulators["poisson"].n_left == 0
    missing = [made.grid.points[2].point_id]
    assert count_missing(missing, 2, jobs, retry.run) == 0, "not below nothing"
    assert count_missing([*missing, "nobody's"], 2, jobs, retry.run) == 1
    assert count_missing(["nobody's", *missing], 0, jobs[:0], retry.run) == 2


def test_a_lost_job_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(tmp_path)
    job = hand_over(made, monkeypatch)[0]
    made.run.job(job.job).unlink()
    with pytest.raises(InputError) as raised:
        plan(tmp_path)
    assert "cannot be read" in str(raised.value) and "gridsearch cancel" in str(raised.value)
    assert count_missing(["a", "b", "c", "d"], 1, [job], made.run) == 4 - job.n_points


def test_who_chose_the_executor_is_said(tmp_path: Path) -> None:
    assert choose_executor("local", Path("s.toml")) == ("local", "as the sweep says")
    assert choose_executor("auto", Path("s.toml"), "local") == ("local", "as --executor says")
    with pytest.raises(InputError, match="--executor"):
        choose_executor("auto", Path("s.toml"), "locl")


def test_a_second_plan_looks_only_at_what_may_have_happened(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path)
    first = make_plan(sweep, tmp_path / "results")
    assert make_plan(sweep, tmp_path / "results", before=first) is first
    finish(first, "poisson", "ok")
    second = make_plan(sweep, tmp_path / "results", before=first)
    assert second.grid is first.grid
    assert second.simulators["poisson"].n_left == 2


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    made = plan(tmp_path)
    write_plan(made, replace_sweep=False)
    run = made.run
    spikes = run.spikes("poisson-1")
    attempts, dag = run.attempts("poisson-1"), run.dag_folder(1)
    for folder in (run.summaries, spikes, run.figures, attempts, dag, run.guests):
        folder.mkdir(parents=True, exist_ok=True)
    half = [folder / ".x.parquet.0123456789abcdef.tmp" for folder in (run.jobs, run.summaries, spikes, attempts)]
    # of a report, or of `cancel`, that is at work
    fresh = [folder / ".rate.png.0123456789abcdef.tmp" for folder in (run.figures, run.dag, dag)]
    old = [folder / ".report.html.fedcba9876543210.tmp" for folder in (run.root, run.figures, run.dag, dag)]
    code = run.guests / ".0123456789abcdef.0123456789abcdef.tmp"
    (code / "folder").mkdir(parents=True)
    (code / "folder" / "mine.py").write_text("")
    precious = tmp_path / "precious"
    (precious / "folder").mkdir(parents=True)
    link = run.guests / ".0123456789abcdee.0123456789abcdef.tmp"
    link.symlink_to(precious)
    # of a submit that was killed: only who holds the lock writes these
    written = ("points.parquet", "provenance.json", "sweep.toml", "sweep.before-7.toml")
    half += [run.root / f".{name}.0123456789abcdef.tmp" for name in written]
    for path in (*half, *fresh, *old):
        path.write_bytes(b"half")
    for path in old:
        os.utime(path, (0, 0))
    kept = [run.summaries / ".x.parquet.in-flight", run.jobs / "0123456789abcdef.tmp"]
    # of who reads the run: a report, or the rows in one file
    kept += [run.root / f".{name}.0123456789abcdef.tmp" for name in ("report.html", ".summaries.parquet")]
    for path in kept:
        path.write_text("{}")
    with locked(run):
        assert sweep_leftovers(made) == len(half) + len(old) + 2
    assert not [path for path in (*half, *old, code, link) if path.exists()]
    assert all(path.exists() for path in (*fresh, *kept, precious / "folder"))


def test_a_submit_sweeps(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    run = RunDirectory(tmp_path / "results" / "small")
    run.summaries.mkdir(parents=True)
    left = run.summaries / ".x.parquet.0123456789abcdef.tmp"
    left.write_bytes(b"half")
    gridsearch(tmp_path, "submit", "sweep.toml")
    assert not left.exists()


def test_unreadable_rows_are_another_history(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert made.history == plan(tmp_path).history
    finish(made, "poisson", "ok")
    assert made.history != plan(tmp_path).history
