"""What a network costs on a graphics processor: no measurement, but a count of what is launched, moved and waited for.

It is there to cut jobs and to tell minutes from days. A point is the sum of

- what the worker does for it alone: describing it, setting its values, writing its row;
- its steps. Kernels are launched ahead of those that run, so that a batch's step takes the larger of two: the time to
  launch its kernels, or their work with a gap before each. Work is memory traffic: states of all neurons at the
  memory's bandwidth, synapses at the share of it that scattered access leaves. Where states would fit into a cache
  they may take less, of which the count takes no notice;
- the passes that make sums of spikes, and fetching the sums;
- what is not hidden behind the next points of decoding and statistics, on cores beside it.

It holds where sums are made of spikes; what whole trains take beyond that is said apart. Bandwidths are those of data
sheets, of which no program gets all: of work, it is the least that is to be expected. ``benchmarks/engines/gpu.py``
prints it term by term, and measures what it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from simulators.backends.accumulated import plans_of
from simulators.backends.genn_simulator.costs import (
    LARGEST_BATCH,
    PER_SPIKE,
    bytes_per_synapse,
    device_memory,
)
from simulators.backends.genn_simulator.generated_code.random_code import RANDOM_STATE
from simulators.backends.genn_simulator.structure.accumulation_layout import bytes_of
from simulators.backends.genn_simulator.structure.delays import has_own_delays
from simulators.backends.pace import WINDOW
from simulators.backends.recorded import recorded_populations, slots_of
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost
from simulators.description.inputs import PoissonDrive
from simulators.description.network import Network, projection_synapses
from simulators.neurons.neuron_model import NeuronModel
from simulators.records.job import Simulation
from simulators.statistics import needs_of, with_always

LARGEST_CORES = 8
"""Cores that a job on a graphics processor takes where the sweep does not say: from there on it is the slower part."""

BANDWIDTH = 6e11
"""B/s, of the memory of a graphics processor that is not known."""

# s of a batch's step. A launch that nobody waits for took 2.3 µs on an A100 beside an EPYC, 1.9 on an MI250X, 4.9 on a
# V100 beside a POWER9 (src/sys/objects/device/tests/ex1k.kokkos.cxx of PETSc). Ours are called from Python: GeNN's CPU
# backend with a network of next to nothing took 0.7 µs of a core for all calls of a step. The gap between two kernels,
# in which one ends and the next begins, is an assumption.
_LAUNCH, _CALLS, _GAP = 2.5e-6, 1e-6, 1e-6
_LAUNCHES = 4  # states, queues of spikes, thresholds, synapses; counted on the emulated processor

# B that a step moves
_STATE = 16.0  # of a neuron: flag, threshold and recording beside its states, which are read and written
_SYNAPSE = 8.0  # of a synapse that a spike takes, beside what is stored of it: a sum is read and written
_SCATTERED = 0.5  # of the bandwidth, where it is random access
_PASSES = 10.0  # over a chunk's words, to make sums of them: bins of 1 ms look at each four times
_CHUNK_LAUNCHES = 6
_FETCH = 1.2e10  # B/s to the host, of PCI Express 4.0 at half its rate

# s of the worker's core for a point. Setting values took 3.4 ms for 25,000 neurons and batches of 40 on the emulated
# processor (1.7 ms of a core, which others used too); a row takes 2 ms, as a batch of 40 writes a file of 800
_SET, _ROW = 1.4e-7, 2e-3

# s of one core beside it: bits of a neuron and step, spikes of a point, and what statistics take for each point
_DECODE, _SUMMARISE, _STATISTICS = 9e-11, 2.3e-7, 0.05

_START = 40.0  # s to compile, of which nvcc takes 17 to 32 for each of ten networks on a virtual core
_CONNECT = 1.3e-8  # s of a synapse, as on a core: what a graphics processor takes is not known

_WORKER = 1e9  # B of a worker without a network: Python, CUDA's libraries and compiler; not measured, and generous
_SUMS_IN_PARTS = 4.0  # in which they are handed over, of which none is larger
_PROCESS = 1.05e8  # B of each that finishes points
_SIDE_BY_SIDE = 3e9  # B of the worker's memory that points of a batch may take where the sweep does not say how many


@dataclass(frozen=True)
class GpuTime:
    """What a point of a full batch takes on a graphics processor, by what it is spent on.

    Parameters
    ----------
    host : float
        s; describing a point, setting its values, writing its row.
    launches : float
        s; its share of the time to launch the kernels of all steps.
    gaps : float
        s; its share of the gaps between them.
    neurons, synapses : float
        s; reading and writing states, and what spikes reach.
    sums : float
        s; making sums of spikes at the end of each chunk of steps; 0 for whole trains.
    fetch : float
        s; bringing sums, or the bits of all spikes, to the host.
    statistics : float
        s; decoding and statistics that nothing hides.
    n_steps, batch : int
        Steps of a point, and points that run together.
    """

    host: float
    launches: float
    gaps: float
    neurons: float
    synapses: float
    sums: float
    fetch: float
    statistics: float
    n_steps: int
    batch: int

    @property
    def stepping(self) -> float:
        """The larger of launching and running, s: one goes on behind the other."""
        return max(self.launches, self.gaps + self.neurons + self.synapses)

    @property
    def point(self) -> float:
        """All of it, s."""
        return self.host + self.stepping + self.sums + self.fetch + self.statistics

    @property
    def step(self) -> float:
        """A step of the batch, s."""
        return self.stepping * self.batch / self.n_steps

    @property
    def together(self) -> float:
        """What of a batch its points share, however many they are, s."""
        launched = self.launches > self.gaps + self.neurons + self.synapses
        return (self.launches if launched else self.gaps) * self.batch


def gpu_cost(
    network: Network, simulation: Simulation, batch: int, procedural: bool, cores: int, bandwidth: float = BANDWIDTH
) -> Cost:
    """Estimate a worker on a graphics processor that runs full batches; parameters as those of `gpu_time`.

    Its `procedural` says whether synapses are drawn anew at every spike instead of stored.
    """
    time = gpu_time(network, simulation, batch, cores, bandwidth)
    whole = gpu_time(network, simulation, batch, cores, bandwidth, trains=True)
    memory = gpu_worker_memory(network, simulation, batch, procedural, cores, trains=False)
    return Cost(
        build=sum(projection_synapses(network, projection) for projection in network.projections) * _CONNECT,
        point=time.point,
        together=time.together,
        memory=memory,
        batch=batch,
        gpu=True,
        start=_START,
        trains=max(0.0, whole.point - time.point),
        trains_memory=max(0.0, gpu_worker_memory(network, simulation, batch, procedural, cores, trains=True) - memory),
    )


def gpu_time(
    network: Network,
    simulation: Simulation,
    batch: int,
    cores: int,
    bandwidth: float = BANDWIDTH,
    rate: float = NOMINAL_RATE,
    trains: bool = False,
) -> GpuTime:
    """Estimate what a point takes.

    Parameters
    ----------
    network, simulation
        What is run.
    batch : int
        Points that run together.
    cores : int
        Cores beside it: where there are several, all but one decode and summarise while the next points run.
    bandwidth : float
        B/s, of its memory.
    rate : float
        Hz, of all neurons.
    trains : bool
        Whether whole trains are recorded, in place of sums.
    """
    neurons = network.n_neurons
    biology = (simulation.warmup + simulation.duration) / 1e3
    n_steps = simulation.warmup_steps + simulation.n_steps
    n_chunks = n_steps / max(1, round(WINDOW / simulation.dt))
    launches = n_launches(network)
    moved = sum(p.size * (_STATE + 8.0 * _n_states(p.model)) for p in network.populations) + _drawn(network)
    taken = sum(
        projection_synapses(network, p) * (bytes_per_synapse(network, p) + _SYNAPSE) for p in network.projections
    )
    n_sample, summed, words = _accumulated(network, simulation)
    bits = n_steps * neurons / 8.0
    found = GpuTime(
        host=_SET * neurons + _ROW,
        launches=n_steps * (launches * _LAUNCH + _CALLS) / batch,
        gaps=n_steps * launches * _GAP / batch,
        neurons=n_steps * moved / bandwidth,
        synapses=rate * biology * taken / (_SCATTERED * bandwidth),
        sums=0.0 if trains else _PASSES * bits / bandwidth + _CHUNK_LAUNCHES * n_chunks * _LAUNCH / batch,
        fetch=(bits if trains else summed + words * n_chunks) / _FETCH,
        statistics=0.0,
        n_steps=n_steps,
        batch=batch,
    )
    n_decoded = neurons if trains else n_sample
    decoding = n_steps * n_decoded * _DECODE
    summarising = rate * simulation.duration / 1e3 * n_decoded * _SUMMARISE + _STATISTICS
    slots = slots_of(batch * _handed(network, simulation, trains))
    waited = _waited(found.point - found.host, decoding, summarising, n_chunks / (slots + 1), cores)
    return replace(found, statistics=waited)


def n_launches(network: Network) -> int:
    """Kernels of a step."""
    own_delays = any(has_own_delays(projection) for projection in network.projections)
    drives = any(isinstance(given, PoissonDrive) for given in network.inputs)
    sources = any(population.model.source == "poisson" for population in network.populations)
    return _LAUNCHES + own_delays + drives + sources


def _waited(device: float, decoding: float, summarising: float, n_parts: float, cores: int) -> float:
    """Time of a point that decoding and statistics add to that of a graphics processor.

    Others take the chunks of the next batch up when they have summarised this one; until then as many lie in wait as
    there are places, and one more runs: one of so many parts of the point.
    """
    others = cores - 1
    if not others:
        return decoding + summarising
    hidden = device / max(1.0, n_parts)
    return max(0.0, summarising / others - hidden, (decoding + summarising) / others - device)


def gpu_worker_memory(
    network: Network, simulation: Simulation, batch: int, procedural: bool, cores: int, trains: bool
) -> float:
    """Estimate the memory of a worker and of those that finish its points, B.

    GeNN keeps here a copy of all that lies on the graphics processor. On the emulated one a worker grew by that and
    16 MB, with 40 and with 160 points side by side.
    """
    shared, each = device_memory(network, simulation.dt, max(1, round(WINDOW / simulation.dt)), procedural)
    others = cores - 1
    n_sample, summed, words = _accumulated(network, simulation)
    decoded = PER_SPIKE * GENEROUS_RATE * simulation.duration / 1e3
    if trains:
        kept = decoded * network.n_neurons
    else:
        kept = summed + decoded * n_sample
        each += summed + words
    handed = batch * _handed(network, simulation, trains)
    slots = slots_of(handed) if others else 0
    return _WORKER + shared + batch * (each + kept) + slots * handed + others * _PROCESS


def _handed(network: Network, simulation: Simulation, trains: bool) -> float:
    """B of a point in a place where what is fetched waits."""
    if trains:
        return max(1, round(WINDOW / simulation.dt)) * network.n_neurons / 8.0
    _, summed, words = _accumulated(network, simulation)
    return max(summed / _SUMS_IN_PARTS, words)


def automatic_batch(network: Network, simulation: Simulation) -> int:
    """Return how many points run together where the sweep does not say: what the worker's memory takes at most.

    It depends on the network alone, so that a job that is planned elsewhere asks for as much memory as it takes.
    """
    _, each = device_memory(network, simulation.dt, max(1, round(WINDOW / simulation.dt)), False)
    _, summed, words = _accumulated(network, simulation)
    return max(1, min(LARGEST_BATCH, math.floor(_SIDE_BY_SIDE / (each + summed + words))))


def _accumulated(network: Network, simulation: Simulation) -> tuple[int, float, float]:
    """Neurons of the samples that statistics always need; B of a point's sums, and of a chunk of its samples."""
    needs = needs_of(with_always(()))
    assert needs is not None
    try:
        plans = plans_of(recorded_populations(network), simulation, needs).values()
    except ValueError:  # which is said when it is built
        return 0, 0.0, 0.0
    sizes = [bytes_of(plan, max(1, round(WINDOW / simulation.dt))) for plan in plans]
    n_sample = sum(int(plan.sample.size) for plan in plans)
    words = sum(words for _, words in sizes)
    return n_sample, sum(total for total, _ in sizes) - words, words


def _n_states(model: NeuronModel) -> int:
    """Numbers of a neuron that a step reads and writes."""
    return 0 if model.step is None else len(model.states) + 3  # inputs of both receptors, and refractoriness


def _drawn(network: Network) -> float:
    """B of generators that a step reads and writes."""
    driven = sum(network[given.target].size for given in network.inputs if isinstance(given, PoissonDrive))
    sources = sum(population.size for population in network.populations if population.model.source == "poisson")
    return 8.0 * len(RANDOM_STATE) * (driven + sources)
