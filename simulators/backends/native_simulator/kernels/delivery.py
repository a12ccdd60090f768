"""From spikes to inputs: planes of bits that a step's update reads, stretches of rows, and compressed rows."""

from __future__ import annotations

import numpy as np
from numba import njit

from simulators.backends.native_simulator.kernels.lanes import (
    float_of_bits,
    floats,
    load,
    load_mask,
    mask_of,
    prefetch,
    single,
    store,
    where,
    words,
)
from simulators.backends.native_simulator.kernels.tables import (
    BASE,
    BOOSTED,
    BUNDLE_DELAYS,
    BUNDLE_FIRST,
    BUNDLE_KIND,
    BUNDLE_RECEPTOR,
    BUNDLE_ROWS,
    BUNDLE_SHIFT,
    DELAY,
    PACKED,
    PLANES,
    RECEPTOR,
    SHARED,
    SOURCE,
    SOURCE_CLUSTER,
    STRIDE,
    TARGET_CLUSTER,
)

FUSED = 4
"""Planes per receptor that an update adds; further ones take a pass of their own."""

_AHEAD = 6  # jobs between asking for a row and reading it


@njit(inline="always")
def _spikes_of_pass(planes):  # type: ignore[no-untyped-def]
    """How many rows of that many planes four planes can count."""
    return 15 // ((1 << planes) - 1)


@njit
def _count_three(rows, base, stride, n_words, spikes, first, last, place):  # type: ignore[no-untyped-def]
    """Add three rows of one plane each; two planes hold the counts."""
    a = base + spikes[first] * stride
    b = base + spikes[first + 1] * stride
    c = base + spikes[first + 2] * stride
    for word in range(0, n_words, 16):
        x, y, z = load(rows, a + word), load(rows, b + word), load(rows, c + word)
        both = x ^ y
        store(rows, place + word, both ^ z)
        store(rows, place + n_words + word, (x & y) | (both & z))


@njit
def _count_seven(rows, base, stride, n_words, spikes, first, last, place):  # type: ignore[no-untyped-def]
    """Add up to seven rows of one plane each; three planes hold the counts."""
    for word in range(0, n_words, 16):
        a, b, c = words(0), words(0), words(0)
        for k in range(first, last):
            carry = load(rows, base + spikes[k] * stride + word)
            over = a & carry
            a = a ^ carry
            carry = b & over
            b = b ^ over
            c = c ^ carry
        store(rows, place + word, a)
        store(rows, place + n_words + word, b)
        store(rows, place + 2 * n_words + word, c)


@njit
def _count_rows(rows, base, stride, n_words, n_planes, spikes, first, last, place):  # type: ignore[no-untyped-def]
    """Add rows of any number of planes; four planes hold the counts."""
    for word in range(0, n_words, 16):
        a, b, c, d = words(0), words(0), words(0), words(0)
        for k in range(first, last):
            row = base + spikes[k] * stride + word
            carry = load(rows, row)
            over = a & carry
            a = a ^ carry
            if n_planes > 1:
                # what the row's own second plane adds, and the carry of the first
                second = load(rows, row + n_words)
                both = b ^ second
                carry = (b & second) | (both & over)
                b = both ^ over
            else:
                carry = b & over
                b = b ^ over
            if n_planes > 2:
                third = load(rows, row + 2 * n_words)
                both = c ^ third
                over = (c & third) | (both & carry)
                c = both ^ carry
            else:
                over = c & carry
                c = c ^ carry
            if n_planes > 3:
                d = d ^ load(rows, row + 3 * n_words)
            d = d ^ over
        store(rows, place + word, a)
        store(rows, place + n_words + word, b)
        store(rows, place + 2 * n_words + word, c)
        store(rows, place + 3 * n_words + word, d)


@njit
def _count(rows, fact, n_words, spikes, first, last, place):  # type: ignore[no-untyped-def]
    """Add the rows of spikes; return how many planes hold the counts."""
    base, stride, n_planes, n = fact[BASE], fact[STRIDE], fact[PLANES], last - first
    if n_planes == 1 and n == 3:
        _count_three(rows, base, stride, n_words, spikes, first, last, place)
        return 2
    if n_planes == 1 and n <= 7:
        _count_seven(rows, base, stride, n_words, spikes, first, last, place)
        return 3
    _count_rows(rows, base, stride, n_words, n_planes, spikes, first, last, place)
    return 4


