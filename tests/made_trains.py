"""Spike trains out of a hat, for the tests of the statistics."""

from __future__ import annotations

import numpy as np

from simulators.statistics.spike_trains import SpikeTrains


def make_trains(seed=0, size=120, n_steps=30_000, dt=0.1, rate=20.0, n_clusters=4, t_ref=2.0):
    """Gamma-like trains of different rates with a few common events, some silent neurons, one with two spikes."""
    generator = np.random.default_rng(seed)
    rates = generator.uniform(0.0, 2.0 * rate, size) * (generator.random(size) > 0.1)
    wanted = generator.random((n_steps, size)) < rates * dt * 1e-3
    common = generator.random(n_steps) < 0.002
    wanted |= common[:, None] & (generator.random((n_steps, size)) < 0.2) & (rates > 0.0)
    wanted[:, 3] = False
    wanted[[10, 500], 3] = True
    steps, senders = np.nonzero(wanted)
    order = generator.permutation(steps.size)
    return SpikeTrains(steps[order] + 1, senders[order], size, n_steps, dt, n_clusters, t_ref)


def empty(size=4, **changes):
    return SpikeTrains(np.array([], dtype=int), np.array([], dtype=int), size, 10_000, 0.1, **changes)
