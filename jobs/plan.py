"""Planning: wanted minus done, cut into jobs of points that share a structure, with what they will cost."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from simulators.backends.simulator import GENEROUS_RATE, Cost, even_batches, find_simulator
from simulators.description.network import Network
from simulators.records.job import Job, Point
from simulators.records.spike_files import SAMPLE_SIZE

_BYTES_PER_ROW = 3000.0
_BYTES_PER_FILE = 1e5  # of a summary without rows: names, units and meanings of its columns
_BYTES_PER_SPIKE = 6.0
_GOLDEN = (5.0**0.5 - 1.0) / 2.0


@dataclass(frozen=True)
class PlannedJob:
    """A job and what it is expected to cost.

    Parameters
    ----------
    job : Job
        What the worker gets.
    cores : int
        Cores it keeps busy.
    gpus : int
        Graphics processors it keeps busy; its time is then theirs.
    seconds : float
        s of wall time.
    memory : float
        B, peak.
    disk : float
        B, of its results.
    once : float
        s of `seconds` that are not the points': starting the worker and building.
    """

    job: Job
    cores: int
    seconds: float
    memory: float
    disk: float = 0.0
    gpus: int = 0
    once: float = 0.0


@dataclass(frozen=True)
class Workload:
    """What is left to do for one simulator.

    Parameters
    ----------
    template : Job
        Everything the simulator's jobs have in common; its points are empty.
    points : sequence of Point
        Those without a result.
    structures : sequence of int, shape (n_points,)
        Index of each point's structure.
    networks : sequence of Network
        A network of each structure.
    pace : Pace, optional
        How the machines that run it compare with the estimates.
    gpus : int, optional
        Graphics processors that a job asks for; None if it takes what is visible here.
    """

    template: Job
    points: Sequence[Point]
    structures: Sequence[int]
    networks: Sequence[Network]
    pace: Pace | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class Pace:
    """What things take, of what a simulator's estimates say.

    Parameters
    ----------
    build, point : float
        Multiples.
    start : float, optional
        s, a worker's start; None: `build` times the estimate.
    memory : float
        B, the largest peak that was seen.
    n_points : int
        Points that it is known from; 0 if it is a guess from the machine.
    elsewhere : str
        The run they are of, where it is another.
    """

    build: float = 1.0
    point: float = 1.0
    start: float | None = None
    memory: float = 0.0
    n_points: int = 0
    elsewhere: str = ""

    def of(self, cost: Cost) -> Cost:
        """Return a cost at this pace; a guess from the machine says nothing of its graphics processor."""
        if cost.gpu and not self.n_points:
            return cost
        start = cost.start * self.build if self.start is None else self.start
        return replace(
            cost,
            build=cost.build * self.build,
            point=cost.point * self.point,
            start=start,
            together=cost.together * self.point,
        )


def plan_jobs(load: Workload, minutes_per_job: float, n_slots: int | None, taken: Iterable[str]) -> list[PlannedJob]:
    """Cut the points of a simulator into jobs.

    Points are ordered by structure and seed, so that those that share a build meet in one job, and batches of points
    that run together are not cut. A job is as long as `minutes_per_job`, or shorter if otherwise slots would stay
    empty; slots are cores, so jobs on graphics processors take no notice of them.

    Parameters
    ----------
    load : Workload
        What is to be done.
    minutes_per_job : float
        Wanted length of a job.
    n_slots : int, optional
        How many single-core jobs can run at once, where that is known.
    taken : iterable of str
        Names that are in use.

    Returns
    -------
    list of PlannedJob
    """
    settings = load.template.settings
    costs = estimate_costs(load)
    on_gpu = any(cost.gpu for cost in costs)
    cores = int(settings.get("cores" if on_gpu else "threads", 1))
    if n_slots is not None:
        cores = min(cores, n_slots)
    order = _order(load)
    limit = minutes_per_job * 60.0
    if n_slots is not None and order and not on_gpu:
        work = sum(costs[load.structures[i]].each for i in order)
        limit = min(limit, max(work * cores / max(n_slots, cores), 1e-9))
    names = set(taken)
    planned: list[PlannedJob] = []
    chunk: list[int] = []
    seconds = once = 0.0
    last: tuple[int, int] | None = None
    # Time of the points alone is held against the limit while slots are to be filled: equal shares, not equal ends
    spent = 0.0
    for group, batch in _batches(load, order, costs):
        cost = costs[group[0]]
        duration = cost.of_batch(len(batch))
        if chunk and spent + duration > limit * (1.0 + 1e-9):
            planned.append(_planned(load, chunk, seconds + once, once, costs, cores, names))
            chunk, seconds, once, spent, last = [], 0.0, 0.0, 0.0, None
        if group != last:
            first = cost.once + (0.0 if chunk else cost.start)
            once += first
            spent += first if n_slots is None else 0.0
            last = group
        chunk += batch
        seconds += duration
        spent += duration
    if chunk:
        planned.append(_planned(load, chunk, seconds + once, once, costs, cores, names))
    return planned


def estimate_costs(load: Workload) -> list[Cost]:
    """Estimate every structure, at the pace of the machines that run it."""
    simulator = find_simulator(load.template.simulator)
    template = load.template
    costs = [
        simulator.estimate(network, template.simulation, template.settings, load.gpus).of(template)
        for network in load.networks
    ]
    pace = load.pace
    if pace is None:
        return costs
    costs = [pace.of(cost) for cost in costs]
    # The largest peak is that of the largest structure, whichever that is
    return [replace(cost, memory=max(cost.memory, pace.memory)) for cost in costs] if len(costs) == 1 else costs


def core_hours(load: Workload) -> float:
    """Estimate the core hours of a workload on single cores, if every structure is built once per seed."""
    costs = estimate_costs(load)
    groups = {(structure, p.network_seed) for structure, p in zip(load.structures, load.points, strict=True)}
    building = sum(costs[structure].once for structure, _ in groups)
    return (building + sum(costs[structure].each for structure in load.structures)) / 3600.0


def _disk_space(load: Workload, structures: Sequence[int]) -> float:
    """Estimate what a job's summary and spikes take on disk in B."""
    simulation, spikes = load.template.simulation, 0.0
    for i in structures if load.template.spikes != "none" else ():
        sizes = [population.size for population in load.networks[i].populations]
        if load.template.spikes == "sample":
            sizes = [min(size, SAMPLE_SIZE) for size in sizes]
        spikes += sum(sizes) * GENEROUS_RATE * simulation.duration * 1e-3
    return _BYTES_PER_FILE + len(structures) * _BYTES_PER_ROW + spikes * _BYTES_PER_SPIKE


