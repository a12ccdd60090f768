"""How two groups of rows differ, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.grids.grid import Grid, State, statistic_grid
from analysis.opening.run import RunError


@dataclass(frozen=True)
class Difference:
    """The difference of two maps.

    Parameters
    ----------
    grid : Grid
        `mean` is mean(b) − mean(a); cells in which either has no value carry its state.
    error : ndarray of float, shape (n_y, n_x)
        Standard error of the difference, from the spread over seeds; NaN with one seed.
    a, b : str
        Names of the two.
    """

    grid: Grid
    error: NDArray[np.float64]
    a: str
    b: str

    @property
    def beyond_seeds(self) -> NDArray[np.bool_]:
        """Cells whose difference is more than two standard errors; chance alone makes it one in twenty or more."""
        with np.errstate(invalid="ignore"):
            beyond: NDArray[np.bool_] = (np.abs(self.grid.mean) > 2 * self.error) & (self.grid.state == State.VALUE)
        return beyond


def difference_grid(
    table: pd.DataFrame,
    statistic: str,
    a: Any,
    b: Any,
    group_on: str = "configuration",
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> Difference:
    """Subtract the maps of two groups of rows, cell by cell.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    statistic : str
        Column.
    a, b : value
        Of the column `group_on`.
    group_on : str
        Any column that tells the two apart: ``configuration``, ``run``, ``backend``, ``threads`` …
    x, y, at
        As in `statistic_grid`.

    Returns
    -------
    Difference

    Raises
    ------
    RunError
        If there are no such rows, or an axis does not exist.
    """
    first, second = (
        statistic_grid(part, statistic, x, y, at, mark_silent=False) for part in parts_of(table, group_on, (a, b))
    )
    state = np.maximum(first.state, second.state)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(first.spread**2 / first.n_defined + second.spread**2 / second.n_defined)
    grid = replace(
        first,
        mean=np.where(state == State.VALUE, second.mean - first.mean, np.nan),
        state=state,
        n_defined=np.minimum(first.n_defined, second.n_defined),
    )
    return Difference(grid, error, str(a), str(b))


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
