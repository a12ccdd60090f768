"""Whether another simulator would be quicker than those a sweep asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from jobs.plan import Workload, core_hours
from simulators.backends.simulator import find_simulator, simulator_names
from simulators.description import Network
from simulators.records.job import Simulation

_WORTH_SAYING = 0.1  # core hours; below it nobody need change a sweep
_GAIN = 2.0  # estimates are rough


def quicker_simulator(loads: Sequence[Workload], hours: float, listed: Collection[str]) -> str:
    """Name the simulator that would be quicker on cores by far and runs these networks, if there is one; else nothing.

    Parameters
    ----------
    loads : sequence of Workload
        What is to be done with one simulator.
    hours : float
        Core hours it takes as the sweep has it, 0 on graphics processors: their times are not known well enough to
        be compared.
    listed : collection of str
        Simulators that the sweep asks for: where the quickest is among them, there is nothing to say.
    """
    if hours < _WORTH_SAYING:
        return ""
    asked = loads[0].template.simulator
    instead = {name: _hours_on(name, loads) for name in simulator_names() if name != asked}
    possible = {name: estimate for name, estimate in instead.items() if estimate is not None}
    if not possible:
        return ""
    name = min(possible, key=possible.__getitem__)
    if name in listed or possible[name] * _GAIN > hours:
        return ""
    return f'{_words(possible[name])} on {name}, {_words(hours)} on {asked}, of one core: simulators = ["{name}"]'


def own_draws(loads: Sequence[Workload]) -> str:
    """Say what points take of a core if each draws its own connectivity; nothing if they do, or it is little."""
    shared, own, drawn = 0.0, 0.0, 0
    for load in loads:
        points = [replace(point, network_seed=number) for number, point in enumerate(load.points)]
        shared += core_hours(load)
        own += core_hours(replace(load, points=points))
        drawn += len({(structure, p.network_seed) for structure, p in zip(load.structures, load.points, strict=True)})
    if drawn == sum(len(load.points) for load in loads) or own < _WORTH_SAYING:
        return ""
    return f'draws = "per_point", a connectivity for every point, would take {_words(own)} instead of {_words(shared)}'


def times_of_points(network: Network, simulation: Simulation, n_points: int, own_draws: bool = False) -> str:
    """Say how long points of one structure take of a core, simulator by simulator, the quickest first.

    Simulators that cannot run the network, or are never to be suggested, are left out.

    Parameters
    ----------
    network, simulation : Network, Simulation
        What is run.
    n_points : int
        How many.
    own_draws : bool
        Whether each draws its own connectivity.
    """
    hours = {}
    for name in simulator_names():
        simulator = find_simulator(name)
        if simulator.SUGGESTED is None:
            continue
        settings = {key: setting.default for key, setting in simulator.SETTINGS.items()} | dict(simulator.SUGGESTED)
        if not simulator.problems(network, simulation, settings):
            cost = simulator.estimate(network, simulation, settings, 0)
            n_builds = n_points if own_draws else 1
            hours[name] = (n_builds * cost.once + n_points * cost.each) * int(settings.get("threads", 1)) / 3600.0
    return ", ".join(f"{_words(hours[name])} on {name}" for name in sorted(hours, key=hours.__getitem__))


def _words(hours: float) -> str:
    """Return a time as people say it."""
    if hours >= 1.0:
        return f"{hours:.2g} h" if hours < 10.0 else f"{hours:.0f} h"
    return f"{hours * 60.0:.0f} min" if hours * 60.0 >= 1.0 else f"{max(1.0, hours * 3600.0):.0f} s"


def _hours_on(name: str, loads: Sequence[Workload]) -> float | None:
    """Core hours of workloads on another simulator; None if it cannot run them or is never to be suggested."""
    simulator = find_simulator(name)
    if simulator.SUGGESTED is None:
        return None
    settings = {key: setting.default for key, setting in simulator.SETTINGS.items()} | dict(simulator.SUGGESTED)
    hours = 0.0
    for load in loads:
        if any(simulator.problems(network, load.template.simulation, settings) for network in load.networks):
            return None
        template = replace(load.template, simulator=name, settings=settings)
        # The machine is the same; how its workers start is not
        pace = None if load.pace is None else replace(load.pace, start=None, memory=0.0)
        hours += core_hours(replace(load, template=template, pace=pace, gpus=0))
    return hours
