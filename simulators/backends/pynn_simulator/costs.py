"""What a network costs on a simulator behind PyNN, fitted to small ones with ``benchmarks/engines/pynn_costs.py``."""

from __future__ import annotations

from simulators.backends.pynn_simulator.implementations import Implementation
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost
from simulators.description import Network, PiecewiseConstant, PoissonDrive
from simulators.description.network import expected_synapses
from simulators.records.job import Simulation

_DRAWING = 2e-7  # s of a synapse
_PROCESS, _NEURON, _SYNAPSE, _SPIKE = 2.5e8, 9e3, 180.0, 60.0  # B


def estimate_cost(network: Network, simulation: Simulation, implementation: Implementation) -> Cost:
    """Estimate time and memory.

    Parameters
    ----------
    network : Network
        The network.
    simulation : Simulation
        Step and duration.
    implementation : Implementation
        Who runs it.
    """
    seconds = implementation.seconds
    biology = (simulation.warmup + simulation.duration) * 1e-3
    n_steps = simulation.warmup_steps + simulation.n_steps
    synapses = expected_synapses(network)
    driven = biology * sum(
        network[given.target].size
        * (max(given.rate.values) if isinstance(given.rate, PiecewiseConstant) else given.rate)
        for given in network.inputs
        if isinstance(given, PoissonDrive)
    )
    parts = len(network.populations) + len(network.projections) + len(network.inputs)
    making = parts * seconds.part + network.n_neurons * seconds.neuron + synapses * seconds.synapse
    running = n_steps * (parts * seconds.step + network.n_neurons * seconds.update)
    taken = biology * NOMINAL_RATE * synapses + driven
    return Cost(
        build=_DRAWING * synapses,
        point=making + running + seconds.event * taken,
        memory=_PROCESS
        + _NEURON * network.n_neurons
        + _SYNAPSE * synapses
        + _SPIKE * (GENEROUS_RATE * network.n_neurons * biology + driven),
        start=seconds.start,
    )
