"""Rows of bits: drawing the synapses of dense projections.

A source neuron has a row of bits over the neurons of a target population, bit ``k`` of the row for target ``k``. Pairs
with several synapses take more planes of bits, the lowest first: a pair's number of synapses is the number that its
bits write. Synapses beyond what the planes hold go to a list.

All functions take the words of all rows (``uint32``), where a block of rows begins and how far its rows and the planes
of a row lie apart, in words.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simulators.backends.native_simulator.kernels.instructions import bit_count
from simulators.backends.native_simulator.kernels.lanes import load, store, words
from simulators.backends.native_simulator.kernels.memory import uint32_at
from simulators.backends.native_simulator.kernels.parts import part
from simulators.backends.native_simulator.kernels.random_streams import (
    advanced,
    advanced_lanes,
    below,
    lane_streams,
    mixed,
    stream,
)

_U = np.uint64
ALL, WITHIN, BETWEEN = 0, 1, 2


@njit(inline="always")
def _cut(rows, place, first, last):
    """Clear the bits from `first` to `last` - 1 of a row."""
    while first < last:
        word, bit = first >> 5, first & 31
        count = min(32 - bit, last - first)
        ones = ((_U(1) << _U(count)) - _U(1)) << _U(bit)
        rows[place + word] &= np.uint32(~ones & _U(0xFFFFFFFF))
        first += count


@part
def bernoulli_row(rows, place, first, last, digits, n_digits, key, row):
    """Set each bit from `first` to `last` - 1 of an empty row with a probability.

    The row's words are drawn sixteen at a time: a bit is compared, digit by binary digit, with the probability
    (``digits / 2**n_digits``, the last digit 1), which takes one random word per digit for 32 bits. `n_digits` 0 sets
    all.
    """
    streams = lane_streams(key, row)
    begin, end = (first >> 9) << 4, ((last + 511) >> 9) << 4
    for word in range(begin, end, 16):
        bits = words(0)
        if n_digits == 0:
            bits = words(0xFFFFFFFF)
        for digit in range(n_digits):
            random, streams = advanced_lanes(streams)
            bits = bits | random if (digits >> _U(digit)) & _U(1) else bits & random
        store(rows, place + word, bits)
    _cut(rows, place, begin << 5, first)
    _cut(rows, place, last, end << 5)


@part
def draw_bernoulli(
    rows, base, stride, n_words, scratch, n_sources, n_targets, source_cluster, target_cluster, pairs, itself, digits,
    n_digits, key,
):  # fmt: skip
    """Draw a projection that connects each pair with one probability; return the number of synapses.

    Parameters
    ----------
    rows : ndarray of uint32
        All rows.
    base, stride, n_words : int
        First word of the block, words from row to row, and words of a row, a multiple of 16.
    scratch : ndarray of uint32, shape (n_words,)
        Room for a row.
    n_sources, n_targets, source_cluster, target_cluster : int
        Sizes of populations and their clusters.
    pairs : int
        `ALL`, `WITHIN` or `BETWEEN`.
    itself : bool
        The target population is the source population: leave out autapses.
    digits, n_digits : int
        The probability.
    key : uint64
        Of the projection's streams.
    """
    total = _U(0)
    for source in range(n_sources):
        low = source // source_cluster * target_cluster
        high = low + target_cluster
        first, last = (low, high) if pairs == WITHIN else (0, n_targets)
        bernoulli_row(scratch, 0, first, last, digits, n_digits, key, source)
        if pairs == BETWEEN:
            _cut(scratch, 0, low, high)
        if itself:
            _cut(scratch, 0, source, source + 1)
        place = base + source * stride
        for word in range((first >> 9) << 4, ((last + 511) >> 9) << 4, 16):
            store(rows, place + word, load(rows, place + word) | load(scratch, word))
        for word in range((first >> 9) << 4, ((last + 511) >> 9) << 4):
            total += bit_count(_U(scratch[word]))
    return total


@njit(inline="always")
def candidate(found, own, pairs, itself, own_cluster, cluster):
    """The neuron that the `found`-th of those allowed is: beyond the hole of what is left out, those after it."""
    if pairs == WITHIN:
        found += own // own_cluster * cluster
    elif pairs == BETWEEN:
        hole = own // own_cluster * cluster
        return found + cluster if found >= hole else found
    return found + 1 if itself and found >= own else found


@njit(inline="always")
def n_candidates(size, cluster, pairs, itself):
    """How many neurons of a population one of the other may connect to."""
    if pairs == BETWEEN:
        return size - cluster
    return (cluster if pairs == WITHIN else size) - (1 if itself else 0)


@njit(inline="always")
def _add_synapse(bits, place, plane, n_planes, target):
    """Count one more synapse in the planes of a row; return False, changing nothing, if they are full."""
    word, one = target >> 5, np.uint32(1) << np.uint32(target & 31)
    full = True
    for k in range(n_planes):
        if not bits[place + k * plane + word] & one:
            full = False
            break
    if full:
        return False
    for k in range(n_planes):
        index = place + k * plane + word
        bits[index] ^= one
        if bits[index] & one:
            break
    return True


@part
def draw_total(
    rows, base, stride, n_words, n_planes, counts, n_targets, source_cluster, target_cluster, pairs, itself, key,
    beyond_sources, beyond_targets,
):  # fmt: skip
    """Draw a projection with a fixed number of synapses, of which `counts` says how many each source has.

    Returns
    -------
    int
        Synapses beyond what the planes hold; those that fit are written to `beyond_sources` and `beyond_targets`.
    """
    n_beyond, bits = 0, uint32_at(rows.ctypes.data)
    count = n_candidates(n_targets, target_cluster, pairs, itself)
    for source in range(len(counts)):
        state = stream(key, source)
        place = base + source * stride
        for _ in range(counts[source]):
            state = advanced(state)
            found = np.int64(below(mixed(state), count))
            target = candidate(found, source, pairs, itself, source_cluster, target_cluster)
            if not _add_synapse(bits, place, n_words, n_planes, target):
                if n_beyond < len(beyond_sources):
                    beyond_sources[n_beyond] = source
                    beyond_targets[n_beyond] = target
                n_beyond += 1
    return n_beyond


@part
def draw_indegree(
    rows, base, stride, n_words, n_planes, scratch, n_sources, n_targets, indegree, source_cluster, target_cluster,
    pairs, itself, key, beyond_sources, beyond_targets,
):  # fmt: skip
    """Draw a projection in which every target has a fixed number of synapses; return as `draw_total` does.

    Targets are taken 64 at a time, so that the bits to be set stay in a cache: `scratch` has room for two words per
    source and plane.
    """
    n_beyond, bits, tile_bits = 0, uint32_at(rows.ctypes.data), uint32_at(scratch.ctypes.data)
    count = n_candidates(n_sources, source_cluster, pairs, itself)
    for tile in range(0, n_targets, 64):
        scratch[: 2 * n_planes * n_sources] = 0
        for target in range(tile, min(tile + 64, n_targets)):
            state = stream(key, target)
            for _ in range(indegree):
                state = advanced(state)
                found = np.int64(below(mixed(state), count))
                source = candidate(found, target, pairs, itself, target_cluster, source_cluster)
                if not _add_synapse(tile_bits, 2 * n_planes * source, 2, n_planes, target - tile):
                    if n_beyond < len(beyond_sources):
                        beyond_sources[n_beyond] = source
                        beyond_targets[n_beyond] = target
                    n_beyond += 1
        for source in range(n_sources):
            for plane in range(n_planes):
                place = base + source * stride + plane * n_words + (tile >> 5)
                found = 2 * (n_planes * source + plane)
                bits[place] |= tile_bits[found]
                bits[place + 1] |= tile_bits[found + 1]
    return n_beyond
