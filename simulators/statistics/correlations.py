"""How much the neurons of a population fire together: pairwise correlation of counts, and population synchrony.

References
----------
Golomb, D. (2007). Neuronal synchrony measures. Scholarpedia 2(1):1347.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Measures
from simulators.statistics.measures.needs import Needs, sample_of
from simulators.statistics.measures.subsample import subsample
from simulators.statistics.spread import CORRELATION_BINS, histogram, histogram_column, spread, spread_columns
from simulators.statistics.statistic import Column, Setting, Statistic, Values

MIN_BINS = 20
"""Coarse bins below which correlations of coarse counts say nothing."""
_CHUNK = 16_384  # bins that are multiplied at a time: a table of all could be larger than memory
_EXACT = 2**24  # integers up to here are exact in single precision, which multiplies twice as fast


def correlation(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Pearson correlation of the spike counts of pairs of neurons, in fine and in coarse bins.

    Of a fixed subsample of neurons: of all pairs, and, if there are clusters, of those within a cluster and of those
    across clusters. Pairs in which a neuron's count never changes (as a silent neuron's) have no correlation: they
    are counted and left out. Of independent neurons the correlations scatter about 0 with SD 1/sqrt(n_bins): the
    mean over pairs of 10 s of activity is good for screening, the distribution over pairs needs 10 min.
    """
    neurons = subsample(spikes.extent.size, int(settings["correlation_neurons"]))
    clusters = neurons // spikes.extent.cluster_size
    pairs = np.arange(neurons.size)[:, None] < np.arange(neurons.size)
    together = (clusters[:, None] == clusters)[pairs]
    values: Values = {}
    for name, bin_size in (
        ("correlation", settings["correlation_bin"]),
        ("correlation_slow", settings["correlation_bin_slow"]),
    ):
        found = pair_correlations(spikes.count_table(neurons, bin_size))[pairs]
        defined = ~np.isnan(found)
        ascending = np.sort(found[defined])
        values |= spread(name, ascending)
        values[f"n_pairs_{name}"] = int(np.count_nonzero(defined))
        for suffix, chosen in (("_within", together), ("_between", ~together)):
            some = found[defined & chosen] if spikes.extent.n_clusters > 1 else np.zeros(0)
            values[f"{name}{suffix}"] = float(some.mean()) if some.size else float("nan")
            values[f"n_pairs_{name}{suffix}"] = int(some.size)
        values[f"n_pairs_{name}_undefined"] = int(np.count_nonzero(~defined))
        values[f"{name}_hist"] = histogram(ascending, CORRELATION_BINS)
    return values


def pair_correlations(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pearson correlation of the counts of all pairs of neurons.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_neurons, n_bins)
        Spike counts.

    Returns
    -------
    ndarray of float64, shape (n_neurons, n_neurons)
        NaN where a count never changes.
    """
    n_bins = counts.shape[1]
    sums = counts.sum(axis=1).astype(np.float64)
    # Integers, if in floats: counts that are all equal give exactly 0, and the order of the bins makes no difference.
    covariances: NDArray[np.float64] = n_bins * sums_of_products(counts) - np.outer(sums, sums)
    variances = covariances.diagonal()
    scales = np.full(sums.size, np.nan)
    np.divide(1.0, np.sqrt(variances), out=scales, where=variances > 0.0)
    covariances *= scales[:, None]
    covariances *= scales
    return covariances


def sums_of_products(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the products of the counts of all pairs of neurons over bins, exactly; shape (n_neurons, n_neurons)."""
    summed = np.zeros((counts.shape[0], counts.shape[0]))
    largest = int(counts.max(initial=0))
    for begin in range(0, counts.shape[1], _CHUNK):
        part = counts[:, begin : begin + _CHUNK]
        exact = largest * largest * part.shape[1] <= _EXACT
        part = part.astype(np.float32 if exact else np.float64)
        summed += part @ part.T
    return summed


