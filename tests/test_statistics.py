"""Statistics of spike trains against Elephant, against plain loops and on known trains."""

from __future__ import annotations

import dataclasses
import math
import warnings

import elephant.conversion
import elephant.spike_train_correlation
import elephant.statistics
import neo
import numpy as np
import pytest
import quantities as pq
from made_trains import make_trains

from simulators.statistics import summarise
from simulators.statistics.correlations import subsample
from simulators.statistics.spike_trains import SpikeTrains

REL = 1e-9


def times_of(trains, neuron):
    return np.sort(trains.times[trains.senders == neuron])


def per_neuron(trains, function, min_spikes=3):
    trains_of = [times_of(trains, neuron) for neuron in range(trains.size)]
    return [function(times) for times in trains_of if times.size >= min_spikes]


def neo_trains(trains, neurons):
    # A spike at step s is the end of the interval (s - 1, s]: half a step earlier it is in the middle of it.
    return [
        neo.SpikeTrain((times_of(trains, neuron) - trains.dt / 2) * pq.ms, t_stop=trains.duration * pq.ms)
        for neuron in neurons
    ]


@pytest.fixture(scope="module", params=[0, 1])
def trains(request):
    return make_trains(seed=request.param)


def test_rate_is_elephants_mean_firing_rate(trains):
    values = summarise({"E": trains}, ["rate"])
    rates = np.array(
        [
            float(elephant.statistics.mean_firing_rate(train).rescale("Hz"))
            for train in neo_trains(trains, range(trains.size))
        ]
    )
    assert values["rate_E"] == pytest.approx(rates.mean(), rel=REL)
    assert values["rate_sd_E"] == pytest.approx(rates.std(), rel=REL)
    assert values["rate_q05_E"] == pytest.approx(np.quantile(rates, 0.05), rel=REL)
    assert values["rate_q50_E"] == pytest.approx(np.quantile(rates, 0.50), rel=REL)
    assert values["rate_q95_E"] == pytest.approx(np.quantile(rates, 0.95), rel=REL)
    assert values["silent_fraction_E"] == pytest.approx((rates == 0.0).mean(), rel=REL)
    assert 0.0 < values["silent_fraction_E"] < 0.5
    assert values["n_neurons_rate_E"] == trains.size


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("cv_isi", lambda times: elephant.statistics.isi(times).std() / elephant.statistics.isi(times).mean()),
        ("cv2", lambda times: elephant.statistics.cv2(np.diff(times))),
        ("lv", lambda times: elephant.statistics.lv(np.diff(times))),
        ("lvr", lambda times: elephant.statistics.lvr(np.diff(times) * pq.ms, R=2.0 * pq.ms)),
    ],
)
@pytest.mark.parametrize("min_spikes", [3, 30])
def test_irregularity_is_elephants(trains, name, function, min_spikes):
    values = summarise({"E": trains}, [name], {"min_spikes": min_spikes})
    expected = per_neuron(trains, function, min_spikes)
    assert values[f"n_neurons_{name}_E"] == len(expected)
    assert 0 < len(expected) < trains.size
    assert values[f"{name}_E"] == pytest.approx(np.mean(expected), rel=REL)


