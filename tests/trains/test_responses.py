"""Responses of cells to a stimulus, and peaks of spikes in a step, against spikes made for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulators.statistics import Window, summarise
from simulators.statistics.spike_trains import SpikeTrains

# Cells: silent, as before, more, less, only during, only before; steps of 1 ms, baseline 0 to 20, stimulus 20 to 30
STEPS = {1: [5, 15, 25], 2: [5, 22, 24], 3: [5, 10, 15, 25], 4: [21], 5: [20]}


def recorded(late: int = 0) -> SpikeTrains:
    steps = np.concatenate([np.array(found) + late for found in STEPS.values()])
    senders = np.repeat(list(STEPS), [len(found) for found in STEPS.values()])
    return SpikeTrains(steps, senders, size=6, n_steps=50, dt=1.0)


def test_excited_and_inhibited_cells_are_told_by_their_own_rate_before() -> None:
    windows = {"during": Window(20.0, 30.0)}
    found = summarise({"E": recorded()}, ["response"], {"response_baseline": 20.0}, windows)
    assert found["excited_E_during"] == 2 / 6
    assert found["inhibited_E_during"] == 2 / 6
    assert found["rate_change_E_during"] == pytest.approx((0 + 0 + 150 - 50 + 100 - 50) / 6)
    assert math.isnan(found["excited_E"])


def test_a_threshold_leaves_small_changes_out() -> None:
    settings = {"response_baseline": 20.0, "response_threshold": 60.0}
    found = summarise({"E": recorded()}, ["response"], settings, {"during": Window(20.0, 30.0)})
    assert (found["excited_E_during"], found["inhibited_E_during"]) == (2 / 6, 0.0)


def test_the_time_before_moves_with_the_window() -> None:
    values = [
        summarise({"E": recorded(late)}, ["response"], {"response_baseline": 20.0}, {"w": Window(20.0, 30.0, shifts)})
        for late, shifts in ((0, {}), (7, {"E": 7.0}))
    ]
    assert values[0]["excited_E_w"] == values[1]["excited_E_w"] == 2 / 6
    assert values[0]["inhibited_E_w"] == values[1]["inhibited_E_w"] == 2 / 6


def test_there_is_no_response_without_a_baseline() -> None:
    found = summarise({"E": recorded()}, ["response"], {"response_baseline": 21.0}, {"w": Window(20.0, 30.0)})
    assert math.isnan(found["excited_E_w"]) and math.isnan(found["rate_change_E_w"])


def test_peak_is_the_fullest_step() -> None:
    found = summarise({"E": recorded()}, ["peak_spikes"], {}, {"late": Window(20.0, 30.0)})
    assert (found["peak_spikes_E"], found["peak_time_E"]) == (3.0, 5.0)
    assert (found["peak_spikes_E_late"], found["peak_time_E_late"]) == (2.0, 5.0)
