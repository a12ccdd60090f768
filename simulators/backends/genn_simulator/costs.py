"""What a network costs on GeNN: time, memory of the process and of a graphics processor, and the batch that fits.

Times on a CPU are those of GeNN 5.4 on one core of a virtual Xeon. They were fitted to two networks at once: 25,000
neurons with 1.9·10⁸ synapses that share weights and a delay (Schmitt, Rostami & Nawrot 2023), and 77,000 neurons with
3.0·10⁸ synapses of their own weights and delays under Poisson drive (Potjans & Diesmann 2014). In the second a spike
takes eight times as long for a synapse: what it adds to is scattered over a delay buffer that no cache holds.

Times on a graphics processor are no measurement but a count: what a step launches, what it reads and writes in the
processor's memory, at the share of its bandwidth that scattered access leaves, and what is fetched, decoded and
summarised on cores beside it. They are there to cut jobs and to tell minutes from days. They hold where sums are made
of spikes; what whole trains take beyond that is said apart.
"""

from __future__ import annotations

import ast
import math
from functools import cache

from simulators.backends.accumulated import plans_of
from simulators.backends.genn_simulator.generated_code.poisson_code import (
    LARGEST_MEAN_COUNT,
    count_limits,
    draws_needed,
)
from simulators.backends.genn_simulator.structure.accumulation_layout import bytes_of
from simulators.backends.genn_simulator.structure.delays import (
    buffer_lengths,
    delay_steps,
    has_own_delays,
    has_own_weights,
)
from simulators.backends.genn_simulator.structure.layout import constant_names
from simulators.backends.genn_simulator.structure.synapse_layout import longest_row
from simulators.backends.pace import WINDOW
from simulators.backends.recorded import recorded_populations, slots_of
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost, SimulatorUnavailableError
from simulators.description.inputs import PiecewiseConstant, PoissonDrive
from simulators.description.network import Network, projection_synapses
from simulators.description.projection import ConnectionList, Projection
from simulators.neurons.neuron_model import NeuronModel
from simulators.neurons.step_code import assignments
from simulators.records.job import Simulation
from simulators.statistics import needs_of, with_always

LARGEST_BATCH = 40
"""Points that run together where the sweep does not say: those of the original study."""

LARGEST_CORES = 8
"""Cores that a job on a graphics processor takes where the sweep does not say: from there on it is the slower part."""

BANDWIDTH = 6e11
"""B/s, of the memory of a graphics processor that is not known."""

_DEVICE_SHARE = 0.8  # of a graphics processor's free memory

# s of one core
_START, _POINT, _STEP = 4.0, 0.02, 2.2e-6
_NEURON, _OPERATION, _EXPONENTIAL = 0.75e-9, 0.016e-9, 1.9e-9  # of a step
_DRAW, _LIMIT = 0.35e-9, 0.033e-9  # of a Poisson count, and of each number it is compared with
_EVENT, _OWN_EVENT, _BUFFERED_EVENT = 1.1e-9, 0.5e-9, 6.5e-9  # of a synapse that a spike takes
_CONNECT, _DRAWN = 1.3e-8, 3e-8  # of a synapse, and of its weight or delay

# s of a step on a graphics processor, and B that it moves
_LAUNCH = 5e-6  # from one kernel to the next, as CUDA's documentation and GeNN's own profiles have it
_LAUNCHES = 4  # of a step: inputs, synapses, neurons, and what is set up for them; counted on the emulated processor
_STATE = 16.0  # of a neuron: flag, threshold and recording beside its states, which are read and written
_SYNAPSE = 8.0  # of a synapse that a spike takes, beside what is stored of it: a sum is read and written
_SCATTERED = 0.5  # of the bandwidth, where it is random access
_PASSES = 10.0  # over a chunk's words, to make sums of them: bins of 1 ms look at each four times
_CHUNK_LAUNCHES = 6
_FETCH = 1.2e10  # B/s to the host, of PCI Express 4.0 at half its rate
# s of one core beside it: bits of a neuron and step, spikes of a point, and what statistics take for each point
_DECODE, _SUMMARISE, _STATISTICS = 9e-11, 2.3e-7, 0.05

_CACHE, _BEYOND = 2e6, 2.5e7  # B of delay buffers that caches hold, and of which they hold next to nothing

# B
_PROCESS, _PER_NEURON, _PER_SPIKE = 1.05e8, 500.0, 55.0
_QUEUED = 4.0  # a spike that waits
_SUMS_IN_PARTS = 4.0  # in which they are handed over, of which none is larger
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


