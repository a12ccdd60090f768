"""The best points of a run, and their parameters for the next sweep."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import tomlkit
from numpy.typing import NDArray
from scipy import ndimage

from analysis.deciding.feasibility import feasibility_grid, wilson_interval
from analysis.deciding.targets import FEASIBLE, Targets, losses, margins, targets_met, targets_of
from analysis.grids.columns import values_of
from analysis.grids.dimensions import dimension_of, plain, position_of
from analysis.opening.run import Axis, Run, run_of


def best_points(table: pd.DataFrame, n: int | None = 10, targets: Targets | None = None) -> pd.DataFrame:
    """Rank the points by how surely they meet all targets.

    First comes the lower end of the interval of P(all targets met), so that one good seed does not beat five; among
    equals the point farthest inside the targets (in its worst seed), then the one nearest to them, then the one whose
    neighbours on the grid are better. Where nothing fired there is nothing to rank: points that are silent, or have no
    loss, in all their seeds are left out unless they meet all targets.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of any number of simulators.
    n : int, optional
        How many per simulator; None for all.
    targets
        As in `deciding.targets_of`; those of the run by default.

    Returns
    -------
    pandas.DataFrame
        A row per point and ``configuration`` (and ``run``, where the table has several): the swept parameters,
        ``n_seeds`` with a verdict of ``n_wanted``, ``p_feasible`` with its 95 % interval ``p_low``, ``p_high``
        (Wilson), ``margin`` (see `deciding.margins`; of the worst seed), ``neighbours`` (mean P of the adjacent
        cells; NaN where nothing is known of any), ``loss`` and ``loss_sd`` over seeds, and mean and ``<column>_sd`` of
        every column with a target. Empty where no point deserves to be called best.

    Raises
    ------
    RunError
        If there are no targets, or one is on a column that does not exist.
    """
    run, goals = run_of(table), targets_of(table, targets)
    apart = [key for key in ("run", "configuration") if key in table]
    keys = [*apart, *(axis.key for axis in run.axes)]
    names = [goal.statistic for goal in goals]
    rows = pd.DataFrame({key: _hashable(table[key]) for key in keys})
    rows["p_feasible"] = targets_met(table, goals)[FEASIBLE]
    rows["margin"], rows["loss"] = margins(table, goals), losses(table, goals)
    rows["fired"] = (table["n_spikes"] != 0).to_numpy(na_value=True) if "n_spikes" in table else True
    rows["neighbours"] = np.nan
    for _, part in table.groupby(apart, observed=True, sort=False):
        rows.loc[part.index, "neighbours"] = _neighbours(part, goals)
    for name in names:
        rows[name] = values_of(table, name)
    wanted = rows.groupby(keys, observed=True, sort=False, dropna=False).size()
    rows = rows[rows["p_feasible"].notna()]
    groups = rows.groupby(keys, observed=True, sort=False, dropna=False)
    found = groups[["p_feasible"]].mean()
    found.insert(0, "n_seeds", groups.size())
    found.insert(1, "n_wanted", wanted)
    found["p_low"], found["p_high"] = wilson_interval(found["p_feasible"], found["n_seeds"])
    found["margin"], found["neighbours"] = groups["margin"].min(), groups["neighbours"].first()
    finite = rows.replace({"loss": {np.inf: np.nan}}).groupby(keys, observed=True, sort=False, dropna=False)
    for name in ("loss", *names):
        found[name] = groups[name].mean()
        found[f"{name}_sd"] = finite[name].std()
    alive = groups["fired"].any() & np.isfinite(groups["loss"].min())
    found = found[(found["p_feasible"] > 0) | alive.reindex(found.index, fill_value=False)]  # without rows, no groups
    order = ["p_low", "margin", "loss", "neighbours"]
    found = found.reset_index().sort_values(order, ascending=[False, False, True, False], kind="stable")
    if n is not None:
        found = found.groupby(apart, observed=True, sort=False).head(n)
    found = found.reset_index(drop=True)
    ranked: pd.DataFrame = found
    ranked.attrs = table.attrs
    return ranked


def parameters_table(point: pd.Series[Any], run: Run) -> str:
    """Write what a point sweeps as the ``[parameters]`` of a sweep, and the duration if it was swept."""
    lines = ["[parameters]", *(toml_line(axis, point[axis.key]) for axis in run.axes if axis.of_network)]
    simulated = [toml_line(axis, point[axis.key]) for axis in run.axes if not axis.of_network]
    if simulated:
        lines += ["", "[simulation]", *simulated]
    return "\n".join(lines)


def toml_line(axis: Axis, value: Any) -> str:
    """Write one value of an axis as a line of a sweep."""
    key = axis.key if axis.key.replace("_", "").replace("-", "").isalnum() else json.dumps(axis.key)
    return f"{key} = {tomlkit.item(np.asarray(value).tolist()).as_string()}"


def _neighbours(table: pd.DataFrame, targets: Targets) -> NDArray[np.float64]:
    """Return, for every row, the mean P of the cells that touch its own, along the axes that have distances."""
    grid = feasibility_grid(table, targets)
    dimensions = [dimension_of(table, str(name)) for name in grid["mean"].dims]
    if not dimensions:
        return np.full(len(table), np.nan)
    p = grid["mean"].to_numpy()
    reach = np.ones([3 if dimension.numeric else 1 for dimension in dimensions])
    known = np.isfinite(p).astype(float)
    total = ndimage.convolve(np.nan_to_num(p), reach, mode="constant") - np.nan_to_num(p)
    count = ndimage.convolve(known, reach, mode="constant") - known
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0.5, total / count, np.nan)
    found: NDArray[np.float64] = mean[tuple(position_of(table, dimension) for dimension in dimensions)]
    return found.round(12)


def _hashable(column: pd.Series[Any]) -> Any:
    # vectors cannot be grouped by
    return [plain(value) for value in column] if column.dtype == object else column
