"""Statistics of single neurons' spike trains, averaged over a population: rate, irregularity, count variability.

Each function takes the sorted spikes and the settings (`simulators.statistics.SETTINGS`) and returns its columns
without the name of the population. What is undefined is NaN; neurons for which it is undefined are left out of a
mean, and ``n_neurons_*`` says how many are in it. Beside each mean are the spread over neurons and, of rate, CV and
LV, the histogram.

What holds from how many spikes of a neuron on: CV2, LV and LvR read 1 for a Poisson train on average from 3 spikes
on. The CV reads too low for few spikes, for a Poisson train .50 with 3, .73 with 5, .87 with 10, .91 with 15, .93 with
20 and .97 with 50; therefore neurons with fewer than 15 (``cv_min_spikes``) are left out of it. The Fano factor, with
the variance over n - 1 windows, reads 1 for a Poisson train however few there are; but a single spike in the whole
recording also reads 1, whatever the train: so a neuron needs 5 (``fano_min_intervals``), and there must be 10 windows
(``fano_min_windows``).

References
----------
Holt, G. R., Softky, W. R., Koch, C., & Douglas, R. J. (1996). Comparison of discharge variability in vitro and in
vivo in cat visual cortex neurons. J Neurophysiol 75, 1806-1814.
Shinomoto, S., Shima, K., & Tanji, J. (2003). Differences in spiking patterns among cortical neurons. Neural Comput
15, 2823-2842.
Shinomoto, S., et al. (2009). Relating neuronal firing patterns to functional differentiation of cerebral cortex.
PLoS Comput Biol 5, e1000433.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Measures
from simulators.statistics.measures.needs import Needs, sums_alone
from simulators.statistics.spread import (
    IRREGULARITY_BINS,
    RATE_BINS,
    histogram,
    histogram_column,
    spread,
    spread_columns,
)
from simulators.statistics.statistic import Column, Setting, Statistic, TooShort, Values

HISTOGRAMS = ("cv_isi", "lv")
"""Measures of irregularity that get one."""

_LONGEST = 2**21
"""Steps of a recording: n times the sum of the squares of n intervals in it stays below 2⁶³."""


def rate(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Firing rates ``n_i / T`` in Hz over all neurons, silent ones included; SD with ddof 0."""
    del settings
    rates = np.sort(spikes.counts) / (spikes.extent.duration * 1e-3)
    return {
        **spread("rate", rates),
        "silent_fraction": float((spikes.counts == 0).mean()),
        "n_neurons_rate": spikes.extent.size,
        "rate_hist": histogram(rates, RATE_BINS),
    }