def gpu_cost(
    network: Network, simulation: Simulation, batch: int, procedural: bool, cores: int, bandwidth: float = BANDWIDTH
) -> Cost:
    """Estimate a worker on a graphics processor that runs full batches.

    Parameters
    ----------
    network, simulation
        What is run.
    batch : int
        Points that run together.
    procedural : bool
        Whether synapses are drawn anew at every spike instead of stored.
    cores : int
        Cores beside it: where there are several, all but one decode and summarise while the next points run.
    bandwidth : float
        B/s, of its memory.
    """
    neurons = network.n_neurons
    synapses = sum(projection_synapses(network, projection) for projection in network.projections)
    biology = (simulation.warmup + simulation.duration) / 1e3
    steps = biology * 1e3 / simulation.dt
    own_delays = any(has_own_delays(projection) for projection in network.projections)
    launched = steps * _LAUNCH * (_LAUNCHES + own_delays)
    moved = steps * sum(p.size * (_STATE + 8.0 * _n_states(p.model)) for p in network.populations)
    taken = (
        NOMINAL_RATE
        * biology
        * sum(projection_synapses(network, p) * (bytes_per_synapse(network, p) + _SYNAPSE) for p in network.projections)
    )
    device = launched / batch + (moved + taken / _SCATTERED) / bandwidth
    chunk = round(WINDOW / simulation.dt)
    sums, words, n_sample = _accumulated(network, simulation)
    chunks = steps / chunk
    fetched = sums - words + words * chunks
    passes = _PASSES * steps * neurons / 8.0 / bandwidth + _CHUNK_LAUNCHES * chunks * _LAUNCH / batch
    point = _with_cores(device + passes + fetched / _FETCH, n_sample, steps, simulation, cores)
    recorded = _with_cores(device + steps * neurons / 8.0 / _FETCH, neurons, steps, simulation, cores)
    bits = chunk * batch * neurons / 8.0
    others = cores - 1
    memory = 1e9 + (0.0 if procedural else _synapse_memory(network)) + bits + batch * neurons * _PER_NEURON
    decoded = _PER_SPIKE * GENEROUS_RATE * simulation.duration / 1e3
    # what is accumulated lies here, and with who finishes a point; what is handed over, in slots of what is shared
    slot = batch * max(words, (sums - words) / _SUMS_IN_PARTS)
    summed = batch * (2.0 * sums + decoded * n_sample) + others * _PROCESS + slots_of(slot) * slot * (others > 0)
    whole = batch * decoded * neurons + others * _PROCESS + slots_of(bits) * bits * (others > 0)
    return Cost(
        build=synapses * 1.3e-8,
        point=0.02 + point,
        together=launched,
        memory=memory + summed,
        batch=batch,
        gpu=True,
        start=40.0,
        trains=max(0.0, recorded - point),
        trains_memory=max(0.0, whole - summed),
    )


def _with_cores(device: float, n_decoded: int, steps: float, simulation: Simulation, cores: int) -> float:
    """Time of a point for which a graphics processor takes so many s, with the trains of so many neurons decoded."""
    decoding = steps * n_decoded * _DECODE
    summarising = NOMINAL_RATE * simulation.duration / 1e3 * n_decoded * _SUMMARISE + _STATISTICS
    if cores == 1:
        return device + decoding + summarising
    # with others to do it, what one of them needs at the end of a batch is waited for: its statistics
    return max(device + summarising / (cores - 1), (decoding + summarising) / (cores - 1))


def _accumulated(network: Network, simulation: Simulation) -> tuple[float, float, int]:
    """Memory of the sums that statistics always need, and in it of a sample's words, B of a point; and the sample."""
    needs = needs_of(with_always(()))
    assert needs is not None
    try:
        plans = plans_of(recorded_populations(network), simulation, needs).values()
    except ValueError:  # which is said when it is built
        return 0.0, 0.0, 0
    sizes = [bytes_of(plan, round(WINDOW / simulation.dt)) for plan in plans]
    n_sample = sum(int(plan.sample.size) for plan in plans)
    return sum(total for total, _ in sizes), sum(words for _, words in sizes), n_sample


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
    return _PER_SPIKE * GENEROUS_RATE * network.n_neurons * simulation.duration / 1e3


def _n_states(model: NeuronModel) -> int:
    """Numbers of a neuron that a step reads and writes."""
    return 0 if model.step is None else len(model.states) + 3  # inputs of both receptors, and refractoriness


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
