"""Responses to a stimulus: which cells it excites and inhibits, and how many spikes come at once.

A response is that of a window (``[record.windows]``): every cell's rate in it is held against its own rate in the
``response_baseline`` ms just before. A cell whose rate is higher by more than ``response_threshold`` is excited, one
whose rate is lower by more is inhibited; with a threshold of 0 any difference counts, that of chance too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.statistic import Column, Setting, Statistic, Values


def response(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Fractions of cells that are excited and inhibited in a window, and the mean change of their rates.

    NaN where the recording does not begin ``response_baseline`` ms before the window, and for the whole recording.
    """
    baseline, threshold = settings["response_baseline"], settings["response_threshold"]
    before = spikes.counts_before(baseline)
    if before is None:
        return {"excited": math.nan, "inhibited": math.nan, "rate_change": math.nan}
    n_steps, n_before = spikes.trains.n_steps, spikes.bin_steps(baseline)
    # Equal rates give 0: counts times steps are whole numbers.
    changes = (spikes.counts * n_before - before * n_steps) / (n_before * spikes.trains.duration * 1e-3)
    return {
        "excited": float(np.mean(changes > threshold)),
        "inhibited": float(np.mean(changes < -threshold)),
        "rate_change": float(np.mean(changes)),
    }


def peak_spikes(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Most spikes of a population in one step: as many cross each of its projections at once.

    Where none are, their time is NaN.
    """
    del settings
    counts = spikes.count_population(spikes.trains.dt)
    time = (int(counts.argmax()) + 1) * spikes.trains.dt if counts.max() else math.nan
    return {"peak_spikes": float(counts.max()), "peak_time": time}


SETTINGS: Mapping[str, Setting] = {
    "response_baseline": Setting(300.0, "ms", "time before a window that response holds it against", "bin"),
    "response_threshold": Setting(0.0, "Hz", "change of a rate above which response counts a cell", "real"),
}

STATISTICS = (
    Statistic(
        "response",
        "cells that a stimulus excites and inhibits",
        {
            "excited": Column("1", "fraction of neurons that fire more than before the window"),
            "inhibited": Column("1", "fraction of neurons that fire less than before the window"),
            "rate_change": Column("Hz", "mean rate less that before the window"),
        },
        response,
        ("response_baseline", "response_threshold"),
    ),
    Statistic(
        "peak_spikes",
        "most spikes of the population in one step",
        {
            "peak_spikes": Column("1", "most spikes of the population in one step"),
            "peak_time": Column("ms", "first time of that step, from the begin of the recording or window"),
        },
        peak_spikes,
    ),
)
