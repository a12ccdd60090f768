"""What holds for every executor that can be used here; `test_htcondor_pool` runs this on an access point."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sweeps import write_sweep

from gridsearch.planning.plan import make_plan
from jobs.executor import (
    Conditions,
    ExecutorModule,
    InFlight,
    JobFailure,
    Placement,
    Progress,
    Submission,
    executor_names,
)
from jobs.executor import find_executor as find
from jobs.plan import PlannedJob
from simulators.records.job import write_job
from simulators.records.run_directory import RunDirectory

N_POINTS = 6
USABLE = [name for name in executor_names() if find(name).why_unavailable() is None]


@pytest.fixture(params=USABLE)
def executor(request: pytest.FixtureRequest) -> ExecutorModule:
    return find(request.param)


@pytest.fixture
def planned(tmp_path: Path) -> list[PlannedJob]:
    """Two jobs of three points each, written down in the folder of a run."""
    axes = f"I_th_E = {{ start = 1, step = 0.1, num = {N_POINTS} }}"
    write_sweep(tmp_path, axes=axes, more="[jobs.poisson]\nseconds_per_point = 0.05\n")
    jobs = make_plan(tmp_path / "sweep.toml", tmp_path / "results").jobs
    assert sum(len(one.job.points) for one in jobs) == N_POINTS
    return jobs


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "results" / "small")


def carry_out(
    executor: ExecutorModule, planned: Sequence[PlannedJob], run: RunDirectory
) -> tuple[list[JobFailure], list[Progress]]:
    """Write the jobs down, run them, and wait for those that go on without us."""
    heard: list[Progress] = []
    outcome = hand_over(executor, planned, run, heard.append)
    if not isinstance(outcome, Submission):
        return outcome, heard
    wait_for_the_end(executor, run)
    return list(executor.look_up(run).failures), heard


def hand_over(
    executor: ExecutorModule, planned: Sequence[PlannedJob], run: RunDirectory, report: Callable[[Progress], None]
) -> list[JobFailure] | Submission:
    for one in planned:
        write_job(one.job, run.job(one.job.name))
    settings = {key: setting.default for key, setting in executor.SETTINGS.items()}
    placement = {"poisson": Placement(image="gridsearch-nest:3.10.0")}
    return executor.run_jobs(planned, run, report, Conditions("small", settings, placement))


def wait_for_the_end(executor: ExecutorModule, run: RunDirectory) -> None:
    until = time.monotonic() + 600.0
    while (flight := executor.look_up(run)).description:
        assert time.monotonic() < until, flight
        time.sleep(1.0)


def rows(run: RunDirectory) -> Counter[str]:
    return Counter(point_id for path in run.summary_files() for point_id in pq.read_table(path)["point_id"].to_pylist())


def test_executors_are_found_by_name() -> None:
    assert "local" in USABLE, "processes can be started anywhere"
    with pytest.raises(LookupError, match="no executor 'smoke_signals': there are"):
        find("smoke_signals")


@pytest.mark.parametrize("name", executor_names())
def test_what_every_executor_says_of_itself(name: str) -> None:
    reason = find(name).why_unavailable()
    assert reason is None or reason.strip()
    assert all(setting.doc for setting in find(name).SETTINGS.values())


@pytest.mark.parametrize("name", executor_names())
def test_a_preview_names_every_job_and_writes_nothing(name: str, planned: list[PlannedJob], run: RunDirectory) -> None:
    settings = {key: setting.default for key, setting in find(name).SETTINGS.items()}
    placement = {"poisson": Placement(image="gridsearch-nest:3.10.0")}
    said = find(name).preview(planned, run, Conditions("small", settings, placement))
    assert all(one.job.name in said for one in planned)
    assert not run.root.exists()


def test_slots_are_positive_or_unknown(executor: ExecutorModule) -> None:
    slots = executor.n_slots()
    assert slots is None or slots >= 1


def test_every_point_gets_its_row(executor: ExecutorModule, planned: list[PlannedJob], run: RunDirectory) -> None:
    failures, heard = carry_out(executor, planned, run)
    assert failures == []
    wanted = Counter(point.point_id for one in planned for point in one.job.points)
    assert rows(run) == wanted
    done = [progress.n_done for progress in heard]
    assert done == sorted(done)
    handed_over = Progress(0, 0, len(planned))
    assert heard[-1] in (Progress(N_POINTS, 0, 0), handed_over)
    assert all(run.stderr(one.job.name).exists() for one in planned)


def test_rows_that_are_there_are_kept(executor: ExecutorModule, planned: list[PlannedJob], run: RunDirectory) -> None:
    first = planned[0]
    half = replace(first, job=replace(first.job, points=first.job.points[:1]))
    carry_out(executor, [half], run)
    (path,) = run.summary_files()
    before = pq.read_table(path).to_pylist()
    carry_out(executor, planned, run)
    assert set(rows(run).values()) == {1} and len(rows(run)) == N_POINTS
    after = {row["point_id"]: row for row in pq.read_table(path).to_pylist()}
    assert repr(after[before[0]["point_id"]]) == repr(before[0])  # NaN is not equal to itself


def test_jobs_that_were_stopped_go_on(executor: ExecutorModule, planned: list[PlannedJob], run: RunDirectory) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.n_done:
            raise KeyboardInterrupt

    slow = [
        replace(one, job=replace(one.job, settings={**one.job.settings, "seconds_per_point": 2.0})) for one in planned
    ]
    try:
        assert isinstance(hand_over(executor, slow, run, interrupt), Submission), "it waits for the end"
        assert executor.cancel(run)
        wait_for_the_end(executor, run)
    except KeyboardInterrupt:
        assert rows(run)
    assert rows(run).total() < N_POINTS
    assert executor.look_up(run).jobs == ()
    carry_out(executor, planned, run)
    assert set(rows(run).values()) == {1} and len(rows(run)) == N_POINTS


def test_a_job_that_cannot_be_carried_out_is_named(
    executor: ExecutorModule, planned: list[PlannedJob], run: RunDirectory
) -> None:
    bad = replace(planned[0], job=replace(planned[0].job, name="hopeless", model="nonesuch"))
    failures, _ = carry_out(executor, [bad], run)
    assert [failure.job for failure in failures] == ["hopeless"]
    assert "nonesuch" in failures[0].reason


def test_nothing_in_hand_where_nothing_was_handed_over(executor: ExecutorModule, run: RunDirectory) -> None:
    assert executor.look_up(run) == InFlight()
    assert executor.cancel(run) is None


def test_local_executor_can_run_one_job_at_a_time(planned: list[PlannedJob], run: RunDirectory) -> None:
    for one in planned:
        write_job(one.job, run.job(one.job.name))
    heard: list[Progress] = []
    assert len(planned) > 1
    assert not find("local").run_jobs(planned, run, heard.append, Conditions(settings={"max_running": 1}))
    assert {progress.n_running for progress in heard} <= {0, 1}
    rows = [pq.read_table(path).to_pylist() for path in run.summary_files()]
    spans = sorted((min(row["started"] for row in job), max(row["finished"] for row in job)) for job in rows)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
