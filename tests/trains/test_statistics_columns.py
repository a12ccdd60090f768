"""What `summarise` gives and takes: columns, settings and spikes that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from made_trains import empty, make_trains

from simulators.statistics import SETTINGS, STATISTICS, check_settings, columns, summarise
from simulators.statistics.measures.subsample import subsample
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains


@pytest.fixture(scope="module", params=[0, 1])
def trains(request):
    return make_trains(seed=request.param)


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
        column = described[name]
        numbers = value if column.is_list else [value]
        assert {type(number) for number in numbers} == {int if column.kind.startswith("integer") else float}, name
        assert len(numbers) == (len(column.bins) - 1 if column.is_list else 1), name
        assert (column.kind == "integer") == name.startswith("n_"), name
        assert column.doc
        assert described[name].unit in {"1", "ms", "Hz"}


@pytest.mark.parametrize("name", list(STATISTICS))
def test_a_statistic_computes_its_columns_and_no_others(trains, name):
    chosen = {key: setting.default for key, setting in SETTINGS.items()}
    assert set(STATISTICS[name].function(SortedTrains(trains), chosen)) == set(STATISTICS[name].columns)


def test_statistics_together_are_those_one_by_one(trains):
    together = summarise({"E": trains}, list(STATISTICS))
    alone = {key: value for name in STATISTICS for key, value in summarise({"E": trains}, [name]).items()}
    assert repr(together) == repr(alone)


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
        ("cluster_sigma", float("nan"), "a number"),
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
