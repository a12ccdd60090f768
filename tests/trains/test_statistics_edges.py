"""Statistics of spike trains at their edges: too little to compute from, and what must always hold."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_trains import empty, make_trains

from simulators.statistics import STATISTICS, columns, summarise
from simulators.statistics.spike_trains import SpikeTrains

REL = 1e-9


def test_silent_population_has_rate_zero_and_the_rest_undefined():
    values = summarise({"E": empty(n_clusters=2)}, list(STATISTICS))
    lists = {name for name, value in values.items() if isinstance(value, list)}
    assert sum(values.pop("rate_hist_E")) == 4
    assert all(math.isnan(power) for power in values.pop("spectrum_E"))
    assert all(set(values.pop(name)) == {0} for name in lists & values.keys())
    zero = {"rate", "rate_sd", "rate_q05", "rate_q50", "rate_q95", "winner_occupancy", "winner_switching_rate"}
    zero |= {"peak_spikes"}
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
    assert values["n_neurons_fano_factor_E"] == 0


@pytest.mark.parametrize(
    ("name", "setting", "fewest"),
    [("cv_isi", "cv_min_spikes", 15), ("cv2", "min_spikes", 3), ("fano_factor", "fano_min_intervals", 5)],
)
def test_a_neuron_with_one_spike_too_few_is_left_out(name, setting, fewest):
    # 10 windows of 1,000 steps; neuron 0 has one spike fewer than neuron 1.
    counts = np.array([fewest - 1, fewest])
    steps = np.concatenate([np.arange(1, n + 1) * 500 for n in counts])
    spikes = SpikeTrains(steps, np.repeat([0, 1], counts), 2, 10_000, 0.1)
    chosen = {"fano_window": 100.0}
    assert summarise({"E": spikes}, [name], chosen)[f"n_neurons_{name}_E"] == 1
    both = summarise({"E": spikes}, [name], chosen | {setting: max(fewest - 1, 3)})
    assert both[f"n_neurons_{name}_E"] == (2 if fewest > 3 else 1)


def test_one_window_too_few_leaves_the_fano_factor_undefined():
    spikes = SpikeTrains(np.arange(1, 400) * 10, np.zeros(399, dtype=int), 1, 4000, 1.0)
    assert not math.isnan(summarise({"E": spikes}, ["fano_factor"])["fano_factor_E"])
    shorter = dataclasses.replace(spikes, n_steps=3999, steps=spikes.steps[:-1], senders=spikes.senders[:-1])
    values = summarise({"E": shorter}, ["fano_factor"])
    assert math.isnan(values["fano_factor_E"])
    assert values["n_neurons_fano_factor_E"] == 0


def test_single_neuron():
    spikes = SpikeTrains(np.array([10, 30, 80]), np.array([0, 0, 0]), 1, 10_000, 0.1)
    values = summarise({"E": spikes}, list(STATISTICS), {"cv_min_spikes": 3})
    assert values["n_neurons_cv_isi_E"] == 1
    for name in ("correlation", "synchrony", "correlogram_width", "dimensionality"):
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
    values = summarise({"E": spikes}, ["cv_isi", "cv2", "lv", "lvr"], {"cv_min_spikes": 3})
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
    assert fine.keys() == coarse.keys()
    assert flat(fine) == pytest.approx(flat(coarse), rel=REL, nan_ok=True)


@st.composite
def small_trains(draw):
    size = draw(st.integers(1, 6))
    n_steps = draw(st.integers(1, 400))
    # Unlike real ones, these may have simultaneous spikes of one neuron.
    n = draw(st.integers(0, 60))
    steps = draw(hnp.arrays(np.int64, n, elements=st.integers(1, n_steps)))
    senders = draw(hnp.arrays(np.int64, n, elements=st.integers(0, size - 1)))
    return SpikeTrains(steps, senders, size, n_steps, 1.0, draw(st.sampled_from([1, size])), 2.0)


SMALL = {
    "cv_min_spikes": 3,
    "fano_window": 7.0,
    "fano_min_windows": 2,
    "fano_min_intervals": 1,
    "correlation_bin": 3.0,
    "correlation_bin_slow": 11.0,
    "cluster_min_dwell": 2.0,
    "spectrum_segment": 20.0,
    "autocorrelation_bin": 2.0,
    "autocorrelation_min_lag": 2.0,
    "autocorrelation_max_lag": 20.0,
    "correlogram_max_lag": 20.0,
    "dimensionality_bin": 9.0,
}


def flat(values):
    """All numbers of all columns in order."""
    return [number for value in values.values() for number in (value if isinstance(value, list) else [value])]


@settings(max_examples=150, deadline=None)
@given(small_trains(), st.randoms(use_true_random=False))
def test_order_of_spikes_makes_no_difference_to_a_bit(trains, random):
    order = np.array(random.sample(range(trains.n_spikes), trains.n_spikes), dtype=int)
    shuffled = dataclasses.replace(trains, steps=trains.steps[order], senders=trains.senders[order])
    first, second = (summarise({"E": each}, list(STATISTICS), SMALL) for each in (trains, shuffled))
    assert np.array_equal(flat(first), flat(second), equal_nan=True)


@settings(max_examples=150, deadline=None)
@given(small_trains())
def test_time_reversal_keeps_rate_and_irregularity(trains):
    names = ["rate", "cv_isi", "cv2", "lv", "lvr"]
    scalars = [name for name, column in columns(names, ["E"]).items() if not column.is_list]
    reversed_ = dataclasses.replace(trains, steps=trains.n_steps + 1 - trains.steps)
    first, second = (summarise({"E": each}, names, SMALL) for each in (trains, reversed_))
    for name in scalars:
        assert first[name] == pytest.approx(second[name], rel=REL, abs=1e-12, nan_ok=True)


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
    assert not any(math.isinf(value) for value in flat(values))
    for name in ("cv_isi", "cv2", "lv", "fano_factor"):
        assert math.isnan(values[f"{name}_E"]) == (values[f"n_neurons_{name}_E"] == 0)