@njit(inline="always")
def _add_plane(planes, receptor, place, weight):  # type: ignore[no-untyped-def]
    n = planes.counts[receptor]
    planes.places[receptor, n] = place
    planes.weights[receptor, n] = weight
    planes.counts[receptor] = n + 1


@njit
def gather_planes(target, step, populations, blocks, record, planes):  # type: ignore[no-untyped-def]
    """Collect what arrives at a population within a step as weighted planes of bits.

    Of the spikes of a block as many are taken as four planes can count; `deliver_rest` takes the others.
    """
    planes.counts[:] = 0
    n_words = populations.n_words[target]
    for block in range(blocks.first[target], blocks.first[target + 1]):
        fact = blocks.facts[block]
        row = step - fact[DELAY] - record.base
        first, last = record.starts[row, fact[SOURCE]], record.starts[row, fact[SOURCE] + 1]
        n, n_planes, receptor, weight = last - first, fact[PLANES], fact[RECEPTOR], blocks.weights[block, 0]
        if n == 0:
            continue
        if n == 1 or (n == 2 and n_planes == 1):
            for k in range(first, last):
                place = fact[BASE] + record.spikes[k] * fact[STRIDE]
                for plane in range(n_planes):
                    _add_plane(planes, receptor, place + plane * n_words, weight * single(1 << plane))
            continue
        last = min(last, first + _spikes_of_pass(n_planes))
        place = blocks.room + (block - blocks.first[target]) * 4 * n_words
        for plane in range(_count(blocks.rows, fact, n_words, record.spikes, first, last, place)):
            _add_plane(planes, receptor, place + plane * n_words, weight * single(1 << plane))
    for receptor in range(2):  # an update reads a fixed number
        for plane in range(planes.counts[receptor], FUSED):
            planes.places[receptor, plane] = blocks.zeros
            planes.weights[receptor, plane] = single(0.0)


@njit
def add_planes(state, first, n_lanes, halves, places, weights, begin, end):  # type: ignore[no-untyped-def]
    """Add planes, four at a time, to an input whose first neuron is at `first` of the state."""
    for plane in range(begin, end):
        place, weight = 2 * places[plane], floats(weights[plane])
        for lane in range(n_lanes):
            given = load(state, first + 16 * lane)
            store(state, first + 16 * lane, given + where(load_mask(halves, place + lane), weight, single(0.0)))


@njit
def deliver_rest(target, step, populations, neurons, blocks, halves, record, planes, n_all):  # type: ignore[no-untyped-def]
    """Add what the update of a population did not: planes beyond its number, further spikes, and own clusters' share."""
    n_words, offset = populations.n_words[target], populations.offsets[target]
    n_lanes = 2 * n_words
    for receptor in range(2):
        if planes.counts[receptor] > FUSED:
            add_planes(
                neurons.state, receptor * n_all + offset, n_lanes, halves, planes.places[receptor],
                planes.weights[receptor], FUSED, planes.counts[receptor],
            )  # fmt: skip
    for block in range(blocks.first[target], blocks.first[target + 1]):
        fact = blocks.facts[block]
        row = step - fact[DELAY] - record.base
        first, last = record.starts[row, fact[SOURCE]], record.starts[row, fact[SOURCE] + 1]
        if first == last:
            continue
        receptor, per_pass = fact[RECEPTOR], _spikes_of_pass(fact[PLANES])
        begin = receptor * n_all + offset
        if last - first > per_pass and (last - first > 2 or fact[PLANES] > 1):
            place = blocks.room
            for k in range(first + per_pass, last, per_pass):
                counted = _count(blocks.rows, fact, n_words, record.spikes, k, min(k + per_pass, last), place)
                for plane in range(counted):
                    planes.places[0, plane] = place + plane * n_words
                    planes.weights[0, plane] = blocks.weights[block, 0] * single(1 << plane)
                add_planes(
                    neurons.state, begin, n_lanes, halves, planes.places[0], planes.weights[0], 0, counted
                )
        if fact[BOOSTED]:
            for k in range(first, last):
                source = record.spikes[k]
                low = source // fact[SOURCE_CLUSTER] * fact[TARGET_CLUSTER]
                place = fact[BASE] + source * fact[STRIDE]
                for plane in range(fact[PLANES]):
                    weight = blocks.weights[block, 1] * single(1 << plane)
                    _add_stretch(
                        neurons.state, begin, halves, 2 * (place + plane * n_words), low, low + fact[TARGET_CLUSTER],
                        weight,
                    )  # fmt: skip


