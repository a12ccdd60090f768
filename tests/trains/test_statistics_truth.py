"""Bias and spread of the statistics on spike trains whose truth is known in closed form, at several lengths and rates.

Every estimate is made from several independent recordings of one process. Their mean must lie within the stated bias of
the truth, give or take what chance does to a mean of so many; and they must scatter no more than is stated.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from known_trains import bursts, clock, cox, gamma, oscillation, poisson, refractory, telegraph

from simulators.statistics import summarise

SIZE = 300
SEEDS = 8
SECOND = 1e3


def measure(make, names, settings=None, seeds=SEEDS):
    """Mean and SD over seeds of every number that the statistics of a population give."""
    rows = [summarise({"E": make(np.random.default_rng(seed))}, names, settings) for seed in range(seeds)]
    scalars = [name for name, value in rows[0].items() if not isinstance(value, list)]
    return {name.removesuffix("_E"): np.array([row[name] for row in rows], dtype=float) for name in scalars}


def check(values, truth, bias, spread):
    """The mean is within `bias` of the truth, but for chance, and the SD below `spread`; all in parts of the truth."""
    assert not np.isnan(values).any()
    chance = 3.5 * values.std(ddof=1) / math.sqrt(values.size)
    assert values.mean() == pytest.approx(truth, abs=bias * abs(truth) + chance)
    assert values.std(ddof=1) < 1.8 * spread * abs(truth)


def fano_of_renewal(cv, third, mean_count):
    """Variance over mean of counts of an equilibrium renewal process in windows of some mean count (Cox 1962).

    `third` is the third central moment of the intervals over the mean cubed.
    """
    return cv**2 + (1.0 / 6.0 + cv**4 / 2.0 - third / 3.0) / mean_count


@pytest.mark.parametrize("rate", [2.0, 8.0, 30.0])
@pytest.mark.parametrize("duration", [4 * SECOND, 9 * SECOND, 30 * SECOND])
def test_poisson(rate, duration):
    names = ["rate", "cv_isi", "cv2", "lv", "lvr", "fano_factor", "correlation", "synchrony", "dimensionality"]
    found = measure(lambda g: poisson(g, SIZE, rate, duration), names)
    n_mean = rate * duration * 1e-3
    check(found["rate"], rate, 0.0, 1.0 / math.sqrt(n_mean * SIZE))
    check(found["rate_sd"], rate / math.sqrt(n_mean), 0.01, 0.06)
    for name in ("cv2", "lv", "lvr"):
        check(found[name], 1.0, 0.005, 1.6 / math.sqrt(n_mean * SIZE))
    # What the minimum of 15 spikes promises; and the bias goes as 1.5 over the intervals.
    if n_mean >= 15:
        assert 0.9 < found["cv_isi"].mean() < 1.01
        check(found["cv_isi"], 1.0 - 1.5 / n_mean, 0.02, 1.2 / math.sqrt(n_mean * SIZE))
    n_windows = duration // 400
    check(found["fano_factor"], 1.0, 0.01, math.sqrt(2.0 / (n_windows - 1) / SIZE))
    for name, bin_size in (("correlation", 2.0), ("correlation_slow", 50.0)):
        n_bins = duration / bin_size
        assert abs(found[name].mean()) < 3.5 * (1 / math.sqrt(n_bins * 31125)) / math.sqrt(SEEDS)
        check(found[f"{name}_sd"], 1 / math.sqrt(n_bins), 0.03, 0.02)
    assert abs(found["synchrony"].mean()) < 3.5 * math.sqrt(2.0 / (duration / 5.0)) / SIZE / math.sqrt(SEEDS) * 1.5
    check(found["dimensionality"], 250.0, 0.02, 0.05 if duration < 9 * SECOND else 0.02)


@pytest.mark.parametrize("rate", [8.0, 30.0])
@pytest.mark.parametrize("shape", [2.0, 4.0])
@pytest.mark.parametrize("duration", [4 * SECOND, 9 * SECOND, 30 * SECOND])
def test_gamma(rate, shape, duration):
    names = ["rate", "cv_isi", "cv2", "lv", "fano_factor", "synchrony", "dimensionality"]
    found = measure(lambda g: gamma(g, SIZE, rate, duration, shape), names)
    n_mean = rate * duration * 1e-3
    check(found["rate"], rate, 0.0, 1.0 / math.sqrt(shape * n_mean * SIZE))
    check(found["cv_isi"], 1.0 / math.sqrt(shape), 1.5 / n_mean, 1.0 / math.sqrt(n_mean * SIZE))
    # I / (I + J) of two gamma intervals is beta distributed.
    half = scipy.stats.beta(shape, shape)
    check(found["cv2"], 4.0 * half.expect(lambda x: abs(x - 0.5)), 0.005, 1.2 / math.sqrt(n_mean * SIZE))
    check(found["lv"], 3.0 / (2.0 * shape + 1.0), 0.005, 1.6 / math.sqrt(n_mean * SIZE))
    truth = fano_of_renewal(1.0 / math.sqrt(shape), 2.0 / shape**2, rate * 0.4)
    check(found["fano_factor"], truth, 0.03, math.sqrt(2.0 / (duration // 400 - 1) / SIZE))
    assert abs(found["synchrony"].mean()) < 5e-4
    check(found["dimensionality"], 250.0, 0.03, 0.06 if duration < 9 * SECOND else 0.03)


@pytest.mark.parametrize("rate", [8.0, 20.0])
def test_refractory_poisson(rate):
    dead, duration = 20.0, 9 * SECOND
    found = measure(lambda g: refractory(g, SIZE, rate, duration, dead), ["cv_isi", "cv2", "lv", "lvr", "fano_factor"])
    mean = 1e3 / rate
    scale = mean - dead
    n_mean = duration / mean
    cv = scale / mean
    check(found["cv_isi"], cv, 1.6 / n_mean, 1.0 / math.sqrt(n_mean * SIZE))

    def expect(function):
        """Mean over the sum g of two exponential intervals; their difference is uniform in -g to g."""
        return scipy.integrate.quad(lambda g: g / scale**2 * math.exp(-g / scale) * function(g), 0, np.inf)[0]

    spread = 1.6 / math.sqrt(n_mean * SIZE)
    check(found["cv2"], expect(lambda g: g / (2 * dead + g)), 0.005, spread)
    check(found["lv"], expect(lambda g: (g / (2 * dead + g)) ** 2), 0.01, spread)
    check(found["lvr"], expect(lambda g: (g / (2 * dead + g)) ** 2 * (1 + 4 * dead / (2 * dead + g))), 0.01, spread)
    truth = fano_of_renewal(cv, 2.0 * cv**3, rate * 0.4)
    check(found["fano_factor"], truth, 0.02, math.sqrt(2.0 / 21 / SIZE))


@pytest.mark.parametrize("rate", [2.0, 8.0, 27.0])
def test_clock(rate):
    found = measure(lambda g: clock(g, SIZE, rate, 9 * SECOND), ["rate", "cv_isi", "cv2", "lv", "fano_factor"])
    check(found["rate"], rate, 0.01, 0.01)
    for name in ("cv_isi", "cv2", "lv"):
        assert np.all(found[name] < 0.003), "steps of 0.1 ms, no more"
    # A window holds one of two neighbouring numbers of spikes.
    part = (rate * 0.4) % 1.0
    check(found["fano_factor"], part * (1 - part) / (rate * 0.4), 0.1, 0.05)


def test_bursts():
    n, interval, rate, duration = 3, 5.0, 8.0, 9 * SECOND
    names = ["cv_isi", "cv2", "lv", "spectrum", "synchrony"]
    found = measure(lambda g: bursts(g, SIZE, rate, duration, n, interval), names)
    mean = 1e3 / rate
    gap = n * mean - n * interval
    # n - 1 of n intervals are short ones, the others short ones and exponential time.
    second = ((n - 1) * interval**2 + interval**2 + 2 * interval * gap + 2 * gap**2) / n
    check(found["cv_isi"], math.sqrt(second - mean**2) / mean, 0.04, 0.01)
    # Of n neighbouring pairs of intervals, two have one long one and the others none.
    contrast = functools.partial(scipy.integrate.quad, a=0, b=np.inf)
    cv2 = 2 * contrast(lambda x: x / (2 * interval + x) * math.exp(-x / gap) / gap)[0]
    lv = 3 * contrast(lambda x: (x / (2 * interval + x)) ** 2 * math.exp(-x / gap) / gap)[0]
    # The ends of the recording cut long intervals more often than short ones.
    check(found["cv2"], cv2 * 2 / n, 0.02, 0.01)
    check(found["lv"], lv * 2 / n, 0.02, 0.01)
    # 1 + 2 Σ (1 - k/n) cos(2π f k interval): peaks at all multiples of one over the interval.
    peaks = found["spectrum_peak_frequency"] * interval * 1e-3
    assert np.all(np.abs(peaks - np.round(peaks)) < 0.11) and np.all(peaks > 0.5)
    assert found["spectrum_peak"].mean() == pytest.approx(n, rel=0.35)


def covariance(window, rate, tau):
    """Of counts in a window, for a rate of variance `rate` (Hz²) that decays with `tau` ms (telegraph process)."""
    return 2e-6 * rate * tau**2 * (window / tau - 1.0 + math.exp(-window / tau))


@pytest.mark.parametrize("tau", [30.0, 60.0, 120.0])
def test_autocorrelation_time_of_a_doubly_stochastic_process(tau):
    names = ["autocorrelation_time", "fano_factor", "correlation", "correlogram_width"]
    spread = {9 * SECOND: 0.16, 30 * SECOND: 0.1}
    for duration in spread:
        found = measure(lambda g, T=duration: cox(g, telegraph(g, SIZE, 4.0, 36.0, tau, T), SIZE), names, seeds=5)
        check(found["autocorrelation_time"], tau, 0.05, spread[duration])
        truth = 1.0 + covariance(400.0, 256.0, tau) / (20.0 * 0.4)
        check(found["fano_factor"], truth, 0.03, 0.04)
        assert abs(found["correlation_slow"].mean()) < 1e-3
        assert np.isnan(found["correlogram_width"]).all(), "each neuron has a rate of its own"


@pytest.mark.parametrize(("rate", "duration"), [(2.0, 30 * SECOND), (8.0, 9 * SECOND), (8.0, 30 * SECOND)])
def test_shared_rate(rate, duration):
    tau, depth = 25.0, 0.5
    names = ["correlation", "synchrony", "correlogram_width", "dimensionality", "spectrum"]
    low, high = rate * (1 - depth), rate * (1 + depth)
    found = measure(lambda g: cox(g, telegraph(g, 1, low, high, tau, duration), SIZE), names, seeds=10)
    variance = (depth * rate) ** 2
    for name, window in (("correlation", 2.0), ("correlation_slow", 50.0)):
        common = covariance(window, variance, tau)
        truth = common / (common + rate * window * 1e-3)
        check(found[name], truth, 0.03, 2.5 * math.sqrt(2 * tau / duration))
    common = covariance(5.0, variance, tau)
    truth = (common + rate * 5e-3 / SIZE) / (common + rate * 5e-3) - 1 / SIZE
    check(found["synchrony"], truth, 0.03, 2.5 * math.sqrt(2 * tau / duration))
    check(found["correlogram_width"], 2 * tau * math.log(2.0), 0.06, 0.25)
    common = covariance(50.0, variance, tau)
    share = common / (common + rate * 0.05)
    check(found["dimensionality"], 250 / (1 + 249 * share**2), 0.05, 0.1)
    assert np.isnan(found["spectrum_peak_frequency"]).all(), "slow fluctuations are no peak"


def test_spectrum_of_a_shared_rate_is_a_lorentzian():
    tau, rate, duration = 10.0, 20.0, 60 * SECOND
    rows = [
        summarise({"E": cox(g, telegraph(g, 1, 10.0, 30.0, tau, duration, 0.5), SIZE, 0.5)}, ["spectrum"])["spectrum_E"]
        for g in map(np.random.default_rng, range(4))
    ]
    frequencies = np.arange(2.0, 201.0, 2.0)
    truth = 1.0 + SIZE * 100.0 / rate * 2 * tau * 1e-3 / (1 + (2 * np.pi * frequencies * tau * 1e-3) ** 2)
    assert np.mean(rows, axis=0)[1:60] == pytest.approx(truth[1:60], rel=0.3)
    assert np.mean(np.mean(rows, axis=0)[1:60] / truth[1:60]) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("frequency", [20.0, 40.0, 80.0])
@pytest.mark.parametrize(("rate", "duration"), [(5.0, 9 * SECOND), (20.0, 3 * SECOND)])
def test_peak_of_an_oscillation(frequency, rate, duration):
    found = measure(lambda g: oscillation(g, SIZE, rate, frequency, 0.35, duration, 2.0), ["spectrum"])
    assert not np.isnan(found["spectrum_peak_frequency"]).any()
    assert found["spectrum_peak_frequency"] == pytest.approx(frequency, abs=6.0)
    assert found["spectrum_peak_frequency"].mean() == pytest.approx(frequency, abs=2.0)


@pytest.mark.parametrize(("rate", "duration"), [(2.0, 9 * SECOND), (8.0, 3 * SECOND), (8.0, 30 * SECOND)])
@pytest.mark.parametrize("make", [poisson, gamma])
def test_independent_neurons_have_no_time_scale_and_no_peak(make, rate, duration):
    names = ["autocorrelation_time", "correlogram_width", "spectrum"]
    found = measure(lambda g: make(g, SIZE, rate, duration), names, seeds=12)
    for name in ("autocorrelation_time", "correlogram_width", "spectrum_peak_frequency"):
        assert np.isnan(found[name]).all(), name
    assert (found["n_neurons_spectrum"] == SIZE).all()


def test_width_of_the_correlogram_of_common_events():
    # Each event draws every neuron with probability .2, at a time with SD 4 ms: lags have SD 4 √2 ms.
    def make(generator):
        events = generator.uniform(0.0, 30 * SECOND, 300)
        joins = generator.random((SIZE, events.size)) < 0.2
        senders, which = np.nonzero(joins)
        steps = np.round((events[which] + generator.normal(0.0, 4.0, which.size)) * 10).astype(int)
        own = poisson(generator, SIZE, 4.0, 30 * SECOND)
        inside = (steps >= 1) & (steps <= own.n_steps)
        steps, senders = np.append(own.steps, steps[inside]), np.append(own.senders, senders[inside])
        return type(own)(steps, senders, SIZE, own.n_steps, own.dt)

    found = measure(make, ["correlogram_width"], seeds=4)
    check(found["correlogram_width"], 2 * math.sqrt(2 * math.log(2)) * 4.0 * math.sqrt(2), 0.02, 0.03)


@pytest.mark.parametrize("n_groups", [1, 5, 50])
def test_dimensionality_of_groups_that_follow_a_signal_each(n_groups):
    tau, rate, duration = 25.0, 40.0, 30 * SECOND
    found = measure(
        lambda g: cox(g, telegraph(g, n_groups, 10.0, 70.0, tau, duration), 250),
        ["dimensionality"],
        seeds=4,
    )
    common = covariance(50.0, 900.0, tau)
    share = common / (common + rate * 0.05)
    truth = 250 / (1 + (250 // n_groups - 1) * share**2)
    check(found["dimensionality"], truth, 0.04, 0.06)


def test_short_recordings_give_no_numbers_instead_of_wrong_ones():
    # A second at 2 Hz: what used to read .58 (CV) and .5 (Fano factor of two windows).
    found = measure(lambda g: poisson(g, SIZE, 2.0, 1 * SECOND), ["cv_isi", "fano_factor", "lv", "cv2"])
    assert np.isnan(found["cv_isi"]).all() and np.isnan(found["fano_factor"]).all()
    assert (found["n_neurons_cv_isi"] == 0).all() and (found["n_neurons_fano_factor"] == 0).all()
    check(found["lv"], 1.0, 0.01, 0.1)
    few = {"cv_min_spikes": 3, "fano_min_windows": 2, "fano_min_intervals": 1, "fano_window": 500.0}
    found = measure(lambda g: poisson(g, SIZE, 2.0, 1 * SECOND), ["cv_isi", "fano_factor"], few)
    assert found["cv_isi"].mean() < 0.65, "so the minimum is needed"
    check(found["fano_factor"], 1.0, 0.02, 0.1)
