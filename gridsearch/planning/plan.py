"""Planning a sweep: what is wanted minus what is done, cut into jobs. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gridsearch.inputs.input_files import InputError, Problem, choices
from gridsearch.planning.advice import own_draws, quicker_simulator
from gridsearch.planning.grid import Grid, expand
from gridsearch.planning.in_flight import look_up, points_in_flight
from gridsearch.planning.wanted import wanted_of, wanted_revisions
from gridsearch.sweeps.sweep import Sweep, read_sweep
from jobs.executor import InFlight, executor_names, find_executor
from jobs.history import OUTDATED, SUPERSEDED, History, read_history
from jobs.pace import jobs_of, pace_elsewhere, pace_here
from jobs.plan import Pace, PlannedJob, Workload, plan_jobs
from simulators.backends.simulator import find_simulator
from simulators.description.network import structure_of
from simulators.records.job import Job
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import holds_everything


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
    recomputed : mapping of str to str
        Points that only lack statistics, which their stored spikes give, with the job that stored them.
    former : mapping of str to int
        How many of what is left were done with another content: by the keys of the content that differ.
    n_superseded : int
        How many of what is left were done with an earlier revision of the simulator.
    pace : Pace
        How the machines that will run it compare with the estimates.
    draws : str
        What it would take if every point drew its own connectivity; empty if that is little.
    """

    n_points: int
    n_done: int
    n_failed: int
    n_in_flight: int
    jobs: tuple[PlannedJob, ...]
    disk: float
    recomputed: Mapping[str, str] = field(default_factory=dict)
    former: Mapping[str, int] = field(default_factory=dict)
    n_superseded: int = 0
    pace: Pace = field(default_factory=Pace)
    draws: str = ""

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
    flights : sequence of InFlight
        What executors have in flight from earlier submits.
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
    flights: Sequence[InFlight] = ()
    advice: str = ""

    @property
    def jobs(self) -> list[PlannedJob]:
        """All jobs."""
        return [job for share in self.simulators.values() for job in share.jobs]


