"""How two groups of rows differ, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from analysis.grids.grid import State, hold, statistic_grid
from analysis.opening.run import RunError

FALSE_DISCOVERY_RATE = 0.05


def difference_grid(
    table: pd.DataFrame,
    column: str,
    a: Any,
    b: Any,
    group_on: str = "configuration",
    at: Mapping[str, Any] | None = None,
    over: Sequence[str] = (),
    *,
    first: Sequence[str] = (),
) -> xr.Dataset:
    """Subtract the maps of two groups of rows, cell by cell.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    column : str
        Any that holds numbers.
    a, b : value
        Of the column `group_on`.
    group_on : str
        Any column that tells the two apart: ``configuration``, ``run``, ``backend``, ``threads`` …
    at, over, first
        As in `statistic_grid`.

    Returns
    -------
    xarray.Dataset
        As `statistic_grid`: ``mean`` is mean(b) − mean(a), ``state`` that of whichever has no value. ``error`` is the
        standard error of the difference, from the spread over seeds; ``p`` that of Welch's t test; ``beyond`` says
        where they differ. Among the cells it marks, one in twenty is expected to be there by chance (false-discovery
        rate of 5 % over the whole grid). All NaN or False with one seed.

    Raises
    ------
    RunError
        If there are no such rows, or a column or axis does not exist.

    References
    ----------
    Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the Royal Statistical
    Society B 57, 289–300.
    """
    grids = []
    for part in parts_of(table, group_on, (a, b)):
        alone = part.drop(columns=[key for key in ("run", "configuration") if key == group_on])
        grids.append(statistic_grid(alone, column, over=over, first=first, mark_silent=False))
    one, two = grids
    state = np.maximum(one["state"], two["state"]).astype(np.int8)
    valued = (state == State.VALUE).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(one["spread"] ** 2 / one["n_defined"] + two["spread"] ** 2 / two["n_defined"])
        p = stats.ttest_ind_from_stats(
            one["mean"].to_numpy(),
            one["spread"].to_numpy(),
            one["n_defined"].to_numpy(),
            two["mean"].to_numpy(),
            two["spread"].to_numpy(),
            two["n_defined"].to_numpy(),
            equal_var=False,
        ).pvalue
    grid = one.drop_vars(["spread", "n_rows"]).assign(
        mean=_difference(one["mean"], two["mean"]).where(valued),
        n_defined=np.minimum(one["n_defined"], two["n_defined"]),
        n_rows=np.minimum(one["n_rows"], two["n_rows"]),
        state=state,
        error=error,
        p=(one["mean"].dims, np.where(valued, p, np.nan)),
    )
    grid["beyond"] = (one["mean"].dims, _beyond(grid["p"].to_numpy()))
    for name, source in (("mean", "mean"), ("state", "state")):
        grid[name].attrs = one[source].attrs
    grid.attrs |= {"a": str(a), "b": str(b), "configuration": ""}
    # over the whole grid: a slice does not change what counts as a difference
    return hold(grid, table, at)


def _difference(one: xr.DataArray, two: xr.DataArray) -> xr.DataArray:
    """Subtract, without what is left over of equal numbers that were added in another order."""
    difference = two - one
    return difference.where(np.abs(difference) > 1e-12 * np.maximum(np.abs(one), np.abs(two)), 0.0)


def _beyond(p: Any) -> Any:
    from statsmodels.stats.multitest import multipletests

    beyond = np.zeros(p.shape, dtype=bool)
    known = np.isfinite(p)
    if known.any():
        beyond[known] = multipletests(p[known], FALSE_DISCOVERY_RATE, method="fdr_bh")[0]
    return beyond


def parts_of(table: pd.DataFrame, group_on: str, groups: tuple[Any, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of two groups; a RunError names the groups there are."""
    check_column(table, group_on)
    found = []
    for group in groups:
        part = table[table[group_on] == group]
        if part.empty:
            known = list(dict.fromkeys(table[group_on]))
            raise RunError(f"no row has {group_on} = {group!r}; it takes {known}")
        found.append(part)
    return found[0], found[1]


def check_column(table: pd.DataFrame, column: str) -> None:
    """Raise a RunError if there is no such column."""
    if column not in table:
        raise RunError(f"the table has no column {column!r}")
