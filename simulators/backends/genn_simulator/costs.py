"""What a network costs on GeNN: time on a core, memory of the process and of a graphics processor, the batch that fits.

Times on a CPU are those of GeNN 5.4 on one core of a virtual Xeon. They were fitted to two networks at once: 25,000
neurons with 1.9·10⁸ synapses that share weights and a delay (Schmitt, Rostami & Nawrot 2023), and 77,000 neurons with
3.0·10⁸ synapses of their own weights and delays under Poisson drive (Potjans & Diesmann 2014). In the second a spike
takes eight times as long for a synapse: what it adds to is scattered over a delay buffer that no cache holds.

Times on a graphics processor are in `gpu_costs`.
"""

from __future__ import annotations

import ast
import math
from functools import cache

from simulators.backends.genn_simulator.generated_code.poisson_code import (
    LARGEST_MEAN_COUNT,
    count_limits,
    draws_needed,
)
from simulators.backends.genn_simulator.structure.delays import (
    buffer_lengths,
    delay_steps,
    has_own_delays,
    has_own_weights,
)
from simulators.backends.genn_simulator.structure.layout import constant_names
from simulators.backends.genn_simulator.structure.synapse_layout import longest_row
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost, SimulatorUnavailableError
from simulators.description.inputs import PiecewiseConstant, PoissonDrive
from simulators.description.network import Network, projection_synapses
from simulators.description.projection import ConnectionList, Projection
from simulators.neurons.neuron_model import NeuronModel
from simulators.neurons.step_code import assignments
from simulators.records.job import Simulation

LARGEST_BATCH = 80
"""Points that run together at most where the sweep does not say.

Twice those of the original study, by the count of `gpu_costs`: 25,000 neurons take 5 % less time than in batches of 40
on an H100, and in larger ones next to nothing less, while a worker that dies takes more points with it.
"""

_DEVICE_SHARE = 0.8  # of a graphics processor's free memory, that an automatic batch takes
_DEVICE_MARGIN = 0.1  # of it, that is left in any case: code and stacks, and what others take meanwhile

# s of one core
_START, _POINT, _STEP = 4.0, 0.02, 2.2e-6
_NEURON, _OPERATION, _EXPONENTIAL = 0.75e-9, 0.016e-9, 1.9e-9  # of a step
_DRAW, _LIMIT = 0.35e-9, 0.033e-9  # of a Poisson count, and of each number it is compared with
_EVENT, _OWN_EVENT, _BUFFERED_EVENT = 1.1e-9, 0.5e-9, 6.5e-9  # of a synapse that a spike takes
_CONNECT, _DRAWN = 1.3e-8, 3e-8  # of a synapse, and of its weight or delay

_CACHE, _BEYOND = 2e6, 2.5e7  # B of delay buffers that caches hold, and of which they hold next to nothing

PER_SPIKE = 55.0
"""B of a spike of a point, and of what statistics make of it."""

# B
_PROCESS, _PER_NEURON = 1.05e8, 500.0
_QUEUED = 4.0  # a spike that waits
_ROOM_PER_NEURON = 40.0  # inputs, generators, and what GeNN keeps


def cpu_cost(network: Network, simulation: Simulation) -> Cost:
    """Estimate a worker on one core."""
    biology = (simulation.warmup + simulation.duration) / 1e3
    steps = biology * 1e3 / simulation.dt
    buffered = _buffer_memory(network, simulation.dt)
    build, event = 0.0, 0.0
    for projection in network.projections:
        synapses = projection_synapses(network, projection)
        listed = isinstance(projection.rule, ConnectionList)
        own_weight, own_delay = has_own_weights(projection), has_own_delays(projection)
        build += synapses * (_CONNECT + (not listed) * _DRAWN * (own_weight + own_delay))
        event += synapses * (_EVENT + _OWN_EVENT * (own_weight + own_delay) + own_delay * _buffered_event(buffered))
    neurons = sum(p.size * _step_time(p.model) for p in network.populations)
    drives = sum(network[g.target].size * _drive_time(g, simulation.dt) for g in network.inputs if _is_drive(g))
    return Cost(
        build=build,
        point=_POINT + steps * (_STEP + neurons + drives) + NOMINAL_RATE * biology * event,
        memory=_PROCESS
        + _synapse_memory(network)
        + buffered
        + network.n_neurons * _PER_NEURON
        + _recording_memory(network, simulation),
        start=_START,
    )