def make_plan(
    path: Path,
    results: Path,
    retry_failed: bool = False,
    executor: str | None = None,
    elsewhere: bool = False,
    before: Plan | None = None,
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
    before : Plan, optional
        Made a moment ago: only what may have happened since in the run's folder is looked at.

    Raises
    ------
    InputError
        If the sweep has mistakes.
    """
    if before is None:
        sweep = read_sweep(path)
        # Before the grid, which may take a minute: who may not submit is to know at once
        chosen, why = choose_executor(sweep.jobs.executor, path, executor, elsewhere)
        grid = expand(sweep)
        _check_networks(sweep, grid)
    else:
        sweep, grid, chosen, why = before.sweep, before.grid, before.executor, before.why
    run = RunDirectory(results / sweep.name)
    flights = look_up(run)
    history = read_history(run)
    if before is not None and flights == before.flights and history == before.history:
        return before
    taken = {file.stem for file in (*run.summary_files(), *run.corrupt_files())}
    shares = {}
    advice = ""
    for name, settings in sweep.simulators.items():
        gpus = None if find_executor(chosen).ON_THIS_MACHINE else sweep.placement[name].gpus
        template = _template(sweep, grid, name, settings)
        share, left = _share(
            sweep, grid, template, history, points_in_flight(flights, run, template), retry_failed, run
        )
        share = replace(share, pace=_pace(grid, left, template, history, run, chosen, gpus))
        loads = _workloads(grid, left, template, share.pace, gpus)
        n_slots = find_executor(chosen).n_slots()
        planned = [job for load in loads for job in plan_jobs(load, sweep.jobs.minutes_per_job, n_slots, taken)]
        shares[name] = replace(share, jobs=tuple(planned), disk=sum(one.disk for one in planned))
        if shares[name].hours:
            shares[name] = replace(shares[name], draws=own_draws(loads))
        advice = advice or quicker_simulator(loads, shares[name].hours, sweep.simulators)
    return Plan(sweep, grid, run, history, chosen, why, shares, flights, advice)


def _share(
    sweep: Sweep,
    grid: Grid,
    template: Job,
    history: History,
    in_flight: set[str],
    retry_failed: bool,
    run: RunDirectory,
) -> tuple[SimulatorPlan, list[int]]:
    """Say what is done and in flight of a simulator's points, and which are left, for which there are no jobs yet."""
    simulator = template.simulator
    identity = find_simulator(simulator).identity(template.settings)
    wanted = wanted_of(sweep, grid.populations)
    revisions = wanted_revisions(grid, simulator)
    outcomes = history.outcome(simulator, identity, wanted, revisions)
    good = {point_id for point_id, status in outcomes.items() if status == "ok"}
    outdated = {point_id for point_id, status in outcomes.items() if status == OUTDATED}
    superseded = {point_id for point_id, status in outcomes.items() if status == SUPERSEDED}
    settled = good if retry_failed else outcomes.keys() - outdated - superseded
    stored = history.stored(simulator, identity, revisions) if outdated else {}
    ids = {point.point_id for point in grid.points}
    recomputed = {
        point_id: stored[point_id]
        for point_id in outdated & stored.keys() & ids
        if holds_everything(run.spike_file(stored[point_id], point_id))
    }
    in_flight = in_flight - settled
    nobodys = ids - settled - in_flight - recomputed.keys()
    left = [i for i, point in enumerate(grid.points) if point.point_id in nobodys]
    former = history.former(simulator, identity, {grid.points[i].setting_id for i in left}, grid.content)
    n_settled = len(ids & (outcomes.keys() - outdated - superseded))
    share = SimulatorPlan(
        n_points=len(grid.points),
        n_done=len(ids & good),
        n_failed=n_settled - len(ids & good),
        n_in_flight=len(ids & in_flight),
        jobs=(),
        disk=0.0,
        recomputed=recomputed,
        former=former,
        n_superseded=len(nobodys & superseded),
    )
    return share, left


def _check_networks(sweep: Sweep, grid: Grid) -> None:
    """Make sure that the simulators can run the networks, one of each structure.

    Raises
    ------
    InputError
        With everything that one of them cannot.
    """
    problems: dict[tuple[str, str], Problem] = {}
    for name, settings in sweep.simulators.items():
        distinct = {structure_of(network): network for network in grid.networks[name]}
        for network in distinct.values():
            for rule in find_simulator(name).problems(network, sweep.simulation, settings):
                problems.setdefault((name, rule), Problem(sweep.path, "simulators", name, rule))
    if problems:
        raise InputError(list(problems.values()))


def choose_executor(wanted: str, path: Path, instead: str | None = None, elsewhere: bool = False) -> tuple[str, str]:
    """Return the executor to use and why.

    Parameters
    ----------
    wanted : str
        The sweep's.
    path : Path
        The sweep.
    instead : str, optional
        That of the command line.
    elsewhere : bool
        Whether that one need not be usable here.

    Raises
    ------
    InputError
        If the one that is asked for cannot be used here.
    """
    key = "jobs.executor"
    if instead is not None:
        wanted, key = instead, "--executor"
    if wanted != "auto":
        if wanted not in executor_names():
            rule = f"no such executor; {choices(('auto', *executor_names()), wanted)}"
            raise InputError([Problem(path, key, wanted, rule)])
        if instead is not None and elsewhere:
            return wanted, "as asked for"
        reason = find_executor(wanted).why_unavailable()
        if reason is not None:
            raise InputError([Problem(path, key, wanted, reason)])
        return wanted, "as the sweep says" if instead is None else "as --executor says"
    reasons, here = [], ""
    for name in executor_names():
        if find_executor(name).ON_THIS_MACHINE:
            here = name
        else:
            reason = find_executor(name).why_unavailable()
            if reason is None:
                return name, "it answers"
            reasons.append(f"{name}: {reason}")
    return here, "; ".join(reasons) or "the only one there is"


def _pace(
    grid: Grid,
    left: Sequence[int],
    template: Job,
    history: History,
    run: RunDirectory,
    executor: str,
    gpus: int | None,
) -> Pace:
    """Find out how the machines that will run what is left compare with the estimates."""
    if not left:
        return Pace()
    simulator = find_simulator(template.simulator)
    identity = simulator.identity(template.settings)
    if not find_executor(executor).ON_THIS_MACHINE:
        return pace_elsewhere(history, template.simulator, identity, jobs_of(run, executor))
    network, simulation = grid.networks[template.simulator][0], grid.simulations[left[0]]
    cost = simulator.estimate(network, simulation, template.settings, gpus).of(template)
    each = cost.point / simulation.duration
    return pace_here(run, history, template.simulator, identity, each)


def _workloads(grid: Grid, left: Sequence[int], template: Job, pace: Pace, gpus: int | None) -> list[Workload]:
    """Part what is left by how it is simulated, which all points of a job have in common; the longest first."""
    simulations = sorted({grid.simulations[i] for i in left}, key=lambda one: one.duration, reverse=True)
    loads = []
    for simulation in simulations:
        own = [i for i in left if grid.simulations[i] == simulation]
        loads.append(
            Workload(
                template=replace(template, simulation=simulation),
                points=[grid.points[i] for i in own],
                structures=[grid.structures[template.simulator][i] for i in own],
                networks=grid.networks[template.simulator],
                pace=pace,
                gpus=gpus,
            )
        )
    return loads


def _template(sweep: Sweep, grid: Grid, simulator: str, settings: Mapping[str, Any]) -> Job:
    minutes = sweep.jobs.minutes_per_point
    return Job(
        name="",
        model=sweep.guests.job_model,
        simulator=simulator,
        settings=dict(settings),
        simulation=sweep.simulation,
        statistics=sweep.guests.job_statistics,
        parameters=grid.parameters,
        points=(),
        populations=grid.populations,
        statistics_settings=dict(sweep.statistics_settings),
        spikes=sweep.spikes,
        timeout=None if minutes is None else minutes * 60.0,
        content=grid.content,
        data=sweep.guests.job_data,
        python_path=sweep.guests.job_python_path,
        windows=dict(sweep.windows),
    )
