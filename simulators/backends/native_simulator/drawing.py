"""Drawing the synapses of a network into rows of bits and compressed rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator.kernels.delivery import FUSED
from simulators.backends.native_simulator.kernels.tables import (
    BLOCK_FACTS,
    BUNDLE_FACTS,
    OWN,
    PACKED,
    SHARED,
    Blocks,
    Bundles,
    aligned,
)
from simulators.backends.native_simulator.layout import BlockLayout, BundleLayout, Layout, longest_delay
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    Projection,
    Receptor,
    Uniform,
)
from simulators.neurons.neuron_model import Values

PROGRAM = '''"""Made by gridsearch: drawing connections, compiled once per machine."""

from numba import njit

from simulators.backends.native_simulator.kernels import bit_rows, compressed_rows


@njit(cache=True, nogil=True)
def draw_bernoulli(*given):
    return bit_rows.draw_bernoulli(*given)


@njit(cache=True, nogil=True)
def draw_total(*given):
    return bit_rows.draw_total(*given)


@njit(cache=True, nogil=True)
def draw_indegree(*given):
    return bit_rows.draw_indegree(*given)


@njit(cache=True, nogil=True)
def visit_rows(*given):
    return compressed_rows.visit_rows(*given)


@njit(cache=True, nogil=True)
def visit_columns(*given):
    compressed_rows.visit_columns(*given)


@njit(cache=True, nogil=True)
def visit_list(*given):
    compressed_rows.visit_list(*given)


@njit(cache=True, nogil=True)
def sum_up(starts):
    return compressed_rows.sum_up(starts)
'''

PAIRS = {"all": 0, "within": 1, "between": 2}
_KINDS = {"packed": PACKED, "own": OWN, "shared": SHARED}
_QUANTILES = 65_536
_DIGITS = 32  # binary digits of a probability

Beyond = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Synapses:
    """All synapses of a network.

    Parameters
    ----------
    blocks : Blocks
        Rows of bits; weights are not set.
    bundles : Bundles
        Compressed rows; scales are not set.
    n_synapses : int
        How many.
    longest_delay : int
        Steps.
    """

    blocks: Blocks
    bundles: Bundles
    n_synapses: int
    longest_delay: int


def signed(weight: Values, receptor: Receptor, synapses: str | None) -> Values:
    """Weight as it is added: negative for an inhibitory current, positive otherwise.

    Raises
    ------
    ValueError
        If the weight of an excitatory synapse is negative.
    """
    if receptor == "inhibitory":
        size: Values = np.abs(weight)
        return size if synapses == "conductance" else -size
    if np.any(np.asarray(weight) < 0.0):
        raise ValueError(f"an excitatory weight is negative: {np.min(weight):g}")
    return weight


def draw_synapses(program: ModuleType, network: Network, layout: Layout, seed: int, dt: float) -> Synapses:
    """Draw a network.

    Parameters
    ----------
    program : module
        `PROGRAM`.
    network : Network
        The network.
    layout : Layout
        Where its neurons and synapses lie.
    seed : int
        Seed of the connectivity.
    dt : float
        ms.
    """
    blocks, n_bits, beyond = _draw_blocks(program, network, layout, seed)
    bundles, n_words = _draw_bundles(program, network, layout, beyond, seed, dt)
    longest = max((block.delay for block in layout.blocks), default=1)
    return Synapses(blocks, bundles, n_bits + n_words, longest)


@dataclass(frozen=True)
class _Ends:
    """Sizes of a projection's populations, as drawing takes them."""

    n_sources: int
    n_targets: int
    source_cluster: int
    target_cluster: int
    pairs: int
    itself: bool


def _ends(network: Network, projection: Projection) -> _Ends:
    source, target = network[projection.source], network[projection.target]
    return _Ends(
        source.size,
        target.size,
        source.cluster_size,
        target.cluster_size,
        PAIRS[projection.pairs],
        source.name == target.name,
    )