def cv_isi(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Coefficient of variation of the intervals, SD (ddof 0) over mean, of each neuron with 15 spikes or more.

    A slowly changing rate, as of a neuron in a cluster, raises it; `lv` and `cv2` hardly see such changes.
    """
    # Of whole numbers, so that it is exactly 0 for a clock; Python's own where 64 bits could be too few.
    whole = np.int64 if spikes.extent.n_steps <= _LONGEST else object
    n_intervals, spans = np.maximum(spikes.counts - 1, 0).astype(whole), spikes.spans.astype(whole)
    variances = (n_intervals * spikes.interval_squares - spans * spans).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.sqrt(variances) / spikes.spans
    return _over_neurons("cv_isi", values, spikes, settings["cv_min_spikes"])


def cv2(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """CV2, the mean of ``2 |I_k - I_k+1| / (I_k + I_k+1)`` of each neuron (Holt et al. 1996)."""
    return _over_pairs("cv2", 2.0, spikes.contrasts, spikes, settings)


def lv(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Local variation, the mean of ``3 ((I_k - I_k+1) / (I_k + I_k+1))²`` of each neuron (Shinomoto et al. 2003)."""
    return _over_pairs("lv", 3.0, spikes.squared_contrasts, spikes, settings)


def lvr(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Local variation revised for the refractory time R (Shinomoto et al. 2009).

    The mean of ``3 ((I_k - I_k+1) / (I_k + I_k+1))² (1 + 4 R / (I_k + I_k+1))`` of each neuron; R is the
    population's refractory time.
    """
    return _over_pairs("lvr", 3.0, spikes.revised_contrasts, spikes, settings)


def fano_factor(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Variance (ddof 1) over mean of each neuron's counts in windows side by side.

    Undefined for fewer than ``fano_min_windows`` windows; neurons whose ``fano_min_intervals`` mean intervals do not
    fit into the windows are left out. With the variance over n windows, not n - 1, it would read (n - 1)/n of this,
    half of it for two windows.
    """
    n_windows = spikes.extent.n_bins(settings["fano_window"])
    if n_windows < settings["fano_min_windows"]:
        return _over("fano_factor", np.zeros(0))
    sums, squares = spikes.window_squares(settings["fano_window"])
    fired = sums >= settings["fano_min_intervals"]
    # Integers up to the division: equal counts give 0.
    return _over(
        "fano_factor", (n_windows * squares - sums**2)[fired] / ((n_windows - 1) * sums[fired].astype(np.float64))
    )


def _over_pairs(
    name: str, factor: float, sums: NDArray[np.float64], spikes: Measures, settings: Mapping[str, float]
) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = factor * sums / np.maximum(spikes.counts - 2, 0)
    return _over_neurons(name, values, spikes, settings["min_spikes"])


def _over_neurons(name: str, values: NDArray[np.float64], spikes: Measures, min_spikes: float) -> Values:
    return _over(name, values[(spikes.counts >= min_spikes) & ~np.isnan(values)])


def _over(name: str, values: NDArray[np.float64]) -> Values:
    values = np.sort(values)
    hist: Values = {f"{name}_hist": histogram(values, IRREGULARITY_BINS)} if name in HISTOGRAMS else {}
    return {**spread(name, values), f"n_neurons_{name}": int(values.size), **hist}


SETTINGS: Mapping[str, Setting] = {
    "min_spikes": Setting(3, "1", "fewest spikes of a neuron that counts in cv2, lv and lvr", "integer", 3),
    "cv_min_spikes": Setting(
        15,
        "1",
        "fewest spikes of a neuron that counts in cv_isi; with 15 it reads .91 for a Poisson train",
        "integer",
        3,
    ),
    "fano_window": Setting(400.0, "ms", "window of the counts of fano_factor", "bin"),
    "fano_min_windows": Setting(10, "1", "fewest windows for which fano_factor is defined", "integer", 2),
    "fano_min_intervals": Setting(
        5, "1", "fewest mean intervals in the windows of a neuron that counts in fano_factor", "integer", 1
    ),
}


def _columns(name: str, doc: str) -> dict[str, Column]:
    hist = {f"{name}_hist": histogram_column(name, "1", IRREGULARITY_BINS)} if name in HISTOGRAMS else {}
    return {
        **spread_columns(name, "1", f"{doc}, mean over neurons"),
        f"n_neurons_{name}": Column("1", f"neurons in {name}", "integer"),
        **hist,
    }


def spikes_lacking(setting: str) -> TooShort:
    """Make a check that a neuron has as many spikes on average as a setting asks for."""

    def too_short(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
        needed = settings[setting] / rate * 1e3 if rate else float("inf")
        if duration >= needed:
            return None
        return f"{settings[setting]:g} spikes of a neuron ({setting}) take {needed:.0f} ms at {rate:g} Hz"

    return too_short


def _windows_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    needed = settings["fano_min_windows"] * settings["fano_window"]
    if duration < needed:
        return f"{settings['fano_min_windows']:g} windows of {settings['fano_window']:g} ms take {needed:g} ms"
    return spikes_lacking("fano_min_intervals")(duration, rate, settings)


STATISTICS = (
    Statistic(
        "rate",
        "firing rates, silent neurons included",
        {
            **spread_columns("rate", "Hz", "mean firing rate over neurons"),
            "silent_fraction": Column("1", "fraction of neurons without a spike"),
            "n_neurons_rate": Column("1", "neurons in rate", "integer"),
            "rate_hist": histogram_column("rate", "Hz", RATE_BINS),
        },
        rate,
        always=True,
        needs=sums_alone,
    ),
    Statistic(
        "cv_isi",
        "coefficient of variation of the inter-spike intervals",
        _columns("cv_isi", "CV of the inter-spike intervals (ddof 0)"),
        cv_isi,
        ("cv_min_spikes",),
        version=2,
        always=True,
        too_short=spikes_lacking("cv_min_spikes"),
        needs=sums_alone,
    ),
    Statistic(
        "cv2",
        "irregularity of neighbouring intervals (Holt et al. 1996)",
        _columns("cv2", "CV2 of the inter-spike intervals"),
        cv2,
        ("min_spikes",),
        always=True,
        too_short=spikes_lacking("min_spikes"),
        needs=sums_alone,
    ),
    Statistic(
        "lv",
        "local variation of the intervals (Shinomoto et al. 2003)",
        _columns("lv", "local variation of the inter-spike intervals"),
        lv,
        ("min_spikes",),
        always=True,
        too_short=spikes_lacking("min_spikes"),
        needs=sums_alone,
    ),
    Statistic(
        "lvr",
        "local variation revised for the refractory time (Shinomoto et al. 2009)",
        _columns("lvr", "local variation revised for the refractory time"),
        lvr,
        ("min_spikes",),
        always=True,
        too_short=spikes_lacking("min_spikes"),
        needs=sums_alone,
    ),
    Statistic(
        "fano_factor",
        "variance over mean of spike counts",
        _columns("fano_factor", "Fano factor of the spike counts (ddof 1)"),
        fano_factor,
        ("fano_window", "fano_min_windows", "fano_min_intervals"),
        version=2,
        always=True,
        too_short=_windows_lacking,
        needs=lambda settings: Needs(windows=frozenset({settings["fano_window"]})),
    ),
)