@pytest.mark.parametrize("window", [400.0, 70.0])
def test_fano_factor_is_elephants(trains, window):
    values = summarise({"E": trains}, ["fano_factor"], {"fano_window": window})
    n_windows = int(trains.duration // window)
    expected = []
    for neuron in range(trains.size):
        steps = trains.steps[trains.senders == neuron]
        width = round(window / trains.dt)
        windows = [steps[(steps > k * width) & (steps <= (k + 1) * width)] * trains.dt for k in range(n_windows)]
        expected.append(elephant.statistics.fanofactor(windows))
    expected = np.array(expected)
    assert values["n_neurons_fano_factor_E"] == np.count_nonzero(~np.isnan(expected)) < trains.size
    assert values["fano_factor_E"] == pytest.approx(np.nanmean(expected), rel=REL)


def test_correlation_is_the_mean_of_elephants_upper_triangle(trains):
    n = 60
    values = summarise({"E": trains}, ["correlation"], {"correlation_neurons": n})
    neurons = subsample(trains.size, n)
    cluster = neurons * trains.n_clusters // trains.size
    pair = np.triu(np.ones((n, n), dtype=bool), k=1)
    within = cluster[:, None] == cluster
    for name, bin_size in (("correlation", 2.0), ("correlation_slow", 50.0)):
        binned = elephant.conversion.BinnedSpikeTrain(neo_trains(trains, neurons), bin_size=bin_size * pq.ms)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            matrix = elephant.spike_train_correlation.correlation_coefficient(binned)
        defined = pair & ~np.isnan(matrix)
        for suffix, chosen in (("", defined), ("_within", defined & within), ("_between", defined & ~within)):
            assert values[f"{name}{suffix}_E"] == pytest.approx(matrix[chosen].mean(), rel=REL)
            assert values[f"n_pairs_{name}{suffix}_E"] == chosen.sum()
        assert values[f"n_pairs_{name}_undefined_E"] == n * (n - 1) // 2 - defined.sum() > 0


def test_correlation_drops_the_bin_that_does_not_fit():
    trains = make_trains(n_steps=30_000)
    longer = dataclasses.replace(
        trains, n_steps=30_010, steps=np.append(trains.steps, [30_005]), senders=np.append(trains.senders, [0])
    )
    assert summarise({"E": trains}, ["correlation"]) == summarise({"E": longer}, ["correlation"])


def test_synchrony_is_the_ratio_of_variances(trains):
    for bin_size in (5.0, 70.0):
        width = round(bin_size / trains.dt)
        n_bins = trains.n_steps // width
        counts = np.zeros((trains.size, n_bins))
        for step, sender in zip(trains.steps, trains.senders, strict=True):
            if (step - 1) // width < n_bins:
                counts[sender, (step - 1) // width] += 1
        expected = counts.mean(axis=0).var() / counts.var(axis=1).mean() - 1 / trains.size
        values = summarise({"E": trains}, ["synchrony"], {"synchrony_bin": bin_size})
        assert values["synchrony_E"] == pytest.approx(expected, rel=REL)
        assert values["n_neurons_synchrony_E"] == trains.size


def test_synchrony_of_identical_trains_is_one_and_of_independent_ones_zero():
    generator = np.random.default_rng(5)
    one = np.unique(generator.integers(1, 100_001, 300))
    same = SpikeTrains(np.tile(one, 50), np.repeat(np.arange(50), one.size), 50, 100_000, 0.1)
    assert summarise({"E": same}, ["synchrony"])["synchrony_E"] == pytest.approx(1 - 1 / 50)
    alone = SpikeTrains(generator.integers(1, 100_001, 15_000), generator.integers(0, 50, 15_000), 50, 100_000, 0.1)
    assert summarise({"E": alone}, ["synchrony"])["synchrony_E"] == pytest.approx(0.0, abs=5e-3)


def test_known_trains():
    # Neuron 0 a clock, neuron 1 with intervals 10 and 30 in turn.
    clock = np.arange(10, 1001, 10)
    turns = np.cumsum([10, 30] * 25)
    spikes = SpikeTrains(
        np.concatenate([clock, turns]), np.repeat([0, 1], [clock.size, turns.size]), 2, 1000, 1.0, t_ref=5.0
    )
    values = summarise({"E": spikes}, ["rate", "cv_isi", "cv2", "lv", "lvr"])
    n_short, n_long = 24, 25
    mean = (10 * n_short + 30 * n_long) / 49
    sd = math.sqrt((n_short * (10 - mean) ** 2 + n_long * (30 - mean) ** 2) / 49)
    assert values["rate_E"] == pytest.approx((100 + 50) / 2)
    assert values["cv_isi_E"] == pytest.approx(sd / mean / 2)
    assert values["cv2_E"] == pytest.approx(2 * 20 / 40 / 2)
    assert values["lv_E"] == pytest.approx(3 * 0.25 / 2)
    assert values["lvr_E"] == pytest.approx(3 * 0.25 * (1 + 4 * 5 / 40) / 2)


def test_clock_has_no_variability_at_all():
    clock = SpikeTrains(np.arange(73, 100_000, 73), np.zeros(1369, dtype=int), 1, 100_000, 0.1)
    values = summarise({"E": clock}, ["cv_isi", "cv2", "lv", "lvr"])
    assert [values[f"{name}_E"] for name in ("cv_isi", "cv2", "lv", "lvr")] == [0.0, 0.0, 0.0, 0.0]
