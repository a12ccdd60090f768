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
from simulators.statistics.measures.subsample import subsample
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


def check_spread(values, name, expected):
    assert values[f"n_neurons_{name}_E"] == expected.size
    assert values[f"{name}_E"] == pytest.approx(expected.mean(), rel=REL)
    assert values[f"{name}_sd_E"] == pytest.approx(expected.std(), rel=REL)
    for suffix, share in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95)):
        assert values[f"{name}_{suffix}_E"] == pytest.approx(np.quantile(expected, share), rel=REL)


def check_histogram(values, name, expected, bins):
    inside = np.clip(expected, bins[0], bins[-1] - 1e-9)
    # Values that lie on a border but for rounding may fall on either side.
    near = np.abs(expected[:, None] - bins).min(axis=1) < 1e-12
    assert np.count_nonzero(near) < 0.01 * expected.size + 2
    assert np.abs(np.array(values[f"{name}_hist_E"]) - np.histogram(inside, bins)[0]).sum() <= 2 * near.sum()
    assert sum(values[f"{name}_hist_E"]) == expected.size


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
    check_spread(values, "rate", rates)
    # Rates are whole numbers of thirds of a Hz: off the borders by a little, each is on its own side.
    steps = np.append(np.arange(0.0, 20.0, 0.5), np.arange(20.0, 201.0, 5.0))
    check_histogram(values, "rate", rates + 1e-9, steps)
    assert values["silent_fraction_E"] == pytest.approx((rates == 0.0).mean(), rel=REL)
    assert 0.0 < values["silent_fraction_E"] < 0.5


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
    values = summarise({"E": trains}, [name], {"min_spikes": min_spikes, "cv_min_spikes": min_spikes})
    expected = np.array([float(value) for value in per_neuron(trains, function, min_spikes)])
    assert 0 < expected.size < trains.size
    check_spread(values, name, expected)
    if name in ("cv_isi", "lv"):
        check_histogram(values, name, expected, np.linspace(0.0, 3.0, 61))


@pytest.mark.parametrize("window", [400.0, 70.0])
@pytest.mark.parametrize("min_intervals", [1, 20])
def test_fano_factor_is_elephants_but_for_the_degree_of_freedom(trains, window, min_intervals):
    chosen = {"fano_window": window, "fano_min_windows": 7, "fano_min_intervals": min_intervals}
    values = summarise({"E": trains}, ["fano_factor"], chosen)
    n_windows = int(trains.duration // window)
    expected = []
    for neuron in range(trains.size):
        steps = trains.steps[trains.senders == neuron]
        width = round(window / trains.dt)
        windows = [steps[(steps > k * width) & (steps <= (k + 1) * width)] * trains.dt for k in range(n_windows)]
        if sum(one.size for one in windows) >= min_intervals:
            expected.append(elephant.statistics.fanofactor(windows) * n_windows / (n_windows - 1))
    assert 0 < len(expected) < trains.size
    check_spread(values, "fano_factor", np.array(expected))


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
        values |= {f"n_neurons_{name}_E": values[f"n_pairs_{name}_E"]}
        check_spread(values, name, matrix[defined])
        bins = np.round([*np.arange(-20, -4) * 0.05, *np.arange(-40, 40) * 0.005, *np.arange(4, 21) * 0.05], 10)
        check_histogram(values, name, matrix[defined], bins)
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
    assert values["n_neurons_cv_isi_E"] == 2
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
