"""Statistics of spike trains against Elephant, against plain loops, and at their edges."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simulators.correlation_statistics import subsample
from simulators.sorted_trains import SortedTrains
from simulators.spike_trains import SpikeTrains
from simulators.statistics import SETTINGS, STATISTICS, check_settings, columns, summarise

REL = 1e-9
NAN = float("nan")


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


def empty(size=4, **changes):
    return SpikeTrains(np.array([], dtype=int), np.array([], dtype=int), size, 10_000, 0.1, **changes)


def test_silent_population_has_rate_zero_and_the_rest_undefined():
    values = summarise({"E": empty(n_clusters=2)}, list(STATISTICS))
    zero = {"rate", "rate_sd", "rate_q05", "rate_q50", "rate_q95", "winner_occupancy", "winner_switching_rate"}
    assert values["silent_fraction_E"] == 1.0
    assert values["n_neurons_rate_E"] == 4
    assert values["n_pairs_correlation_undefined_E"] == 6
    for name, value in values.items():
        column = name.removesuffix("_E")
        if column in zero:
            assert value == 0.0, name
        elif not column.startswith("n_") and column != "silent_fraction":
            assert math.isnan(value), name
        elif column not in {"silent_fraction", "n_neurons_rate", "n_neurons_clusters"} and "undefined" not in column:
            assert value == 0, name


@pytest.mark.parametrize("n_spikes", [1, 2])
def test_too_few_spikes_for_intervals(n_spikes):
    spikes = SpikeTrains(np.arange(1, n_spikes + 1) * 100, np.full(n_spikes, 2), 4, 10_000, 0.1)
    values = summarise({"E": spikes}, list(STATISTICS))
    assert values["rate_E"] == pytest.approx(n_spikes / 4)
    for name in ("cv_isi", "cv2", "lv", "lvr"):
        assert math.isnan(values[f"{name}_E"])
        assert values[f"n_neurons_{name}_E"] == 0
    assert values["n_neurons_fano_factor_E"] == 1


def test_single_neuron():
    spikes = SpikeTrains(np.array([10, 30, 80]), np.array([0, 0, 0]), 1, 10_000, 0.1)
    values = summarise({"E": spikes}, list(STATISTICS))
    assert values["n_neurons_cv_isi_E"] == 1
    for name in ("correlation", "synchrony"):
        assert math.isnan(values[f"{name}_E"])
    assert values["n_pairs_correlation_E"] == values["n_pairs_correlation_undefined_E"] == 0


def test_pairs_of_a_neuron_whose_count_never_changes_are_counted_and_left_out():
    # In 2 ms bins of 20 steps: neuron 0 has one spike in each bin, 1 is silent, 2 and 3 fire together.
    steady = np.arange(5, 10_000, 20)
    burst = np.array([100, 900, 5000])
    spikes = SpikeTrains(
        np.concatenate([steady, burst, burst]), np.repeat([0, 2, 3], [steady.size, 3, 3]), 4, 10_000, 0.1
    )
    values = summarise({"E": spikes}, ["correlation"])
    assert values["n_pairs_correlation_E"] == 1
    assert values["n_pairs_correlation_undefined_E"] == 5
    assert values["correlation_E"] == pytest.approx(1.0, rel=REL)
    # No clusters: nothing is within or between.
    assert math.isnan(values["correlation_within_E"])
    assert math.isnan(values["correlation_between_E"])
    assert values["n_pairs_correlation_within_E"] == values["n_pairs_correlation_between_E"] == 0


def test_simultaneous_spikes_of_a_neuron_make_its_irregularity_undefined_not_infinite():
    spikes = SpikeTrains(np.array([7, 7, 7, 10, 30, 40]), np.array([0, 0, 0, 1, 1, 1]), 2, 100, 0.1)
    values = summarise({"E": spikes}, ["cv_isi", "cv2", "lv", "lvr"])
    for name in ("cv_isi", "cv2", "lv", "lvr"):
        assert values[f"n_neurons_{name}_E"] == 1
        assert math.isfinite(values[f"{name}_E"])


def test_recording_shorter_than_the_windows():
    spikes = SpikeTrains(np.array([3, 5, 6]), np.array([0, 1, 2]), 4, 9, 0.1, n_clusters=2)
    values = summarise({"E": spikes}, list(STATISTICS))
    for name in ("fano_factor", "correlation", "synchrony", "winner_occupancy"):
        assert math.isnan(values[f"{name}_E"])


def test_wide_keys_give_the_same_as_narrow_ones():
    # 10 times the steps at a tenth of dt is the same recording, with sort keys beyond 32 bits.
    trains = make_trains(size=400, n_steps=20_000, dt=0.1)
    finer = dataclasses.replace(trains, steps=trains.steps * 1000, n_steps=20_000_000, dt=1e-4)
    assert finer.size * finer.n_steps > 2**32 > trains.size * trains.n_steps
    names = [name for name in STATISTICS if name != "clusters"]
    coarse, fine = (summarise({"E": each}, names) for each in (trains, finer))
    assert fine == pytest.approx(coarse, rel=REL, nan_ok=True)


def test_subsample_is_fixed():
    # The same on every machine and with every numpy: results of different workers are compared.
    assert subsample(20_000, 5).tolist() == [6148, 11963, 13430, 13867, 15812]
    assert subsample(3, 250).tolist() == [0, 1, 2]
    assert np.unique(subsample(20_000, 250)).size == 250


def test_columns_are_those_of_summarise_in_order_and_typed_by_name(trains):
    populations = {"E": trains, "I": empty(n_clusters=2)}
    values = summarise(populations, list(STATISTICS))
    described = columns(list(STATISTICS), list(populations))
    assert list(values) == list(described)
    for name, value in values.items():
        assert type(value) is (int if name.startswith("n_") else float), name
        assert described[name].doc
        assert described[name].unit in {"1", "ms", "Hz"}


@pytest.mark.parametrize("name", list(STATISTICS))
def test_a_statistic_computes_its_columns_and_no_others(trains, name):
    chosen = {key: setting.default for key, setting in SETTINGS.items()}
    assert set(STATISTICS[name].function(SortedTrains(trains), chosen)) == set(STATISTICS[name].columns)


def test_statistics_together_are_those_one_by_one(trains):
    together = summarise({"E": trains}, list(STATISTICS))
    alone = {key: value for name in STATISTICS for key, value in summarise({"E": trains}, [name]).items()}
    assert together == pytest.approx(alone, rel=0, abs=0, nan_ok=True)


def test_populations_do_not_disturb_each_other(trains):
    both = summarise({"E": trains, "I": empty()}, ["cv_isi", "synchrony"])
    assert {k: v for k, v in both.items() if k.endswith("_E")} == summarise({"E": trains}, ["cv_isi", "synchrony"])


@pytest.mark.parametrize("function", [lambda names: summarise({}, names), lambda names: columns(names, ["E"])])
def test_unknown_statistic_names_near_misses_and_valid_ones(function):
    with pytest.raises(ValueError, match=r"'cv_ist'.*did you mean cv_isi") as caught:
        function(["rate", "cv_ist"])
    assert all(name in str(caught.value) for name in STATISTICS)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("fano_windw", 400.0, "did you mean fano_window"),
        ("fano_window", 0.25, "whole number of steps of 0.1 ms"),
        ("correlation_bin", 0.0, "whole number of steps"),
        ("synchrony_bin", -5.0, "at least 0 ms"),
        ("min_spikes", 2, "at least 3"),
        ("correlation_neurons", 20.5, "whole number"),
        ("cluster_hysteresis", 0.7, "at most 0.5"),
        ("cluster_sigma", NAN, "a number"),
        ("cluster_sigma", "wide", "a number"),
        ("min_spikes", True, "a number"),
    ],
)
def test_bad_setting_names_itself_and_its_rule(trains, name, value, rule):
    assert rule in check_settings({name: value}, 0.1)[name]
    with pytest.raises(ValueError, match=name) as caught:
        summarise({"E": trains}, ["rate"], {name: value})
    assert rule in str(caught.value)


def test_all_bad_settings_are_named_at_once():
    assert set(check_settings({"fano_window": 0.25, "min_spikes": 1, "synchrony_bin": 5.0}, 0.1)) == {
        "fano_window",
        "min_spikes",
    }


@pytest.mark.parametrize("dt", [0.1, 0.05, 0.2, 0.025, 1.0])
def test_defaults_suit_the_usual_steps(dt):
    assert check_settings({name: setting.default for name, setting in SETTINGS.items()}, dt) == {}


@pytest.mark.parametrize(
    ("steps", "senders", "changes", "message"),
    [
        ([0], [0], {}, "steps must lie in 1 to 100"),
        ([101], [0], {}, "steps must lie in 1 to 100"),
        ([1], [3], {}, "senders must lie in 0 to 2"),
        ([1], [-1], {}, "senders must lie in 0 to 2"),
        ([1, 2], [0], {}, "2 steps but 1 senders"),
        ([1.5], [0], {}, "vector of integers"),
        ([[1]], [0], {}, "vector of integers"),
        ([1], [0], {"n_clusters": 2}, "cannot be divided into 2 equal clusters"),
        ([1], [0], {"size": 0}, "0 neurons"),
        ([1], [0], {"dt": 0.0}, "no duration"),
        ([1], [0], {"n_steps": 0}, "no duration"),
    ],
)
def test_spikes_that_cannot_be(steps, senders, changes, message):
    with pytest.raises(ValueError, match=message):
        SpikeTrains(np.array(steps), np.array(senders), **({"size": 3, "n_steps": 100, "dt": 0.1} | changes))


def test_spike_trains_know_their_times():
    spikes = SpikeTrains(np.array([1, 100], dtype=np.int32), np.array([0, 2], dtype=np.uint16), 3, 100, 0.5)
    assert spikes.steps.dtype == spikes.senders.dtype == np.int64
    assert spikes.times.tolist() == [0.5, 50.0]
    assert spikes.duration == 50.0
    assert spikes.n_spikes == 2


@st.composite
def small_trains(draw):
    size = draw(st.integers(1, 6))
    n_steps = draw(st.integers(1, 400))
    # Unlike real ones, these may have simultaneous spikes of one neuron.
    n = draw(st.integers(0, 60))
    steps = draw(hnp.arrays(np.int64, n, elements=st.integers(1, n_steps)))
    senders = draw(hnp.arrays(np.int64, n, elements=st.integers(0, size - 1)))
    return SpikeTrains(steps, senders, size, n_steps, 1.0, draw(st.sampled_from([1, size])), 2.0)


SMALL = {"fano_window": 7.0, "correlation_bin": 3.0, "correlation_bin_slow": 11.0, "cluster_min_dwell": 2.0}


@settings(max_examples=150, deadline=None)
@given(small_trains(), st.randoms(use_true_random=False))
def test_order_of_spikes_makes_no_difference_to_a_bit(trains, random):
    order = np.array(random.sample(range(trains.n_spikes), trains.n_spikes), dtype=int)
    shuffled = dataclasses.replace(trains, steps=trains.steps[order], senders=trains.senders[order])
    first, second = (summarise({"E": each}, list(STATISTICS), SMALL) for each in (trains, shuffled))
    assert np.array_equal(list(first.values()), list(second.values()), equal_nan=True)


@settings(max_examples=150, deadline=None)
@given(small_trains())
def test_time_reversal_keeps_rate_and_irregularity(trains):
    names = ["rate", "cv_isi", "cv2", "lv", "lvr"]
    reversed_ = dataclasses.replace(trains, steps=trains.n_steps + 1 - trains.steps)
    first, second = (summarise({"E": each}, names) for each in (trains, reversed_))
    assert first == pytest.approx(second, rel=REL, abs=1e-12, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(small_trains())
def test_bounds(trains):
    values = summarise({"E": trains}, list(STATISTICS), SMALL)
    assert values["rate_E"] == pytest.approx(trains.n_spikes / trains.size / trains.duration * 1e3, rel=REL)
    for name, low, high in (
        ("cv2", 0, 2),
        ("lv", 0, 3),
        ("correlation", -1, 1),
        ("correlation_slow", -1, 1),
        ("synchrony", -1, 1),
        ("silent_fraction", 0, 1),
        ("winner_occupancy", 0, 1),
        ("active_occupancy", 0, 1),
    ):
        value = values[f"{name}_E"]
        assert math.isnan(value) or low - 1e-9 <= value <= high + 1e-9, name
    assert not any(math.isinf(value) for value in values.values())
    for name in ("cv_isi", "cv2", "lv", "fano_factor"):
        assert math.isnan(values[f"{name}_E"]) == (values[f"n_neurons_{name}_E"] == 0)
