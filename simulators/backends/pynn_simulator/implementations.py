"""What differs between the simulators behind PyNN: versions, clocks and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Seconds:
    """What things take, s of a core of the machine of the estimates (``benchmarks/engines/pynn_costs.py``).

    Parameters
    ----------
    start : float
        To import the simulator.
    part, step : float
        A population, projection or input: to make it, and for each step.
    neuron, update : float
        A neuron: to make it, and for each step.
    synapse, event : float
        A synapse: to make it, and for each spike that it takes.
    """

    start: float
    part: float
    step: float
    neuron: float
    update: float
    synapse: float
    event: float


@dataclass(frozen=True)
class Implementation:
    """A simulator behind PyNN.

    Times of PyNN mean different things in different simulators by a step; the step in which a spike happens is known
    here by its end, as NEST has it.

    Parameters
    ----------
    name : str
        As it stands in a sweep.
    module : str
        The module of PyNN that drives it.
    package, pip : str
        The package it comes in, and what pip must be told.
    imported : str
        What must be possible to import.
    pretends : tuple of str
        Module and function that read a setting of the simulator, and the section and key of the one under which it does
        everything but simulate; empty if there is none.
    setup : mapping of str to value
        Arguments of PyNN's ``setup`` beside step and delays.
    lead : int
        Steps that are run before a point begins, for inputs that act in its first step. 0 where a neuron's state
        cannot be set once something has run.
    ahead : int
        Steps by which the simulator is then further than it was told.
    label : int
        Steps from the time that a spike bears to the end of the step in which it happened.
    current : int
        The same for a current: from the time of a change to the start of the step that first feels it.
    early : float
        Steps by which given spikes are told to come earlier, where a time that is rounded up would be late by a step.
    held : int
        Steps for which a neuron is refractory less than it is told.
    compiles : bool
        Whether it needs programs (a compiler) when it is imported.
    whole_windows : bool
        Whether going on costs so much (Brian 2 makes its code anew, a board is loaded) that a point is not run in short
        pieces.
    one_refractory_time : bool
        Whether all neurons of a population must share it.
    seconds : Seconds
        What it takes.
    """

    name: str
    module: str
    package: str
    pip: str
    imported: str
    seconds: Seconds
    setup: Mapping[str, Any] = field(default_factory=dict)
    pretends: tuple[str, ...] = ()
    lead: int = 0
    ahead: int = 0
    label: int = 0
    current: int = 0
    early: float = 0.0
    held: int = 0
    compiles: bool = False
    whole_windows: bool = False
    one_refractory_time: bool = False


IMPLEMENTATIONS: Mapping[str, Implementation] = {
    one.name: one
    for one in (
        Implementation(
            "nest",
            "pyNN.nest",
            "nest-simulator",
            "nest-simulator",
            "nest",
            Seconds(1.1, 1.9e-2, 6.6e-6, 2.8e-4, 2.1e-8, 2.2e-7, 1e-8),
            {"spike_precision": "on_grid", "verbosity": "error"},
            lead=3,
            ahead=1,
            early=0.25,
        ),
        Implementation(
            "brian2",
            "pyNN.brian2",
            "brian2",
            "brian2",
            "brian2",
            Seconds(10.0, 0.1, 5.8e-5, 2.1e-4, 1.7e-7, 1e-8, 1e-8),
            lead=3,
            label=1,
            held=1,
            whole_windows=True,
            one_refractory_time=True,
        ),
        Implementation(
            "neuron",
            "pyNN.neuron",
            "neuron",
            "neuron",
            "neuron",
            Seconds(0.4, 0.0, 0.0, 1e-3, 2.5e-6, 3.5e-5, 1.5e-5),
            compiles=True,
        ),
        Implementation(
            "spinnaker",
            "pyNN.spiNNaker",
            "sPyNNaker",
            "sPyNNaker",
            "spynnaker",
            Seconds(1.1, 1.9e-2, 6.6e-6, 2.8e-4, 2.1e-8, 2.2e-7, 1e-8),  # those of NEST: never measured
            pretends=("spinn_utilities.config_holder", "get_config_bool", "Machine", "virtual_board"),
            whole_windows=True,
        ),
    )
}
