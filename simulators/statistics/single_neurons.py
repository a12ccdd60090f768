"""Statistics of single neurons' spike trains, averaged over a population: rate, irregularity, count variability.

Each function takes the sorted spikes and the settings (`simulators.statistics.SETTINGS`) and returns its columns
without the name of the population. What is undefined is NaN; neurons for which it is undefined are left out of a
mean, and ``n_neurons_*`` says how many are in it.

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

from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.statistic import Column, Setting, Statistic, Values

QUANTILES = {"rate_q05": 0.05, "rate_q50": 0.50, "rate_q95": 0.95}


def rate(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Firing rates ``n_i / T`` in Hz over all neurons, silent ones included; SD with ddof 0."""
    del settings
    rates = spikes.counts / (spikes.trains.duration * 1e-3)
    quantiles = np.quantile(rates, list(QUANTILES.values()))
    return {
        "rate": float(rates.mean()),
        "rate_sd": float(rates.std()),
        **{name: float(value) for name, value in zip(QUANTILES, quantiles, strict=True)},
        "silent_fraction": float((spikes.counts == 0).mean()),
        "n_neurons_rate": spikes.trains.size,
    }


def cv_isi(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Coefficient of variation of the intervals, SD (ddof 0) over mean, of each neuron.

    A slowly changing rate, as of a neuron in a cluster, raises it; `lv` and `cv2` hardly see such changes.
    """
    n_intervals = np.maximum(spikes.counts - 1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = spikes.sum_per_neuron(spikes.intervals) / n_intervals
        # The variance is taken about the mean, not from sums of squares: it is 0 for a clock, not about 0.
        deviations = spikes.intervals - np.repeat(means, spikes.counts)
        deviations[spikes.lasts] = 0.0
        deviations *= deviations
        values = np.sqrt(spikes.sum_per_neuron(deviations) / n_intervals) / means
    return _mean_over_neurons("cv_isi", values, spikes, settings)


def cv2(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """CV2, the mean of ``2 |I_k - I_k+1| / (I_k + I_k+1)`` of each neuron (Holt et al. 1996)."""
    return _mean_over_pairs("cv2", 2.0, np.abs(spikes.pair_contrasts), spikes, settings)


def lv(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Local variation, the mean of ``3 ((I_k - I_k+1) / (I_k + I_k+1))²`` of each neuron (Shinomoto et al. 2003)."""
    return _mean_over_pairs("lv", 3.0, np.square(spikes.pair_contrasts), spikes, settings)


def lvr(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Local variation revised for the refractory time R (Shinomoto et al. 2009).

    The mean of ``3 ((I_k - I_k+1) / (I_k + I_k+1))² (1 + 4 R / (I_k + I_k+1))`` of each neuron; R is the
    population's refractory time.
    """
    refractory_steps = spikes.trains.t_ref / spikes.trains.dt
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.divide(4.0 * refractory_steps, spikes.pair_sums)
        terms += 1.0
        terms *= spikes.pair_contrasts
        terms *= spikes.pair_contrasts
    spikes.clear_pairs(terms)
    return _mean_over_pairs("lvr", 3.0, terms, spikes, settings)


def fano_factor(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Variance (ddof 0) over mean of each neuron's counts in windows side by side, of neurons that fire in them.

    At least two windows must fit into the recording; what is left at its end is dropped.
    """
    counts = spikes.count_spikes(settings["fano_window"], spikes.trains.size)
    if counts.shape[1] < 2:
        return {"fano_factor": float("nan"), "n_neurons_fano_factor": 0}
    sums = counts.sum(axis=1)
    squares = np.einsum("ij,ij->i", counts, counts)
    fired = sums > 0
    # Integers up to the division: equal counts give 0.
    values = (counts.shape[1] * squares - sums**2)[fired] / (counts.shape[1] * sums[fired])
    return _mean("fano_factor", values)


def _mean_over_pairs(
    name: str, factor: float, terms: NDArray[np.float64], spikes: SortedTrains, settings: Mapping[str, float]
) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = factor * spikes.sum_per_neuron(terms) / np.maximum(spikes.counts - 2, 0)
    return _mean_over_neurons(name, values, spikes, settings)


def _mean_over_neurons(
    name: str, values: NDArray[np.float64], spikes: SortedTrains, settings: Mapping[str, float]
) -> Values:
    return _mean(name, values[(spikes.counts >= settings["min_spikes"]) & ~np.isnan(values)])


def _mean(name: str, values: NDArray[np.float64]) -> Values:
    mean = float(values.mean()) if values.size else float("nan")
    return {name: mean, f"n_neurons_{name}": int(values.size)}


SETTINGS: Mapping[str, Setting] = {
    "min_spikes": Setting(3, "1", "fewest spikes of a neuron that counts in cv_isi, cv2, lv and lvr", "integer", 3),
    "fano_window": Setting(400.0, "ms", "window of the counts of fano_factor", "bin"),
}


def _one_column(name: str, doc: str) -> dict[str, Column]:
    return {
        name: Column("1", f"{doc}, mean over neurons"),
        f"n_neurons_{name}": Column("1", f"neurons in {name}"),
    }


STATISTICS = (
    Statistic(
        "rate",
        "firing rates, silent neurons included",
        {
            "rate": Column("Hz", "mean firing rate over neurons"),
            "rate_sd": Column("Hz", "standard deviation of the firing rate over neurons (ddof 0)"),
            "rate_q05": Column("Hz", "5 % quantile of the firing rate over neurons"),
            "rate_q50": Column("Hz", "median of the firing rate over neurons"),
            "rate_q95": Column("Hz", "95 % quantile of the firing rate over neurons"),
            "silent_fraction": Column("1", "fraction of neurons without a spike"),
            "n_neurons_rate": Column("1", "neurons in rate"),
        },
        rate,
    ),
    Statistic(
        "cv_isi",
        "coefficient of variation of the inter-spike intervals",
        _one_column("cv_isi", "CV of the inter-spike intervals (ddof 0)"),
        cv_isi,
    ),
    Statistic(
        "cv2",
        "irregularity of neighbouring intervals (Holt et al. 1996)",
        _one_column("cv2", "CV2 of the inter-spike intervals"),
        cv2,
    ),
    Statistic(
        "lv",
        "local variation of the intervals (Shinomoto et al. 2003)",
        _one_column("lv", "local variation of the inter-spike intervals"),
        lv,
    ),
    Statistic(
        "lvr",
        "local variation revised for the refractory time (Shinomoto et al. 2009)",
        _one_column("lvr", "local variation revised for the refractory time"),
        lvr,
    ),
    Statistic(
        "fano_factor",
        "variance over mean of spike counts",
        _one_column("fano_factor", "Fano factor of the spike counts (ddof 0)"),
        fano_factor,
    ),
)
