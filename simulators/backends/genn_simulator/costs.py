"""What a network costs on GeNN: time, memory of the process and of a graphics processor, and the batch that fits.

Times on a CPU were measured with GeNN 5.4 on one core of a virtual Xeon. Those on a graphics processor were not:
they are assumed such that the published grid takes what Schmitt, Rostami & Nawrot (2023) report of a workstation, and
nothing is known of how they grow with a network. They are there to cut jobs and to tell minutes from days.
"""

from __future__ import annotations

import math

from simulators.backends.genn_simulator.delays import has_own_delays, has_own_weights
from simulators.backends.simulator import Cost, SimulatorUnavailableError
from simulators.description.network import Network, expected_synapses, projection_synapses
from simulators.description.projection import Projection
from simulators.records.job import Simulation

LARGEST_BATCH = 40
"""Points that run together where the sweep does not say: those of the original study."""

_RATE = 5.0  # Hz, nominal
_DEVICE_SHARE = 0.8  # of a graphics processor's free memory
_VALUES_PER_NEURON = 24  # state, constants and inputs of a neuron at most, 4 B each


def cpu_cost(network: Network, simulation: Simulation) -> Cost:
    """Estimate a worker on one core."""
    neurons, synapses = network.n_neurons, expected_synapses(network)
    biology = (simulation.warmup + simulation.duration) / 1e3
    steps = biology * 1e3 / simulation.dt
    return Cost(
        build=4.0 + synapses * 1.3e-8,
        point=0.02 + steps * (2.2e-6 + neurons * 0.9e-9) + _RATE * synapses * biology * 1.1e-9,
        memory=1.05e8 + _synapse_memory(network) + neurons * 500.0 + _recording_memory(network, simulation),
    )


def gpu_cost(network: Network, simulation: Simulation, batch: int, procedural: bool) -> Cost:
    """Estimate a worker on a graphics processor that runs full batches; the times are assumptions.

    A step is a few launches of kernels (60 µs), which all points of a batch share; neurons and synaptic events of
    the points follow one another at a hundredth and a tenth of their time on a core.
    """
    neurons, synapses = network.n_neurons, expected_synapses(network)
    biology = (simulation.warmup + simulation.duration) / 1e3
    steps = biology * 1e3 / simulation.dt
    synapse_memory = 0.0 if procedural else _synapse_memory(network)
    return Cost(
        build=40.0 + synapses * 1.3e-8,
        point=0.02 + steps * (60e-6 / batch + neurons * 1e-11) + _RATE * synapses * biology * 1e-10,
        memory=1e9 + synapse_memory + batch * (neurons * 500.0 + _recording_memory(network, simulation)),
        batch=batch,
        gpu=True,
    )


def device_memory(network: Network, recorded_steps: int, procedural: bool) -> tuple[float, float]:
    """Estimate the memory on a graphics processor.

    Parameters
    ----------
    network : Network
        The network.
    recorded_steps : int
        Steps whose spikes are kept there, a bit per neuron.
    procedural : bool
        Whether synapses are drawn anew at every spike instead of stored.

    Returns
    -------
    shared, each : float
        B: what all points of a batch share, and what every point adds.
    """
    each = network.n_neurons * (4.0 * _VALUES_PER_NEURON + recorded_steps / 8.0)
    return 0.0 if procedural else _synapse_memory(network), each


def batch_that_fits(free: float, shared: float, each: float) -> int:
    """How many points run together on a graphics processor.

    Parameters
    ----------
    free : float
        B, of its memory; infinite where that is not known.
    shared, each : float
        From `device_memory`.

    Returns
    -------
    int
        At most `LARGEST_BATCH`. At least one: what does not fit fails with GeNN's own message.
    """
    room = (free * _DEVICE_SHARE - shared) / each
    return LARGEST_BATCH if room >= LARGEST_BATCH else max(1, math.floor(room))


def check_memory(free: float, batch: int, shared: float, each: float) -> None:
    """Make sure that a network fits a graphics processor: GeNN ends the process if it does not.

    Raises
    ------
    SimulatorUnavailableError
        If it does not.
    """
    needed = shared + batch * each
    if needed > free:
        raise SimulatorUnavailableError(
            f"{batch} points at once need some {needed / 1e9:.2g} GB of the graphics processor's memory, of which "
            f"{free / 1e9:.2g} GB are free; take a smaller batch, another processor or procedural connectivity"
        )


def bytes_per_synapse(network: Network, projection: Projection) -> float:
    """Memory of a synapse: its target's index, what is its own, and the room that rows leave."""
    index = 2.0 if network[projection.target].size <= 2**16 else 4.0
    return 1.1 * (index + 4.0 * has_own_weights(projection) + has_own_delays(projection))


def _synapse_memory(network: Network) -> float:
    return sum(projection_synapses(network, p) * bytes_per_synapse(network, p) for p in network.projections)


def _recording_memory(network: Network, simulation: Simulation) -> float:
    """Spikes of a point, and what the statistics make of them."""
    return 55.0 * _RATE * network.n_neurons * simulation.duration / 1e3
