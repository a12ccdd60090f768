"""Whether another simulator would be quicker than those a sweep asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from jobs.plan import Workload, core_hours
from simulators.backends.simulator import find_simulator, simulator_names

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
        Simulators that the sweep asks for.
    """
    if hours < _WORTH_SAYING:
        return ""
    instead = {name: _hours_on(name, loads) for name in simulator_names() if name not in listed}
    possible = {name: estimate for name, estimate in instead.items() if estimate is not None}
    if not possible:
        return ""
    name = min(possible, key=possible.__getitem__)
    if possible[name] * _GAIN > hours:
        return ""
    return (
        f"{name} would take about {possible[name]:.2g} core hours instead of the {hours:.2g} of "
        f'{loads[0].template.simulator}: simulators = ["{name}"]'
    )


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
        hours += core_hours(replace(load, template=template, observed=None, gpus=0))
    return hours