@njit
def _add_stretch(state, first, halves, place, low, high, weight):  # type: ignore[no-untyped-def]
    """Add a weight to the targets from `low` to `high` - 1 that a row of bits connects."""
    begin, end = low >> 4, (high - 1) >> 4
    for lane in range(begin, end + 1):
        allowed = np.uint64(0xFFFF)
        if lane == begin:
            allowed = (allowed << np.uint64(low & 15)) & np.uint64(0xFFFF)
        if lane == end:
            allowed = allowed & (np.uint64(0xFFFF) >> np.uint64(15 - ((high - 1) & 15)))
        bits = np.uint64(halves[place + lane]) & allowed
        given = load(state, first + 16 * lane)
        store(state, first + 16 * lane, given + where(mask_of(bits), floats(weight), single(0.0)))


@njit
def jobs_fit(step, bundles, record):  # type: ignore[no-untyped-def]
    """Whether the jobs of the last step's spikes fit, whatever their delays."""
    row = step - 1 - record.base
    new = 0
    for source in range(len(bundles.first) - 1):
        n_bundles = bundles.first[source + 1] - bundles.first[source]
        new += n_bundles * (record.starts[row, source + 1] - record.starts[row, source])
    capacity = record.jobs.shape[1]
    for place in range(len(record.job_counts)):
        if record.job_counts[place] + new > capacity:
            return False
    return True


@njit
def push_jobs(step, bundles, record):  # type: ignore[no-untyped-def]
    """Note for every delay what the spikes of the last step will deliver."""
    row = step - 1 - record.base
    ring = len(record.job_counts)
    for source in range(len(bundles.first) - 1):
        for k in range(record.starts[row, source], record.starts[row, source + 1]):
            for bundle in range(bundles.first[source], bundles.first[source + 1]):
                fact = bundles.facts[bundle]
                delays = fact[BUNDLE_DELAYS]
                place = fact[BUNDLE_ROWS] + record.spikes[k] * (delays + 1)
                begin = np.int64(bundles.starts[place])
                for delay in range(delays):
                    end = np.int64(bundles.starts[place + delay + 1])
                    if end > begin:
                        due = (step + delay) % ring
                        n = record.job_counts[due]
                        record.jobs[due, n, 0] = fact[BUNDLE_FIRST] + begin
                        record.jobs[due, n, 1] = end - begin
                        record.jobs[due, n, 2] = bundle
                        record.job_counts[due] = n + 1
                    begin = end


@njit
def deliver_jobs(step, neurons, bundles, record, n_all):  # type: ignore[no-untyped-def]
    """Add the synapses due in a step to the inputs of their targets."""
    due = step % len(record.job_counts)
    jobs, n_jobs = record.jobs[due], record.job_counts[due]
    state, synapses, mask = neurons.state, bundles.synapses, np.uint64(bundles.mask)
    for job in range(n_jobs):
        if job + _AHEAD < n_jobs:
            ahead = jobs[job + _AHEAD, 0]
            for line in range(0, min(jobs[job + _AHEAD, 1], 128), 16):
                prefetch(synapses, ahead + line)
        fact = bundles.facts[jobs[job, 2]]
        scale = bundles.scales[jobs[job, 2]]
        first = np.uint64(fact[BUNDLE_RECEPTOR] * n_all)
        begin, end = np.uint64(jobs[job, 0]), np.uint64(jobs[job, 0] + jobs[job, 1])
        kind = fact[BUNDLE_KIND]
        if kind == PACKED and scale == single(1.0):
            for k in range(begin, end):
                word = synapses[k]
                state[first + (np.uint64(word) & mask)] += float_of_bits(word)
        elif kind == PACKED:
            for k in range(begin, end):
                word = synapses[k]
                state[first + (np.uint64(word) & mask)] += scale * float_of_bits(word)
        elif kind == SHARED:
            for k in range(begin, end):
                state[first + np.uint64(synapses[k])] += scale
        else:
            shift = np.uint64(fact[BUNDLE_SHIFT])
            for k in range(begin, end):
                state[first + np.uint64(synapses[k])] += scale * bundles.values[k + shift]
    record.job_counts[due] = 0
