"""How much the neurons of a population fire together: pairwise correlation of counts, and population synchrony.

References
----------
Golomb, D. (2007). Neuronal synchrony measures. Scholarpedia 2(1):1347.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.statistic import Column, Setting, Statistic, Values

SEED = 20230203
"""Of the subsample: the same neurons for every point, seed and simulator."""


@dataclass(frozen=True)
class StandardCounts:
    """Counts in bins over their standard deviation; the cells that hold spikes.

    Parameters
    ----------
    varying : ndarray of bool, shape (n_neurons,)
        Whether a neuron's count changes; others are left out.
    owners, bins : ndarray of int64, shape (n_cells,)
        Neuron and bin of a cell.
    values : ndarray of float64, shape (n_cells,)
        Count over standard deviation (ddof 0).
    n_bins : int
        Bins there are.
    """

    varying: NDArray[np.bool_]
    owners: NDArray[np.int64]
    bins: NDArray[np.int64]
    values: NDArray[np.float64]
    n_bins: int


def correlation(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Mean Pearson correlation of the spike counts of pairs of neurons, in fine and in coarse bins.

    Of a fixed subsample of neurons: of all pairs, and, if there are clusters, of those within a cluster and of those
    across clusters. Pairs in which a neuron's count never changes (as a silent neuron's) have no correlation: they
    are counted and left out. Estimates from 10 s of activity are good for screening, not for the distribution over
    pairs, which needs 10 min.
    """
    neurons = subsample(spikes.trains.size, int(settings["correlation_neurons"]))
    clusters = neurons // spikes.trains.cluster_size
    values: Values = {}
    for name, bin_size in (
        ("correlation", settings["correlation_bin"]),
        ("correlation_slow", settings["correlation_bin_slow"]),
    ):
        counts = _standardise(spikes, neurons, bin_size)
        total, n_pairs = _sum_pairs(counts, np.zeros_like(clusters))
        within, n_within = _sum_pairs(counts, clusters) if spikes.trains.n_clusters > 1 else (0.0, 0)
        n_between = n_pairs - n_within if spikes.trains.n_clusters > 1 else 0
        for suffix, summed, n in (
            ("", total, n_pairs),
            ("_within", within, n_within),
            ("_between", total - within, n_between),
        ):
            values[f"{name}{suffix}"] = summed / n if n else float("nan")
            values[f"n_pairs_{name}{suffix}"] = n
        values[f"n_pairs_{name}_undefined"] = neurons.size * (neurons.size - 1) // 2 - n_pairs
    return values


def synchrony(spikes: SortedTrains, settings: Mapping[str, float]) -> Values:
    """Synchrony χ² = Var_t⟨x⟩_i / ⟨Var_t x_i⟩_i of the spike counts x, minus the 1/N of N independent neurons.

    Silent neurons are in N; undefined for a single neuron and where no count ever changes.
    """
    size = spikes.trains.size
    population = spikes.count_spikes(settings["synchrony_bin"], 1)[0]
    n_bins = population.size
    counts, squares = spikes.count_squares(settings["synchrony_bin"])
    # In Python's integers, which do not overflow: what is 0 is 0.
    variance_of_sum = n_bins * _integer_sum(population * population) - _integer_sum(population) ** 2
    sum_of_variances = n_bins * squares - _integer_sum(counts * counts)
    if size < 2 or sum_of_variances == 0:
        return {"synchrony": float("nan"), "n_neurons_synchrony": 0}
    return {"synchrony": variance_of_sum / (size * sum_of_variances) - 1 / size, "n_neurons_synchrony": size}


def subsample(size: int, n: int) -> NDArray[np.int64]:
    """Choose `n` of `size` neurons (or all, if there are not as many), always the same, ascending."""
    # Raw draws of a bit generator are the same in every version of numpy; those of a Generator need not be.
    draws = np.random.PCG64(SEED).random_raw(size)
    return np.sort(np.argsort(draws, kind="stable")[:n])


def _standardise(spikes: SortedTrains, neurons: NDArray[np.int64], bin_size: float) -> StandardCounts:
    """Divide counts by their standard deviation over time."""
    n_bins = spikes.n_bins(bin_size)
    owners, steps = spikes.spikes_of(neurons)
    bins = steps // spikes.bin_steps(bin_size)
    cells, counts = np.unique((owners * n_bins + bins)[bins < n_bins], return_counts=True)
    owners, bins = np.divmod(cells, max(n_bins, 1))
    sums = np.bincount(owners, weights=counts, minlength=neurons.size)
    squares = np.bincount(owners, weights=counts * counts, minlength=neurons.size)
    # Integers, if in floats: counts that are all equal give exactly 0.
    variances = n_bins * squares - sums * sums
    varying = variances > 0.0
    kept = varying[owners]
    owners, bins = owners[kept], bins[kept]
    return StandardCounts(varying, owners, bins, counts[kept] * n_bins / np.sqrt(variances[owners]), n_bins)


def _sum_pairs(counts: StandardCounts, groups: NDArray[np.int64]) -> tuple[float, int]:
    """Sum the correlations of all pairs of neurons of the same group, and count the pairs.

    With standardised counts z, the variance of the sum of z over n neurons is n plus twice the sum of the
    correlations of their pairs: so no pair has to be looked at.
    """
    sizes = np.bincount(groups[counts.varying])
    n_pairs = int((sizes * (sizes - 1) // 2).sum())
    if n_pairs == 0:
        return 0.0, 0
    group = groups[counts.owners]
    _, cell = np.unique(group * counts.n_bins + counts.bins, return_inverse=True)
    in_cell = np.bincount(cell, weights=counts.values)
    in_group = np.bincount(group, weights=counts.values)
    variance = (np.square(in_cell).sum() - np.square(in_group).sum() / counts.n_bins) / counts.n_bins
    return float(variance - sizes.sum()) / 2.0, n_pairs


def _integer_sum(values: NDArray[np.int64]) -> int:
    return int(values.sum())


SETTINGS: Mapping[str, Setting] = {
    "correlation_bin": Setting(2.0, "ms", "bin of the counts of correlation", "bin"),
    "correlation_bin_slow": Setting(50.0, "ms", "bin of the counts of correlation_slow", "bin"),
    "correlation_neurons": Setting(250, "1", "neurons drawn from a population for correlation", "integer", 2),
    "synchrony_bin": Setting(5.0, "ms", "bin of the counts of synchrony", "bin"),
}


def _correlation_columns(name: str, bins: str) -> dict[str, Column]:
    columns = {}
    for suffix, pairs in (("", "all pairs"), ("_within", "pairs in a cluster"), ("_between", "pairs across clusters")):
        columns[f"{name}{suffix}"] = Column("1", f"correlation of counts in {bins} bins, mean over {pairs}")
        columns[f"n_pairs_{name}{suffix}"] = Column("1", f"pairs in {name}{suffix}")
    columns[f"n_pairs_{name}_undefined"] = Column("1", f"pairs left out of {name}: a count never changes")
    return columns


STATISTICS = (
    Statistic(
        "correlation",
        "pairwise correlation of spike counts in fine and coarse bins, over all pairs, within and between clusters",
        _correlation_columns("correlation", "fine") | _correlation_columns("correlation_slow", "coarse"),
        correlation,
    ),
    Statistic(
        "synchrony",
        "population synchrony (Golomb 2007)",
        {
            "synchrony": Column("1", "variance of the mean count over mean variance of counts, minus 1/N"),
            "n_neurons_synchrony": Column("1", "neurons in synchrony"),
        },
        synchrony,
    ),
)
