"""From spikes to inputs: planes of bits that a step's update reads, stretches of rows, and compressed rows."""

from __future__ import annotations

import numpy as np

from simulators.backends.native_simulator.kernels.instructions import float_of_bits, prefetch
from simulators.backends.native_simulator.kernels.lanes import (
    floats,
    load,
    load_mask,
    mask_of,
    single,
    store,
    where,
    words,
)
from simulators.backends.native_simulator.kernels.parts import part, within
from simulators.backends.native_simulator.kernels.tables import (
    BASE,
    BLOCK_FACTS,
    BOOSTED,
    BUNDLE_DELAYS,
    BUNDLE_FACTS,
    BUNDLE_FIRST,
    BUNDLE_KIND,
    BUNDLE_RECEPTOR,
    BUNDLE_ROWS,
    BUNDLE_SHIFT,
    BUNDLE_SHORTEST,
    BUNDLE_TABLE,
    DELAY,
    OWN,
    PACKED,
    PLANES,
    RECEPTOR,
    SHARED,
    SOURCE,
    SOURCE_CLUSTER,
    STRETCH,
    STRIDE,
    TARGET_CLUSTER,
)

FUSED = 4
"""Planes per receptor that an update adds; further ones take a pass of their own."""

_AHEAD = 4  # jobs between asking for a row and reading it
_ASKED = 160  # words of a row that are asked for in any case
_ASKED_AT_MOST = 1024  # what the processor fetches by itself comes late


@part
def _spikes_of_pass(planes):
    """How many rows of that many planes four planes can count."""
    return 15 // ((1 << planes) - 1)


@part
def _count_three(rows, base, stride, n_words, spikes, first, last, place):
    """Add three rows of one plane each; two planes hold the counts."""
    a = base + spikes[first] * stride
    b = base + spikes[first + 1] * stride
    c = base + spikes[first + 2] * stride
    for word in range(0, n_words, 16):
        x, y, z = load(rows, a + word), load(rows, b + word), load(rows, c + word)
        both = x ^ y
        store(rows, place + word, both ^ z)
        store(rows, place + n_words + word, (x & y) | (both & z))


@part
def _count_seven(rows, base, stride, n_words, spikes, first, last, place):
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


@part
def _count_rows(rows, base, stride, row_words, n_words, n_planes, spikes, first, last, place):
    """Add rows of any number of planes, `row_words` apart; four planes hold the counts."""
    for word in range(0, n_words, 16):
        a, b, c, d = words(0), words(0), words(0), words(0)
        for k in range(first, last):
            row = base + spikes[k] * stride + word
            carry = load(rows, row)
            over = a & carry
            a = a ^ carry
            if n_planes > 1:
                # what the row's own second plane adds, and the carry of the first
                second = load(rows, row + row_words)
                both = b ^ second
                carry = (b & second) | (both & over)
                b = both ^ over
            else:
                carry = b & over
                b = b ^ over
            if n_planes > 2:
                third = load(rows, row + 2 * row_words)
                both = c ^ third
                over = (c & third) | (both & carry)
                c = both ^ carry
            else:
                over = c & carry
                c = c ^ carry
            if n_planes > 3:
                d = d ^ load(rows, row + 3 * row_words)
            d = d ^ over
        store(rows, place + word, a)
        store(rows, place + n_words + word, b)
        store(rows, place + 2 * n_words + word, c)
        store(rows, place + 3 * n_words + word, d)


@part
def _count(blocks, fact, target, populations, spikes, first, last, place):
    """Add the rows of spikes; return how many planes hold the counts."""
    rows, facts, n = blocks.rows, blocks.facts, last - first
    row_words, n_words = populations.row_words[target], populations.n_words[target]
    base, stride = facts[fact + BASE] + (populations.begins[target] >> 5), facts[fact + STRIDE]
    n_planes = facts[fact + PLANES]
    if n_planes == 1 and n == 3:
        _count_three(rows, base, stride, n_words, spikes, first, last, place)
        return 2
    if n_planes == 1 and n <= 7:
        _count_seven(rows, base, stride, n_words, spikes, first, last, place)
        return 3
    _count_rows(rows, base, stride, row_words, n_words, n_planes, spikes, first, last, place)
    return 4


