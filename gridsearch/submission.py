"""Submitting a sweep: what is wanted minus what is done, planned, written down and run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridsearch.advice import quicker_simulator
from gridsearch.grid import Grid, expand
from gridsearch.input_files import InputError, Problem, choices
from gridsearch.points_table import read_point_ids, write_points
from gridsearch.provenance import append_provenance
from gridsearch.sweep import Sweep, read_sweep
from jobs.executor import (
    Conditions,
    ExecutorModule,
    InFlight,
    JobFailure,
    Placement,
    Progress,
    Submission,
    executor_names,
    find_executor,
)
from jobs.history import History, read_history
from jobs.plan import Observed, PlannedJob, Workload, disk_space, plan_jobs
from simulators.backends.simulator import SimulatorUnavailableError, find_simulator
from simulators.records.atomic_file import replacing
from simulators.records.job import Job, read_job, write_job
from simulators.records.run_directory import RunDirectory

_WRITERS = 16  # threads that write job files
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class SimulatorPlan:
    """The share of one simulator.

    Parameters
    ----------
    n_points, n_done, n_failed : int
        Points wanted, with a good result, and with a row that says why there is none.
    n_in_flight : int
        Points without a row that an executor has in flight from an earlier submit.
    jobs : tuple of PlannedJob
        What is left to do.
    disk : float
        B, of what is left to do.
    """

    n_points: int
    n_done: int
    n_failed: int
    n_in_flight: int
    jobs: tuple[PlannedJob, ...]
    disk: float

    @property
    def n_left(self) -> int:
        """Points in the planned jobs."""
        return sum(len(planned.job.points) for planned in self.jobs)

    @property
    def hours(self) -> float:
        """Core hours of the planned jobs, those on graphics processors left out."""
        return sum(planned.seconds * planned.cores for planned in self.jobs if not planned.gpus) / 3600.0

    @property
    def gpu_hours(self) -> float:
        """Hours of graphics processors of the planned jobs."""
        return sum(planned.seconds * planned.gpus for planned in self.jobs) / 3600.0

    @property
    def memory(self) -> float:
        """B, of the largest job."""
        return max((planned.memory for planned in self.jobs), default=0.0)


@dataclass(frozen=True)
class Plan:
    """What a submit would do.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    grid : Grid
        Its points.
    run : RunDirectory
        Where its results are.
    history : History
        What is done.
    executor : str
        Who would run the jobs.
    why : str
        Why this executor.
    simulators : mapping of str to SimulatorPlan
        By simulator.
    advice : str
        What would be quicker than the sweep's simulators; empty if nothing is known to be.
    """

    sweep: Sweep
    grid: Grid
    run: RunDirectory
    history: History
    executor: str
    why: str
    simulators: Mapping[str, SimulatorPlan]
    advice: str = ""

    @property
    def jobs(self) -> list[PlannedJob]:
        """All jobs."""
        return [job for share in self.simulators.values() for job in share.jobs]


def make_plan(
    path: Path, results: Path, retry_failed: bool = False, executor: str | None = None, elsewhere: bool = False
) -> Plan:
    """Read a sweep and plan what is left to do. Nothing is written.

    Parameters
    ----------
    path : Path
        The sweep.
    results : Path
        The folder of runs.
    retry_failed : bool
        Whether points that failed, diverged or timed out are wanted again.
    executor : str, optional
        In place of the sweep's.
    elsewhere : bool
        Whether that executor need not be usable here.

    Raises
    ------
    InputError
        If the sweep has mistakes.
    """
    sweep = read_sweep(path)
    grid = expand(sweep)
    run = RunDirectory(results / sweep.name)
    flights = look_up(run)
    history = read_history(run)
    if executor is not None and elsewhere:
        chosen, why = executor, "as asked for"
    else:
        chosen, why = choose_executor(executor or sweep.jobs.executor, path)
    taken = {file.stem for file in (*run.summary_files(), *run.corrupt_files())}
    shares = {}
    advice = ""
    for name, settings in sweep.simulators.items():
        identity = find_simulator(name).identity(settings)
        outcomes = history.outcome(name, identity)
        good = {point_id for point_id, status in outcomes.items() if status == "ok"}
        settled = good if retry_failed else outcomes.keys()
        in_flight = _points_in_flight(flights, run, name, identity) - outcomes.keys()
        left = [i for i, point in enumerate(grid.points) if point.point_id not in settled | in_flight]
        gpus = None if chosen == "local" else sweep.placement[name].gpus
        template = _template(sweep, grid, name, settings)
        loads = _workloads(sweep, grid, left, template, history.observed(name, identity), gpus)
        n_done = sum(point.point_id in good for point in grid.points)
        n_settled = sum(point.point_id in outcomes for point in grid.points)
        n_slots = find_executor(chosen).n_slots()
        planned = [job for load in loads for job in plan_jobs(load, sweep.jobs.minutes_per_job, n_slots, taken)]
        n_in_flight = sum(point.point_id in in_flight for point in grid.points)
        shares[name] = SimulatorPlan(
            len(grid.points), n_done, n_settled - n_done, n_in_flight, tuple(planned), sum(map(disk_space, loads))
        )
        if "genn" not in sweep.simulators:
            advice = advice or quicker_simulator(loads, shares[name].hours)
    return Plan(sweep, grid, run, history, chosen, why, shares, advice)


def look_up(run: RunDirectory) -> list[InFlight]:
    """Return what executors have in flight for a run from earlier submits."""
    flights = [find_executor(name).look_up(run) for name in executor_names()]
    return [flight for flight in flights if flight.description or flight.failures]


def _points_in_flight(
    flights: list[InFlight], run: RunDirectory, simulator: str, identity: Mapping[str, Any]
) -> set[str]:
    points: set[str] = set()
    for job in (job for flight in flights for job in flight.jobs if job.simulator == simulator):
        content = read_job(run.job(job.job))
        if find_simulator(simulator).identity(content.settings) == identity:
            points.update(point.point_id for point in content.points)
    return points


def choose_executor(wanted: str, path: Path) -> tuple[str, str]:
    """Return the executor to use and why.

    Raises
    ------
    InputError
        If the one that is asked for cannot be used here.
    """
    if wanted != "auto":
        if wanted not in executor_names():
            rule = f"no such executor; {choices(('auto', *executor_names()), wanted)}"
            raise InputError([Problem(path, "jobs.executor", wanted, rule)])
        reason = find_executor(wanted).why_unavailable()
        if reason is not None:
            raise InputError([Problem(path, "jobs.executor", wanted, reason)])
        return wanted, "as the sweep says"
    reasons = []
    for name in executor_names():
        if name != "local":
            reason = find_executor(name).why_unavailable()
            if reason is None:
                return name, "it answers"
            reasons.append(f"{name}: {reason}")
    return "local", "; ".join(reasons) or "the only one there is"


def check_conflict(plan: Plan, replace_sweep: bool) -> None:
    """Make sure that the run's folder does not hold points the sweep knows nothing of.

    Raises
    ------
    InputError
        If it does, with what can be done.
    """
    run, sweep = plan.run, plan.sweep
    if replace_sweep or not run.points.exists():
        return
    orphans = read_point_ids(run) - {point.point_id for point in plan.grid.points}
    if orphans:
        raise InputError(
            [
                Problem(
                    sweep.path,
                    "name",
                    sweep.name,
                    f"{run.root} holds another sweep of this name: {len(orphans)} of its points are not in this one. "
                    "Choose another name, or submit with --replace: shared points are reused, the others' rows stay in "
                    "the folder but leave the tables and figures",
                )
            ]
        )


def check_simulators(plan: Plan) -> None:
    """Make sure that the simulators with work to do can run here.

    Raises
    ------
    InputError
        If one is not installed.
    """
    problems = []
    for name, share in plan.simulators.items():
        try:
            if share.jobs and plan.executor == "local":
                find_simulator(name).check_available(plan.sweep.simulators[name])
        except SimulatorUnavailableError as error:
            problems.append(Problem(plan.sweep.path, "simulators", name, str(error)))
    if problems:
        raise InputError(problems)


def write_plan(plan: Plan, replace_sweep: bool) -> None:
    """Write down a plan in the run's folder: the sweep, the points, the provenance and the jobs."""
    run = plan.run
    being_written = {run.summary(job.job) for flight in look_up(run) for job in flight.jobs}
    for path, _ in plan.history.corrupt:
        if path not in being_written:
            run.set_aside(path)
    if replace_sweep and run.sweep.exists() and run.sweep.read_bytes() != plan.sweep.path.read_bytes():
        shutil.copy2(run.sweep, run.root / f"sweep.before-{os.getpid()}.toml")
    with replacing(run.sweep) as temporary:
        shutil.copyfile(plan.sweep.path, temporary)
    write_points(plan.sweep, plan.grid, run)
    append_provenance(
        run,
        {
            "sweep": str(plan.sweep.path.resolve()),
            "executor": plan.executor,
            "points": {name: share.n_left for name, share in plan.simulators.items()},
            "jobs": [planned.job.name for planned in plan.jobs],
        },
    )
    # Every file waits for the disk; many waiting at once are served together
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda planned: write_job(planned.job, run.job(planned.job.name)), plan.jobs))