def device_memory(network: Network, dt: float, recorded_steps: int, procedural: bool) -> tuple[float, float]:
    """Estimate the memory on a graphics processor.

    Parameters
    ----------
    network : Network
        The network.
    dt : float
        ms.
    recorded_steps : int
        Steps whose spikes are kept there, a bit per neuron; sums that are made of them come on top (`bytes_of`).
    procedural : bool
        Whether synapses are drawn anew at every spike instead of stored.

    Returns
    -------
    shared, each : float
        B: what all points of a batch share, and what every point adds.
    """
    waiting = dict.fromkeys(network.by_name, 1)
    for projection in network.projections:
        if not has_own_delays(projection):
            assert isinstance(projection.delay, (int, float))
            waiting[projection.source] = max(waiting[projection.source], delay_steps(projection.delay, dt))
    each = _buffer_memory(network, dt)
    for population in network.populations:
        model = population.model
        numbers = 4.0 * (len(constant_names(model)) + len(model.states)) if model.step is not None else 0.0
        queued = _QUEUED * waiting[population.name]
        each += population.size * (numbers + queued + _ROOM_PER_NEURON + recorded_steps / 8.0)
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
        At most `LARGEST_BATCH`. At least one: what does not fit is said before it is loaded (`check_memory`).
    """
    room = (free * _DEVICE_SHARE - shared) / each
    return LARGEST_BATCH if room >= LARGEST_BATCH else max(1, math.floor(room))


def check_memory(free: float, batch: int, shared: float, each: float) -> None:
    """Make sure that a network fits a graphics processor: GeNN ends the process if it does not.

    Parameters
    ----------
    free : float
        B of its memory, beside what CUDA takes for a process.
    batch : int
        Points that run together.
    shared, each : float
        From `device_memory`.

    Raises
    ------
    SimulatorUnavailableError
        If it does not.
    """
    needed = shared + batch * each
    if needed > free * (1.0 - _DEVICE_MARGIN):
        raise SimulatorUnavailableError(
            f"{batch} points at once need some {needed / 1e9:.2g} GB of the graphics processor's memory, of which "
            f"{free / 1e9:.2g} GB are free, and a tenth of these is left so; take a smaller batch, another processor "
            "or procedural connectivity"
        )


def bytes_per_synapse(network: Network, projection: Projection) -> float:
    """Memory of a synapse: its target's index, and what is its own."""
    index = 2.0 if network[projection.target].size <= 2**16 else 4.0
    return index + 4.0 * has_own_weights(projection) + has_own_delays(projection)


def _synapse_memory(network: Network) -> float:
    """Memory of the rows of all projections, with the room that they leave."""
    return sum(
        float(network[p.source].size * longest_row(network, p)) * bytes_per_synapse(network, p)
        for p in network.projections
    )


def _buffer_memory(network: Network, dt: float) -> float:
    """Memory of the delay buffers, of one point."""
    lengths = buffer_lengths(network, dt)
    return sum(4.0 * network[target].size * steps for (target, _), steps in lengths.items())


def _recording_memory(network: Network, simulation: Simulation) -> float:
    """Spikes of a point, and what the statistics make of them."""
    return PER_SPIKE * GENEROUS_RATE * network.n_neurons * simulation.duration / 1e3


@cache
def _step_time(model: NeuronModel) -> float:
    """Time of a neuron's step: that of the arithmetic of its model, and of looking whether it fires."""
    if model.step is None:
        return _NEURON + (_DRAW if model.source == "poisson" else 0.0)
    nodes = [node for line in assignments(model.step) for node in ast.walk(line.expression)]
    exponentials = sum(isinstance(node, ast.Call) and ast.unparse(node.func) == "exp" for node in nodes)
    return _NEURON + _OPERATION * sum(isinstance(n, ast.BinOp) for n in nodes) + _EXPONENTIAL * exponentials


def _is_drive(given: object) -> bool:
    return isinstance(given, PoissonDrive)


def _drive_time(drive: object, dt: float) -> float:
    """Time of drawing the count of a drive for a neuron and step."""
    assert isinstance(drive, PoissonDrive)
    rates = drive.rate.values if isinstance(drive.rate, PiecewiseConstant) else (drive.rate,)
    mean = min(max(0.0, *rates) * dt * 1e-3, LARGEST_MEAN_COUNT)
    return _DRAW + _LIMIT * draws_needed(len(count_limits(mean)) - 1)


def _buffered_event(size: float) -> float:
    """Time that a delay buffer of so many bytes adds to a synapse's share of a spike."""
    beyond = math.log(max(size, _CACHE) / _CACHE) / math.log(_BEYOND / _CACHE)
    return _BUFFERED_EVENT * min(1.0, 0.15 + beyond)
