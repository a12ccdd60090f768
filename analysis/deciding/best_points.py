"""The best points of a run, and their parameters for the next sweep."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.deciding.targets import FEASIBLE, losses, targets_met
from analysis.grids.grid import values_of
from analysis.opening.run import Run, run_of


def best_points(table: pd.DataFrame, n: int | None = 10) -> pd.DataFrame:
    """Rank the points: those that meet all targets in most seeds first, then by loss.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    n : int, optional
        How many per simulator; None for all.

    Returns
    -------
    pandas.DataFrame
        A row per point and ``configuration``: the swept parameters, ``n_seeds`` (with a verdict), ``p_feasible`` with
        its 95 % interval ``p_low``, ``p_high`` (Wilson; one seed says little, and the interval shows it), ``loss`` and
        ``loss_sd`` over seeds, and mean and ``<statistic>_sd`` of every statistic with a target.

    Raises
    ------
    RunError
        If the run has no targets.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22, 209–212.
    """
    run = run_of(table)
    keys = ["configuration", *(axis.key for axis in run.axes)]
    goals = [target.statistic for target in run.targets]
    rows = table[keys].copy()
    for key in keys:
        if rows[key].dtype == object:  # vectors cannot be grouped by
            rows[key] = [tuple(value) if isinstance(value, list | np.ndarray) else value for value in rows[key]]
    rows["p_feasible"], rows["loss"] = targets_met(table)[FEASIBLE], losses(table)
    for goal in goals:
        rows[goal] = values_of(table, goal)
    rows = rows[rows["p_feasible"].notna()]
    groups = rows.groupby(keys, observed=True, sort=False, dropna=False)
    found = groups[["p_feasible", "loss", *goals]].mean()
    found.insert(0, "n_seeds", groups.size())
    low, high = wilson_interval(found["p_feasible"].to_numpy(), found["n_seeds"].to_numpy())
    found.insert(2, "p_low", low)
    found.insert(3, "p_high", high)
    finite = rows.replace({"loss": {np.inf: np.nan}}).groupby(keys, observed=True, sort=False, dropna=False)
    for name in ("loss", *goals):
        found.insert(list(found.columns).index(name) + 1, f"{name}_sd", finite[name].std())
    found = found.reset_index().sort_values(["p_feasible", "loss"], ascending=[False, True], kind="stable")
    if n is not None:
        found = found.groupby("configuration", observed=True, sort=False).head(n)
    found = found.reset_index(drop=True)
    found.attrs = table.attrs
    return found


def parameters_table(point: pd.Series[Any], run: Run) -> str:
    """Write what a point sweeps as the ``[parameters]`` of a sweep, and the duration if it was swept."""
    lines = ["[parameters]"]
    for axis in sorted(run.axes, key=lambda axis: axis.key == "duration"):
        if axis.key == "duration":  # no parameter of the network
            lines += ["", "[simulation]"]
        key = axis.key if axis.key.replace("_", "").replace("-", "").isalnum() else json.dumps(axis.key)
        lines.append(f"{key} = {_toml(point[axis.key])}")
    return "\n".join(lines)


def wilson_interval(
    fraction: NDArray[np.float64], n: NDArray[np.int64], z: float = 1.959964
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Wilson interval of a fraction of `n`; by default of 95 %."""
    centre = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    low, high = np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
    # not a rounding error away from the ends
    return np.where(fraction == 0, 0.0, low), np.where(fraction == 1, 1.0, high)


def _toml(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)