@part
def _add_plane(blocks, receptor, place, weight):
    n = blocks.plane_counts[receptor]
    blocks.planes[receptor * blocks.most_planes + n] = place
    blocks.plane_weights[receptor * blocks.most_planes + n] = weight
    blocks.plane_counts[receptor] = n + 1


@part
def gather_planes(target, step, populations, blocks, record):
    """Collect what arrives at a population within a step as weighted planes of bits.

    Of the spikes of a block as many are taken as four planes can count; `deliver_rest` takes the others.
    """
    blocks.plane_counts[0] = 0
    blocks.plane_counts[1] = 0
    n_words, width, facts = populations.n_words[target], populations.number + 1, blocks.facts
    row_words, first_word = populations.row_words[target], populations.begins[target] >> 5
    for block in range(blocks.first[target], blocks.first[target + 1]):
        fact = block * BLOCK_FACTS
        row = (step - facts[fact + DELAY] - record.base) * width + facts[fact + SOURCE]
        first, last = record.starts[row], record.starts[row + 1]
        n, n_planes, receptor = last - first, facts[fact + PLANES], facts[fact + RECEPTOR]
        weight = blocks.weights[2 * block]
        if n == 0 or weight == single(0.0):
            continue
        if n == 1 or (n == 2 and n_planes == 1):
            for k in range(first, last):
                place = facts[fact + BASE] + record.spikes[k] * facts[fact + STRIDE] + first_word
                for plane in range(n_planes):
                    _add_plane(blocks, receptor, place + plane * row_words, weight * single(1 << plane))
            continue
        last = min(last, first + _spikes_of_pass(n_planes))
        place = blocks.room + (block - blocks.first[target]) * 4 * n_words
        for plane in range(_count(blocks, fact, target, populations, record.spikes, first, last, place)):
            _add_plane(blocks, receptor, place + plane * n_words, weight * single(1 << plane))
    for receptor in range(2):  # an update reads a fixed number
        for plane in range(blocks.plane_counts[receptor], FUSED):
            blocks.planes[receptor * blocks.most_planes + plane] = blocks.zeros
            blocks.plane_weights[receptor * blocks.most_planes + plane] = single(0.0)


@part
def _add_planes(state, first, n_lanes, blocks, begin, end):
    """Add planes to an input whose first neuron is at `first` of the state."""
    for plane in range(begin, end):
        place, weight = 2 * blocks.planes[plane], floats(blocks.plane_weights[plane])
        for lane in range(n_lanes):
            given = load(state, first + 16 * lane)
            store(state, first + 16 * lane, where(load_mask(blocks.halves, place + lane), given + weight, given))


@part
def _add_further_spikes(block, target, populations, neurons, blocks, record, first, last):
    """Add the spikes of a block that are more than planes could count in one pass."""
    n_words, facts, fact = populations.n_words[target], blocks.facts, block * BLOCK_FACTS
    n_planes, weight = facts[fact + PLANES], blocks.weights[2 * block]
    per_pass = max(_spikes_of_pass(n_planes), 2 if n_planes == 1 else 1)
    if last - first <= per_pass or weight == single(0.0):
        return
    begin, place = facts[fact + RECEPTOR] * neurons.second + populations.offsets[target], blocks.room
    for k in range(first + per_pass, last, per_pass):
        counted = _count(blocks, fact, target, populations, record.spikes, k, min(k + per_pass, last), place)
        for plane in range(counted):
            blocks.planes[plane] = place + plane * n_words
            blocks.plane_weights[plane] = weight * single(1 << plane)
        _add_planes(neurons.state, begin, 2 * n_words, blocks, 0, counted)


