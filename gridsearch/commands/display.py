"""What the commands show: problems, plans, progress, status. Quiet where nobody watches."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gridsearch.commands.check import Trial
from gridsearch.inputs.input_files import InputError
from gridsearch.planning.plan import Plan, SimulatorPlan
from gridsearch.planning.recording_length import short_recordings
from gridsearch.submitting.owner import Owner
from gridsearch.sweeps.axes import zip_groups
from jobs.executor import InFlight, JobFailure, JobInFlight, Submission, find_executor
from jobs.executor import Progress as JobProgress
from simulators.backends.simulator import find_simulator
from simulators.description.network import Network, expected_synapses, projection_synapses
from simulators.records import machine
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import UnknownSummaryError

MAX_ROWS = 40  # of a table of projections
MAX_REASONS = 5  # of a kind

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def show_problems(error: InputError) -> None:
    """List what is wrong with the input."""
    count = len(error.problems)
    errors.print(f"{count} problem{'s' if count > 1 else ''}; nothing was written:", markup=False)
    for problem in error.problems:
        errors.print(f"  {problem}", markup=False)


def show_error(message: str) -> None:
    """Say one error."""
    errors.print(message, markup=False)


def say(message: str) -> None:
    """Say one line."""
    console.print(message, markup=False)


def show_code(files: Sequence[Path], aside: bool = False) -> None:
    """Say which code is about to be run that is not ours; aside where standard output is for something else."""
    if files:
        (errors if aside else console).print(f"runs your code: {', '.join(map(str, files))}", markup=False)


def show_plan(plan: Plan) -> None:
    """Show points, jobs, hours, memory and disk per simulator."""
    lengths = [len(group[0].values) for group in zip_groups(plan.sweep.axes)]
    n_seeds = len(plan.sweep.seeds)
    replicates = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    say(f"{plan.sweep.name}: model {plan.sweep.model}, grid {' × '.join(map(str, lengths)) or '1'}, {replicates}")
    say(f"executor: {plan.executor} ({plan.why})")
    on_gpus = any(share.gpu_hours for share in plan.simulators.values())
    hours = ("core h", "GPU h") if on_gpus else ("core h",)
    table = _table(
        "simulator", "points", "done", "failed", "in flight", "to do", "jobs", *hours, "longest", "memory", "disk"
    )
    for name, share in plan.simulators.items():
        longest = max((planned.seconds for planned in share.jobs), default=0.0)
        table.add_row(
            name,
            str(share.n_points),
            str(share.n_done),
            str(share.n_failed),
            str(share.n_in_flight),
            str(share.n_left),
            str(len(share.jobs)),
            f"{share.hours:.2f}",
            *([f"{share.gpu_hours:.2f}"] if on_gpus else []),
            duration(longest),
            size(share.memory),
            size(share.disk),
        )
    console.print(table)
    for line in [*_about_files(plan), *_about_networks(plan), *_about_memory(plan)]:
        say(line)
    for name, share in plan.simulators.items():
        if share.jobs:
            say(f"{name}: {_about_hours(share, find_executor(plan.executor).ON_THIS_MACHINE)}")
    for name, share in plan.simulators.items():
        if share.draws:
            say(f"{name}: {share.draws}")
    if plan.advice:
        say(plan.advice)
    for line in short_recordings(plan.sweep, plan.grid.populations, [one.duration for one in plan.grid.simulations]):
        say(line)
    for _, error in plan.history.corrupt:
        known = not isinstance(error, UnknownSummaryError)
        say(f"unreadable, its points run again: {error}" if known else str(error))


def _about_hours(share: SimulatorPlan, here: bool) -> str:
    """Say how it is known what things take."""
    pace = share.pace
    if pace.n_points:
        where = f"of {pace.elsewhere} here" if pace.elsewhere else "here" if here else "on the pool"
        return f"times as {pace.n_points} points {where} took them, {pace.point:.2g} times the estimate"
    if share.gpu_hours:
        told = "times on a graphics processor are an estimate from launches and memory traffic, never measured"
        if here:
            return f"{told}; after ten points they hold"
        return f"{told}, for a slow one, as the pool's are not known; points that come back from it correct them"
    if here:
        return f"times are a guess, {pace.point:.2g} times the estimate as this machine is; after ten points they hold"
    return "times are a guess: the pool's machines are others; points that come back from it correct them"


def _about_files(plan: Plan) -> Iterator[str]:
    """Say what of the user's does not travel, and what is done with other files, or lacks only statistics."""
    guests = plan.sweep.guests
    for package in guests.must_be_in_image:
        yield f"{package} is not Python alone and does not travel: it must be in the image, or on the pool's machines"
    for name, share in plan.simulators.items():
        for keys, count in share.former.items():
            changed = " and ".join(guests.named(key) for key in keys.split(","))
            yield (
                f"{name}: {share.n_done} of {share.n_points} done; {count} were made with another {changed}: "
                "their rows stay in the folder but leave tables and figures"
            )
        if share.n_superseded:
            yield (
                f"{name}: {share.n_done} of {share.n_points} done; {share.n_superseded} were made with an earlier "
                "revision of our part of it, which gave other spikes (CHANGELOG.md); they run again"
            )
        if share.recomputed:
            yield f"{name}: {len(share.recomputed)} points lack only statistics, which come from their stored spikes"


