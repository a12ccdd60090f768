"""What a network costs on NEST.

The constants are those of NEST 3.10 on one core of a virtual Xeon. They were fitted to two networks at once: 25,000
neurons with 1.9·10⁸ synapses of one delay (Schmitt, Rostami & Nawrot 2023), and 77,000 neurons with 3.0·10⁸ synapses
of drawn weights and delays under Poisson drive (Potjans & Diesmann 2014). The second takes twice as long for a synapse
that a spike takes: its ring buffers do not fit the caches. More threads than cores are taken to gain nothing; with the
second network they gained a fifth on one machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from simulators.backends.nest_simulator.connections import NODES_OF_COMPACT_SYNAPSES, shares_one_weight
from simulators.backends.nest_simulator.network import nodes_per_thread
from simulators.backends.nest_simulator.problems import is_reusable
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedTotalNumber,
    Network,
    Normal,
    PoissonDrive,
    Projection,
    Uniform,
)
from simulators.description.network import projection_synapses
from simulators.records.job import Simulation

# s of one core
_UPDATE, _ADAPTIVE_UPDATE = 14e-9, 250e-9  # of a neuron, by a fixed step or by an adaptive solver
_DRAW = 50e-9  # of the count of one Poisson train in a step
_EVENT, _EVENT_BEYOND_CACHES = 45e-9, 115e-9  # of a synapse that a spike takes
_PAIR, _SYNAPSE, _SCATTERED_SYNAPSE, _DRAWN, _SORTED = 28e-9, 240e-9, 500e-9, 80e-9, 60e-9  # of connecting
_START, _POINT = 1.0, 0.05

_CACHE, _BEYOND = 2e6, 6.4e7  # B of ring buffers that caches hold, and of which they hold next to nothing

# B; a synapse has 16 less where the nodes of a thread are few
_PROCESS, _SYNAPSE_SIZE, _WEIGHT_SIZE, _COMPACT = 2.0e8, 34.0, 8.0, 16.5
# NEST allots 1,024 synapses to a neuron for its recorder alone
_NEURON, _RECORDED, _RECORDED_COMPACT, _SPIKE = 6_500.0, 28_000.0, 6_700.0, 40.0


def estimate_cost(network: Network, simulation: Simulation, threads: int, cores: int) -> Cost:
    """Estimate time and memory.

    Parameters
    ----------
    network : Network
        The network.
    simulation : Simulation
        Step and duration.
    threads : int
        Threads of the kernel.
    cores : int
        Cores they share.
    """
    at_once = min(threads, cores)
    biology = (simulation.warmup + simulation.duration) * 1e-3
    building = sum(_connecting(network, projection) for projection in network.projections)
    running = biology * (_per_second(network, simulation.dt))
    return Cost(
        build=building / at_once,
        point=_POINT + running / at_once,
        memory=_memory(network, threads, biology),
        builds_every_point=not is_reusable(network),
        start=_START,
    )


def _connecting(network: Network, projection: Projection) -> float:
    """Time to draw, make and sort the synapses of a projection."""
    rule, synapses = projection.rule, projection_synapses(network, projection)
    each = _SORTED + (_SCATTERED_SYNAPSE if isinstance(rule, (FixedTotalNumber, ConnectionList)) else _SYNAPSE)
    if not shares_one_weight(projection):
        each += _DRAWN
    # Bernoulli trials of pairs are made one by one
    pairs = synapses / rule.probability if isinstance(rule, Bernoulli) and rule.probability else 0.0
    return synapses * each + pairs * _PAIR


def _per_second(network: Network, dt: float) -> float:
    """Time for a second of biology."""
    steps = 1e3 / dt
    sources = sum(population.size for population in network.populations if population.model.source == "poisson")
    driven = sum(network[given.target].size for given in network.inputs if isinstance(given, PoissonDrive))
    updates = sum(population.size * _update(network, population.name) for population in network.populations)
    synapses = sum(projection_synapses(network, projection) for projection in network.projections)
    return steps * (updates + _DRAW * (sources + driven)) + NOMINAL_RATE * synapses * _event(network, dt)


def _update(network: Network, name: str) -> float:
    model = network[name].model
    return _UPDATE if model.nest is None or model.nest.quench is not None else _ADAPTIVE_UPDATE


def _event(network: Network, dt: float) -> float:
    """Time of a synapse that a spike takes: longer, the less of the neurons' ring buffers is in a cache."""
    slots = 2.0 + max((longest for p in network.projections for longest in _longest_delays(p)), default=dt) / dt
    receiving = sum(population.size for population in network.populations if not population.is_source)
    size = receiving * slots * 2 * 8.0  # two receptors
    beyond = min(max(math.log(size / _CACHE) / math.log(_BEYOND / _CACHE), 0.0), 1.0)
    return _EVENT + beyond * (_EVENT_BEYOND_CACHES - _EVENT)


def _longest_delays(projection: Projection) -> Iterator[float]:
    """Longest delay of a projection, about; nothing if it has no synapse."""
    rule, delay = projection.rule, projection.delay
    if isinstance(rule, ConnectionList) and rule.delays is not None:
        yield from rule.delays.max(initial=0.0, keepdims=True).tolist()
    elif isinstance(delay, Normal):
        yield float(np.minimum(delay.mean + 4.5 * delay.sd, delay.high))
    elif isinstance(delay, Uniform):
        yield delay.high
    elif isinstance(delay, (int, float)):
        yield float(delay)


def _memory(network: Network, threads: int, biology: float) -> float:
    compact = nodes_per_thread(network, threads) <= NODES_OF_COMPACT_SYNAPSES
    synapses = sum(
        projection_synapses(network, projection)
        * (_SYNAPSE_SIZE - compact * _COMPACT + (0.0 if shares_one_weight(projection) else _WEIGHT_SIZE))
        for projection in network.projections
    )
    recorded = sum(population.size for population in network.populations if not population.is_source)
    per_recorded = _RECORDED_COMPACT if compact else _RECORDED
    spikes = GENEROUS_RATE * recorded * biology
    return _PROCESS + synapses + _NEURON * network.n_neurons + per_recorded * recorded + _SPIKE * spikes
