"""Statistics of parts of a recording, of one's own, and what says whether stored ones are current."""

from __future__ import annotations

import math

import numpy as np
import pytest
from known_trains import cox, telegraph
from made_trains import make_trains

from simulators.statistics import (
    SETTINGS,
    STATISTICS,
    Column,
    Statistic,
    Window,
    columns,
    fingerprint,
    statistic,
    summarise,
    too_short,
    with_always,
)
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains


@pytest.fixture(scope="module")
def trains():
    return make_trains(n_steps=60_000)


def test_a_window_is_the_recording_that_was_made_in_it(trains):
    # 3 s from 1 s on: spikes at steps 10,001 to 40,000, that is after 1000 ms and up to 4000 ms.
    inside = (trains.steps > 10_000) & (trains.steps <= 40_000)
    part = SpikeTrains(trains.steps[inside] - 10_000, trains.senders[inside], trains.size, 30_000, 0.1, 4, 2.0)
    alone = [name for name in STATISTICS if name != "response"]  # which looks at what was before the window
    found = summarise({"E": trains}, alone, windows={"late": Window(1000.0, 4000.0)})
    expected = summarise({"E": part}, alone)
    assert repr({name: found[f"{name}_late"] for name in expected}) == repr(expected)
    whole = summarise({"E": trains}, alone)
    assert repr({name: found[name] for name in whole}) == repr(whole)
    assert len(found) == 2 * len(whole)


def test_spikes_on_the_border_are_in_the_window_that_ends_there():
    spikes = SpikeTrains(np.array([10, 20, 30]), np.zeros(3, dtype=int), 1, 100, 1.0)
    windows = {"first": Window(0, 10), "second": Window(10, 20), "third": Window(19, 29), "all": Window(0, 100)}
    found = summarise({"E": spikes}, ["rate"], windows=windows)
    assert [found[f"rate_E_{name}"] for name in windows] == pytest.approx([100.0, 100.0, 100.0, 30.0])


def test_windows_are_shifted_for_a_population(trains):
    windows = {"w": Window(100.0, 400.0, {"I": 50.0})}
    found = summarise({"E": trains, "I": trains}, ["rate", "lv"], windows=windows)
    later = summarise({"E": trains}, ["rate", "lv"], windows={"w": Window(150.0, 450.0)})
    assert found["rate_I_w"] == later["rate_E_w"] != found["rate_E_w"]
    assert found["lv_I_w"] == later["lv_E_w"]


def test_columns_of_windows_are_those_of_summarise(trains):
    windows = {"before": Window(0.0, 300.0), "during": Window(300.0, 350.0)}
    populations = {"E": trains, "I": trains}
    described = columns(list(STATISTICS), list(populations), windows)
    assert list(summarise(populations, list(STATISTICS), windows=windows)) == list(described)
    assert "in window during" in described["rate_I_during"].doc
    assert described["rate_hist_E_before"].bins == described["rate_hist_E"].bins


def test_what_a_window_is_too_short_for_is_undefined(trains):
    found = summarise({"E": trains}, list(STATISTICS), windows={"brief": Window(300.0, 350.0)})
    assert found["rate_E_brief"] > 0.0
    for name in ("cv_isi", "fano_factor", "autocorrelation_time", "correlogram_width", "dimensionality"):
        assert math.isnan(found[f"{name}_E_brief"])
        assert found[f"n_neurons_{name}_E_brief"] == 0


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        (Window(0.0, 6000.1), "within the recording, 0 to 6000 ms"),
        (Window(-10.0, 10.0), "within the recording"),
        (Window(50.0, 50.0), "must end after it begins"),
        (Window(0.0, 10.05), "whole steps of 0.1 ms"),
        (Window(5000.0, 5990.0, {"E": 20.0}), "shifted by 20 ms for E"),
        (Window(0.0, 10.0, {"E": 0.05}), "whole steps of 0.1 ms"),
    ],
)
def test_windows_that_cannot_be(trains, window, rule):
    with pytest.raises(ValueError, match=rule):
        summarise({"E": trains}, ["rate"], windows={"w": window})


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="rate_E_x is there twice"):
        columns(["rate"], ["E", "E_x"], {"x": Window(0.0, 1.0)})