def _draw_blocks(
    program: ModuleType, network: Network, layout: Layout, seed: int
) -> tuple[Blocks, int, Mapping[str, Beyond]]:
    order = {population.name: index for index, population in enumerate(network.populations)}
    n_words = [padded // 32 for padded in layout.padded]
    # The rows of a source lie side by side, so that a spike reads one stretch of memory
    strides = dict.fromkeys(order, 0)
    places = []
    for block in layout.blocks:
        places.append(strides[block.source])
        strides[block.source] += block.planes * n_words[order[block.target]]
    bases, size = {}, 0
    for name, stride in strides.items():
        bases[name] = size
        size += stride * network[name].size
    first = np.searchsorted([order[block.target] for block in layout.blocks], np.arange(len(order) + 1))
    room = max((4 * max(1, count) * words for count, words in zip(np.diff(first), n_words, strict=True)), default=0)
    rows = aligned(size + room + max(n_words), np.uint32)
    facts = np.zeros((len(layout.blocks), BLOCK_FACTS), dtype=np.int64)
    total, beyond = 0, {}
    for index, (block, place) in enumerate(zip(layout.blocks, places, strict=True)):
        base, stride = bases[block.source] + place, strides[block.source]
        source, target = network[block.source], network[block.target]
        facts[index] = (
            *(order[block.source], block.delay, block.receptor, base, stride, block.planes),
            *(block.shared or block.only_within, source.cluster_size, target.cluster_size),
        )
        for projection in block.projections:
            count, rest = _draw_bits(
                program, network, projection, block, (rows, base, stride, n_words[order[block.target]]), seed
            )
            total += count
            if rest is not None:
                beyond[projection.name] = rest
    most = 4 * int(np.diff(first).max(initial=0)) + FUSED
    blocks = Blocks(
        first.astype(np.int64),
        facts.ravel(),
        np.zeros(2 * len(facts), dtype=np.float32),
        rows,
        rows.view(np.uint16),
        size,
        size + room,
        np.zeros(2 * most, dtype=np.int64),
        np.zeros(2 * most, dtype=np.float32),
        np.zeros(2, dtype=np.int64),
        most,
    )
    return blocks, total, beyond


def _draw_bits(
    program: ModuleType,
    network: Network,
    projection: Projection,
    block: BlockLayout,
    where: tuple[NDArray[np.uint32], int, int, int],
    seed: int,
) -> tuple[int, Beyond | None]:
    """Draw a projection into a block; return the synapses that are there, and those its planes cannot hold."""
    ends, key = _ends(network, projection), projection_key(seed, projection.name)
    if isinstance(projection.rule, Bernoulli):
        digits = _digits(projection.rule.probability)
        if digits is None:
            return 0, None
        scratch = aligned(where[3], np.uint32)
        count = program.draw_bernoulli(
            *where, scratch, ends.n_sources, ends.n_targets, ends.source_cluster, ends.target_cluster, ends.pairs,
            ends.itself, *digits, key,
        )  # fmt: skip
        return int(count), None
    clusters = (ends.source_cluster, ends.target_cluster, ends.pairs, ends.itself, key)
    n_all = _number(network, projection)
    room = 1024 + n_all // 100
    while True:
        rest = (np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.int64))
        if isinstance(projection.rule, FixedTotalNumber):
            counts = row_numbers(ends.n_sources, n_all, seed, projection.name)
            n_rest = program.draw_total(*where, block.planes, counts, ends.n_targets, *clusters, *rest)
        else:
            assert isinstance(projection.rule, FixedIndegree)
            scratch = aligned(2 * block.planes * ends.n_sources, np.uint32)
            n_rest = program.draw_indegree(
                *where,
                block.planes,
                scratch,
                ends.n_sources,
                ends.n_targets,
                projection.rule.indegree,
                *clusters,
                *rest,
            )
        if n_rest <= room:
            return n_all - n_rest, (rest[0][:n_rest], rest[1][:n_rest])
        raise RuntimeError(
            f"projection {projection.name}: {n_rest} synapses are beyond what {block.planes} planes of bits hold; "
            f"at most {room} were expected"
        )


