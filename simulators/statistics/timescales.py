"""How long activity remembers itself: autocorrelation time of single neurons, width of the cross-correlogram.

Both come from covariances of spike counts in bins some lag apart. Of a neuron with itself: its spikes make a peak at
lag 0 and its refractoriness a trough about it, and at longer lags there is what its rate does. Of a neuron with
others: shared fluctuations alone, on the time scale of shared input or oscillations.

References
----------
Murray, J. D., et al. (2014). A hierarchy of intrinsic timescales across primate cortex. Nat Neurosci 17, 1661-1663.
(Exponential with offset fitted to the autocorrelation of counts.)
Perkel, D. H., Gerstein, G. L., & Moore, G. P. (1967). Neuronal spike trains and stochastic point processes II.
Simultaneous spike trains. Biophys J 7, 419-440. (Cross-correlogram.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Measures
from simulators.statistics.measures.needs import sample_of
from simulators.statistics.measures.subsample import subsample
from simulators.statistics.statistic import Column, Setting, Statistic, TooShort, Values

NAN = float("nan")
SIGNIFICANCE = 5.0
"""Standard deviations by which a fit or a peak must exceed chance."""
N_TIMES = 256  # decay times that are tried, at equal ratios
MIN_LAGS = 5
"""Recordings must be longer than this many times the largest lag."""


def autocorrelation_time(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Decay time of the autocovariance of single neurons' counts, averaged over neurons (Murray et al. 2014).

    Of ``A (exp(-lag / time) + B)``, fitted from ``autocorrelation_min_lag`` on, beyond refractoriness; the offset B
    takes up what is much slower. Of a fixed subsample of neurons. Undefined where A is not beyond chance, where an
    exponential does not describe what is there, and where the best decay time is shorter than a bin or longer than
    the largest lag.
    """
    undefined: Values = {"autocorrelation_time": NAN, "n_neurons_autocorrelation_time": 0}
    bin_size = settings["autocorrelation_bin"]
    n_lags = math.floor(settings["autocorrelation_max_lag"] / bin_size + 1e-6)
    first = max(1, math.ceil(settings["autocorrelation_min_lag"] / bin_size - 1e-6))
    n_bins = spikes.extent.n_bins(bin_size)
    if n_bins < MIN_LAGS * n_lags or n_lags - first < 4:
        return undefined
    neurons = subsample(spikes.extent.size, int(settings["autocorrelation_neurons"]))
    means = spikes.count_table(neurons, bin_size).sum(axis=1) / n_bins
    lags = np.arange(first, n_lags + 1)
    products = spikes.coincidences(neurons, bin_size, n_lags)[first:] / (n_bins - lags)
    chance = math.sqrt(float(np.square(means).sum() / n_bins))
    if chance == 0.0:
        return undefined
    time = fit_decay((products - np.square(means).sum()) / chance, lags)
    if time is None:
        return undefined
    return {"autocorrelation_time": time * bin_size, "n_neurons_autocorrelation_time": int(np.count_nonzero(means))}


def fit_decay(values: NDArray[np.float64], lags: NDArray[np.int64]) -> float | None:
    """Fit an exponential and an offset by least squares.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        In standard deviations of chance.
    lags : ndarray of int64, shape (n,)
        Ascending.

    Returns
    -------
    float or None
        Decay time in units of the lags; None if nothing decays beyond chance, or not as an exponential does, or within
        less than one or more than the largest lag.
    """
    times = np.geomspace(0.5, 2.0 * lags[-1], N_TIMES)
    shapes = np.exp(-lags / times[:, None])
    shapes -= shapes.mean(axis=1, keepdims=True)
    centred = values - values.mean()
    amplitudes = shapes @ centred / np.square(shapes).sum(axis=1)
    explained = np.where(amplitudes > 0.0, amplitudes * (shapes @ centred), 0.0)
    best = int(np.argmax(explained))
    rest = float(np.square(centred).sum() - explained[best])
    if explained[best] < SIGNIFICANCE**2 or explained[best] < rest - lags.size:
        return None
    if 0 < best < N_TIMES - 1:
        left, middle, right = explained[best - 1 : best + 2]
        curvature = left - 2.0 * middle + right
        offset = 0.5 * (left - right) / curvature if curvature < 0.0 else 0.0
    else:
        offset = 0.0
    time = float(times[best] * (times[1] / times[0]) ** offset)
    return time if 1.0 <= time <= lags[-1] else None


