"""Whether two simulators, runs or sets of seeds agree: their distance, with the distance between seeds as yardstick."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.agreement.difference import check_column, parts_of
from analysis.grids.grid import values_of
from analysis.opening.run import run_of

ENOUGH_SEEDS = 5  # of each, for a verdict
SIGNIFICANCE = 0.05
_MOST_PERMUTATIONS = 5000


def compare(
    table: pd.DataFrame,
    a: Any,
    b: Any,
    group_on: str = "configuration",
    statistics: Sequence[str] | None = None,
    replicate: str = "seed",
) -> pd.DataFrame:
    """Compare two groups of rows on the points that both have, statistic by statistic.

    Each seed of each group is one map. The distance between two maps is the mean absolute difference over their
    points, the Kolmogorov–Smirnov distance or the earth mover's distance of their values. Maps of the same group are
    the yardstick: the groups differ if maps of different groups are farther apart than those, more than when the
    seeds are dealt to the groups at random (a permutation test on the energy statistic of the absolute difference).

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    a, b : value
        Of the column `group_on`.
    group_on : str
        Any column that tells the two apart.
    statistics : sequence of str, optional
        Columns; those of the run by default.
    replicate : str
        Column of the replicates.

    Returns
    -------
    pandas.DataFrame
        A row per statistic: ``statistic``, ``n_points``, ``seeds_a``, ``seeds_b``; ``difference`` (mean of b − a),
        ``distance``, ``ks``, ``emd`` and, within the groups, ``distance_within``, ``ks_within``, ``emd_within``
        (medians over pairs of maps; distances in the unit of the statistic); ``kl`` (nats, of all values of b from
        those of a) and ``kl_within`` (median over pairs of seeds); ``p`` and ``p_smallest``, the least that these
        seeds could give; ``agrees`` (True, False, or None: cannot be told) and ``verdict`` in words.

    Raises
    ------
    RunError
        If there are no such rows or columns.

    References
    ----------
    Székely, G. J., & Rizzo, M. L. (2004). Testing for equal distributions in high dimension. InterStat 5.
    """
    check_column(table, replicate)
    parts = parts_of(table, group_on, (a, b))
    rows = []
    for statistic in statistic_columns(table) if statistics is None else statistics:
        maps_a, maps_b = (_maps(part, statistic, replicate) for part in parts)
        rows.append({"statistic": statistic, **_compare_maps(maps_a, maps_b, str(a), str(b))})
    found = pd.DataFrame(rows)
    found["agrees"] = pd.Series([row["agrees"] for row in rows], dtype=object)  # None is neither
    return found


def kl_divergence(values: NDArray[np.float64], reference: NDArray[np.float64], pseudo_count: float = 1.0) -> float:
    """Estimate the Kullback–Leibler divergence of `values` from `reference` in nats.

    Histograms on common bins over the support of both, of the Freedman–Diaconis width of all values, with a
    pseudo-count in every bin so that an empty one is not infinitely far away.

    Parameters
    ----------
    values, reference : ndarray of float
        Samples.
    pseudo_count : float
        Added to every bin.

    Returns
    -------
    float
        ≥ 0; NaN if either is empty.

    References
    ----------
    Freedman, D., & Diaconis, P. (1981). On the histogram as a density estimator. Zeitschrift für
    Wahrscheinlichkeitstheorie und verwandte Gebiete 57, 453–476.
    """
    if not len(values) or not len(reference):
        return math.nan
    edges = np.histogram_bin_edges(np.concatenate([values, reference]), bins="fd")
    p = np.histogram(values, edges)[0] + pseudo_count
    q = np.histogram(reference, edges)[0] + pseudo_count
    return float(stats.entropy(p / p.sum(), q / q.sum()))


def statistic_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of the statistics that were asked for and are there."""
    run = run_of(table)
    names = [f"{name}_{population}" for name in run.statistics for population in run.populations]
    return [name for name in (*names, *run.statistics) if name in table]


def _maps(table: pd.DataFrame, statistic: str, replicate: str) -> pd.DataFrame:
    """Return the values of the ok rows, a row per point of the grid and a column per replicate."""
    keys = [axis.key for axis in run_of(table).axes]
    long = table[[*keys, replicate]].assign(value=values_of(table, statistic))
    for key in keys:
        if long[key].dtype == object:  # vectors cannot be an index
            long[key] = [tuple(value) if isinstance(value, list | np.ndarray) else value for value in long[key]]
    long = long[(table["status"] == "ok").to_numpy() & np.isfinite(long["value"].to_numpy())]
    maps: pd.DataFrame = long.pivot_table(index=keys, columns=replicate, values="value", aggfunc="mean", observed=True)
    return maps


