"""Compressed rows: placing the synapses of sparse projections, and of those with weights or delays of their own.

Every synapse is visited twice, in the same order: to count those of each source and delay, and, once the counts are
summed up to starts, to be placed. `starts` (or, to place, `cursors`, a copy of them) has for each source a word for
every delay from the shortest to the longest of the bundle, and one more; `n_delays` is how many delays that are.

Weights and delays come from tables of equally likely values, 16,384 quantiles of their distribution, by a stream of
their own for each row.
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
from simulators.backends.native_simulator.kernels.memory import float32_at, uint16_at, uint32_at
from simulators.backends.native_simulator.kernels.parts import part
from simulators.backends.native_simulator.kernels.random_streams import advanced, below, mixed, stream
from simulators.backends.native_simulator.kernels.tables import OWN, PACKED, STRETCH

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


@njit(inline="always")
def _visit(
    fill, cursors, row, target, random, delays, n_table, weights, kind, synapses, values, mask, owned,
):  # fmt: skip
    """Count a synapse, or place it; the upper bits of `random` choose the delay, the lowest 14 the weight.

    Only targets in stretches that are `owned`, if any are named.
    """
    if len(owned) == 0 or owned[target >> STRETCH]:
        cell = row + np.int64(delays[((random >> _U(48)) * n_table) >> _U(16)])
        place = cursors[cell]
        cursors[cell] = np.uint32(place + 1)
        if fill:
            if kind == PACKED:
                synapses[place] = packed(weights[random & _U(0x3FFF)], target, mask)
            else:
                synapses[place] = np.uint32(target)
                if kind == OWN:
                    values[place] = weights[random & _U(0x3FFF)]


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


@part
def visit_rows(
    fill, cursors, n_delays, lengths, scratch, digits, n_digits, offset, n_targets, source_cluster, target_cluster,
    pairs, itself, key, value_key, delays, weights, kind, synapses, values, mask,
    owned,
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
    """
    total = 0
    count, n_table = n_candidates(n_targets, target_cluster, pairs, itself), _U(len(delays))
    cells, delay_at, weight_at, synapse_at, value_at = _pointers(cursors, delays, weights, synapses, values)
    for source in range(len(lengths)):
        row = source * (n_delays + 1)
        value_state = stream(value_key, source)
        if lengths[source] >= 0:
            state = stream(key, source)
            for _ in range(lengths[source]):
                state = advanced(state)
                value_state = advanced(value_state)
                target = 0
                if fill or len(owned):
                    found = np.int64(below(mixed(state), count))
                    target = offset + candidate(found, source, pairs, itself, source_cluster, target_cluster)
                random = mixed(value_state)
                _visit(
                    fill,
                    cells,
                    row,
                    target,
                    random,
                    delay_at,
                    n_table,
                    weight_at,
                    kind,
                    synapse_at,
                    value_at,
                    mask,
                    owned,
                )
            total += lengths[source]
            continue
        low = source // source_cluster * target_cluster
        first, last = (low, low + target_cluster) if pairs == WITHIN else (0, n_targets)
        bernoulli_row(scratch, 0, first, last, digits, n_digits, key, source)
        if pairs == BETWEEN:
            _cut(scratch, 0, low, low + target_cluster)
        if itself:
            _cut(scratch, 0, source, source + 1)
        for word in range((first >> 9) << 4, ((last + 511) >> 9) << 4):
            bits = _U(scratch[word])
            while bits:
                target = offset + 32 * word + np.int64(lowest_bit(bits))
                bits &= bits - _U(1)
                value_state = advanced(value_state)
                random = mixed(value_state)
                _visit(
                    fill,
                    cells,
                    row,
                    target,
                    random,
                    delay_at,
                    n_table,
                    weight_at,
                    kind,
                    synapse_at,
                    value_at,
                    mask,
                    owned,
                )
                total += 1
    return total


@part
def visit_columns(
    fill, cursors, n_delays, indegree, offset, n_sources, n_targets, source_cluster, target_cluster, pairs, itself, key,
    value_key, delays, weights, kind, synapses, values, mask, owned,
):  # fmt: skip
    """Count or place a projection in which every target draws a fixed number of sources."""
    count, n_table = n_candidates(n_sources, source_cluster, pairs, itself), _U(len(delays))
    cells, delay_at, weight_at, synapse_at, value_at = _pointers(cursors, delays, weights, synapses, values)
    for target in range(n_targets):
        state, value_state = stream(key, target), stream(value_key, target)
        for _ in range(indegree):
            state, value_state = advanced(state), advanced(value_state)
            found = np.int64(below(mixed(state), count))
            row = candidate(found, target, pairs, itself, target_cluster, source_cluster) * (n_delays + 1)
            random, number = mixed(value_state), offset + target
            _visit(
                fill, cells, row, number, random, delay_at, n_table, weight_at, kind, synapse_at, value_at, mask, owned
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
