"""In how many dimensions the activity of a population moves: the participation ratio of its count covariances.

``(tr C)² / tr(C²)`` for the covariance matrix C of spike counts: N for N independent neurons of one variance, 1 if all
follow one signal. Taken from a recording as it stands it is far too low, as chance covariances add up in ``tr(C²)``:
n bins cannot show more than n - 1 dimensions. Chance covariances of different parts of a recording have nothing in
common, though, so here only products of covariances from different blocks of bins are summed, over all pairs of blocks.
The estimate then hardly depends on the length of the recording. Blocks must be long against what the activity
remembers; where it remembers more, the estimate is too low, as it is for a population of clocks.

References
----------
Mazzucato, L., Fontanini, A., & La Camera, G. (2016). Stimuli reduce the dimensionality of cortical activity. Front
Syst Neurosci 10, 11.
Gao, P., et al. (2017). A theory of multineuronal dimensionality, dynamics and measurement. bioRxiv 214262.
Hoeffding, W. (1948). A class of statistics with asymptotically normal distribution. Ann Math Stat 19, 293-325. (Means
over all pairs of independent parts are free of bias.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.correlations import sums_of_products
from simulators.statistics.measures.measures import Measures
from simulators.statistics.measures.needs import sample_of
from simulators.statistics.measures.subsample import subsample
from simulators.statistics.statistic import Column, Setting, Statistic, Values

BLOCK = 10
"""Bins in a block."""
MIN_BLOCKS = 6


def dimensionality(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Participation ratio of the covariances of counts of a fixed subsample of neurons, free of bias by length.

    Undefined for fewer than 6 blocks of 10 bins, and where fewer than two neurons' counts change. Chance can carry it
    somewhat above the number of neurons.
    """
    undefined: Values = {"dimensionality": float("nan"), "n_neurons_dimensionality": 0}
    if spikes.extent.n_bins(settings["dimensionality_bin"]) < MIN_BLOCKS * BLOCK:
        return undefined
    neurons = subsample(spikes.extent.size, int(settings["correlation_neurons"]))
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
        At least two blocks of bins; what does not fill a block is dropped.

    Returns
    -------
    float or None
        None if the estimate of ``tr(C²)`` is not positive, so that nothing but chance is there.
    """
    size, n_blocks = counts.shape[0], counts.shape[1] // BLOCK
    n = n_blocks * BLOCK
    counts = counts[:, :n]
    sums = counts.sum(axis=1).astype(np.float64)
    # Of products about the mean, D of a block: the sum over all blocks, exactly but for the division ...
    whole = sums_of_products(counts) - np.outer(sums, sums) / n
    # ... and of each block, between bins rather than neurons, as tr(D²) is the same.
    blocks = counts.reshape(size, n_blocks, BLOCK).transpose(1, 2, 0).astype(np.float64)
    projections = blocks @ sums / n
    bins = blocks @ blocks.transpose(0, 2, 1) - projections[:, :, None] - projections[:, None, :] + sums @ sums / n**2
    traces = np.trace(bins, axis1=1, axis2=2)
    numerator = traces.sum() ** 2 - np.square(traces).sum()
    # The mean that all blocks share adds this to the products of different ones.
    of_mean = numerator / n**2
    denominator = np.square(whole).sum() - np.square(bins).sum() - of_mean
    return float(numerator / denominator) if denominator > 0.0 else None


def _bins_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    del rate
    needed = MIN_BLOCKS * BLOCK * settings["dimensionality_bin"]
    return None if duration >= needed else f"{MIN_BLOCKS * BLOCK} bins of dimensionality_bin take {needed:g} ms"


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
        needs=sample_of("correlation_neurons"),
    ),
)
