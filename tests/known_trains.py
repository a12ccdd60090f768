"""Spike trains whose statistics are known in closed form, for the suite that checks bias and spread."""

from __future__ import annotations

import numpy as np

from simulators.statistics.spike_trains import SpikeTrains

DT = 0.1
BEFORE = 2000.0  # ms that a process runs before it is recorded


def as_trains(times, size, duration, n_clusters=1, t_ref=0.0):
    """SpikeTrains of one array of times in ms for each neuron, those in the recording."""
    senders = np.repeat(np.arange(size), [len(one) for one in times])
    steps = np.ceil(np.concatenate(times) / DT).astype(int)
    n_steps = round(duration / DT)
    kept = (steps >= 1) & (steps <= n_steps)
    # A recorder has one spike of a neuron in a step.
    keys = np.unique(senders[kept] * (n_steps + 1) + steps[kept])
    senders, steps = np.divmod(keys, n_steps + 1)
    return SpikeTrains(steps, senders, size, n_steps, DT, n_clusters, t_ref)


def renewal(draw, size, rate, duration, **changes):
    """Trains with independent intervals; `draw(shape)` gives intervals in ms of mean 1000 / rate."""
    n = int((duration + BEFORE) * rate * 1e-3 * 1.5 + 60)
    times = np.cumsum(draw((size, n)), axis=1) - BEFORE
    assert times[:, -1].min() > duration
    return as_trains(list(times), size, duration, **changes)


def poisson(generator, size, rate, duration, **changes):
    return renewal(lambda shape: generator.exponential(1e3 / rate, shape), size, rate, duration, **changes)


def gamma(generator, size, rate, duration, shape=4.0, **changes):
    return renewal(lambda s: generator.gamma(shape, 1e3 / rate / shape, s), size, rate, duration, **changes)


def refractory(generator, size, rate, duration, dead=20.0, **changes):
    mean = 1e3 / rate - dead
    return renewal(lambda s: dead + generator.exponential(mean, s), size, rate, duration, t_ref=dead, **changes)


def clock(generator, size, rate, duration):
    period = 1e3 / rate
    phases = generator.uniform(0.0, period, size)
    return as_trains([np.arange(phase, duration, period) for phase in phases], size, duration)


def bursts(generator, size, rate, duration, n=3, interval=5.0):
    """Bursts of `n` spikes `interval` ms apart; between bursts one interval and exponential time."""
    gap = n * 1e3 / rate - n * interval

    def draw(shape):
        intervals = np.full(shape, interval)
        intervals[:, ::n] += generator.exponential(gap, intervals[:, ::n].shape)
        return intervals

    return renewal(draw, size, rate, duration)


def telegraph(generator, n, low, high, tau, duration, step=1.0):
    """Rates (n, n_steps of `step` ms) in Hz that jump between two values with autocorrelation time `tau`."""
    rates = np.empty((n, round(duration / step)))
    state = generator.random(n) < 0.5
    for k in range(rates.shape[1]):
        state ^= generator.random(n) < 0.5 * (1.0 - np.exp(-step / tau))
        rates[:, k] = np.where(state, high, low)
    return rates


def cox(generator, rates, size, step=1.0, **changes):
    """Poisson spikes of given rates; each row is the rate of an equal share of the neurons."""
    share = size // rates.shape[0]
    n_steps = round(step / DT)
    counts = generator.poisson(rates * step * 1e-3 * share)
    rows, bins = np.nonzero(counts)
    n = counts[rows, bins]
    rows, bins = np.repeat(rows, n), np.repeat(bins, n)
    senders = rows * share + generator.integers(0, share, rows.size)
    steps = bins * n_steps + generator.integers(1, n_steps + 1, bins.size)
    return SpikeTrains(steps, senders, size, rates.shape[1] * n_steps, DT, **changes)


def oscillation(generator, size, rate, frequency, depth, duration, width=5.0):
    """Poisson spikes of a common rate that a noisy oscillator of some half width (Hz) modulates."""
    n = round(duration)
    noise = generator.normal(size=(2, n))
    decay = np.exp(-2.0 * np.pi * width * 1e-3)
    phase = np.exp(2j * np.pi * frequency * 1e-3)
    state, path = 0.0, np.empty(n)
    for k in range(n):
        state = state * decay * phase + np.sqrt(1 - decay**2) * (noise[0, k] + 1j * noise[1, k])
        path[k] = state.real
    return cox(generator, rate * np.clip(1.0 + depth * path, 0.0, None)[None, :], size)