def _draw_bundles(
    program: ModuleType, network: Network, layout: Layout, beyond: Mapping[str, Beyond], seed: int, dt: float
) -> tuple[Bundles, int]:
    order = {population.name: index for index, population in enumerate(network.populations)}
    delays = [_longest(bundle, dt) for bundle in layout.bundles]
    sizes = [network[b.source].size * (d + 1) for b, d in zip(layout.bundles, delays, strict=True)]
    firsts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    starts = np.zeros(max(1, firsts[-1]), dtype=np.uint32)
    mask = (1 << max(1, (layout.n_all - 1).bit_length())) - 1
    visits = [
        [_Visit(program, network, layout, projection, bundle, beyond, seed, dt) for projection in bundle.projections]
        for bundle in layout.bundles
    ]
    counts = []
    nothing = (np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.float32))
    for k, visited in enumerate(visits):
        row = starts[firsts[k] : firsts[k + 1]]
        for visit in visited:
            visit(False, row, delays[k], *nothing, 0, mask)
        counts.append(int(program.sum_up(row)))
        if counts[-1] >= 2**32:
            raise ValueError(
                f"the {counts[-1]} synapses of {', '.join(p.name for p in layout.bundles[k].projections)} are more "
                "than the 4,294,967,295 that the native simulator keeps from one population and receptor"
            )
    synapses = aligned(max(1, sum(counts)), np.uint32)
    own = [count if bundle.kind == "own" else 0 for bundle, count in zip(layout.bundles, counts, strict=True)]
    values = aligned(max(1, sum(own)), np.float32)
    facts = np.zeros((len(layout.bundles), BUNDLE_FACTS), dtype=np.int64)
    place = value_place = 0
    for k, bundle in enumerate(layout.bundles):
        cursors = starts[firsts[k] : firsts[k + 1]].copy()
        part, value_part = synapses[place : place + counts[k]], values[value_place : value_place + own[k]]
        for visit in visits[k]:
            visit(True, cursors, delays[k], part, value_part, 0, mask)
        kind, shift = _KINDS[bundle.kind], value_place - place
        facts[k] = (order[bundle.source], bundle.receptor, kind, firsts[k], delays[k], place, shift)
        place, value_place = place + counts[k], value_place + own[k]
    first = np.searchsorted([order[bundle.source] for bundle in layout.bundles], np.arange(len(order) + 1))
    scales = np.ones(len(layout.bundles), dtype=np.float32)
    return Bundles(first.astype(np.int64), facts.ravel(), scales, starts, synapses, values, mask), place


def _longest(bundle: BundleLayout, dt: float) -> int:
    return max(longest_delay(projection, dt) for projection in bundle.projections)


class _Visit:
    """Counts or places the synapses of a projection, the same ones each time."""

    def __init__(
        self,
        program: ModuleType,
        network: Network,
        layout: Layout,
        projection: Projection,
        bundle: BundleLayout,
        beyond: Mapping[str, Beyond],
        seed: int,
        dt: float,
    ) -> None:
        self._program = program
        self._network = network
        self._projection = projection
        self._kind = _KINDS[bundle.kind]
        self._beyond = beyond[projection.name] if bundle.beyond else None
        self._seed = seed
        self._dt = dt
        names = [population.name for population in network.populations]
        target = names.index(projection.target)
        self._offset, self._n_words = layout.offsets[target], layout.padded[target] // 32
        self._delays = delay_table(projection, dt)
        self._weights = weight_table(projection, network[projection.target].model.synapses)

    def __call__(
        self,
        fill: bool,
        cursors: NDArray[np.uint32],
        n_delays: int,
        synapses: NDArray[np.uint32],
        values: NDArray[np.float32],
        shift: int,
        mask: int,
    ) -> None:
        projection, rule, program = self._projection, self._projection.rule, self._program
        ends = _ends(self._network, projection)
        key, value_key = (projection_key(self._seed, projection.name + suffix) for suffix in ("", " values"))
        last = (self._delays, self._weights, self._kind, synapses, values, shift, mask)
        clusters = (ends.source_cluster, ends.target_cluster, ends.pairs, ends.itself, key, value_key)
        listed = self._beyond
        own_delays, own_weights = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        if listed is None and isinstance(rule, (FixedTotalNumber, Bernoulli)):
            lengths = np.full(ends.n_sources, -1, dtype=np.int64)
            digits = _digits(rule.probability) if isinstance(rule, Bernoulli) else (np.uint64(0), 0)
            if digits is None:
                return
            if isinstance(rule, FixedTotalNumber):
                lengths = row_numbers(ends.n_sources, rule.number, self._seed, projection.name)
            scratch = aligned(self._n_words, np.uint32)
            program.visit_rows(
                fill, cursors, n_delays, lengths, scratch, *digits, self._offset, ends.n_targets, *clusters, *last
            )
            return
        if listed is None and isinstance(rule, FixedIndegree):
            program.visit_columns(
                fill, cursors, n_delays, rule.indegree, self._offset, ends.n_sources, ends.n_targets, *clusters, *last
            )
            return
        if listed is None and isinstance(rule, ConnectionList):
            listed = (rule.sources.astype(np.int64), rule.targets.astype(np.int64))
            if rule.delays is not None:
                own_delays = np.maximum(np.rint(rule.delays / self._dt).astype(np.int64), 1)
            if rule.weights is not None:
                synapse = self._network[projection.target].model.synapses
                own_weights = np.asarray(signed(rule.weights, projection.receptor, synapse), dtype=np.float32)
        elif listed is None:
            every = np.arange(ends.n_sources, dtype=np.int64)
            listed = (every, every)
        program.visit_list(fill, cursors, n_delays, *listed, own_delays, own_weights, self._offset, value_key, *last)


