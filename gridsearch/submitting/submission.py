"""Submitting a plan: checked, written down, and run or handed over."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gridsearch.inputs.input_files import InputError, Problem
from gridsearch.planning.in_flight import look_up
from gridsearch.planning.plan import Plan
from gridsearch.submitting.points_table import read_setting_ids, write_points
from gridsearch.submitting.provenance import append_provenance
from jobs.executor import Conditions, ExecutorModule, JobFailure, Placement, Progress, Submission, find_executor
from simulators.backends.simulator import SimulatorUnavailableError, find_simulator
from simulators.records.atomic_file import remove_leftovers, replacing
from simulators.records.broken_transfers import restore_summaries
from simulators.records.job import write_job
from simulators.records.summaries.summary import UnknownSummaryError

_LEFTOVER = 3600.0  # s without a write after which a temporary file is nobody's, while jobs of a pool are at work
_FORMER = "sweep.before-"  # the start of what a sweep is renamed to that another takes the place of
_WRITERS = 16  # threads that write job files
_ROOT = Path(__file__).resolve().parents[2]


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
    orphans = read_setting_ids(run) - {point.setting_id for point in plan.grid.points}
    if orphans == {""}:
        rule = f"{run.root} was made by an earlier version, which knew points otherwise: another name, or --replace"
        raise InputError([Problem(sweep.path, "name", sweep.name, rule)])
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
            if share.jobs and find_executor(plan.executor).ON_THIS_MACHINE:
                find_simulator(name).check_available(plan.sweep.simulators[name])
        except SimulatorUnavailableError as error:
            problems.append(Problem(plan.sweep.path, "simulators", name, str(error)))
    if problems:
        raise InputError(problems)


def check_jobs(plan: Plan) -> None:
    """Make sure that the executor takes the jobs of a plan, before anything is written.

    Raises
    ------
    ExecutorError
        With what it refuses and why.
    """
    if plan.jobs:
        check = getattr(find_executor(plan.executor), "check", None)  # one of a package may be older than this
        if check is not None:
            check(plan.jobs, plan.run, _conditions(plan))


def restore(plan: Plan) -> int:
    """Put back the rows that a broken transfer took from a run, which must be locked; return how many jobs' rows."""
    flights = look_up(plan.run)  # one may have been submitted since
    return restore_summaries(plan.run, {job.job for flight in flights for job in flight.jobs})


def write_plan(plan: Plan, replace_sweep: bool) -> None:
    """Write down a plan in the run's folder: the sweep, the points, the provenance and the jobs."""
    run = plan.run
    being_written = {run.summary(job.job) for flight in plan.flights for job in flight.jobs}
    for path, error in plan.history.corrupt:
        if path not in being_written and not isinstance(error, UnknownSummaryError):  # its job's file may come back
            run.set_aside(path)
    if replace_sweep and run.sweep.exists() and run.sweep.read_bytes() != plan.sweep.path.read_bytes():
        with replacing(run.root / f"{_FORMER}{os.getpid()}.toml") as temporary:
            shutil.copyfile(run.sweep, temporary)
    with replacing(run.sweep) as temporary:
        shutil.copyfile(plan.sweep.path, temporary)
    plan.sweep.guests.write(run)
    write_points(plan.sweep, plan.grid, run)
    append_provenance(
        run,
        {
            "sweep": str(plan.sweep.path.resolve()),
            "executor": plan.executor,
            "content": plan.grid.content,
            "files": [str(file) for file in plan.sweep.guests.loaded],
            "data": {name: str(path) for name, path in plan.sweep.guests.data.items()},
            "points": {name: share.n_left for name, share in plan.simulators.items()},
            "jobs": [planned.job.name for planned in plan.jobs],
        },
    )
    # Every file waits for the disk; many waiting at once are served together
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda planned: write_job(planned.job, run.job(planned.job.name)), plan.jobs))


def sweep_leftovers(plan: Plan) -> int:
    """Remove what killed writers left half written in a run's folder, which must be locked; return how many there were.

    Where nothing is in flight, nobody but us writes job files, rows and spikes; users' code, and what says what was
    asked, never. Reports, and `cancel` of the pool's jobs, write without the lock.
    """
    run = plan.run
    now = run.lock.stat().st_mtime  # just written: by the clock of the file system
    busy = any(flight.description for flight in plan.flights)
    ours = [run.jobs, run.summaries, *run.root.glob("spikes/*"), *run.root.glob("attempts/*")]
    shared = [run.root, run.figures, run.dag, *run.dag_folders()]
    return (
        sum(remove_leftovers(folder, now - _LEFTOVER if busy else float("inf")) for folder in ours)
        + sum(remove_leftovers(folder, now - _LEFTOVER) for folder in shared)
        + remove_leftovers(run.guests)
        + remove_leftovers(run.root, of=(run.points.name, run.provenance.name, run.sweep.name, f"{_FORMER}*.toml"))
    )


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
        collect=(sys.executable, "-P", "-m", "gridsearch", "report", ".", "--after-jobs"),
        environment={"PYTHONPATH": str(_ROOT)},
        folder=str(plan.sweep.path.resolve().parent),
    )
