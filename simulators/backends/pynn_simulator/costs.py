"""What a network costs on a simulator behind PyNN: guesses from small ones on a busy core, until rows tell."""

from __future__ import annotations

from simulators.backends.pynn_simulator.implementations import Implementation
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost
from simulators.description import Network, PiecewiseConstant, PoissonDrive
from simulators.description.network import expected_synapses
from simulators.records.job import Simulation

_DRAWING = 4e-8  # s of a synapse
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
    start, step, update, event, neuron, synapse = implementation.seconds
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
    running = n_steps * (parts * step + network.n_neurons * update) + event * (
        biology * NOMINAL_RATE * synapses + driven
    )
    return Cost(
        build=_DRAWING * synapses,
        point=network.n_neurons * neuron + synapses * synapse + running,
        memory=_PROCESS
        + _NEURON * network.n_neurons
        + _SYNAPSE * synapses
        + _SPIKE * (GENEROUS_RATE * network.n_neurons * biology + driven),
        start=start,
    )
