"""The network description in PyNN's terms.

The module of PyNN is handed in by `simulators.backends.pynn_simulator`, which alone imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.pynn_simulator.cells import NANO, cell_of, cell_parameters
from simulators.backends.pynn_simulator.connectors import make_connector
from simulators.backends.pynn_simulator.drawing import Synapses
from simulators.backends.pynn_simulator.implementations import Implementation
from simulators.backends.pynn_simulator.trains import Trains, drive_trains, source_trains
from simulators.description import Network, Normal, PoissonDrive, Population, Projection, StepCurrent, Uniform
from simulators.neurons.neuron_model import Receptor, Values
from simulators.records.job import Simulation


@dataclass(frozen=True)
class Point:
    """What a point is made of.

    Parameters
    ----------
    network : Network
        One without problems.
    synapses : mapping of str to Synapses
        By projection.
    simulation : Simulation
        Step, warm-up and duration.
    seed : int
        Seed of the network draw.
    implementation : Implementation
        Who runs it.
    """

    network: Network
    synapses: Mapping[str, Synapses]
    simulation: Simulation
    seed: int
    implementation: Implementation

    @property
    def origin(self) -> int:
        """Step of the simulator at which the warm-up begins."""
        return self.implementation.lead + self.implementation.ahead


def create_network(pynn: Any, point: Point) -> tuple[dict[str, Any], dict[str, Values]]:
    """Create and connect a network in a simulator that is set up.

    Returns
    -------
    populations : dict of str to Population
        Neurons that are recorded, by name; sources left out.
    start : dict of str to float or ndarray of float64, shape (size,)
        mV, the potentials at which the warm-up begins.
    """
    network, dt = point.network, point.simulation.dt
    made: dict[str, Any] = {}
    start: dict[str, Values] = {}
    for population in network.populations:
        if population.is_source:
            trains = source_trains(network, population, point.simulation, point.seed)
            made[population.name] = _sources(pynn, population.size, trains, point)
            continue
        cell = cell_of(population.model)
        assert cell is not None, "is among the problems of a network"
        parameters, potential, reset = cell_parameters(population, point.seed, dt, point.implementation)
        made[population.name] = pynn.Population(population.size, getattr(pynn, cell.name)(**parameters))
        start[population.name] = potential
        # Before a point begins nobody shall fire, and from their reset they are farthest from it
        made[population.name].initialize(v=reset if point.implementation.lead else potential)
        made[population.name].record("spikes")
    for projection in network.projections:
        synapses = point.synapses[projection.name]
        if len(synapses.sources):
            weights = signed_weights(projection, synapses, network[projection.target])
            ends = made[projection.source], made[projection.target]
            _connect(pynn, *ends, synapses, weights, projection.receptor, point)
    for given in network.inputs:
        if isinstance(given, PoissonDrive):
            _drive(pynn, made[given.target], given, point)
        elif isinstance(given, StepCurrent):
            _inject(pynn, made[given.target], given, point)
    return {name: made[name] for name in start}, start


def signed_weights(projection: Projection, synapses: Synapses, target: Population) -> NDArray[np.float64]:
    """Weights of a projection's synapses in pA or nS: negative for inhibition by current, positive by conductance.

    Raises
    ------
    ValueError
        If the weight of an excitatory synapse is negative.
    """
    scale = projection.weight_scale
    drawn = projection.drawn_weight
    if synapses.weights is None:
        return _signed(np.full(len(synapses.sources), scale), projection.receptor, target)
    if isinstance(drawn, (Normal, Uniform)):
        # the centre of the distribution decides the sign of all its weights
        centre = scale * (drawn.mean if isinstance(drawn, Normal) else (drawn.low + drawn.high) / 2.0)
        wanted = float(_signed(np.array([centre]), projection.receptor, target)[0])
        return synapses.weights * (scale if wanted == centre else -scale)
    # a list's weights are what they are, whatever weight the projection has
    return _signed(synapses.weights * (1.0 if drawn is None else scale), projection.receptor, target)


def _signed(weights: NDArray[np.float64], receptor: Receptor, target: Population) -> NDArray[np.float64]:
    if receptor == "excitatory":
        if (weights < 0.0).any():
            raise ValueError(f"an excitatory weight is negative: {weights.min():g}")
        return weights
    return np.abs(weights) if target.model.synapses == "conductance" else -np.abs(weights)


def _connect(
    pynn: Any,
    source: Any,
    target: Any,
    synapses: Synapses,
    weights: NDArray[np.float64],
    receptor: Receptor,
    point: Point,
) -> None:
    delays = synapses.delays.astype(np.float64) * point.simulation.dt
    connector = make_connector(pynn, point.implementation.name, synapses, weights * NANO, delays)
    pynn.Projection(source, target, connector, pynn.StaticSynapse(), receptor_type=receptor)


def _sources(pynn: Any, size: int, trains: Trains, point: Point) -> Any:
    steps = trains.steps + (point.origin - point.implementation.label - point.implementation.early)
    cuts = np.searchsorted(trains.sources, np.arange(size + 1))
    times = [steps[first:last] * point.simulation.dt for first, last in pairwise(cuts)]
    return pynn.Population(size, pynn.SpikeSourceArray(spike_times=times))


def _drive(pynn: Any, target: Any, drive: PoissonDrive, point: Point) -> None:
    population = point.network[drive.target]
    every = np.arange(population.size, dtype=np.int64)
    delay = np.full(population.size, max(1, round(drive.delay / point.simulation.dt)), dtype=np.int64)
    weights = _signed(np.full(population.size, drive.weight), drive.receptor, population)
    for trains in drive_trains(drive, population.size, point.simulation, point.seed):
        source = _sources(pynn, population.size, trains, point)
        _connect(pynn, source, target, Synapses(every, every, delay, None), weights, drive.receptor, point)


def _inject(pynn: Any, target: Any, given: StepCurrent, point: Point) -> None:
    population = point.network[given.target]
    driven = given.driven(population.size, population.n_clusters)
    begin = point.origin - point.implementation.current
    changes: dict[int, float] = {}
    for onset, offset in zip(given.onsets, given.offsets, strict=True):
        for time, amplitude in ((onset, given.amplitude), (offset, 0.0)):
            step = round(time / point.simulation.dt) + point.simulation.warmup_steps
            changes[max(step, 0) + begin] = amplitude * NANO
    if not changes or not len(driven):
        return
    steps = sorted(changes)
    current = pynn.StepCurrentSource(
        times=[step * point.simulation.dt for step in steps], amplitudes=[changes[step] for step in steps]
    )
    current.inject_into(target if len(driven) == population.size else target[driven])