def _about_networks(plan: Plan) -> Iterator[str]:
    """Say what a simulator notes of the first network of what is left."""
    for name, share in plan.simulators.items():
        if share.jobs:
            network, settings = plan.grid.networks[name][0], plan.sweep.simulators[name]
            note = find_simulator(name).estimate(network, plan.sweep.simulation, settings, 0).note
            if note:
                yield f"{name}: {note}"


def _about_memory(plan: Plan) -> Iterator[str]:
    """Say whose jobs this machine has no room for, where they are to run here."""
    free = machine.available_memory()
    if free is not None and find_executor(plan.executor).ON_THIS_MACHINE:
        for name, share in plan.simulators.items():
            if share.memory > free:
                yield (
                    f"{name}: a job needs {size(share.memory)} by the estimate, and {size(free)} are free here: it "
                    "starts alone, and may be ended for want of memory"
                )


def show_network(network: Network, n_networks: int) -> None:
    """Show populations, projections and inputs of a network."""
    also = f"; {n_networks - 1} more at the corners of the axes make networks, too" if n_networks > 1 else ""
    say(f"at the defaults: {network.n_neurons} neurons, {expected_synapses(network):.4g} synapses{also}")
    populations = _table("population", "size", "clusters", "neuron model")
    for population in network.populations:
        numbers = (str(population.size), str(population.n_clusters))
        populations.add_row(population.name, *numbers, population.model.name)
    console.print(populations)
    projections = _table("projection", "from", "to", "rule", "pairs", "receptor", "synapses")
    for p in network.projections[:MAX_ROWS]:
        synapses = f"{projection_synapses(network, p):.4g}"
        projections.add_row(p.name, p.source, p.target, type(p.rule).__name__, p.pairs, p.receptor, synapses)
    console.print(projections)
    if len(network.projections) > MAX_ROWS:
        say(f"and {len(network.projections) - MAX_ROWS} more projections")
    for given in network.inputs:
        say(f"input {given.name}: {type(given).__name__} to {given.target}")


def show_trials(trials: Mapping[str, Trial]) -> None:
    """Show what a network costs on each simulator, and how a short run of a small copy went."""
    table = _table("simulator", "memory", "build", "a point", "rates of the trial, Hz")
    for name, trial in trials.items():
        cost = trial.cost
        costs = ("", "", "") if cost is None else (size(cost.memory), duration(cost.build), duration(cost.point))
        rates = ", ".join(f"{key} {rate:.1f}" for key, rate in list((trial.rates or {}).items())[:8])
        table.add_row(name, *costs, rates or "did not run")
    console.print(table)
    for name, trial in trials.items():
        for problem in trial.problems:
            say(f"{name} cannot run it: {problem}")
        if trial.failure:
            say(f"{name}: {trial.failure}")
    say("the trial is 100 ms of a copy of at most 1,000 neurons: it says that it runs, not how it behaves")


def show_failures(failures: Sequence[JobFailure]) -> None:
    """List jobs that ended without a row for every point."""
    for failure in failures:
        errors.print(f"job {failure.job} {failure.reason}", markup=False)


