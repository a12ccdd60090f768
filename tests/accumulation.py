"""Sums over spike trains made one spike after the other, apart from all code that makes them elsewhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from simulators.statistics.measures.accumulated import AccumulatedTrains, Plan
from simulators.statistics.spike_trains import SpikeTrains

EXACT = ("counts", "spans", "interval_squares")
ROUNDED = ("contrasts", "squared_contrasts", "revised_contrasts")

# Settings under which statistics of short recordings of few neurons are defined
SHORT = {
    "fano_window": 30.0,
    "fano_min_windows": 4,
    "fano_min_intervals": 1,
    "cv_min_spikes": 3,
    "synchrony_bin": 0.7,
    "spectrum_bin": 0.3,
    "spectrum_segment": 12.0,
    "cluster_bin": 0.4,
    "cluster_sigma": 3.0,
    "cluster_min_dwell": 2.0,
    "autocorrelation_bin": 1.1,
    "autocorrelation_min_lag": 2.0,
    "autocorrelation_max_lag": 20.0,
    "correlogram_max_lag": 20.0,
    "correlation_neurons": 7,
    "autocorrelation_neurons": 11,
    "correlogram_neurons": 23,
    "dimensionality_bin": 2.0,
    "correlation_bin_slow": 5.0,
}


def accumulated(trains: SpikeTrains, plan: Plan) -> AccumulatedTrains:
    """What a simulator should have made of these spikes."""
    size, n_steps = trains.size, trains.n_steps
    steps: list[list[int]] = [[] for _ in range(size)]
    for step, sender in sorted(zip(trains.steps.tolist(), trains.senders.tolist(), strict=True)):
        steps[sender].append(step - 1)
    intervals = [[b - a for a, b in itertools.pairwise(one)] for one in steps]
    pairs = [list(itertools.pairwise(one)) for one in intervals]

    def revised(a: int, b: int) -> float:
        return ((a - b) / (a + b)) ** 2 * (1.0 + 4.0 * trains.t_ref / trains.dt / (a + b))

    windows = {}
    for width in plan.windows:
        counts = [[0] * (n_steps // width) for _ in range(size)]
        for cells, one in zip(counts, steps, strict=True):
            for step in one:
                if step // width < len(cells):
                    cells[step // width] += 1
        windows[width] = (
            np.array([sum(cells) for cells in counts]),
            np.array([sum(cell**2 for cell in cells) for cells in counts]),
        )
    tables = {}
    for groups, width in plan.tables:
        table = np.zeros((groups, n_steps // width), dtype=np.int64)
        for neuron, one in enumerate(steps):
            for step in one:
                if step // width < table.shape[1]:
                    table[neuron // (size // groups), step // width] += 1
        tables[groups, width] = table
    place = {neuron: k for k, neuron in enumerate(plan.sample.tolist())}
    kept = [(step + 1, place[neuron]) for neuron, one in enumerate(steps) if neuron in place for step in one]
    sampled = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return AccumulatedTrains(
        plan.extent,
        np.array([len(one) for one in steps]),
        np.array([sum(one) for one in intervals]),
        np.array([sum(interval**2 for interval in one) for one in intervals]),
        np.array([math.fsum(abs(a - b) / (a + b) for a, b in one) for one in pairs]),
        np.array([math.fsum(((a - b) / (a + b)) ** 2 for a, b in one) for one in pairs]),
        np.array([math.fsum(revised(*pair) for pair in one) for one in pairs]),
        windows,
        tables,
        plan.sample,
        SpikeTrains(sampled[:, 0], sampled[:, 1], max(1, plan.sample.size), n_steps, trains.dt),
    )


def assert_sums(found: AccumulatedTrains, expected: AccumulatedTrains) -> None:
    """Hold sums against each other: whole numbers are equal, others but for rounding."""
    for name in EXACT:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    for name in ROUNDED:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12, err_msg=name)
    assert found.tables.keys() == expected.tables.keys()
    for key, table in expected.tables.items():
        np.testing.assert_array_equal(found.tables[key], table, str(key))
    assert found.windows.keys() == expected.windows.keys()
    for width, sums in expected.windows.items():
        np.testing.assert_array_equal(found.windows[width], sums, str(width))
    order, other = (np.lexsort((one.sample.senders, one.sample.steps)) for one in (found, expected))
    np.testing.assert_array_equal(found.sample.steps[order], expected.sample.steps[other])
    np.testing.assert_array_equal(found.sample.senders[order], expected.sample.senders[other])


def assert_close(found: Mapping[str, Any], expected: Mapping[str, Any], relative: float = 1e-9) -> None:
    """Hold rows against each other: whole numbers are equal, others but for rounding, and NaN is NaN."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        numbers, others = (one if isinstance(one, list) else [one] for one in (value, found[name]))
        if isinstance(numbers[0], (int, str)):
            assert others == numbers, name
        else:
            np.testing.assert_allclose(others, numbers, rtol=relative, atol=1e-12, err_msg=name)