@statistic({"burst_index": Column("1", "share of intervals below 10 ms"), "n_short": Column("1", "such", "integer")})
def burst_index(spikes, settings):
    """Share of short intervals.

    Of all neurons together.
    """
    short = spikes.intervals[spikes.has_interval] * spikes.trains.dt < 10.0
    return {"burst_index": short.mean() if short.size else float("nan"), "n_short": short.sum(), "not_asked_for": 1}


def test_a_statistic_of_ones_own_is_computed_beside_the_others(trains):
    assert (burst_index.name, burst_index.doc) == ("burst_index", "Share of short intervals.")
    wanted = ["rate", burst_index]
    found = summarise({"E": trains}, wanted, windows={"w": Window(0.0, 1000.0)})
    assert list(found) == list(columns(wanted, ["E"], {"w": Window(0.0, 1000.0)}))
    intervals = np.concatenate(
        [np.diff(np.sort(trains.steps[trains.senders == k])) * trains.dt for k in range(trains.size)]
    )
    assert found["burst_index_E"] == pytest.approx(np.mean(intervals < 10.0))
    assert found["n_short_E"] == np.count_nonzero(intervals < 10.0)
    assert (type(found["burst_index_E"]), type(found["n_short_E"])) == (float, int)
    assert 0 < found["n_short_E_w"] < found["n_short_E"]


def test_a_statistic_of_ones_own_may_hold_a_list(trains):
    bins = (0.0, 0.5, 1.0)
    halves = Statistic(
        "halves",
        "spikes in both halves",
        {"halves": Column("1", "spikes in each half", "integers", bins, "1")},
        lambda spikes, settings: {"halves": spikes.count_population(spikes.trains.duration / 2)},
    )
    found = summarise({"E": trains}, [halves])["halves_E"]
    assert sum(found) == trains.n_spikes
    assert {type(one) for one in found} == {int}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({}, "statistic own: returned no value for its column own"),
        ({"own": "high"}, "statistic own: column own = 'high'"),
        ({"own": np.zeros(3)}, "statistic own: column own = "),
        ({"own": 1.0, "hist": [1]}, "statistic own: column hist = .*must have 2 entries"),
    ],
)
def test_what_a_statistic_of_ones_own_returns_is_checked(trains, returned, message):
    described = {"own": Column("1", "own")}
    if "hist" in returned:
        described["hist"] = Column("1", "hist", "integers", (0.0, 1.0, 2.0), "Hz")
    own = Statistic("own", "own", described, lambda spikes, settings: returned)
    with pytest.raises(ValueError, match=message):
        summarise({"E": trains}, [own])


def test_columns_and_statistics_that_cannot_be():
    with pytest.raises(ValueError, match="rate_E is there twice"):
        columns(["rate", Statistic("own", "own", {"rate": Column("Hz", "own")}, lambda s, k: {})], ["E"])
    with pytest.raises(ValueError, match="'my rate' must be letters"):
        Statistic("own", "own", {"my rate": Column("Hz", "own")}, lambda s, k: {})
    with pytest.raises(ValueError, match="has no columns"):
        Statistic("own", "own", {}, lambda s, k: {})
    with pytest.raises(ValueError, match="a list has bins"):
        Column("1", "x", "integers")
    with pytest.raises(ValueError, match="a number has none"):
        Column("1", "x", bins=(0.0, 1.0))
    with pytest.raises(ValueError, match="must ascend"):
        Column("1", "x", "floats", (0.0, 0.0), "Hz")


class Recorder(dict):
    """Settings that note which of them are asked for."""

    def __init__(self, *content):
        super().__init__(*content)
        self.asked = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)


