"""In how many dimensions the activity of a population moves: the participation ratio of its count covariances.

``(tr C)² / tr(C²)`` for the covariance matrix C of spike counts: N for N independent neurons of one variance, 1 if all
follow one signal. Taken from a recording as it stands it is far too low, as chance covariances add up in ``tr(C²)``:
n bins cannot show more than n - 1 dimensions. Here what chance adds is taken off, so that the expectation of
numerator and denominator hardly depends on the length of the recording.

References
----------
Mazzucato, L., Fontanini, A., & La Camera, G. (2016). Stimuli reduce the dimensionality of cortical activity. Front
Syst Neurosci 10, 11.
Gao, P., et al. (2017). A theory of multineuronal dimensionality, dynamics and measurement. bioRxiv 214262.
Ledoit, O., & Wolf, M. (2002). Some hypothesis tests for the covariance matrix when the dimension is large compared to
the sample size. Ann Stat 30, 1081-1102. (Expectation of the traces.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.correlations import subsample, sums_of_products
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.statistic import Column, Setting, Statistic, Values

MIN_BINS = 20


def dimensionality(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Participation ratio of the covariances of counts of a fixed subsample of neurons, free of bias by length.

    Undefined for fewer than 20 bins, and where fewer than two neurons' counts change. Chance can carry it somewhat
    above the number of neurons, and where covariances are all chance, make it undefined.
    """
    undefined: Values = {"dimensionality": float("nan"), "n_neurons_dimensionality": 0}
    if spikes.n_bins(settings["dimensionality_bin"]) < MIN_BINS:
        return undefined
    neurons = subsample(spikes.trains.size, int(settings["correlation_neurons"]))
    counts = spikes.count_table(neurons, settings["dimensionality_bin"])
    counts = counts[(counts != counts[:, :1]).any(axis=1)]
    ratio = participation_ratio(counts) if counts.shape[0] >= 2 else None
    if ratio is None:
        return undefined
    return {"dimensionality": ratio, "n_neurons_dimensionality": counts.shape[0]}


def participation_ratio(counts: NDArray[np.int64]) -> float | None:
    """Estimate ``(tr C)² / tr(C²)`` of the covariance matrix C that counts are drawn with.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_neurons, n_bins)
        At least 4 bins.

    Returns
    -------
    float or None
        None if the estimate of ``tr(C²)`` is not positive.
    """
    n = counts.shape[1]
    freedom = n - 1.0
    sums = counts.sum(axis=1).astype(np.float64)
    covariances = (sums_of_products(counts) - np.outer(sums, sums) / n) / freedom
    variances = covariances.diagonal()
    # Of a product of two variances, chance takes what it does for normal variables (Ledoit & Wolf 2002) ...
    squares = np.square(covariances).sum() - np.square(variances).sum()
    products = variances.sum() ** 2 - np.square(variances).sum()
    off_diagonal = freedom**2 / ((freedom - 1.0) * (freedom + 2.0)) * (squares - products / freedom)
    # ... and of a squared variance what the fourth k-statistic says: counts are far from normal.
    deviations = np.square(counts - sums[:, None] / n)
    second, fourth = deviations.mean(axis=1), np.square(deviations).mean(axis=1)
    k4 = n**2 * ((n + 1.0) * fourth - 3.0 * freedom * second**2) / (freedom * (n - 2.0) * (n - 3.0))
    diagonal = float(((variances**2 - k4 / n) * freedom / (n + 1.0)).sum())
    denominator = diagonal + off_diagonal
    numerator = diagonal + products - 2.0 / freedom * off_diagonal
    return float(numerator / denominator) if denominator > 0.0 else None


def _bins_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    del rate
    needed = MIN_BINS * settings["dimensionality_bin"]
    return None if duration >= needed else f"{MIN_BINS} bins of dimensionality_bin take {needed:g} ms"


SETTINGS: Mapping[str, Setting] = {
    "dimensionality_bin": Setting(50.0, "ms", "bin of the counts of dimensionality", "bin"),
}

STATISTICS = (
    Statistic(
        "dimensionality",
        "participation ratio of the covariances of spike counts",
        {
            "dimensionality": Column("1", "participation ratio of count covariances, of the neurons drawn"),
            "n_neurons_dimensionality": Column("1", "neurons in dimensionality: those whose counts change", "integer"),
        },
        dimensionality,
        ("dimensionality_bin", "correlation_neurons"),
        always=True,
        too_short=_bins_lacking,
    ),
)
