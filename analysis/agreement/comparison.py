"""Whether two simulators, runs or sets of seeds agree: their distance, with the distance between seeds as yardstick."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.agreement.difference import check_column, parts_of
from analysis.agreement.distances import common_bins, kl_divergence
from analysis.agreement.equivalence import Equivalence, assess_equivalence
from analysis.agreement.permutations import adjusted_p_values
from analysis.agreement.verdicts import verdict_of
from analysis.deciding.targets import Targets, scale_of, targets_of
from analysis.grids.columns import main_columns, values_of
from analysis.grids.dimensions import plain
from analysis.grids.levels import take_levels
from analysis.opening.run import run_of

_MARGIN = 0.2  # of the scale of a target: a tenth of its width


def compare(
    table: pd.DataFrame,
    a: Any,
    b: Any,
    group_on: str = "configuration",
    statistics: Sequence[str] | None = None,
    replicate: str = "seed",
    margin: float | Mapping[str, float] | None = None,
    targets: Targets | None = None,
) -> pd.DataFrame:
    """Compare two groups of rows on the points that both have, statistic by statistic.

    Two questions are answered. *Do they differ?* Each seed of each group is one map. The distance between two maps is
    the mean absolute difference over their points; maps of one group are the yardstick. The groups differ if maps of
    different groups are farther apart than those, more than when the seeds are dealt to the groups at random (a
    permutation test on the energy statistic). *Are they the same, as far as it matters?* They are equivalent if the
    confidence interval of their mean difference lies within a margin (two one-sided tests); not to have seen a
    difference is no proof of that.

    A point counts if each group has a value of it in any seed. Where seeds are missing, how far a map is shifted as a
    whole is estimated by least squares from the points it has, so that a map without the loud points is no quiet map.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    a, b : value
        Of the column `group_on`.
    group_on : str
        Any column that tells the two apart.
    statistics : sequence of str, optional
        Columns; the main ones of the run by default.
    replicate : str
        Column of the replicates.
    margin : float or mapping of str to float, optional
        Difference that does not matter, in the unit of the statistic (or by statistic). Where none is given, a tenth
        of the width of the target on the statistic (of a value, a fifth of its tolerance), if there is one.
    targets
        As in `deciding.targets_of`; those of the run by default.

    Returns
    -------
    pandas.DataFrame
        A row per statistic: ``statistic``; ``n_points`` compared, of which ``n_incomplete`` lack seeds, and ``only_a``,
        ``only_b``, where one group alone has values; ``seeds_a``, ``seeds_b``; ``difference`` (mean of b − a) with its
        90 % interval ``difference_low``, ``difference_high``; ``margin``, ``p_equivalent`` (of the two one-sided tests)
        and ``equivalent``; ``distance``, ``ks`` (Kolmogorov–Smirnov), ``emd`` (earth mover's) and ``kl`` (nats) between
        maps of different groups and ``…_within`` between maps of one, each the median over pairs; ``p``,
        ``p_adjusted`` for the number of statistics, and ``p_smallest``, the least that these seeds could give;
        ``agrees`` (True: no difference seen by tests that could have, False, or None: cannot be told) and ``verdict``
        in words.

    Raises
    ------
    RunError
        If there are no such rows or columns.

    References
    ----------
    Székely, G. J., & Rizzo, M. L. (2004). Testing for equal distributions in high dimension. InterStat 5.
    Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power approach. Journal of
    Pharmacokinetics and Biopharmaceutics 15, 657–680.
    Westfall, P. H., & Young, S. S. (1993). Resampling-Based Multiple Testing. Wiley. Section 2.6.
    """
    check_column(table, replicate)
    parts = parts_of(table, group_on, (a, b))
    names = main_columns(table) if statistics is None else list(statistics)
    margins = _margins(table, names, margin, targets)
    pairs = [_pair(parts, statistic, replicate) for statistic in names]
    tests = adjusted_p_values([pair.distance for pair in pairs], [pair.n_a for pair in pairs])
    rows = []
    for statistic, pair, test in zip(names, pairs, tests, strict=True):
        row = {"statistic": statistic, **pair.row(margins.get(statistic, math.nan)), **test}
        rows.append(row | verdict_of(row, str(a), str(b), len(names)))
    found = pd.DataFrame(rows)
    for name in ("agrees", "equivalent"):  # None is neither
        found[name] = pd.Series([row[name] for row in rows], dtype=object)
    return found


@dataclass(frozen=True)
class _Pair:
    """Maps of two groups: a row per seed, those of the first group first, and a column per point; NaN where none is."""

    maps: NDArray[np.float64]
    n_a: int
    only: tuple[int, int]

    @property
    def distance(self) -> NDArray[np.float64]:
        """Mean absolute difference of each two maps over the points of both; shape (n_maps, n_maps)."""
        size = len(self.maps)
        distance = np.zeros((size, size))
        for i, j in itertools.combinations(range(size), 2):
            apart = np.abs(self.maps[i] - self.maps[j])
            known = np.isfinite(apart)
            distance[i, j] = distance[j, i] = apart[known].mean() if known.any() else math.nan
        return distance

    def row(self, margin: float) -> dict[str, Any]:
        maps, n_a = self.maps, self.n_a
        known = np.isfinite(maps)
        row: dict[str, Any] = {
            "n_points": maps.shape[1],
            "n_incomplete": int((~known.all(axis=0)).sum()),
            "only_a": self.only[0],
            "only_b": self.only[1],
            "seeds_a": n_a,
            "seeds_b": len(maps) - n_a,
        }
        shift, height = take_levels(maps)
        levels = shift + (height.mean() if len(height) else 0.0)
        equivalence: Equivalence = assess_equivalence(levels[:n_a], levels[n_a:], margin)
        row |= equivalence.row()
        distance = self.distance
        samples = [one[np.isfinite(one)] for one in maps]
        edges = common_bins(*samples) if maps.size else None
        matrices = {"distance": distance, **{name: np.full_like(distance, math.nan) for name in ("ks", "emd", "kl")}}
        for i, j in itertools.combinations(range(len(maps)), 2):
            both = known[i] & known[j]
            if both.any():
                one, two = maps[i][both], maps[j][both]
                matrices["ks"][i, j] = stats.ks_2samp(one, two, method="asymp").statistic
                matrices["emd"][i, j] = stats.wasserstein_distance(one, two)
                matrices["kl"][i, j] = kl_divergence(two, one, edges)
        upper = np.triu(np.ones_like(distance, dtype=bool), 1)
        between = np.zeros_like(upper)
        between[:n_a, n_a:] = True
        for name, matrix in matrices.items():
            row[name] = _median(matrix[between])
            row[f"{name}_within"] = _median(matrix[upper & ~between])
        return row


def _pair(parts: tuple[pd.DataFrame, pd.DataFrame], statistic: str, replicate: str) -> _Pair:
    maps_a, maps_b = (_maps(part, statistic, replicate) for part in parts)
    both = maps_a.index.intersection(maps_b.index, sort=False)
    only = len(maps_a.index.difference(both)), len(maps_b.index.difference(both))
    maps = np.concatenate([maps_a.loc[both].to_numpy().T, maps_b.loc[both].to_numpy().T])
    there = np.isfinite(maps).any(axis=1)
    n_a = int(there[: maps_a.shape[1]].sum())
    return _Pair(maps[there], n_a, only)


def _maps(table: pd.DataFrame, statistic: str, replicate: str) -> pd.DataFrame:
    """Return the values of the ok rows, a row per point of the grid and a column per replicate."""
    keys = [axis.key for axis in run_of(table).axes]
    long = pd.DataFrame({key: table[key].to_numpy() for key in (*keys, replicate)})
    for key in keys:
        if long[key].dtype == object:  # vectors cannot be an index
            long[key] = [plain(value) for value in long[key]]
    values = values_of(table, statistic)
    long["value"] = values
    long = long[(table["status"] == "ok").to_numpy() & np.isfinite(values)]
    maps: pd.DataFrame = long.pivot_table(index=keys, columns=replicate, values="value", aggfunc="mean", observed=True)
    return maps


def _margins(
    table: pd.DataFrame, names: Sequence[str], margin: float | Mapping[str, float] | None, targets: Targets | None
) -> dict[str, float]:
    if isinstance(margin, int | float):
        return dict.fromkeys(names, float(margin))
    goals = targets_of(table, targets) if targets is not None or run_of(table).targets else ()
    return {goal.statistic: _MARGIN * scale_of(goal) for goal in goals} | dict(margin or {})


def _median(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else math.nan
