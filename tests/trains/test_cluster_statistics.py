"""Cluster activity against plain loops and against trains whose active clusters are known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simulators.statistics import summarise
from simulators.statistics.clusters import cluster_rates, find_active, find_components, find_dwells, find_winners
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains

N_CLUSTERS = 4
CLUSTER_SIZE = 100
DT = 0.1


def make_trains(states, low=2.0, high=40.0, seed=0, n_clusters=N_CLUSTERS, cluster_size=CLUSTER_SIZE):
    """Poisson spikes of clusters; `states` has (duration in ms, indices of the active clusters) in order."""
    generator = np.random.default_rng(seed)
    steps, senders, begin = [], [], 0
    for duration, active in states:
        n_steps = round(duration / DT)
        for cluster in range(n_clusters):
            rate = high if cluster in active else low
            n = generator.poisson(rate * cluster_size * duration * 1e-3)
            steps.append(begin + generator.integers(1, n_steps + 1, n))
            senders.append(cluster * cluster_size + generator.integers(0, cluster_size, n))
        begin += n_steps
    return SpikeTrains(np.concatenate(steps), np.concatenate(senders), n_clusters * cluster_size, begin, DT, n_clusters)


def test_rates_are_the_smoothed_counts():
    trains = make_trains([(150.0, [1]), (150.0, [2])])
    rates = cluster_rates(SortedTrains(trains), 5.0, 25.0)
    assert rates.shape == (N_CLUSTERS, 60)
    for cluster in range(N_CLUSTERS):
        steps = trains.steps[trains.senders // CLUSTER_SIZE == cluster]
        for k in (0, 7, 30, 59):
            total = mass = 0.0
            for other in range(60):
                if abs(other - k) <= 20:
                    weight = math.exp(-0.5 * ((other - k) * 5.0 / 25.0) ** 2)
                    total += weight * np.count_nonzero((steps > other * 50) & (steps <= (other + 1) * 50))
                    mass += weight
            assert rates[cluster, k] == pytest.approx(total / mass / CLUSTER_SIZE / 5e-3, rel=1e-12)


def test_rates_are_exactly_zero_far_from_spikes():
    trains = SpikeTrains(np.array([5000]), np.array([0]), 4, 10_000, DT, 2)
    rates = cluster_rates(SortedTrains(trains), 1.0, 25.0)
    assert np.all(rates[1] == 0.0)
    assert np.all(rates[0, :390] == 0.0)
    assert rates[0].argmax() == 499
    assert rates[0].sum() * 1e-3 * 2 == pytest.approx(1.0)


def slow_winners(rates, factor, noise=0.0):
    wins = np.zeros(rates.shape, dtype=bool)
    for k in range(rates.shape[1]):
        for cluster in range(rates.shape[0]):
            own = rates[cluster, k]
            others = [rates[other, k] for other in range(rates.shape[0]) if other != cluster]
            wins[cluster, k] = all(
                own > factor * other and own > other and (own - other) ** 2 > noise * (own + other) for other in others
            )
    return wins


def slow_active(rates, low, high, minimum):
    result = np.zeros(rates.shape, dtype=bool)
    for cluster, row in enumerate(rates):
        state = row[0] > (low + high) / 2.0
        states = []
        for k, rate in enumerate(row):
            if k and rate > high:
                state = True
            elif k and rate < low:
                state = False
            states.append(state)
        k = 0
        while k < len(states):
            end = k
            while end < len(states) and states[end] == states[k]:
                end += 1
            if states[k] and end - k >= minimum:
                result[cluster, k:end] = True
            k = end
    return result


def slow_dwells(active):
    """(cluster, first bin, bin after the last) of every dwell."""
    dwells = []
    for cluster, row in enumerate(active):
        begin = None
        for k, is_active in enumerate([*row, False]):
            if is_active and begin is None:
                begin = k
            elif not is_active and begin is not None:
                dwells.append((cluster, begin, k))
                begin = None
    return dwells


def slow_columns(active, bin_size):
    dwells = slow_dwells(active)
    n_bins = active.shape[1]
    complete = [(end - begin) * bin_size for _, begin, end in dwells if begin > 0 and end < n_bins]
    in_time = [cluster for _, cluster in sorted((begin, cluster) for cluster, begin, _ in dwells)]
    switches = sum(a != b for a, b in itertools.pairwise(in_time))
    return {
        "occupancy": sum(any(active[:, k]) for k in range(n_bins)) / n_bins,
        "dwell_mean": np.mean(complete),
        "dwell_median": np.median(complete),
        "dwell_cv": np.std(complete) / np.mean(complete),
        "switching_rate": switches / (n_bins * bin_size * 1e-3),
    }, (len(complete), len(dwells) - len(complete), len({cluster for cluster, _, _ in dwells}))


rate_tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 4), st.integers(1, 40)),
    elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, 9.0]),
)


@settings(max_examples=200, deadline=None)
@given(rate_tables, st.sampled_from([0.0, 1.0, 2.5]))
def test_winners_and_dwells_are_those_of_plain_loops(rates, noise):
    winners = find_winners(rates, 2.0, noise)
    assert np.array_equal(winners, slow_winners(rates, 2.0, noise))
    assert list(zip(*find_dwells(winners), strict=True)) == slow_dwells(winners)


@settings(max_examples=200, deadline=None)
@given(rate_tables, st.integers(0, 4))
def test_active_clusters_are_those_of_plain_loops(rates, minimum):
    assert np.array_equal(find_active(rates, 1.5, 4.0, minimum), slow_active(rates, 1.5, 4.0, minimum))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_columns_are_those_of_plain_loops(seed):
    generator = np.random.default_rng(seed)
    states = [(float(generator.integers(3, 40) * 10), [generator.integers(-1, N_CLUSTERS)]) for _ in range(30)]
    trains = make_trains(states, seed=seed)
    chosen = {"cluster_bin": 2.0, "cluster_sigma": 10.0, "cluster_min_dwell": 41.0, "cluster_hysteresis": 0.2}
    values = summarise({"E": trains}, ["clusters"], chosen)
    rates = cluster_rates(SortedTrains(trains), 2.0, 10.0)
    middle = (values["active_rate_E"] + values["inactive_rate_E"]) / 2
    margin = 0.2 * (values["active_rate_E"] - values["inactive_rate_E"])
    active = slow_active(rates, middle - margin, middle + margin, 21)
    # A Poisson train through a Gaussian: variance of its rate per Hz.
    noise = 4.0**2 / (CLUSTER_SIZE * 2.0 * math.sqrt(math.pi) * 10e-3)
    for prefix, state in (("winner", slow_winners(rates, 2.0, noise)), ("active", active)):
        expected, (n_complete, n_censored, n_ever) = slow_columns(state, 2.0)
        for column, value in expected.items():
            assert values[f"{prefix}_{column}_E"] == pytest.approx(value, rel=1e-9), column
        assert values[f"n_dwells_{prefix}_E"] == n_complete > 5
        assert values[f"n_dwells_{prefix}_censored_E"] == n_censored
        assert values[f"n_clusters_ever_{prefix}_E"] == n_ever
    assert values["active_clusters_E"] == pytest.approx(active.sum() / active.shape[1], rel=1e-9)


def test_known_dwells():
    # One cluster at a time, 400 or 600 ms; the first and the last dwell are cut by the recording.
    order = [0, 1, 2, 0, 3, 1, 3, 2]
    durations = [400.0, 600.0, 400.0, 600.0, 400.0, 600.0, 400.0, 600.0]
    values = summarise({"E": make_trains([(d, [c]) for d, c in zip(durations, order, strict=True)])}, ["clusters"])
    for prefix in ("winner", "active"):
        assert values[f"n_dwells_{prefix}_E"] == 6
        assert values[f"n_dwells_{prefix}_censored_E"] == 2
        assert values[f"n_clusters_ever_{prefix}_E"] == 4
        assert values[f"{prefix}_switching_rate_E"] == pytest.approx(7 / 4.0)
        assert values[f"{prefix}_dwell_mean_E"] == pytest.approx(500.0, abs=25.0)
        assert values[f"{prefix}_dwell_cv_E"] == pytest.approx(0.2, abs=0.05)
        assert values[f"{prefix}_occupancy_E"] > 0.9
    assert values["active_clusters_E"] == pytest.approx(1.0, abs=0.05)
    # Smoothed flanks between the two rates draw the means together.
    assert values["active_rate_E"] == pytest.approx(40.0, rel=0.15)
    assert values["inactive_rate_E"] == pytest.approx(2.0, rel=0.3)


def read_dwells(dwell, gap, seed):
    generator = np.random.default_rng(seed)
    states, last = [], -1
    for _ in range(40):
        last = int(generator.choice([k for k in range(N_CLUSTERS) if k != last]))
        states += [(dwell, [last]), (gap, [])] if gap else [(dwell, [last])]
    return summarise({"E": make_trains(states, seed=seed)}, ["clusters"])


@pytest.mark.parametrize(
    ("dwell", "gap", "winner", "active", "active_rate"),
    [
        (100.0, 0.0, 76.0, 132.0, 22.0),
        (200.0, 0.0, 176.0, 220.0, 28.5),
        (500.0, 0.0, 476.0, 509.0, 34.7),
        (1000.0, 0.0, 976.0, 1004.5, 37.4),
        (200.0, 300.0, 260.0, 220.0, 28.3),
        (500.0, 300.0, 560.0, 509.0, 34.6),
    ],
)
def test_bias_of_dwells_by_smoothing_is_as_stated(dwell, gap, winner, active, active_rate):
    values = [read_dwells(dwell, gap, seed) for seed in range(3)]
    for name, expected in (("winner_dwell_median_E", winner), ("active_dwell_median_E", active)):
        assert np.mean([one[name] for one in values]) == pytest.approx(expected, abs=4.0), name
    assert np.mean([one["active_rate_E"] for one in values]) == pytest.approx(active_rate, abs=0.7)
    for one in values:
        assert one["winner_switching_rate_E"] == pytest.approx(39 / (40 * (dwell + gap)) * 1e3, rel=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0, 8.0])
@pytest.mark.parametrize(("n_clusters", "cluster_size"), [(2, 10), (2, 100), (4, 100), (20, 80), (10, 1000)])
@pytest.mark.parametrize("seed", [0, 1])
def test_chance_makes_no_winner(rate, n_clusters, cluster_size, seed):
    trains = make_trains([(9000.0, [])], low=rate, seed=seed, n_clusters=n_clusters, cluster_size=cluster_size)
    values = summarise({"E": trains}, ["clusters"])
    assert values["winner_switching_rate_E"] == 0.0
    assert values["winner_occupancy_E"] < 1e-3
    assert math.isnan(values["winner_dwell_mean_E"])
    unguarded = summarise({"E": trains}, ["clusters"], {"cluster_shot_noise": 0.0})
    if rate * cluster_size < 100 and n_clusters < 10:
        assert unguarded["winner_switching_rate_E"] > 0.5, "the guard, not the trains, must make the difference"


def test_two_clusters_at_a_time_have_no_winner_but_are_active():
    states = [(500.0, []), (500.0, [0, 1]), (500.0, []), (500.0, [2, 3]), (500.0, [])]
    values = summarise({"E": make_trains(states)}, ["clusters"])
    assert values["n_dwells_active_E"] == 4
    assert values["active_dwell_median_E"] == pytest.approx(500.0, abs=20.0)
    assert values["active_clusters_E"] == pytest.approx(0.8, abs=0.03)
    assert values["active_occupancy_E"] == pytest.approx(0.4, abs=0.03)
    assert values["winner_occupancy_E"] < 0.1


def test_cluster_that_is_always_active_has_one_censored_dwell():
    values = summarise({"E": make_trains([(3000.0, [2])])}, ["clusters"])
    for prefix in ("winner", "active"):
        assert values[f"{prefix}_occupancy_E"] == 1.0
        assert values[f"n_dwells_{prefix}_E"] == 0
        assert values[f"n_dwells_{prefix}_censored_E"] == 1
        assert math.isnan(values[f"{prefix}_dwell_mean_E"])
        assert values[f"{prefix}_switching_rate_E"] == 0.0


@pytest.mark.parametrize("rate", [0.1, 1.0, 8.0, 60.0])
@pytest.mark.parametrize("cluster_size", [10, 100, 1000])
@pytest.mark.parametrize("seed", [0, 1])
def test_chance_is_not_taken_for_two_components(rate, cluster_size, seed):
    trains = make_trains([(5000.0, [])], low=rate, seed=seed, n_clusters=10, cluster_size=cluster_size)
    values = summarise({"E": trains}, ["clusters"])
    assert math.isnan(values["active_rate_E"])
    assert math.isnan(values["active_occupancy_E"])
    assert values["n_dwells_active_E"] == 0
    assert values["n_neurons_clusters_E"] == trains.size


def test_one_cluster_has_no_cluster_statistics():
    values = summarise({"E": make_trains([(1000.0, [0])], n_clusters=1)}, ["clusters"])
    assert values["n_neurons_clusters_E"] == 0
    for name, value in values.items():
        assert value == 0 if name.startswith("n_") else math.isnan(value)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_components_are_those_of_the_greatest_likelihood(share):
    generator = np.random.default_rng(7)
    n = 20_000
    rates = np.where(generator.random(n) < share, generator.normal(30.0, 4.0, n), generator.normal(10.0, 2.0, n))
    found = find_components(rates, 1e-3)

    def cost(x):
        densities = x[4] * scipy.stats.norm.pdf(rates, x[0], x[2]) + (1 - x[4]) * scipy.stats.norm.pdf(
            rates, x[1], x[3]
        )
        return -np.log(densities).mean()

    bounds = [(0, 50), (0, 50), (0.5, 20), (0.5, 20), (0.01, 0.99)]
    best = scipy.optimize.minimize(cost, [12.0, 25.0, 3.0, 3.0, 0.5], bounds=bounds).x
    # The histogram's bins are about 0.2 Hz wide.
    assert found.low == pytest.approx(best[0], abs=0.05)
    assert found.high == pytest.approx(best[1], abs=0.1)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(0.0, 1e4)), st.floats(1e-6, 10.0))
def test_components_of_any_rates_are_ordered_and_within_them(rates, shot_noise):
    found = find_components(rates, shot_noise)
    if found is not None:
        assert rates.min() <= found.low < found.high <= rates.max()
