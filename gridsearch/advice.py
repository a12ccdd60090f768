"""Whether another simulator would be quicker than the one a sweep asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobs.plan import Workload, core_hours
from simulators.backends.simulator import find_simulator

_WORTH_SAYING = 0.1  # core hours; below it nobody need change a sweep
_GAIN = 2.0  # estimates are rough


def quicker_simulator(loads: Sequence[Workload], hours: float) -> str:
    """Say that GeNN on CPU cores would be quicker, if it would be by far and runs these networks; else nothing.

    Parameters
    ----------
    loads : sequence of Workload
        What is to be done with one simulator.
    hours : float
        Core hours it takes as the sweep has it, 0 on graphics processors: their times are not known well enough to
        be compared.
    """
    if hours < _WORTH_SAYING or loads[0].template.simulator == "genn":
        return ""
    genn = find_simulator("genn")
    settings = {name: setting.default for name, setting in genn.SETTINGS.items()}
    settings["backend"] = "single_threaded_cpu"
    instead = 0.0
    for load in loads:
        if any(genn.problems(network, load.template.simulation, settings) for network in load.networks):
            return ""
        template = replace(load.template, simulator="genn", settings=settings)
        instead += core_hours(replace(load, template=template, observed=None, gpus=0))
    if instead * _GAIN > hours:
        return ""
    return (
        f"GeNN on CPU cores would take about {instead:.2g} core hours instead of the {hours:.2g} of "
        f'{loads[0].template.simulator}: simulators = ["genn"]'
    )
