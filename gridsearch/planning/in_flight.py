"""What executors have in flight for a run from earlier submits, as points."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gridsearch.inputs.input_files import InputError, Problem
from jobs.executor import InFlight, JobInFlight, executor_names, find_executor
from simulators.backends.simulator import find_simulator
from simulators.records.job import Job, JobError, read_job
from simulators.records.run_directory import RunDirectory


def look_up(run: RunDirectory) -> list[InFlight]:
    """Return what executors have in flight for a run from earlier submits."""
    flights = [find_executor(name).look_up(run) for name in executor_names()]
    return [flight for flight in flights if flight.description or flight.failures or flight.machines]


def points_in_flight(flights: Sequence[InFlight], run: RunDirectory, template: Job) -> set[str]:
    """Return the points of jobs in flight that simulate as `template` does.

    Raises
    ------
    InputError
        If a job's file is lost or damaged: its points cannot be told from those that nobody has.
    """
    points: set[str] = set()
    lost: list[Problem] = []
    identity = find_simulator(template.simulator).identity
    for job in (job for flight in flights for job in flight.jobs if job.simulator == template.simulator):
        try:
            content = read_job(run.job(job.job))
        except JobError as error:
            said = str(error).removeprefix(f"{run.job(job.job)}: ")
            rule = f"{said}; its job is in flight: python -m gridsearch cancel {run.root}, then submit again"
            lost.append(Problem(run.job(job.job), "", None, rule))
            continue
        if identity(content.settings) == identity(template.settings):
            points.update(point.point_id for point in content.points)
    if lost:
        raise InputError(lost)
    return points


def count_missing(missing: Collection[str], n_bad: int, jobs: Sequence[JobInFlight], run: RunDirectory) -> int:
    """Count the points of a simulator that have no row and that nobody has in flight.

    Parameters
    ----------
    missing : collection of str
        Points without a row.
    n_bad : int
        Points with a row that is not good; some of what is in flight may be another try at these.
    jobs : sequence of JobInFlight
        The simulator's.
    run : RunDirectory
        The run.
    """
    if not n_bad:
        return max(0, len(missing) - sum(job.n_points for job in jobs))
    left = set(missing)
    n_unknown = 0
    for job in jobs:
        try:
            left -= {point.point_id for point in read_job(run.job(job.job)).points}
        except JobError:
            n_unknown += job.n_points
    return max(0, len(left) - n_unknown)
