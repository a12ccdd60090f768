"""When the jobs of this machine will have ended."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import make_grid, write_sweep
from test_plan import workload

from gridsearch.planning.plan import make_plan
from gridsearch.submitting.submission import run_plan, write_plan
from jobs.local_executor.forecast import Course, Forecast, read_end, write_end
from jobs.plan import PlannedJob, plan_jobs
from simulators.records.run_directory import RunDirectory

NOW = 1e9  # s since the epoch


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> list[PlannedJob]:
    """Four jobs of ten points, each planned as 2 s and ten times 1 s."""
    grid = make_grid(tmp_path_factory.mktemp("sweep"), axes="I_th_E = { start = 1, step = 0.01, num = 40 }")
    jobs = plan_jobs(workload(grid), 30.0, 4, ())
    assert [len(one.job.points) for one in jobs] == [10] * 4
    return [replace(one, seconds=12.0, once=2.0) for one in jobs]


def begun(courses: Sequence[Course], once: float, each: float, n_rows: int) -> None:
    """Let jobs start at `NOW` and write rows after `once` and every `each` seconds."""
    for course in courses:
        course.start(NOW, 0)
        for k in range(n_rows):
            course.see(NOW + once + (k + 1) * each, k + 1)


def test_before_anything_ran_it_is_the_plan(planned: list[PlannedJob]) -> None:
    courses = [Course(one) for one in planned]
    assert Forecast(courses).end(NOW, 2) - NOW == pytest.approx(24.0), "two after two"
    assert Forecast(courses).end(NOW, 4) - NOW == pytest.approx(12.0)
    assert Forecast(courses).end(NOW, 0) - NOW == pytest.approx(48.0), "one at a time at least"


@pytest.mark.parametrize(("once", "each"), [(2.0, 1.0), (1.0, 3.0), (8.0, 0.5)])
def test_rows_tell_how_long_builds_and_points_take(planned: list[PlannedJob], once: float, each: float) -> None:
    courses = [Course(one) for one in planned]
    begun(courses[:2], once, each, 5)
    took = once + 5 * each
    assert Forecast(courses).end(NOW + took, 2) - NOW == pytest.approx(2 * (once + 10 * each))
    half = 0.5 * each
    assert Forecast(courses).end(NOW + took + half, 2) - NOW == pytest.approx(2 * (once + 10 * each)), "mid-point"
    assert Forecast(courses).end(NOW + took, 4) - NOW == pytest.approx(took + once + 10 * each), "others at once"


def test_rows_of_earlier_attempts_are_no_time_of_this_one(planned: list[PlannedJob]) -> None:
    course = Course(planned[0])
    course.see(NOW - 100.0, 6)
    course.start(NOW, 6)
    assert Forecast([course]).end(NOW, 1) - NOW == pytest.approx(2.0 + 4 * 1.0)
    course.see(NOW + 2.0 + 3.0, 7)
    course.see(NOW + 2.0 + 6.0, 8)
    assert Forecast([course]).end(NOW + 8.0, 1) - NOW == pytest.approx(2.0 + 4 * 3.0)


def test_a_job_that_takes_longer_than_anything_ends_now_at_the_earliest(planned: list[PlannedJob]) -> None:
    course = Course(planned[0])
    course.start(NOW, 0)
    assert Forecast([course]).end(NOW + 500.0, 1) >= NOW + 500.0
    course.see(NOW + 501.0, 10)
    assert Forecast([course]).end(NOW + 502.0, 1) == NOW + 502.0


def test_status_hears_of_it_while_the_submit_is_alive(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert read_end(run) is None
    write_end(run, NOW)
    assert read_end(run) == NOW
    old = time.time() - 3600.0
    os.utime(run.forecast, (old, old))
    assert read_end(run) is None, "of a submit that was killed"
    write_end(run, None)
    write_end(run, None)
    assert not run.forecast.exists()


def test_a_submit_says_when_it_will_end_and_nothing_afterwards(tmp_path: Path) -> None:
    jobs = 'executor = "local"\n[jobs.poisson]\nseconds_per_point = 0.4'
    sweep = write_sweep(tmp_path, jobs=jobs, axes="I_th_E = { start = 1, step = 0.1, num = 8 }")
    plan = make_plan(sweep, tmp_path)
    write_plan(plan, replace_sweep=False)
    told = []
    begin = time.time()
    assert run_plan(plan, lambda _: told.append(read_end(plan.run))) == []
    ends = [end for end in told if end is not None]
    assert ends and all(end >= begin for end in ends)
    assert read_end(plan.run) is None and not plan.run.forecast.exists()


def test_no_word_is_left_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    run = RunDirectory(tmp_path)
    run.forecast.symlink_to(victim)
    write_end(run, NOW)
    assert victim.read_text() == "mine"
