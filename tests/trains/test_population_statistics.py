"""Spectrum, covariances over lags and participation ratio against scipy, Elephant and plain loops."""

from __future__ import annotations

import math

import elephant.conversion
import elephant.spike_train_correlation
import neo
import numpy as np
import pytest
import quantities as pq
import scipy.optimize
import scipy.signal
from known_trains import cox, telegraph
from made_trains import make_trains

from simulators.statistics import summarise
from simulators.statistics.correlations import pair_correlations, sums_of_products
from simulators.statistics.dimensionality import BLOCK, participation_ratio
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spectrum import FREQUENCY_BINS, find_peak, relative_power
from simulators.statistics.timescales import fit_decay, pair_covariances


@pytest.fixture(scope="module", params=[0, 1])
def trains(request):
    # 29,987 steps: no bin of several steps fits
    return make_trains(seed=request.param, size=24, n_steps=29_987)


def table(trains, neurons, width):
    n_bins = trains.n_steps // width
    counts = np.zeros((len(neurons), n_bins), dtype=int)
    for step, sender in zip(trains.steps, trains.senders, strict=True):
        if sender in neurons and (step - 1) // width < n_bins:
            counts[list(neurons).index(sender), (step - 1) // width] += 1
    return counts


@pytest.mark.parametrize("width", [1, 7, 100, 3000, 20_000])
def test_counts_and_coincidences_are_those_of_plain_loops(trains, width):
    neurons = np.array([0, 2, 3, 11, 23])
    spikes = SortedTrains(trains)
    counts = table(trains, neurons, width)
    assert np.array_equal(spikes.count_table(neurons, width * 0.1), counts)
    everything = table(trains, np.arange(trains.size), width).sum(axis=0)
    assert np.array_equal(spikes.count_population(width * 0.1), everything)
    n_lags = min(12, counts.shape[1] - 1)
    expected = [(counts[:, : counts.shape[1] - lag] * counts[:, lag:]).sum() for lag in range(n_lags + 1)]
    assert spikes.coincidences(neurons, width * 0.1, n_lags).tolist() == expected
    assert sum(expected[1:]) > 0 or width in (1, 20_000)


def test_covariances_of_pairs_are_those_of_plain_loops(trains):
    neurons = np.array([0, 1, 4, 5, 7, 8])
    counts = table(trains, neurons, 50)
    n_bins = counts.shape[1]
    covariances, chance = pair_covariances(SortedTrains(trains), neurons, 5.0, 10)
    for lag in range(11):
        expected = 0.0
        for i in range(6):
            for j in range(6):
                if i != j:
                    product = np.mean(counts[i, : n_bins - lag] * counts[j, lag:])
                    expected += product - counts[i].mean() * counts[j].mean()
        assert covariances[lag] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert chance == pytest.approx(math.sqrt(2.0 / n_bins) * counts.var(axis=1).sum())


def test_correlogram_is_elephants(trains):
    neurons = np.array([0, 1])
    # Without the bin at the end that does not fit, half a step earlier than the border of a bin.
    kept = [np.sort(trains.steps[(trains.senders == k) & (trains.steps <= 29_950)]) for k in neurons]
    pair = [neo.SpikeTrain((steps - 0.5) * 0.1 * pq.ms, t_stop=2995 * pq.ms) for steps in kept]
    binned = [elephant.conversion.BinnedSpikeTrain(one, bin_size=5 * pq.ms, n_bins=599) for one in pair]
    histogram, lags = elephant.spike_train_correlation.cross_correlation_histogram(*binned, window=[-10, 10])
    counts = table(trains, neurons, 50)
    found, _ = pair_covariances(SortedTrains(trains), neurons, 5.0, 10)
    for lag in range(11):
        both = histogram.magnitude.ravel()[(lags == lag) | (lags == -lag)].sum() * (2 if lag == 0 else 1)
        expected = both / (599 - lag) - 2 * counts[0].mean() * counts[1].mean()
        assert found[lag] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_pair_correlations_are_numpys_and_exact_in_parts():
    generator = np.random.default_rng(0)
    counts = generator.poisson(0.3, (30, 40_000))
    counts[3] = 2
    found = pair_correlations(counts)
    assert np.isnan(found[3]).all() and np.isnan(found[:, 3]).all()
    others = np.delete(np.arange(30), 3)
    assert found[np.ix_(others, others)] == pytest.approx(np.corrcoef(counts[others]), rel=1e-9, abs=1e-12)
    assert np.array_equal(sums_of_products(counts), counts @ counts.T)
    large = counts * 5000 + 1
    assert np.array_equal(sums_of_products(large), large @ large.T), "beyond what single precision holds"


@pytest.mark.parametrize("segment", [500.0, 250.0, 51.0])
def test_spectrum_is_welchs(trains, segment):
    counts = SortedTrains(trains).count_population(1.0)
    length = round(segment)
    frequencies, power = relative_power(counts, 1.0, segment)
    expected_at, expected = scipy.signal.welch(counts, 1e3, "hann", length, length - length // 2, detrend="constant")
    one_sided = np.full(expected.size, 2.0)
    if length % 2 == 0:
        one_sided[-1] = 1.0
    assert frequencies == pytest.approx(expected_at[1:])
    assert power == pytest.approx((expected / (one_sided * counts.mean() / 1e3))[1:], rel=1e-9)
    in_bins = np.array(summarise({"E": trains}, ["spectrum"], {"spectrum_segment": segment})["spectrum_E"])
    for k, value in enumerate(in_bins):
        inside = (frequencies >= FREQUENCY_BINS[k]) & (frequencies < FREQUENCY_BINS[k + 1])
        assert value == pytest.approx(power[inside].mean(), rel=1e-9) if inside.any() else np.isnan(value)


def test_peaks():
    frequencies = np.arange(2.0, 502.0, 2.0)
    flat = np.ones(frequencies.size)
    slope = 1.0 + 1e4 / frequencies**2
    assert find_peak(frequencies, flat, 35) is None
    assert find_peak(frequencies, slope, 35) is None
    bump = 6.0 * np.exp(-0.5 * ((frequencies - 40.0) / 4.0) ** 2)
    for background in (flat, slope):
        assert frequencies[find_peak(frequencies, background * (1.0 + bump), 35)] == 40.0
    assert find_peak(frequencies, flat + 0.05 * bump, 35) is None, "no more than chance would do"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n_segments", [5, 35, 200])
def test_chance_has_no_peak(seed, n_segments):
    generator = np.random.default_rng(seed)
    noise = generator.gamma(n_segments, 1.0 / n_segments, 250)
    assert find_peak(np.arange(2.0, 502.0, 2.0), noise, n_segments) is None


def test_decay_is_that_of_a_fit():
    generator = np.random.default_rng(1)
    lags = np.arange(2, 51)
    for time in (3.0, 8.0, 20.0):
        values = 40.0 * np.exp(-lags / time) + 5.0 + generator.normal(0.0, 1.0, lags.size)

        def model(lag, amplitude, decay, offset):
            return amplitude * np.exp(-lag / decay) + offset

        best, _ = scipy.optimize.curve_fit(model, lags, values, (40.0, time, 5.0))
        assert fit_decay(values, lags) == pytest.approx(best[1], rel=2e-3)
    assert fit_decay(generator.normal(0.0, 1.0, lags.size), lags) is None
    assert fit_decay(50.0 * np.cos(lags), lags) is None, "an oscillation is no decay"
    assert fit_decay(-40.0 * np.exp(-lags / 8.0), lags) is None, "nor is a trough"


def test_participation_ratio_is_that_of_products_of_different_blocks():
    generator = np.random.default_rng(2)
    counts = generator.poisson(1.0 + generator.gamma(2.0, 1.0, 7 * BLOCK), (12, 7 * BLOCK))
    centred = counts - counts.mean(axis=1, keepdims=True)
    parts = [centred[:, k : k + BLOCK] @ centred[:, k : k + BLOCK].T for k in range(0, centred.shape[1], BLOCK)]
    numerator = denominator = 0.0
    for i, one in enumerate(parts):
        for j, other in enumerate(parts):
            if i != j:
                numerator += np.trace(one) * np.trace(other)
                denominator += (one * other).sum()
    denominator -= numerator / counts.shape[1] ** 2
    assert participation_ratio(counts) == pytest.approx(numerator / denominator, rel=1e-9)
    assert participation_ratio(np.hstack([counts, counts[:, : BLOCK - 1]])) == participation_ratio(counts)


def test_settings_of_time_scales_are_used():
    generator = np.random.default_rng(3)
    spikes = cox(generator, telegraph(generator, 1, 5.0, 35.0, 20.0, 9000.0), 300)
    plain = summarise({"E": spikes}, ["correlogram_width"])["correlogram_width_E"]
    coarse = summarise({"E": spikes}, ["correlogram_width"], {"correlogram_bin": 20.0})["correlogram_width_E"]
    assert plain == pytest.approx(2 * 20.0 * math.log(2), rel=0.3)
    assert coarse > plain
    narrow = summarise({"E": spikes}, ["correlogram_width"], {"correlogram_max_lag": 4.0})
    assert math.isnan(narrow["correlogram_width_E"])