def _planned(
    load: Workload,
    chunk: Sequence[int],
    seconds: float,
    once: float,
    costs: Sequence[Cost],
    cores: int,
    names: set[str],
) -> PlannedJob:
    points = tuple(load.points[i] for i in chunk)
    structures = [load.structures[i] for i in chunk]
    memory = max(costs[i].memory for i in structures)
    gpus = max(load.gpus or 1 if costs[i].gpu else 0 for i in structures)
    job = replace(load.template, name=_name(load.template, points, names), points=points, gpus=gpus)
    names.add(job.name)
    return PlannedJob(job, cores, seconds, memory, _disk_space(load, structures), gpus, once)


def _order(load: Workload) -> list[int]:
    """Order points by structure and seed, and within these so that what runs first is a fair sample of what follows.

    By the multiples of the golden ratio, less their whole parts: wherever such a series is cut, it has gone over the
    grid about evenly, over the values of the fastest axes as well (least so where an axis has a large Fibonacci number
    of them). Of ten points drawn by chance, as by their ids, the mean may well be a quarter off where rates differ as
    widely as they do where a network is calibrated.
    """
    groups = list(zip(load.structures, (point.network_seed for point in load.points), strict=True))
    seen: Counter[tuple[int, int]] = Counter()
    keys = []
    for group in groups:
        keys.append((*group, seen[group] * _GOLDEN % 1.0))
        seen[group] += 1
    return sorted(range(len(keys)), key=keys.__getitem__)


def _batches(
    load: Workload, order: Sequence[int], costs: Sequence[Cost]
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Yield the structure and seed, and the indices, of points that run together."""
    for group, members in itertools.groupby(order, lambda i: (load.structures[i], load.points[i].network_seed)):
        alike = list(members)
        left = iter(alike)
        for size in even_batches(len(alike), costs[group[0]].batch):
            yield group, list(itertools.islice(left, size))


def _name(template: Job, points: Sequence[Point], names: set[str]) -> str:
    """Name a job after what it does; a second attempt at the same points gets a number."""
    digest = hashlib.sha256("".join(point.point_id for point in points).encode())
    digest.update(repr(sorted(template.settings.items())).encode())
    base = f"{template.simulator}-{digest.hexdigest()[:10]}"
    name, number = base, 2
    while name in names:
        name, number = f"{base}-{number}", number + 1
    return name