@part
def _add_boosts(block, target, populations, neurons, blocks, record, first, last):
    """Add what the own cluster of a spike's source gets more."""
    facts, fact, boost = blocks.facts, block * BLOCK_FACTS, blocks.weights[2 * block + 1]
    if not facts[fact + BOOSTED] or boost == single(0.0):
        return
    n_targets, own = facts[fact + TARGET_CLUSTER], populations.begins[target]
    begin = facts[fact + RECEPTOR] * neurons.second + populations.offsets[target]
    for k in range(first, last):
        source = np.int64(record.spikes[k])
        low = source // facts[fact + SOURCE_CLUSTER] * n_targets
        place = facts[fact + BASE] + source * facts[fact + STRIDE]
        first_own, end_own = max(low, own), min(low + n_targets, own + 32 * populations.n_words[target])
        if first_own < end_own:
            for plane in range(facts[fact + PLANES]):
                _add_stretch(neurons.state, begin - own, blocks.halves,
                             2 * (place + plane * populations.row_words[target]), first_own, end_own,
                             boost * single(1 << plane))  # fmt: skip


@part
def deliver_rest(target, step, populations, neurons, blocks, record):
    """Add what an update did not: planes beyond its number, further spikes, and what own clusters get more."""
    n_lanes, offset = 2 * populations.n_words[target], populations.offsets[target]
    for receptor in range(2):
        if blocks.plane_counts[receptor] > FUSED:
            first = receptor * blocks.most_planes
            _add_planes(neurons.state, receptor * neurons.second + offset, n_lanes, blocks, first + FUSED,
                        first + blocks.plane_counts[receptor])  # fmt: skip
    width, facts = populations.number + 1, blocks.facts
    for block in range(blocks.first[target], blocks.first[target + 1]):
        fact = block * BLOCK_FACTS
        row = (step - facts[fact + DELAY] - record.base) * width + facts[fact + SOURCE]
        first, last = record.starts[row], record.starts[row + 1]
        if first < last:
            _add_further_spikes(block, target, populations, neurons, blocks, record, first, last)
            _add_boosts(block, target, populations, neurons, blocks, record, first, last)


@part
def _add_stretch(state, first, halves, place, low, high, weight):
    """Add a weight to the targets from `low` to `high` - 1 that a row of bits connects."""
    begin, end = low >> 4, (high - 1) >> 4
    added = floats(weight)
    from_low, to_high = 0xFFFF << (low & 15), 0xFFFF >> (15 - ((high - 1) & 15))
    if begin == end:
        to_high &= from_low
    else:
        bits = mask_of(np.int64(halves[place + begin]) & from_low)
        given = load(state, first + 16 * begin)
        store(state, first + 16 * begin, where(bits, given + added, given))
        for lane in range(begin + 1, end):
            given = load(state, first + 16 * lane)
            store(state, first + 16 * lane, where(load_mask(halves, place + lane), given + added, given))
    bits = mask_of(np.int64(halves[place + end]) & to_high)
    given = load(state, first + 16 * end)
    store(state, first + 16 * end, where(bits, given + added, given))


@part
def most_jobs(record):
    """Jobs of the step that has the most."""
    fullest = 0
    for place in range(record.ring):
        fullest = max(fullest, record.job_counts[place])
    return fullest


@part
def jobs_fit(step, fullest, populations, bundles, record):
    """Whether the jobs of the last step's spikes fit, whatever their delays, into steps that have so many at most."""
    row = (step - 1 - record.base) * (populations.number + 1)
    new = 0
    for source in range(populations.number):
        n_bundles = bundles.first[source + 1] - bundles.first[source]
        new += n_bundles * (record.starts[row + source + 1] - record.starts[row + source])
    return fullest + new <= record.job_capacity


