"""The arrays that machine code works on, by what they describe.

Neurons of all populations have numbers from one range; a population begins at a multiple of 512, so that its bits
begin at a cache line. Every array that lanes are loaded from is aligned to 64 B (`aligned`). On this side the fields
are arrays and numbers; machine code gets their addresses (`packed`) and reads them by the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator.kernels.memory import view_maker

# Columns of `Blocks.facts`
SOURCE, DELAY, RECEPTOR, BASE, STRIDE, PLANES, BOOSTED, SOURCE_CLUSTER, TARGET_CLUSTER = range(9)
BLOCK_FACTS = 9
# Columns of `Bundles.facts`
BUNDLE_SOURCE, BUNDLE_RECEPTOR, BUNDLE_KIND, BUNDLE_ROWS, BUNDLE_DELAYS = range(5)
BUNDLE_FIRST, BUNDLE_SHIFT, BUNDLE_SHORTEST, BUNDLE_TABLE = range(5, 9)
BUNDLE_FACTS = 9
STRETCH = 9
"""Logarithm of the neurons in a stretch: a population begins with one, a thread owns whole ones, and what is drawn or
scaled by stretches does not depend on whose they are."""
STRETCH_LANES = 1 << (STRETCH - 4)
# Kinds of bundles: target and weight in one word; a word and a float; a word, and one weight for all
PACKED, OWN, SHARED = range(3)


class Populations(NamedTuple):
    """Populations in the order of the network.

    Attributes
    ----------
    number, n_all : int
        How many, and neurons with padding.
    kinds : ndarray of int64
        Which update moves them; -1 for Poisson sources, -2 for sources of given events.
    sizes, row_words : ndarray of int64
        Neurons, and words of 32 bits that hold a bit of each, a multiple of 16.
    begins, offsets, n_words : ndarray of int64
        Of the neurons that a thread owns: the first, counted within the population, its number, and words of bits.
    shortest, longest : ndarray of int64
        Refractory steps.
    refractory : ndarray of int32, shape (n,)
        Refractory steps of every neuron.
    """

    number: int
    n_all: int
    kinds: NDArray[np.int64]
    sizes: NDArray[np.int64]
    row_words: NDArray[np.int64]
    begins: NDArray[np.int64]
    offsets: NDArray[np.int64]
    n_words: NDArray[np.int64]
    shortest: NDArray[np.int64]
    longest: NDArray[np.int64]
    refractory: NDArray[np.int32]


class Neurons(NamedTuple):
    """State and constants of neurons.

    Attributes
    ----------
    state : ndarray of float32, shape (slots · n,)
        Slot after slot; inputs first.
    varied : ndarray of float32, shape (slots · n,)
        Constants that differ between neurons.
    scalars : ndarray of float32, shape (populations · n_scalars,)
        Those that do not.
    n_scalars : int
        How many a population has room for.
    second : int
        Where the inhibitory input begins: n, or 0 where both add up in one.
    may_fire, fired : ndarray of uint16, shape (n / 16,)
        A bit per neuron: not refractory, and reached its threshold.
    may_fire_words, fired_words : ndarray of uint64
        The same memory.
    """

    state: NDArray[np.float32]
    varied: NDArray[np.float32]
    scalars: NDArray[np.float32]
    n_scalars: int
    second: int
    may_fire: NDArray[np.uint16]
    fired: NDArray[np.uint16]
    may_fire_words: NDArray[np.uint64]
    fired_words: NDArray[np.uint64]


class Blocks(NamedTuple):
    """Dense projections as rows of bits (`bit_rows`), and what of them arrives at a population within a step.

    Attributes
    ----------
    first : ndarray of int64, shape (populations + 1,)
        First block of each target population.
    facts : ndarray of int64, shape (blocks · 9,)
        See the names of columns.
    weights : ndarray of float32, shape (blocks · 2,)
        Weight, and what targets in the source's own cluster get beyond it.
    rows : ndarray of uint32
        Rows; at the end room for the planes of a population, and a row of zeros.
    halves : ndarray of uint16
        The same memory.
    room, zeros : int
        Where that is, in words of `rows`.
    planes : ndarray of int64, shape (2 · most_planes,)
        By receptor, where the weighted planes begin that arrive.
    plane_weights : ndarray of float32, shape (2 · most_planes,)
        What a bit of each adds.
    plane_counts : ndarray of int64, shape (2,)
        How many there are.
    most_planes : int
        How many there may be.
    """

    first: NDArray[np.int64]
    facts: NDArray[np.int64]
    weights: NDArray[np.float32]
    rows: NDArray[np.uint32]
    halves: NDArray[np.uint16]
    room: int
    zeros: int
    planes: NDArray[np.int64]
    plane_weights: NDArray[np.float32]
    plane_counts: NDArray[np.int64]
    most_planes: int


class Bundles(NamedTuple):
    """Sparse projections, and those with weights or delays of their own, as compressed rows.

    A bundle holds synapses of one source population and receptor. Those of a source are sorted by delay.

    Attributes
    ----------
    first : ndarray of int64, shape (populations + 1,)
        First bundle of each source population.
    facts : ndarray of int64, shape (bundles · 9,)
        See the names of columns.
    scales : ndarray of float32, shape (bundles,)
        What multiplies the weights, or the one weight, where it is the same for all targets.
    differ : ndarray of int64, shape (bundles,)
        Whether it is not.
    tables : ndarray of float32
        What it then is for every 512 targets, from place `BUNDLE_TABLE` on.
    starts : ndarray of uint32
        For each source, and each delay from the shortest to the longest, the first synapse, counted within the bundle.
    synapses : ndarray of uint32
        The target, and in `PACKED` bundles the weight in the upper bits.
    values : ndarray of float32
        Weights of `OWN` bundles.
    mask : int
        Bits of a word that hold the target.
    """

    first: NDArray[np.int64]
    facts: NDArray[np.int64]
    scales: NDArray[np.float32]
    differ: NDArray[np.int64]
    tables: NDArray[np.float32]
    starts: NDArray[np.uint32]
    synapses: NDArray[np.uint32]
    values: NDArray[np.float32]
    mask: int


class Record(NamedTuple):
    """Spikes, and what of the past is still needed.

    Attributes
    ----------
    base : int
        Step that the first row of `starts` is for.
    starts : ndarray of int64, shape (rows · (populations + 1),)
        First spike of each population in a step; the last column ends the step.
    spikes : ndarray of int32
        Neurons, counted within their population.
    capacity : int
        Length of `spikes`.
    ring : int
        Steps that jobs are kept for.
    job_counts : ndarray of int64, shape (ring,)
        Jobs due in a step.
    jobs : ndarray of int64, shape (ring · job_capacity · 3,)
        First synapse, number, and bundle.
    job_capacity : int
        Jobs of a step that there is room for.
    """

    base: int
    starts: NDArray[np.int64]
    spikes: NDArray[np.int32]
    capacity: int
    ring: int
    job_counts: NDArray[np.int64]
    jobs: NDArray[np.int64]
    job_capacity: int


class Drives(NamedTuple):
    """Random and given input.

    Attributes
    ----------
    streams : ndarray of uint32, shape (n / 512 · 64,)
        Generators: sixteen for every 512 neurons.
    first : ndarray of int64, shape (populations · 3,)
        Range of draws per step: excitatory ones end where inhibitory ones begin.
    tables : ndarray of uint32, shape (draws · 32,)
        Alias tables of 16 counts.
    weights : ndarray of float32, shape (draws,)
        What a count of one adds.
    active : ndarray of int64, shape (populations,)
        Whether any source of a population fires at all.
    thresholds : ndarray of uint32, shape (n,)
        Poisson sources fire where a random word is below.
    event_ends, event_next : ndarray of int64, shape (populations,)
        End of the given events of each population, and the next one.
    event_steps, event_neurons : ndarray of int64
        Given events by population and step.
    """

    streams: NDArray[np.uint32]
    first: NDArray[np.int64]
    tables: NDArray[np.uint32]
    weights: NDArray[np.float32]
    active: NDArray[np.int64]
    thresholds: NDArray[np.uint32]
    event_ends: NDArray[np.int64]
    event_next: NDArray[np.int64]
    event_steps: NDArray[np.int64]
    event_neurons: NDArray[np.int64]


class Team(NamedTuple):
    """Threads that run a point together, and what they hand to each other.

    Attributes
    ----------
    threads, thread : int
        How many, and which one this is.
    arrived : ndarray of int64, shape (1,)
        How often one came to a meeting, all of them together.
    starts : ndarray of int64, shape (2 · threads · (populations + 2),)
        For every other meeting and each thread: where its spikes of each population begin in `spikes`, where the last
        end, and the most jobs it has for a step.
    spikes : ndarray of int32, shape (2 · threads · room,)
        Neurons, counted within their population.
    room : int
        Spikes of a thread and step that there is room for.
    """

    threads: int
    thread: int
    arrived: NDArray[np.int64]
    starts: NDArray[np.int64]
    spikes: NDArray[np.int32]
    room: int


TABLES: tuple[Any, ...] = (Populations, Neurons, Blocks, Bundles, Record, Drives, Team)


def packed(*tables: Any) -> NDArray[np.int64]:
    """Return addresses of arrays, and numbers, of one table of each kind in the order of `TABLES`."""
    assert tuple(map(type, tables)) == TABLES
    words = []
    for kind, table in zip(TABLES, tables, strict=True):
        for name, value in zip(table._fields, table, strict=True):
            if isinstance(value, (int, np.integer)):
                words.append(int(value))
                continue
            assert value.dtype == _number_of(kind, name), (kind, name, value.dtype)
            assert value.ndim == 1 and value.flags["C_CONTIGUOUS"], name
            words.append(value.ctypes.data)
    return np.array(words, dtype=np.int64)


def unpacking() -> str:
    """Source of the lines that turn a packed array ``table`` into views of the tables."""
    return "\n".join(f"    {kind.__name__.lower()} = {kind.__name__.lower()}_at(table)" for kind in TABLES)


def _number_of(kind: Any, name: str) -> Any:
    """Type of an array's numbers, None for a number."""
    return _NUMBERS[kind.__name__, name]


def _numbers() -> dict[tuple[str, str], Any]:
    found = {}
    for kind in TABLES:
        for name, hint in get_type_hints(kind).items():
            found[kind.__name__, name] = None if hint is int else hint.__args__[1].__args__[0]
    return found


_NUMBERS = _numbers()


def _views() -> Iterator[Callable[..., Any]]:
    first = 0
    for kind in TABLES:
        yield view_maker(kind.__name__, first, {name: _number_of(kind, name) for name in kind._fields})
        first += len(kind._fields)


populations_at, neurons_at, blocks_at, bundles_at, record_at, drives_at, team_at = _views()


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """Return an array of zeros that begins at a multiple of 64 B."""
    itemsize = np.dtype(dtype).itemsize
    memory = np.zeros(size * itemsize + 64, dtype=np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size * itemsize].view(dtype)
