"""How much each statistic depends on each swept parameter."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.grids.grid import dimension_of, position_of, values_of
from analysis.opening.run import run_of


def sensitivities(table: pd.DataFrame, statistics: list[str] | None = None) -> pd.DataFrame:
    """Say how much each statistic depends on each axis, and which way.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator; only ok rows with a value count.
    statistics : list of str, optional
        Columns; those of the run by default.

    Returns
    -------
    pandas.DataFrame
        Columns ``statistic``, ``axis``, ``share``, ``slope``, ``seeds``. `share` is the first-order index: the
        variance over the axis of the mean over everything else, as a fraction of the total; shares add up to less
        than 1 where axes interact. `slope` is that of a straight line, in the unit of the statistic per unit of the
        axis (NaN where the axis has no numbers). `seeds` is the fraction of the variance within points.

    References
    ----------
    Saltelli, A., et al. (2008). Global Sensitivity Analysis: The Primer. Wiley. Section 1.2.
    """
    run = run_of(table)
    if statistics is None:
        names = [f"{name}_{population}" for name in run.statistics for population in run.populations]
        statistics = [name for name in (*names, *run.statistics) if name in table]
    dimensions = [dimension_of(table, group[0].key) for group in run.dimensions if len(group[0].values) > 1]
    rows = []
    for statistic in statistics:
        values = values_of(table, statistic)
        valid = (table["status"] == "ok").to_numpy() & np.isfinite(values)
        values, part = values[valid], table[valid]
        positions = [position_of(part, dimension) for dimension in dimensions]
        point = np.zeros(len(part), dtype=np.int64)
        for position, dimension in zip(positions, dimensions, strict=True):
            point = point * len(dimension.values) + position
        total = values.var() if len(values) else 0.0
        within = 1.0 - _explained(values, point) / total if total else np.nan
        for position, dimension in zip(positions, dimensions, strict=True):
            slope = np.nan
            if dimension.numeric and total and len(np.unique(position)) > 1:
                slope = np.polyfit(np.asarray(dimension.values, dtype=float)[position], values, 1)[0]
            rows.append(
                {
                    "statistic": statistic,
                    "axis": dimension.key,
                    "share": _explained(values, position) / total if total else np.nan,
                    "slope": slope,
                    "seeds": within,
                }
            )
    return pd.DataFrame(rows, columns=["statistic", "axis", "share", "slope", "seeds"])


def _explained(values: NDArray[np.float64], group: NDArray[np.int64]) -> float:
    """Return the variance of the group means, weighted by the size of the groups."""
    _, group = np.unique(group, return_inverse=True)
    sizes = np.bincount(group)
    means = np.bincount(group, values) / sizes
    return float(np.average((means - values.mean()) ** 2, weights=sizes))