@pytest.mark.parametrize("name", list(STATISTICS))
def test_a_statistic_declares_the_settings_that_it_uses(name):
    generator = np.random.default_rng(0)
    switching = cox(generator, telegraph(generator, 4, 2.0, 40.0, 300.0, 6000.0), 400, n_clusters=4)
    settings = Recorder({key: setting.default for key, setting in SETTINGS.items()})
    STATISTICS[name].compute(SortedTrains(switching), settings)
    assert settings.asked == set(STATISTICS[name].settings)
    used_for_length = Recorder(settings)
    STATISTICS[name].too_short(1.0, 0.1, used_for_length)
    STATISTICS[name].too_short(1e6, 1e3, used_for_length)
    assert used_for_length.asked <= set(STATISTICS[name].settings)


def test_fingerprints_change_with_what_the_values_depend_on():
    plain = fingerprint(list(STATISTICS))
    assert plain.keys() == STATISTICS.keys()
    assert fingerprint(list(STATISTICS), {"fano_window": 400}) == plain, "the default, spelled out"
    changed = fingerprint(list(STATISTICS), {"fano_window": 200.0})
    assert {name for name in plain if plain[name] != changed[name]} == {"fano_factor"}
    newer = Statistic("own", "own", {"own": Column("1", "own")}, lambda s, k: {}, version=3)
    assert fingerprint([newer]) == {"own": "version 3"}
    windowed = fingerprint(["rate"], windows={"w": Window(0, 300.0, {"I": 5.0, "E": 0.0})})
    assert windowed == {"rate": "version 1", "rate[w]": "version 1; 0.0 to 300.0 ms, I +5 ms"}
    with pytest.raises(ValueError, match="no such setting: 'fano_windw'; did you mean fano_window"):
        fingerprint([Statistic("own", "own", newer.columns, newer.function, ("fano_windw",))])


def test_what_costs_nothing_is_always_computed():
    free = tuple(name for name in STATISTICS if name not in ("response", "peak_spikes"))
    assert with_always([]) == free
    assert with_always(["lv", burst_index, "response"]) == (*free, burst_index, "response")


def test_a_recording_that_is_too_short_is_said_to_be():
    lacking = too_short(list(STATISTICS), 1000.0, 5.0)
    assert lacking["cv_isi"] == "15 spikes of a neuron (cv_min_spikes) take 3000 ms at 5 Hz"
    assert lacking["fano_factor"] == "10 windows of 400 ms take 4000 ms"
    assert not {"rate", "lv", "cv2", "synchrony", "correlation", "clusters"} & lacking.keys()
    assert too_short(list(STATISTICS), 9000.0, 5.0) == {}
    assert too_short(["cv_isi"], 1000.0, 5.0, {"cv_min_spikes": 5}) == {}
    assert "at 0 Hz" in too_short(["lv"], 1000.0, 0.0)["lv"]


# Those that say how many neurons they are of
COUNTED = [
    name
    for name, one in STATISTICS.items()
    if name not in ("rate", "clusters", "correlation") and f"n_neurons_{name}" in one.columns
]


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("rate", [4.0, 40.0])
def test_what_is_long_enough_is_computed_and_what_is_not_is_not(name, rate):
    """The check of the plan and the function agree, but where chance says that there is nothing."""
    lengths = np.array([200.0, 500.0, 1500.0, 2600.0, 4100.0, 9000.0])
    generator = np.random.default_rng(3)
    for length in lengths:
        n_steps = round(length * 10)
        n = generator.poisson(rate * 60 * length * 1e-3)
        spikes = SpikeTrains(generator.integers(1, n_steps + 1, n), generator.integers(0, 60, n), 60, n_steps, 0.1, 4)
        n_used = summarise({"E": spikes}, [name])[f"n_neurons_{name}_E"]
        lacking = too_short([name], length, rate)
        if lacking and "spikes of a neuron" not in lacking[name]:
            # below 20 bins synchrony is computed, but says nothing
            assert n_used == 0 or name == "synchrony", (length, lacking)
        if not lacking and name not in ("autocorrelation_time", "correlogram_width"):
            assert n_used > 0, length