def synchrony(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Synchrony χ² = Var_t⟨x⟩_i / ⟨Var_t x_i⟩_i of the spike counts x, minus the 1/N of N independent neurons.

    Silent neurons are in N; undefined for a single neuron and where no count ever changes.
    """
    size = spikes.extent.size
    population = spikes.count_population(settings["synchrony_bin"])
    n_bins = population.size
    counts, squares = spikes.window_squares(settings["synchrony_bin"])
    # In Python's integers, which do not overflow: what is 0 is 0.
    variance_of_sum = n_bins * _integer_sum(population * population) - _integer_sum(population) ** 2
    sum_of_variances = n_bins * _integer_sum(squares) - _integer_sum(counts * counts)
    if size < 2 or sum_of_variances == 0:
        return {"synchrony": float("nan"), "n_neurons_synchrony": 0}
    return {"synchrony": variance_of_sum / (size * sum_of_variances) - 1 / size, "n_neurons_synchrony": size}


def _integer_sum(values: NDArray[np.int64]) -> int:
    return int(values.sum())


SETTINGS: Mapping[str, Setting] = {
    "correlation_bin": Setting(2.0, "ms", "bin of the counts of correlation", "bin"),
    "correlation_bin_slow": Setting(50.0, "ms", "bin of the counts of correlation_slow", "bin"),
    "correlation_neurons": Setting(250, "1", "neurons drawn from a population for correlation", "integer", 2),
    "synchrony_bin": Setting(5.0, "ms", "bin of the counts of synchrony", "bin"),
}


def _correlation_columns(name: str, bins: str) -> dict[str, Column]:
    doc = f"correlation of counts in {bins} bins"
    columns = spread_columns(name, "1", f"{doc}, mean over all pairs", "pairs")
    columns[f"n_pairs_{name}"] = Column("1", f"pairs in {name}", "integer")
    for suffix, pairs in (("_within", "pairs in a cluster"), ("_between", "pairs across clusters")):
        columns[f"{name}{suffix}"] = Column("1", f"{doc}, mean over {pairs}")
        columns[f"n_pairs_{name}{suffix}"] = Column("1", f"pairs in {name}{suffix}", "integer")
    columns[f"n_pairs_{name}_undefined"] = Column("1", f"pairs left out of {name}: a count never changes", "integer")
    columns[f"{name}_hist"] = histogram_column(name, "1", CORRELATION_BINS, "pairs")
    return columns


def _bins_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    del rate
    needed = MIN_BINS * settings["correlation_bin_slow"]
    return None if duration >= needed else f"{MIN_BINS} bins of correlation_bin_slow take {needed:g} ms"


def _counts_of_synchrony(settings: Mapping[str, float]) -> Needs:
    width = frozenset({settings["synchrony_bin"]})
    return Needs(windows=width, population_bins=width)


def _synchrony_bins_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    del rate
    needed = MIN_BINS * settings["synchrony_bin"]
    return None if duration >= needed else f"{MIN_BINS} bins of synchrony_bin take {needed:g} ms"


STATISTICS = (
    Statistic(
        "correlation",
        "pairwise correlation of spike counts in fine and coarse bins, over all pairs, within and between clusters",
        _correlation_columns("correlation", "fine") | _correlation_columns("correlation_slow", "coarse"),
        correlation,
        ("correlation_bin", "correlation_bin_slow", "correlation_neurons"),
        always=True,
        too_short=_bins_lacking,
        needs=sample_of("correlation_neurons"),
    ),
    Statistic(
        "synchrony",
        "population synchrony (Golomb 2007)",
        {
            "synchrony": Column("1", "variance of the mean count over mean variance of counts, minus 1/N"),
            "n_neurons_synchrony": Column("1", "neurons in synchrony", "integer"),
        },
        synchrony,
        ("synchrony_bin",),
        always=True,
        too_short=_synchrony_bins_lacking,
        needs=_counts_of_synchrony,
    ),
)