def correlogram_width(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Full width at half height of the central peak of the cross-correlogram, the mean over all pairs of neurons.

    The cross-covariance of counts as a function of lag, about 0. Of all pairs of a fixed subsample of neurons, as only
    the counts of all together and of each alone are needed. Undefined where the peak is not beyond chance, or wider
    than twice the largest lag.
    """
    bin_size = settings["correlogram_bin"]
    n_lags = math.floor(settings["correlogram_max_lag"] / bin_size + 1e-6)
    neurons = subsample(spikes.extent.size, int(settings["correlogram_neurons"]))
    undefined: Values = {"correlogram_width": NAN, "n_neurons_correlogram_width": 0}
    if neurons.size < 2 or n_lags < 1 or spikes.extent.n_bins(bin_size) < MIN_LAGS * n_lags:
        return undefined
    covariances, chance = pair_covariances(spikes, neurons, bin_size, n_lags)
    below = np.flatnonzero(covariances < covariances[0] / 2.0)
    if covariances[0] <= SIGNIFICANCE * chance or not below.size:
        return undefined
    k = int(below[0])
    # The half height is crossed on the line between two lags.
    part = (covariances[k - 1] - covariances[0] / 2.0) / (covariances[k - 1] - covariances[k])
    return {
        "correlogram_width": float(2.0 * (k - 1 + part) * bin_size),
        "n_neurons_correlogram_width": neurons.size,
    }


def pair_covariances(
    spikes: Measures, neurons: NDArray[np.int64], bin_size: float, n_lags: int
) -> tuple[NDArray[np.float64], float]:
    """Cross-covariance of counts, summed over all ordered pairs of different neurons.

    Parameters
    ----------
    spikes : Measures
        The spikes.
    neurons : ndarray of int64, shape (n,)
        The neurons to pair, ascending.
    bin_size : float
        ms.
    n_lags : int
        Largest lag in bins; less than the bins there are.

    Returns
    -------
    covariances : ndarray of float64, shape (n_lags + 1,)
        By lag.
    chance : float
        Standard deviation of the one at lag 0 if all neurons were independent.
    """
    n_bins = spikes.extent.n_bins(bin_size)
    owners, steps = spikes.spikes_of(neurons)
    bins = steps // spikes.extent.bin_steps(bin_size)
    together = np.bincount(bins, minlength=n_bins + 1)[:n_bins]
    counts = np.bincount(owners[bins < n_bins], minlength=neurons.size)
    # The product of all with all, minus that of each neuron with itself: integers up to here.
    products = np.array([together[: n_bins - lag] @ together[lag:] for lag in range(n_lags + 1)])
    own = spikes.coincidences(neurons, bin_size, n_lags)
    own_means = float(np.square(counts / n_bins).sum())
    covariances = (products - own) / (n_bins - np.arange(n_lags + 1)) - (float(counts.sum() / n_bins) ** 2 - own_means)
    return covariances, math.sqrt(2.0 / n_bins) * (float(own[0]) / n_bins - own_means)


def _lags_lacking(setting: str) -> TooShort:
    def too_short(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
        del rate
        needed = MIN_LAGS * settings[setting]
        return None if duration >= needed else f"{MIN_LAGS} times {setting} are {needed:g} ms"

    return too_short


SETTINGS: Mapping[str, Setting] = {
    "autocorrelation_bin": Setting(10.0, "ms", "bin of the counts of autocorrelation_time", "bin"),
    "autocorrelation_min_lag": Setting(20.0, "ms", "lag from which on the decay is fitted", "real"),
    "autocorrelation_max_lag": Setting(500.0, "ms", "largest lag of autocorrelation_time", "real"),
    "autocorrelation_neurons": Setting(
        1000, "1", "neurons drawn from a population for autocorrelation_time", "integer", 1
    ),
    "correlogram_bin": Setting(2.0, "ms", "bin of the counts of correlogram_width", "bin"),
    "correlogram_neurons": Setting(2000, "1", "neurons drawn from a population for correlogram_width", "integer", 2),
    "correlogram_max_lag": Setting(100.0, "ms", "largest lag of correlogram_width", "real"),
}

STATISTICS = (
    Statistic(
        "autocorrelation_time",
        "decay time of the autocorrelation of single neurons' spike counts (Murray et al. 2014)",
        {
            "autocorrelation_time": Column("ms", "decay time of the mean autocovariance of single neurons' counts"),
            "n_neurons_autocorrelation_time": Column("1", "neurons in autocorrelation_time", "integer"),
        },
        autocorrelation_time,
        ("autocorrelation_bin", "autocorrelation_min_lag", "autocorrelation_max_lag", "autocorrelation_neurons"),
        always=True,
        too_short=_lags_lacking("autocorrelation_max_lag"),
        needs=sample_of("autocorrelation_neurons"),
    ),
    Statistic(
        "correlogram_width",
        "width of the mean cross-correlogram of pairs of neurons",
        {
            "correlogram_width": Column("ms", "full width at half height of the mean cross-correlogram of pairs"),
            "n_neurons_correlogram_width": Column("1", "neurons in correlogram_width", "integer"),
        },
        correlogram_width,
        ("correlogram_bin", "correlogram_max_lag", "correlogram_neurons"),
        always=True,
        too_short=_lags_lacking("correlogram_max_lag"),
        needs=sample_of("correlogram_neurons"),
    ),
)
