"""Where a network is calibrated: which points meet the targets, how surely, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.grids.grid import Grid, statistic_grid, values_of
from analysis.opening.run import RunError, Target, run_of

FEASIBLE = "feasible"
CONTOURS = (0.5, 0.9)  # of P(all targets met)


def targets_met(table: pd.DataFrame) -> pd.DataFrame:
    """Say of each row which targets it meets.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Returns
    -------
    pandas.DataFrame of float, shape (n_rows, n_targets + 1)
        1 met, 0 not met, NaN not known (no row yet, failed or timed out); columns are the statistics and
        ``feasible``, which is 1 where all are met. A statistic that is undefined (a silent population has no CV)
        does not meet its target, nor does a point that diverged.

    Raises
    ------
    RunError
        If the run has no targets.
    """
    run = run_of(table)
    if not run.targets:
        raise RunError(f"run {run.name!r} has no targets; give them under [targets] in the sweep")
    status = table["status"]
    known = (status == "ok").to_numpy() | (status == "diverged").to_numpy()
    met: dict[str, NDArray[np.float64]] = {}
    for target in run.targets:
        values = values_of(table, target.statistic)
        with np.errstate(invalid="ignore"):
            inside = (values >= target.low) & (values <= target.high) & (status == "ok").to_numpy()
        met[target.statistic] = np.where(known, inside, np.nan)
    met[FEASIBLE] = np.min(list(met.values()), axis=0)
    return pd.DataFrame(met, index=table.index)


def feasibility_grid(
    table: pd.DataFrame, x: str | None = None, y: str | None = None, at: Mapping[str, Any] | None = None
) -> Grid:
    """Estimate P(all targets met | cell) as the fraction of seeds that meet them all.

    Not the targets applied to means: two seeds, one too quiet and one too loud, are not a calibrated network.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    x, y, at
        As in `statistic_grid`; over axes that are neither shown nor held P is averaged.

    Returns
    -------
    Grid
        `mean` is P.

    Raises
    ------
    RunError
        If the run has no targets or an axis does not exist.
    """
    status = table["status"].astype(str)
    keys = [axis.key for axis in run_of(table).axes]
    verdicts = table[keys].assign(
        **{FEASIBLE: targets_met(table)[FEASIBLE], "status": status.where(status != "diverged", "ok")}
    )
    verdicts.attrs = table.attrs
    return statistic_grid(verdicts, FEASIBLE, x, y, at, mark_silent=False)


def losses(table: pd.DataFrame) -> pd.Series:
    """Measure how far each row is from the targets: 0 where a range is met.

    A value with a tolerance adds w·((x − value)/tolerance)², a range w·(distance to it/half its width)²; the scale of
    a half-open range is its bound. The sum is divided by that of the weights.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Returns
    -------
    pandas.Series of float
        Infinite where a statistic is undefined or the point diverged, NaN where nothing is known.

    Raises
    ------
    RunError
        If the run has no targets.
    """
    known = targets_met(table)[FEASIBLE].notna().to_numpy()
    total, weights = np.zeros(len(table)), 0.0
    for target in run_of(table).targets:
        values = values_of(table, target.statistic)
        if target.value is not None:
            distance = np.abs(values - target.value)
        else:
            distance = np.maximum(0.0, np.maximum(target.low - values, values - target.high))
        total += target.weight * (distance / _scale(target)) ** 2
        weights += target.weight
    total = np.where(np.isnan(total) | (table["status"] == "diverged").to_numpy(), np.inf, total / weights)
    return pd.Series(np.where(known, total, np.nan), table.index, name="loss")


def target_failures(table: pd.DataFrame) -> pd.DataFrame:
    """Say of each target in which fraction of the rows it is met, missed and which way, and stands alone in the way.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Returns
    -------
    pandas.DataFrame, shape (n_targets, 6)
        Index: statistic. Columns ``met``, ``too_low``, ``too_high``, ``undefined``, ``diverged`` (fractions that add
        up to 1) and ``only_obstacle``, the fraction that would be feasible but for this target.

    Raises
    ------
    RunError
        If the run has no targets.
    """
    met = targets_met(table)
    known = met[FEASIBLE].notna()
    met, rows = met[known], table[known]
    diverged = (rows["status"] == "diverged").to_numpy()
    goals = [target.statistic for target in run_of(table).targets]
    missed = (met[goals] == 0).sum(axis=1)
    found = {}
    for target in run_of(table).targets:
        values = np.where(diverged, np.nan, values_of(rows, target.statistic))
        with np.errstate(invalid="ignore"):
            parts: dict[str, Any] = {
                "met": met[target.statistic] == 1,
                "too_low": values < target.low,
                "too_high": values > target.high,
                "undefined": np.isnan(values) & ~diverged,
                "diverged": diverged,
                "only_obstacle": (met[target.statistic] == 0) & (missed == 1) & ~diverged,
            }
        found[target.statistic] = {name: float(np.mean(part)) if len(rows) else np.nan for name, part in parts.items()}
    return pd.DataFrame.from_dict(found, orient="index")


def _scale(target: Target) -> float:
    if target.value is not None and target.tolerance:
        return target.tolerance
    if np.isfinite(target.low) and np.isfinite(target.high) and target.high > target.low:
        return (target.high - target.low) / 2
    bound = target.low if np.isfinite(target.low) else target.high
    return abs(bound) or 1.0