def run_plan(plan: Plan, report: Callable[[Progress], None]) -> list[JobFailure] | Submission:
    """Run the jobs of a plan that is written down, and return those that failed; or hand them over and say so.

    Raises
    ------
    ExecutorError
        If the executor does not take them.
    """
    executor: ExecutorModule = find_executor(plan.executor)
    return executor.run_jobs(plan.jobs, plan.run, report, _conditions(plan))


def preview_plan(plan: Plan) -> str:
    """Return what `run_plan` would hand to the executor, as text. Nothing is written.

    Raises
    ------
    ExecutorError
        If it cannot be expressed.
    """
    return find_executor(plan.executor).preview(plan.jobs, plan.run, _conditions(plan))


def _conditions(plan: Plan) -> Conditions:
    return Conditions(
        name=plan.sweep.name,
        settings=plan.sweep.executors[plan.executor],
        placement={name: Placement(**table.model_dump()) for name, table in plan.sweep.placement.items()},
        collect=(sys.executable, "-m", "gridsearch", "report", ".", "--after-jobs"),
        environment={"PYTHONPATH": str(_ROOT)},
    )


def _workloads(
    sweep: Sweep, grid: Grid, left: Sequence[int], template: Job, observed: Observed | None, gpus: int | None
) -> list[Workload]:
    """Part what is left by duration, which all points of a job have in common; the longest first."""
    durations = sorted({grid.durations[i] for i in left}, reverse=True)
    loads = []
    for duration in durations:
        own = [i for i in left if grid.durations[i] == duration]
        loads.append(
            Workload(
                template=replace(template, simulation=replace(sweep.simulation, duration=duration)),
                points=[grid.points[i] for i in own],
                structures=[grid.structures[template.simulator][i] for i in own],
                networks=grid.networks[template.simulator],
                # what points took on average says little of short and of long ones
                observed=observed if len(set(grid.durations)) == 1 else None,
                gpus=gpus,
            )
        )
    return loads


def _template(sweep: Sweep, grid: Grid, simulator: str, settings: Mapping[str, Any]) -> Job:
    minutes = sweep.jobs.minutes_per_point
    return Job(
        name="",
        model=sweep.model,
        simulator=simulator,
        settings=dict(settings),
        simulation=sweep.simulation,
        statistics=sweep.statistics,
        parameters=grid.parameters,
        points=(),
        populations=grid.populations,
        statistics_settings=dict(sweep.statistics_settings),
        spikes=sweep.spikes,
        timeout=None if minutes is None else minutes * 60.0,
    )
