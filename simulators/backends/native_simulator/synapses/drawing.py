"""Drawing the synapses of a network into rows of bits and compressed rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator.kernels.delivery import FUSED
from simulators.backends.native_simulator.kernels.tables import (
    BLOCK_FACTS,
    Blocks,
    Bundles,
    aligned,
)
from simulators.backends.native_simulator.synapses.bundles import Beyond, draw_bundles, ends_of
from simulators.backends.native_simulator.synapses.layout import BlockLayout, Layout
from simulators.backends.native_simulator.synapses.synapse_values import binary_digits, projection_key, row_numbers
from simulators.backends.native_simulator.teams import owned_stretches, together
from simulators.description import (
    Bernoulli,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Projection,
)

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


@dataclass(frozen=True)
class Synapses:
    """All synapses of a network.

    Parameters
    ----------
    blocks : tuple of Blocks
        Rows of bits, the same for every thread but for the room beside them; weights are not set.
    bundles : tuple of Bundles
        Compressed rows, of each thread those that end at its neurons; scales are not set.
    n_synapses : int
        How many.
    longest_delay : int
        Steps.
    """

    blocks: tuple[Blocks, ...]
    bundles: tuple[Bundles, ...]
    n_synapses: int
    longest_delay: int


def draw_synapses(
    program: ModuleType, network: Network, layout: Layout, threads: int, seed: int, dt: float
) -> Synapses:
    """Draw a network.

    Parameters
    ----------
    program : module
        `PROGRAM`.
    network : Network
        The network.
    layout : Layout
        Where its neurons and synapses lie.
    threads : int
        How many take part in a point.
    seed : int
        Seed of the connectivity.
    dt : float
        ms.
    """
    blocks, n_bits, beyond = _draw_blocks(program, network, layout, threads, seed)

    def draw(thread: int) -> tuple[Bundles, int]:
        return draw_bundles(program, network, layout, beyond, owned_stretches(layout, thread, threads), seed, dt)

    bundles = together(draw, threads)
    longest = max((block.delay for block in layout.blocks), default=1)
    return Synapses(blocks, tuple(one for one, _ in bundles), n_bits + sum(n for _, n in bundles), longest)


def _draw_blocks(
    program: ModuleType, network: Network, layout: Layout, threads: int, seed: int
) -> tuple[tuple[Blocks, ...], int, Mapping[str, Beyond]]:
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
    rows = aligned(size + threads * room + max(n_words), np.uint32)
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
    shared = (first.astype(np.int64), facts.ravel(), np.zeros(2 * len(facts), dtype=np.float32))
    blocks = tuple(
        Blocks(
            *shared,
            rows,
            rows.view(np.uint16),
            size + thread * room,
            size + threads * room,
            np.zeros(2 * most, dtype=np.int64),
            np.zeros(2 * most, dtype=np.float32),
            np.zeros(2, dtype=np.int64),
            most,
        )
        for thread in range(threads)
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
    ends, key = ends_of(network, projection), projection_key(seed, projection.name)
    if isinstance(projection.rule, Bernoulli):
        digits = binary_digits(projection.rule.probability)
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
    room = 1024 + n_all // 50  # `layout.n_planes` expects half a per cent at most
    rest = (np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.int64))
    if isinstance(projection.rule, FixedTotalNumber):
        counts = row_numbers(ends.n_sources, n_all, seed, projection.name)
        n_rest = program.draw_total(*where, block.planes, counts, ends.n_targets, *clusters, *rest)
    else:
        assert isinstance(projection.rule, FixedIndegree)
        scratch = aligned(2 * block.planes * ends.n_sources, np.uint32)
        n_rest = program.draw_indegree(
            *where, block.planes, scratch, ends.n_sources, ends.n_targets, projection.rule.indegree, *clusters, *rest
        )
    if n_rest > room:
        raise RuntimeError(f"projection {projection.name}: {n_rest} synapses are beyond {block.planes} planes of bits")
    return n_all - n_rest, (rest[0][:n_rest], rest[1][:n_rest])


def _number(network: Network, projection: Projection) -> int:
    rule = projection.rule
    if isinstance(rule, FixedTotalNumber):
        return rule.number
    assert isinstance(rule, FixedIndegree)
    return rule.indegree * network[projection.target].size