def _compare_maps(maps_a: pd.DataFrame, maps_b: pd.DataFrame, a: str, b: str) -> dict[str, Any]:
    # points that every map has: else a distance would be one of coverage
    both = maps_a.dropna().index.intersection(maps_b.dropna().index)
    values_a, values_b = maps_a.loc[both].to_numpy().T, maps_b.loc[both].to_numpy().T
    n_a, n_b = len(values_a), len(values_b)
    row: dict[str, Any] = {"n_points": len(both), "seeds_a": n_a, "seeds_b": n_b}
    if not len(both):
        return {**row, "agrees": None, "verdict": f"{a} and {b} have no point in common where it is defined."}
    maps = np.concatenate([values_a, values_b])
    size = len(maps)
    distance, ks, emd = (np.zeros((size, size)) for _ in range(3))
    for i, j in itertools.combinations(range(size), 2):
        distance[i, j] = distance[j, i] = np.abs(maps[i] - maps[j]).mean()
        ks[i, j] = ks[j, i] = stats.ks_2samp(maps[i], maps[j], method="asymp").statistic
        emd[i, j] = emd[j, i] = stats.wasserstein_distance(maps[i], maps[j])
    between = np.zeros((size, size), dtype=bool)
    between[:n_a, n_a:] = True
    within = np.zeros_like(between)
    within[:n_a, :n_a] = within[n_a:, n_a:] = True
    within &= np.triu(np.ones_like(within), 1)
    row["difference"] = float(values_b.mean() - values_a.mean())
    for name, matrix in (("distance", distance), ("ks", ks), ("emd", emd)):
        row[name] = float(np.median(matrix[between]))
        row[f"{name}_within"] = float(np.median(matrix[within])) if within.any() else math.nan
    row["kl"] = kl_divergence(values_b.ravel(), values_a.ravel())
    pairs = [kl_divergence(maps[i], maps[j]) for i, j in np.argwhere(within)]
    row["kl_within"] = float(np.median(pairs)) if pairs else math.nan
    row["p"], row["p_smallest"] = _permutation_test(distance, n_a) if min(n_a, n_b) > 1 else (math.nan, math.nan)
    return {**row, **_verdict(row, a, b)}


def _permutation_test(distance: NDArray[np.float64], n_a: int) -> tuple[float, float]:
    """Return the p value of the energy statistic under dealing the maps to the groups at random, and the least."""
    size = len(distance)
    observed = _energy(distance, np.arange(n_a))
    n_deals = math.comb(size, n_a)
    deals: Iterator[Sequence[int]]
    if n_deals <= _MOST_PERMUTATIONS:
        deals, count = itertools.combinations(range(size), n_a), n_deals
    else:
        random = np.random.default_rng(0)
        deals, count = (
            (random.permutation(size)[:n_a].tolist() for _ in range(_MOST_PERMUTATIONS - 1)),
            _MOST_PERMUTATIONS,
        )
    as_far = sum(_energy(distance, np.asarray(deal)) >= observed * (1 - 1e-12) - 1e-300 for deal in deals)
    if n_deals > _MOST_PERMUTATIONS:
        as_far += 1  # the deal that was observed
    # with groups of equal size a deal and its mirror image are the same
    return as_far / count, (2 if 2 * n_a == size else 1) / min(n_deals, count)


def _energy(distance: NDArray[np.float64], first: NDArray[np.int64]) -> float:
    chosen = np.zeros(len(distance), dtype=bool)
    chosen[first] = True
    n, m = chosen.sum(), (~chosen).sum()
    inside = distance[np.ix_(chosen, chosen)].sum() / (n * (n - 1)) + distance[np.ix_(~chosen, ~chosen)].sum() / (
        m * (m - 1)
    )
    return float(2 * distance[np.ix_(chosen, ~chosen)].mean() - inside)


def _verdict(row: Mapping[str, Any], a: str, b: str) -> dict[str, Any]:
    fewest = min(row["seeds_a"], row["seeds_b"])
    seeds = f"{row['seeds_a']} and {row['seeds_b']} seeds"
    if fewest < 2:
        return {
            "agrees": None,
            "verdict": f"Cannot be told from {seeds}: a difference of simulators looks like one of seeds. "
            f"It takes {ENOUGH_SEEDS} of each.",
        }
    measured = f"maps of {a} and {b} are {row['distance']:.3g} apart, maps of one of them {row['distance_within']:.3g}"
    if row["p"] <= SIGNIFICANCE:
        return {
            "agrees": False,
            "verdict": f"Differ by more than their seeds do: {measured} (p = {row['p']:.2g}, {seeds}).",
        }
    if fewest < ENOUGH_SEEDS:
        reason = (
            f"the smallest p that {seeds} could give is {row['p_smallest']:.2g}"
            if row["p_smallest"] > SIGNIFICANCE
            else f"{seeds} show only large differences"
        )
        return {
            "agrees": None,
            "verdict": f"No difference seen, but {reason}: {measured}. It takes {ENOUGH_SEEDS} of each.",
        }
    return {
        "agrees": True,
        "verdict": f"No more apart than their seeds are: {measured} (p = {row['p']:.2g}, {seeds}). "
        "A difference smaller than that between seeds would not show.",
    }
