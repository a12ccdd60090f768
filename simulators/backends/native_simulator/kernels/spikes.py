"""Who fires: refractory neurons, sources, and the record of spikes."""

from __future__ import annotations

import numpy as np

from simulators.backends.native_simulator.kernels.instructions import lowest_bit, permute
from simulators.backends.native_simulator.kernels.lanes import LANES, as_floats, load, store_mask, where
from simulators.backends.native_simulator.kernels.parts import part, within
from simulators.backends.native_simulator.kernels.random_streams import advanced_lanes, load_streams, store_streams
from simulators.backends.native_simulator.kernels.tables import STRETCH_LANES

_U = np.uint64
POISSON, EVENTS = -1, -2


@within
def drawn_counts(random, tables, draw):
    """Counts that random words stand for in an alias table: the lowest four bits choose, the others decide."""
    limit = permute(load(tables, 32 * draw), random)
    other = permute(load(tables, 32 * draw + 16), random)
    return as_floats(where((random >> 4) < limit, random & 15, other))


@within
def used_lanes(population, populations):
    """Lanes that hold neurons, of those that a thread owns; what lies behind the last is never moved."""
    behind = populations.sizes[population] - populations.begins[population]
    return min(2 * populations.n_words[population], (behind + LANES - 1) // LANES)


@part
def fire_sources(population, populations, neurons, drives):
    """Let Poisson sources fire."""
    first, n_lanes = populations.offsets[population] // LANES, used_lanes(population, populations)
    if not drives.active[population]:
        for lane in range(n_lanes):
            neurons.fired[first + lane] = np.uint16(0)
        return
    for begin in range(first, first + n_lanes, STRETCH_LANES):
        place = 64 * (begin // STRETCH_LANES)
        streams = load_streams(drives.streams, place)
        for lane in range(begin, min(begin + STRETCH_LANES, first + n_lanes)):
            random, streams = advanced_lanes(streams)
            store_mask(neurons.fired, lane, random < load(drives.thresholds, 16 * lane))
        store_streams(drives.streams, place, streams)


@part
def play_events(population, step, drives, spikes, n_spikes):
    """Write the events given for a step into a list; return its length."""
    place, end = drives.event_next[population], drives.event_ends[population]
    while place < end and drives.event_steps[place] <= step:
        spikes[n_spikes] = np.int32(drives.event_neurons[place])
        n_spikes += 1
        place += 1
    drives.event_next[population] = place
    return n_spikes


@part
def record_fired(population, populations, neurons, spikes, n_spikes):
    """Write those that fire into a list; unless they are sources, they may not again until they are let."""
    first, begin = populations.offsets[population] >> 6, populations.begins[population]
    refractory = populations.kinds[population] >= 0
    for word in range(first, first + (populations.n_words[population] >> 1)):
        bits = neurons.fired_words[word] & neurons.may_fire_words[word]
        if bits:
            if refractory:
                neurons.may_fire_words[word] = neurons.may_fire_words[word] & ~bits
            while bits:
                spikes[n_spikes] = np.int32(begin + 64 * (word - first) + np.int64(lowest_bit(bits)))
                n_spikes += 1
                bits &= bits - _U(1)
    return n_spikes