def show_submission(submission: Submission, run: RunDirectory) -> None:
    """Say what was handed over, and how to watch it."""
    say(submission.description)
    for command in (*submission.watch, f"python -m gridsearch status {run.root} --watch"):
        say(f"watch:   {command}")
    say(f"cancel:  python -m gridsearch cancel {run.root}")


def show_status(
    name: str,
    counts: Mapping[str, Mapping[str, int]],
    reasons: Sequence[str],
    worker: Owner | None,
    flights: Sequence[InFlight],
    seconds_left: float | None = None,
) -> None:
    """Show how many points of each simulator are where; missing are those that nobody has in flight.

    Parameters
    ----------
    name : str
        Of the run.
    counts : mapping of str to mapping of str to int
        Points by simulator and status.
    reasons : sequence of str
        Why points have no good result.
    worker : Owner, optional
        The submit at work.
    flights : sequence of InFlight
        What executors have in flight.
    seconds_left : float, optional
        s that the submit at work will take.
    """
    jobs = [job for flight in flights for job in flight.jobs]
    say(name)
    console.print(_status_table(counts, jobs))
    for line in (*reasons, *(line for flight in flights for line in _about_flight(flight))):
        say(line)
    if worker:
        say(f"a submit is at work ({worker}){_eta(seconds_left)}")
    elif not jobs:
        say("no submit is at work on this machine")


def _status_table(counts: Mapping[str, Mapping[str, int]], jobs: Sequence[JobInFlight]) -> Table:
    statuses = ("ok", "failed", "timeout", "diverged", "missing")
    phases = ("running", "idle", "held") if jobs else ()
    in_phase: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        in_phase[job.simulator, "idle" if job.phase == "waiting" else job.phase] += job.n_points
    table = _table("simulator", *statuses, *phases)
    for simulator, count in counts.items():
        numbers = [*(count.get(status, 0) for status in statuses), *(in_phase[simulator, phase] for phase in phases)]
        table.add_row(simulator, *map(str, numbers))
    return table


def _about_flight(flight: InFlight) -> Iterator[str]:
    """Say who has jobs in flight, and what holds them up; of each kind of trouble the most frequent."""
    if flight.description:
        yield f"{flight.description}: {_n_jobs(flight)}{_eta(flight.seconds_left)}"
    held = Counter(job.reason for job in flight.jobs if job.phase == "held")
    yield from (f"{n_held} × {reason}" for reason, n_held in held.most_common(MAX_REASONS))
    yield from flight.machines[:MAX_REASONS]
    yield from _about_failures(flight.failures)


def _about_failures(failures: Sequence[JobFailure]) -> Iterator[str]:
    """Say once why jobs ended without a result that failed alike."""
    alike: dict[str, list[JobFailure]] = {}
    for failure in failures:
        alike.setdefault(failure.gist, []).append(failure)
    groups = sorted(alike.values(), key=len, reverse=True)
    for first, *others in groups[:MAX_REASONS]:
        yield f"job {first.job} {f'and {len(others)} more ' if others else ''}{first.reason}"
    if len(groups) > MAX_REASONS:
        yield f"and {sum(map(len, groups[MAX_REASONS:]))} more jobs"


def _eta(seconds: float | None) -> str:
    return "" if seconds is None else f", done in about {duration(seconds)}"


def _n_jobs(flight: InFlight) -> str:
    count = Counter(str(job.phase) for job in flight.jobs)
    phases = ("running", "idle", "waiting", "held")
    if not flight.jobs:
        return "collecting the results"
    return "jobs: " + ", ".join(f"{count[phase]} {phase}" for phase in phases if count[phase])


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[JobProgress], None]]:
    """Show a bar with an ETA while jobs run, on a terminal only."""
    columns = (
        TextColumn("points"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[jobs]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=600) as bar:
        task = bar.add_task("points", total=total, jobs="")

        def report(progress: JobProgress) -> None:
            jobs = f"{progress.n_running} running, {progress.n_waiting} waiting"
            bar.update(task, completed=progress.n_done, jobs=jobs)

        yield report


@contextmanager
def counting_bar(total: int, title: str) -> Iterator[Callable[[int], None]]:
    """Show a bar with an ETA while something is counted, on a terminal only."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("ETA"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def duration(seconds: float) -> str:
    """Write a time readably."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"


def size(n_bytes: float) -> str:
    """Write a size readably."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.1f} {unit}"
    return f"{n_bytes:.0f} B"
