"""Repeated runs brought together, and what spikes bring to projections."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from analysis_runs import write_run

import analysis
from analysis.grids import over_repeats
from analysis.opening import PointSpikes, afferent_peaks
from simulators.description import ConnectionList, FixedTotalNumber, Network, Population, Projection, SpikeEvents

CELL = {"C_m": 1.0, "tau_m": 1.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 1.0, "tau_syn_ex": 1.0, "tau_syn_in": 1.0}


def test_medians_and_quantiles_are_over_seeds_alone(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "run", seeds=(1, 2, 3)).root)
    found = over_repeats(table, ["rate_E", "rate_I"])
    assert len(found) == 2 * table.groupby(["configuration", "I_th_E", "I_th_I"], observed=True).ngroups
    assert (found["runs"] == 3).all()
    row = found[found["column"] == "rate_I"].iloc[3]
    same = table
    for key in ("configuration", "I_th_E", "I_th_I"):
        same = same[same[key] == row[key]]
    low, middle, high = np.quantile(same["rate_I"], [0.05, 0.5, 0.95])
    assert (row["low"], row["median"], row["high"]) == pytest.approx((low, middle, high))
    together = over_repeats(table, ["rate_E"], group_on="configuration")
    assert len(together) == 1
    assert together["median"].item() == pytest.approx(table["rate_E"].median())
    with pytest.raises(analysis.RunError, match="rate_X"):
        over_repeats(table, ["rate_X"])


def network() -> Network:
    return Network(
        (
            Population("in", 3, "spike_source"),
            Population("A", 3, "lif_psc_exp", CELL),
            Population("B", 2, "lif_psc_exp", CELL),
        ),
        (
            # source 0 reaches all of A, twice the last; 1 and 2 one cell each
            Projection(
                "list", "in", "A", ConnectionList(np.array([0, 0, 0, 0, 1, 2]), np.array([0, 1, 2, 2, 0, 0])), 1.0, 1.0,
                "excitatory",
            ),
            Projection("drawn", "A", "B", FixedTotalNumber(6), 1.0, 1.0, "excitatory"),
        ),
        (SpikeEvents("given", "in", np.array([0.1, 0.2, 0.2, 0.2, -1.0]), np.array([0, 1, 2, 2, 0])),),
    )  # fmt: skip


def point(recorded: int = 3) -> PointSpikes:
    times, senders = {"A": np.array([0.3, 0.5, 0.5]), "B": np.zeros(0)}, {"A": np.array([0, 1, 2]), "B": np.zeros(0)}
    there = {"A": np.arange(recorded), "B": np.arange(2)}
    return PointSpikes("p", "nest", times, senders, {"A": 3, "B": 2}, there, 1.0, {})


def test_peaks_of_spikes_and_of_synapses_need_not_be_in_one_step() -> None:
    found = afferent_peaks(point(), network(), 0.1)
    # two sources play in step 2 (one twice, which is once), but the one in step 1 reaches more synapses
    assert found.loc["list", ["peak_spikes", "peak_events", "peak_per_cell"]].tolist() == [2.0, 4.0, 2.0]
    assert found.loc["list", "time"] == pytest.approx(0.2)
    assert found.loc["drawn", ["peak_spikes", "peak_events"]].tolist() == [2.0, 4.0]
    assert math.isnan(found.loc["drawn", "peak_per_cell"])
    assert found["exact"].tolist() == [True, False]


def test_a_sample_of_the_spikes_has_no_peaks() -> None:
    with pytest.raises(analysis.RunError, match="only a sample of A is stored"):
        afferent_peaks(point(recorded=2), network(), 0.1)
