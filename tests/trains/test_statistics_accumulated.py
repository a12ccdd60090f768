"""Statistics of sums that were made while a simulation ran are those of its trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from accumulation import SHORT, accumulated, assert_close
from known_trains import clock, cox, gamma, oscillation, poisson, telegraph
from made_trains import empty, make_trains

from simulators.statistics import SETTINGS, STATISTICS, Column, Window, needs_of, statistic, summarise
from simulators.statistics.measures.accumulated import plan_of
from simulators.statistics.measures.measures import Extent
from simulators.statistics.measures.needs import Needs, sums_alone
from simulators.statistics.spike_trains import SpikeTrains

WITH_SUMS = [name for name, one in STATISTICS.items() if one.needs is not None]


def lone(steps: list[int], senders: list[int]) -> SpikeTrains:
    return SpikeTrains(np.array(steps, dtype=int), np.array(senders, dtype=int), 6, 1003, 0.1, 2, 2.0)


def once(trains: SpikeTrains) -> SpikeTrains:
    """Leave out second spikes of a neuron in one step, which no neuron of a simulator has."""
    keys = np.unique(trains.steps * trains.size + trains.senders)
    return replace(trains, steps=keys // trains.size, senders=keys % trains.size)


GENERATOR = np.random.default_rng(5)
TRAINS = {
    "made": make_trains(seed=0),
    "nobody fires": empty(n_clusters=2),
    "bursting clusters": replace(gamma(GENERATOR, 40, 30.0, 1500.3, 0.7), n_clusters=4, t_ref=1.5),
    "clusters take turns": once(cox(GENERATOR, telegraph(GENERATOR, 4, 2.0, 40.0, 100.0, 6000.0), 80, n_clusters=4)),
    "one rate for all": once(cox(GENERATOR, telegraph(GENERATOR, 1, 5.0, 45.0, 40.0, 4000.0), 60)),
    "oscillating": once(oscillation(GENERATOR, 100, 20.0, 40.0, 3.0, 4000.0)),
    "clocks": clock(GENERATOR, 20, 25.0, 900.0),
    "rare": poisson(GENERATOR, 50, 2.0, 700.7, n_clusters=5),
    "one spike and two, on the first step and the last": lone([1, 1, 1003, 500, 1003], [0, 1, 1, 2, 5]),
    "in what is left over": lone([1001, 1002, 1003, 1003], [3, 3, 3, 4]),
    "in every step": lone([*range(1, 1004)], [3] * 1003),
}


@pytest.mark.parametrize("settings", [{}, SHORT], ids=["defaults", "short"])
@pytest.mark.parametrize("kind", TRAINS)
def test_statistics_of_sums_are_those_of_trains(kind, settings):
    trains = TRAINS[kind]
    needs = needs_of(WITH_SUMS, settings)
    assert needs is not None
    sums = accumulated(trains, plan_of(trains.extent, needs))
    assert sums.n_spikes == trains.n_spikes
    assert_close(summarise({"E": sums}, WITH_SUMS, settings), summarise({"E": trains}, WITH_SUMS, settings))


def test_these_recordings_define_all_statistics():
    found = set()
    for trains in TRAINS.values():
        for settings in ({}, SHORT):
            values = summarise({"E": trains}, WITH_SUMS, settings)
            found |= {name for name, value in values.items() if not (isinstance(value, float) and np.isnan(value))}
    assert set(summarise({"E": empty()}, WITH_SUMS)) - found == set()


@pytest.mark.parametrize("name", WITH_SUMS)
def test_a_statistic_needs_no_more_than_it_says(name):
    trains = TRAINS["bursting clusters"]
    sums = accumulated(trains, plan_of(trains.extent, needs_of([name], SHORT)))
    assert_close(summarise({"E": sums}, [name], SHORT), summarise({"E": trains}, [name], SHORT))


def test_all_that_are_always_computed_need_no_trains():
    assert {name for name, one in STATISTICS.items() if one.always} <= set(WITH_SUMS)


def test_what_needs_whole_trains():
    @statistic({"mine": Column("1", "one")})
    def mine(spikes, settings):
        return {"mine": 1.0}

    assert needs_of([*WITH_SUMS, mine]) is None
    assert needs_of(WITH_SUMS, windows={"late": Window(100.0, 200.0)}) is None
    sums = accumulated(TRAINS["rare"], plan_of(TRAINS["rare"].extent, Needs()))
    for statistics, windows in ((["response"], {}), (["rate"], {"late": Window(100.0, 200.0)})):
        with pytest.raises(ValueError, match="need whole trains"):
            summarise({"E": sums}, statistics, None, windows)


def test_a_statistic_of_ones_own_may_say_that_sums_do():
    @statistic({"busiest": Column("Hz", "largest rate")}, needs=sums_alone)
    def busiest(spikes, settings):
        return {"busiest": spikes.counts.max() / (spikes.extent.duration * 1e-3)}

    trains = TRAINS["rare"]
    sums = accumulated(trains, plan_of(trains.extent, needs_of([busiest])))
    assert summarise({"E": sums}, [busiest]) == summarise({"E": trains}, [busiest])


def test_settings_change_what_is_needed():
    assert needs_of(["fano_factor"], {"fano_window": 12.0}).windows == {12.0}
    assert needs_of(["correlogram_width"], {"correlogram_neurons": 3}).sample == 3
    assert needs_of(["correlogram_width"]).sample == SETTINGS["correlogram_neurons"].default


def test_tables_serve_bins_that_are_multiples_of_theirs():
    extent = Extent(40, 1000, 0.1, 4)
    needs = Needs(population_bins=frozenset({1.0, 1.5}), cluster_bins=frozenset({0.5}))
    assert plan_of(extent, needs).tables == ((4, 5),)
    assert plan_of(replace(extent, n_clusters=1), needs).tables == ((1, 5),)
    other = Needs(population_bins=frozenset({0.7}), cluster_bins=frozenset({0.5}))
    assert plan_of(extent, other).tables == ((1, 7), (4, 5))


def test_what_was_not_asked_for_is_not_there():
    trains = TRAINS["rare"]
    sums = accumulated(trains, plan_of(trains.extent, needs_of(["synchrony", "dimensionality"], SHORT)))
    with pytest.raises(KeyError, match=r"bins of 0\.5 ms"):
        sums.count_population(0.5)
    with pytest.raises(KeyError, match="not in the sample"):
        sums.count_table(np.arange(20), 1.0)


def test_counts_that_could_overflow_are_refused():
    with pytest.raises(ValueError, match="more than counts of 32 bits hold"):
        plan_of(Extent(100_000, 10**6, 0.1), Needs(population_bins=frozenset({10_000.0})))
    with pytest.raises(ValueError, match="more than counts of 32 bits hold"):
        plan_of(Extent(1, 2**31, 0.1), Needs())


def test_the_cv_of_a_clock_is_zero_and_does_not_overflow_however_long_it_runs():
    n_steps = 2**23
    steps = np.arange(1, n_steps, 3)
    steps = steps[(steps > n_steps // 2) | (steps == 1)]  # one interval of half the recording, and a million short ones
    trains = SpikeTrains(np.tile(steps, 2), np.repeat([0, 1], steps.size), 2, n_steps, 0.1)
    intervals = np.diff(steps)
    assert (len(intervals) * int(np.square(intervals).sum())) > 2**63
    cv = summarise({"E": trains}, ["cv_isi"])["cv_isi_E"]
    assert cv == pytest.approx(intervals.std() / intervals.mean(), rel=1e-12)
    regular = SpikeTrains(np.arange(7, n_steps, 7001), np.zeros(1199, dtype=int), 1, n_steps, 0.1)
    assert summarise({"E": regular}, ["cv_isi"])["cv_isi_E"] == 0.0
