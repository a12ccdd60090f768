"""Which rows meet the targets, how far inside or outside they are, and what stands in the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.grids.columns import values_of
from analysis.opening.run import RunError, Target, run_of

FEASIBLE = "feasible"
Targets = Sequence[Target] | Mapping[str, Any]
_KEYS = ("min", "max", "value", "tolerance", "weight")


def targets_of(table: pd.DataFrame, targets: Targets | None = None) -> tuple[Target, ...]:
    """Return the targets of a run, or those that are handed over instead.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    targets : mapping or sequence of Target, optional
        By column, as in a sweep, ``{"rate_E": {"min": 3, "max": 6}}``, or in short ``{"rate_E": (3, 6)}``; None at
        an end leaves it open. Any column that holds numbers will do.

    Raises
    ------
    RunError
        If there are none, or one is not a target.
    """
    run = run_of(table)
    if targets is None:
        if not run.targets:
            raise RunError(
                f"run {run.name!r} has no targets; give them under [targets] in the sweep, or as targets={{...}}"
            )
        return run.targets
    if isinstance(targets, Mapping):
        return tuple(_read_target(column, content) for column, content in targets.items())
    return tuple(targets)


def targets_met(table: pd.DataFrame, targets: Targets | None = None) -> pd.DataFrame:
    """Say of each row which targets it meets.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    targets
        As in `targets_of`; those of the run by default.

    Returns
    -------
    pandas.DataFrame of float, shape (n_rows, n_targets + 1)
        1 met, 0 not met, NaN not known (no row yet, failed or timed out); columns are those of the targets and
        ``feasible``, which is 1 where all are met. A statistic that is undefined (a silent population has no CV)
        does not meet its target, nor does a point that diverged.

    Raises
    ------
    RunError
        If there are no targets, or one is on a column that does not exist.
    """
    known = _known_rows(table)
    good = (table["status"] == "ok").to_numpy()
    met: dict[str, NDArray[np.float64]] = {}
    for target in targets_of(table, targets):
        values = values_of(table, target.statistic)
        with np.errstate(invalid="ignore"):
            inside = (values >= target.low) & (values <= target.high) & good
        met[target.statistic] = np.where(known, inside, np.nan)
    met[FEASIBLE] = np.min(list(met.values()), axis=0)
    return pd.DataFrame(met, index=table.index)


def losses(table: pd.DataFrame, targets: Targets | None = None) -> pd.Series:
    """Measure how far each row is from the targets: 0 where a range is met.

    A value with a tolerance adds w·((x − value)/tolerance)², a range w·(distance to it/half its width)²; the scale of
    a half-open range is its bound. The sum is divided by that of the weights.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    targets
        As in `targets_of`; those of the run by default.

    Returns
    -------
    pandas.Series of float
        Infinite where a statistic is undefined or the point diverged, NaN where nothing is known.

    Raises
    ------
    RunError
        If there are no targets, or one is on a column that does not exist.
    """
    total, weights = np.zeros(len(table)), 0.0
    for target in targets_of(table, targets):
        values = values_of(table, target.statistic)
        if target.value is not None:
            distance = np.abs(values - target.value)
        else:
            distance = np.maximum(0.0, np.maximum(target.low - values, values - target.high))
        total += target.weight * (distance / scale_of(target)) ** 2
        weights += target.weight
    total = np.where(np.isnan(total) | (table["status"] == "diverged").to_numpy(), np.inf, total / weights)
    return pd.Series(np.where(_known_rows(table), total, np.nan), table.index, name="loss")


def margins(table: pd.DataFrame, targets: Targets | None = None) -> pd.Series:
    """Measure how far inside the targets each row is: the distance to the nearest bound, in units of half the width.

    1 in the centre of a range, 0 on its boundary, negative outside; the unit of a half-open range is its bound. Of
    several targets the least counts.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    targets
        As in `targets_of`; those of the run by default.

    Returns
    -------
    pandas.Series of float
        −∞ where a statistic is undefined or the point diverged, NaN where nothing is known.

    Raises
    ------
    RunError
        If there are no targets, or one is on a column that does not exist.
    """
    least = np.full(len(table), np.inf)
    for target in targets_of(table, targets):
        values = values_of(table, target.statistic)
        least = np.minimum(least, np.minimum(values - target.low, target.high - values) / scale_of(target))
    least = np.where(np.isnan(least) | (table["status"] == "diverged").to_numpy(), -np.inf, least)
    return pd.Series(np.where(_known_rows(table), least, np.nan), table.index, name="margin")


def target_failures(table: pd.DataFrame, targets: Targets | None = None) -> pd.DataFrame:
    """Say of each target in which fraction of the rows it is met, missed and which way, and stands alone in the way.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    targets
        As in `targets_of`; those of the run by default.

    Returns
    -------
    pandas.DataFrame, shape (n_targets, 6)
        Index: column of the target. Columns ``met``, ``too_low``, ``too_high``, ``undefined``, ``diverged`` (fractions
        that add up to 1) and ``only_obstacle``, the fraction that would be feasible but for this target.

    Raises
    ------
    RunError
        If there are no targets, or one is on a column that does not exist.
    """
    goals = targets_of(table, targets)
    met = targets_met(table, goals)
    known = met[FEASIBLE].notna()
    met, rows = met[known], table[known]
    diverged = (rows["status"] == "diverged").to_numpy()
    missed = (met[[goal.statistic for goal in goals]] == 0).sum(axis=1)
    found = {}
    for target in goals:
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


def scale_of(target: Target) -> float:
    """Return what a distance to a target is measured in: its tolerance, half its width, or its only bound."""
    if target.value is not None and target.tolerance:
        return target.tolerance
    if np.isfinite(target.low) and np.isfinite(target.high) and target.high > target.low:
        return (target.high - target.low) / 2
    bound = target.low if np.isfinite(target.low) else target.high
    return abs(bound) or 1.0


def _known_rows(table: pd.DataFrame) -> NDArray[np.bool_]:
    return (table["status"] == "ok").to_numpy() | (table["status"] == "diverged").to_numpy()


def _read_target(column: str, content: Any) -> Target:
    if isinstance(content, Target):
        return content
    if isinstance(content, Mapping):
        unknown = sorted(set(content) - set(_KEYS))
        if unknown:
            raise RunError(f"target {column!r}: has no {unknown}; it has {', '.join(_KEYS)}")
        target = Target.read(column, content)
    else:
        ends = tuple(content) if isinstance(content, Sequence) and not isinstance(content, str) else ()
        if len(ends) != 2:
            raise RunError(f"target {column!r}: {content!r} is not (min, max), nor a mapping of {', '.join(_KEYS)}")
        target = Target.read(column, {"min": ends[0], "max": ends[1]})
    if math.isinf(target.low) and math.isinf(target.high):
        raise RunError(f"target {column!r}: has neither min nor max nor value")
    if not target.low <= target.high:
        raise RunError(f"target {column!r}: min {target.low:g} is not below max {target.high:g}")
    return target