def row_numbers(n_sources: int, number: int, seed: int, name: str) -> NDArray[np.int64]:
    """Synapses of each source of a projection with a fixed number of them."""
    rng = np.random.default_rng(projection_key(seed, f"{name} rows"))
    return rng.multinomial(number, np.full(n_sources, 1.0 / n_sources))


def projection_key(seed: int, name: str) -> np.uint64:
    """Key of a projection's random streams."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def delay_table(projection: Projection, dt: float) -> NDArray[np.int32]:
    """Equally likely delays in steps; never less than one."""
    delay = projection.delay
    if isinstance(delay, Normal):
        delay = Normal(delay.mean, delay.sd, delay.low, min(delay.high, delay.mean + 6.0 * delay.sd))
    values = np.array([delay]) if isinstance(delay, (int, float)) else _quantiles(delay)
    return np.maximum(np.rint(values / dt), 1).astype(np.int32)


def weight_table(projection: Projection, synapses: str | None) -> NDArray[np.float32]:
    """Equally likely weights, without the scale; 1 where there is none to draw."""
    drawn = projection.drawn_weight
    if drawn is None:
        return np.ones(_QUANTILES if isinstance(projection.rule, ConnectionList) else 1, dtype=np.float32)
    values = _quantiles(drawn)
    if projection.receptor == "inhibitory":
        values = np.abs(values) if synapses == "conductance" else -np.abs(values)
    return values.astype(np.float32)


@lru_cache(maxsize=64)
def _quantiles(distribution: Any) -> NDArray[np.float64]:
    level = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    if isinstance(distribution, Uniform):
        return distribution.low + (distribution.high - distribution.low) * level
    if not isinstance(distribution, Normal):
        raise ValueError(f"synapses draw nothing from {distribution}")
    if distribution.sd <= 0.0:
        return np.full(_QUANTILES, distribution.mean)
    normal = NormalDist(distribution.mean, distribution.sd)
    low, high = (
        normal.cdf(bound) if math.isfinite(bound) else float(bound > 0.0)
        for bound in (distribution.low, distribution.high)
    )
    if not high - low > 1e-9:
        raise ValueError(f"{distribution} hardly ever falls inside its bounds")
    return np.array([normal.inv_cdf(low + (high - low) * x) for x in level.tolist()])


def _digits(probability: float) -> tuple[np.uint64, int] | None:
    """Binary digits of a probability, the last of them 1, and their number: 0 for certainty; None for never."""
    digits, count = round(probability * 2.0**_DIGITS), _DIGITS
    if digits <= 0:
        return None
    while digits % 2 == 0 and count:
        digits, count = digits // 2, count - 1
    return np.uint64(digits), count


def _number(network: Network, projection: Projection) -> int:
    rule = projection.rule
    if isinstance(rule, FixedTotalNumber):
        return rule.number
    assert isinstance(rule, FixedIndegree)
    return rule.indegree * network[projection.target].size