@part
def push_jobs(step, populations, bundles, record):
    """Note for every delay what the spikes of the last step will deliver."""
    row = (step - 1 - record.base) * (populations.number + 1)
    for source in range(populations.number):
        last = record.starts[row + source + 1]
        for k in range(record.starts[row + source], last):
            later = np.int64(record.spikes[min(k + _AHEAD, last - 1)])
            for bundle in range(bundles.first[source], bundles.first[source + 1]):
                fact = bundle * BUNDLE_FACTS
                delays = bundles.facts[fact + BUNDLE_DELAYS]
                first = bundles.facts[fact + BUNDLE_ROWS]
                for line in range(0, delays + 16, 16):
                    prefetch(bundles.starts, first + later * (delays + 1) + line)
                place = first + record.spikes[k] * (delays + 1)
                base = bundles.facts[fact + BUNDLE_FIRST]
                begin = np.int64(bundles.starts[place])
                due = (step + bundles.facts[fact + BUNDLE_SHORTEST] - 1) % record.ring
                for delay in range(delays):
                    end = np.int64(bundles.starts[place + delay + 1])
                    # written in any case, and counted if there is something to deliver: no branch to guess
                    n = record.job_counts[due]
                    job = (due * record.job_capacity + n) * 3
                    record.jobs[job] = base + begin
                    record.jobs[job + 1] = end - begin
                    record.jobs[job + 2] = bundle
                    record.job_counts[due] = n + (end > begin)
                    begin = end
                    due += 1
                    if due == record.ring:
                        due = 0


@within
def _ask_for(synapses, begin, length):
    """Have a group of synapses fetched from memory."""
    for line in range(0, _ASKED, 16):  # a fixed number, the last of them again and again
        prefetch(synapses, begin + min(line, length))
    for line in range(_ASKED, min(length + 15, _ASKED_AT_MOST), 16):
        prefetch(synapses, begin + line)


@part
def deliver_jobs(step, populations, neurons, bundles, record):
    """Add the synapses due in a step to the inputs of their targets."""
    due = step % record.ring
    n_jobs, first_job = record.job_counts[due], due * record.job_capacity * 3
    jobs, state, synapses, mask = record.jobs, neurons.state, bundles.synapses, np.uint64(bundles.mask)
    for number in range(n_jobs):
        job = first_job + 3 * number
        if number + _AHEAD < n_jobs:
            _ask_for(synapses, jobs[job + 3 * _AHEAD], jobs[job + 3 * _AHEAD + 1])
        bundle = jobs[job + 2]
        fact = bundle * BUNDLE_FACTS
        scale, kind = bundles.scales[bundle], bundles.facts[fact + BUNDLE_KIND]
        first = np.uint64(bundles.facts[fact + BUNDLE_RECEPTOR] * neurons.second)
        begin, end = np.uint64(jobs[job]), np.uint64(jobs[job] + jobs[job + 1])
        if bundles.differ[bundle]:
            _deliver_by_table(kind, fact, begin, end, state, first, bundles, mask)
        elif kind == PACKED:
            for k in range(begin, end):
                word = synapses[k]
                state[first + (np.uint64(word) & mask)] += scale * float_of_bits(word)
        elif kind == SHARED:
            for k in range(begin, end):
                state[first + np.uint64(synapses[k])] += scale
        else:
            shift = np.uint64(bundles.facts[fact + BUNDLE_SHIFT])
            for k in range(begin, end):
                state[first + np.uint64(synapses[k])] += scale * bundles.values[k + shift]
    record.job_counts[due] = 0


@part
def _deliver_by_table(kind, fact, begin, end, state, first, bundles, mask):
    """Add a group of synapses whose targets tell what multiplies their weights."""
    synapses, table = bundles.synapses, np.uint64(bundles.facts[fact + BUNDLE_TABLE])
    together, shift = np.uint64(STRETCH), np.uint64(bundles.facts[fact + BUNDLE_SHIFT])
    for k in range(begin, end):
        word = synapses[k]
        target = np.uint64(word)
        weight = single(1.0)
        if kind == PACKED:
            target &= mask
            weight = float_of_bits(word)
        elif kind == OWN:
            weight = bundles.values[k + shift]
        state[first + target] += bundles.tables[table + (target >> together)] * weight
