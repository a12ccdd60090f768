"""Compressed rows: placing the synapses of sparse projections, and of those with weights or delays of their own.

Every synapse is visited twice, in the same order: to count those of each source and delay, and, once the counts are
summed up to starts, to be placed. `starts` (or, to place, `cursors`, a copy of them) has for each source a word for
every delay from the shortest to the longest of the bundle, and one more; `n_delays` is how many delays that are.

Weights and delays come from tables of equally likely values, 16,384 quantiles of their distribution, by a stream of
their own for each row. The states of a stream are known ahead, so a row is visited piece by piece: what is random of a
piece is drawn as vectors, and then its synapses are counted or placed one after the other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from simulators.backends.native_simulator.kernels.bit_rows import (
    BETWEEN,
    WITHIN,
    _cut,
    bernoulli_row,
    candidate,
    n_candidates,
)
from simulators.backends.native_simulator.kernels.instructions import bits_of_float, lowest_bit
from simulators.backends.native_simulator.kernels.memory import float32_at, int64_at, uint16_at, uint32_at, uint64_at
from simulators.backends.native_simulator.kernels.parts import part
from simulators.backends.native_simulator.kernels.random_streams import advanced, ahead, below, mixed, stream
from simulators.backends.native_simulator.kernels.tables import OWN, PACKED, STRETCH

PIECE = 256  # synapses of a row whose random numbers are drawn side by side, as vectors
ROOM = 3 * PIECE

_U = np.uint64


@njit(inline="always")
def packed(weight, target, mask):
    """Word that holds a target in its lowest bits and reads, as a float, as close to the weight as that leaves.

    Between 6 and 8 bits of the weight's fraction are left where targets need 17 to 15: each weight is off by at most
    0.8 to 0.2 %, to either side, and the mean over synapses is not.
    """
    bits = np.int64(bits_of_float(weight))
    size = bits & 0x7FFFFFFF
    upper = (size - target + ((mask + 1) >> 1)) & ~mask
    return np.uint32(bits & 0x80000000 | max(upper, 0) | target)


@part
def _draw_cells(randoms, cells, count, state, row, delays, n_table):
    """Take the next random numbers of a stream of values; the upper bits choose the delay, and so the cell of a row."""
    for k in range(count):
        randoms[k] = mixed(ahead(state, k + 1))
    for k in range(count):
        cells[k] = row + np.int64(delays[((randoms[k] >> _U(48)) * n_table) >> _U(16)])


@part
def _visit(fill, cursors, cells, targets, randoms, words, count, weights, kind, synapses, values, mask, owned):
    """Count a piece's synapses, or place them; the lowest 14 bits of `randoms` choose the weight.

    Only targets in stretches that are `owned`, if any are named.
    """
    if fill and kind == PACKED:
        for k in range(count):
            words[k] = packed(weights[randoms[k] & _U(0x3FFF)], np.int64(targets[k]), mask)
    for k in range(count):
        if len(owned) and not owned[targets[k] >> np.uint32(STRETCH)]:
            continue
        place = cursors[cells[k]]
        cursors[cells[k]] = np.uint32(place + 1)
        if fill:
            synapses[place] = words[k] if kind == PACKED else targets[k]
            if kind == OWN:
                values[place] = weights[randoms[k] & _U(0x3FFF)]


@njit(inline="always")
def _pointers(cursors, delays, weights, synapses, values):
    """Addresses of arrays: inner loops read and write without checks."""
    return (
        uint32_at(cursors.ctypes.data),
        uint16_at(delays.ctypes.data),
        float32_at(weights.ctypes.data),
        uint32_at(synapses.ctypes.data),
        float32_at(values.ctypes.data),
    )


@njit(inline="always")
def _room(room):
    """Places in the room of a piece: random words, cells, targets and packed words."""
    address = room.ctypes.data
    return (
        uint64_at(address),
        int64_at(address + 8 * PIECE),
        uint32_at(address + 16 * PIECE),
        uint32_at(address + 20 * PIECE),
    )


@part
def _draw_targets(targets, count, state, offset, n_candidates, source, pairs, itself, source_cluster, target_cluster):
    """Draw uniformly distributed targets of a source."""
    for k in range(count):
        found = np.int64(below(mixed(ahead(state, k + 1)), n_candidates))
        targets[k] = np.uint32(offset + candidate(found, source, pairs, itself, source_cluster, target_cluster))


@part
def _read_targets(targets, row, word, end, bits, offset):
    """Take the targets of the next bits of a row: those left of a word, and the words from `word` to `end`.

    Returns
    -------
    tuple
        How many targets, and what `word` and `bits` are then.
    """
    count = 0
    while count < PIECE and (bits or word < end):
        if bits:
            targets[count] = np.uint32(offset + 32 * (word - 1) + np.int64(lowest_bit(bits)))
            bits &= bits - _U(1)
            count += 1
        else:
            bits = _U(row[word])
            word += 1
    return count, word, bits


@part
def _draw_bits(row, source, n_targets, source_cluster, target_cluster, pairs, itself, digits, n_digits, key):
    """Draw a row whose pairs are connected with one probability; return its first word and the one after its last."""
    low = source // source_cluster * target_cluster
    first, last = (low, low + target_cluster) if pairs == WITHIN else (0, n_targets)
    bernoulli_row(row, 0, first, last, digits, n_digits, key, source)
    if pairs == BETWEEN:
        _cut(row, 0, low, low + target_cluster)
    if itself:
        _cut(row, 0, source, source + 1)
    return (first >> 9) << 4, ((last + 511) >> 9) << 4


@part
def visit_rows(
    fill, cursors, n_delays, lengths, scratch, digits, n_digits, offset, n_targets, source_cluster, target_cluster,
    pairs, itself, key, value_key, delays, weights, kind, synapses, values, mask, owned, room,
):  # fmt: skip
    """Count or place a projection drawn row by row; return the number of synapses.

    Parameters
    ----------
    fill : bool
        Place instead of count.
    lengths : ndarray of int64, shape (n_sources,)
        Synapses of every source, to uniformly drawn targets; -1: each pair is connected with one probability.
    scratch : ndarray of uint32
        Room for a row of bits.
    offset : int
        Number of the first target.
    delays, weights : ndarray
        Tables of delays beyond the bundle's shortest, in steps (uint16), and of weights (float32); a single delay is a
        table of one.
    owned : ndarray of uint8
        For every 512 neurons whether they are among the targets meant; empty if all are.
    room : ndarray of uint64, shape (ROOM,)
        For a piece of a row.
    """
    total = 0
    count, n_table = n_candidates(n_targets, target_cluster, pairs, itself), _U(len(delays))
    place_at, delay_at, weight_at, synapse_at, value_at = _pointers(cursors, delays, weights, synapses, values)
    randoms, cells, targets, packs = _room(room)
    for source in range(len(lengths)):
        state, value_state, row = stream(key, source), stream(value_key, source), source * (n_delays + 1)
        done, word, end, bits = 0, 0, 0, _U(0)
        if lengths[source] < 0:
            word, end = _draw_bits(
                scratch, source, n_targets, source_cluster, target_cluster, pairs, itself, digits, n_digits, key
            )
        while True:
            if lengths[source] < 0:
                n, word, bits = _read_targets(targets, scratch, word, end, bits, offset)
            else:
                n = min(lengths[source] - done, PIECE)
                if fill or len(owned):
                    at = ahead(state, done)
                    _draw_targets(targets, n, at, offset, count, source, pairs, itself, source_cluster, target_cluster)
            if n == 0:
                break
            _draw_cells(randoms, cells, n, ahead(value_state, done), row, delay_at, n_table)
            _visit(
                fill, place_at, cells, targets, randoms, packs, n, weight_at, kind, synapse_at, value_at, mask, owned
            )
            done += n
        total += done
    return total


@part
def visit_columns(
    fill, cursors, n_delays, indegree, offset, n_sources, n_targets, source_cluster, target_cluster, pairs, itself, key,
    value_key, delays, weights, kind, synapses, values, mask, owned, room,
):  # fmt: skip
    """Count or place a projection in which every target draws a fixed number of sources."""
    count, n_table = n_candidates(n_sources, source_cluster, pairs, itself), _U(len(delays))
    place_at, delay_at, weight_at, synapse_at, value_at = _pointers(cursors, delays, weights, synapses, values)
    randoms, cells, targets, packs = _room(room)
    for target in range(n_targets):
        state, value_state = stream(key, target), stream(value_key, target)
        for first in range(0, indegree, PIECE):
            n = min(indegree - first, PIECE)
            _draw_cells(randoms, cells, n, ahead(value_state, first), 0, delay_at, n_table)
            for k in range(n):
                found = np.int64(below(mixed(ahead(state, first + k + 1)), count))
                source = candidate(found, target, pairs, itself, target_cluster, source_cluster)
                cells[k] += source * (n_delays + 1)
                targets[k] = np.uint32(offset + target)
            _visit(
                fill, place_at, cells, targets, randoms, packs, n, weight_at, kind, synapse_at, value_at, mask, owned
            )


@part
def visit_list(
    fill, cursors, n_delays, sources, targets, own_delays, own_weights, offset, value_key, delays, weights, kind,
    synapses, values, mask, owned,
):  # fmt: skip
    """Count or place given synapses, whose own delays (beyond the shortest) and weights hold where there are any."""
    n_table, state = _U(len(delays)), stream(value_key, 0)
    for k in range(len(sources)):
        state = advanced(state)
        random = mixed(state)
        if len(owned) and not owned[(offset + targets[k]) >> STRETCH]:
            continue
        cell = sources[k] * (n_delays + 1)
        if len(own_delays):
            cell += own_delays[k]
        else:
            cell += np.int64(delays[((random >> _U(48)) * n_table) >> _U(16)])
        place = cursors[cell]
        cursors[cell] = np.uint32(place + 1)
        if not fill:
            continue
        weight = own_weights[k] if len(own_weights) else weights[random & _U(len(weights) - 1)]
        if kind == PACKED:
            synapses[place] = packed(weight, offset + targets[k], mask)
        else:
            synapses[place] = np.uint32(offset + targets[k])
            if kind == OWN:
                values[place] = weight


@part
def sum_up(starts):
    """Turn counts into starts, in place; return the sum."""
    total = _U(0)
    for k in range(len(starts)):
        count = _U(starts[k])
        starts[k] = np.uint32(total)
        total += count
    return total
