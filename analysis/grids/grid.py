"""A statistic on the grid of a run: what every cell shows over its seeds, and what a cell without a value is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from analysis.grids.columns import silent_rows, values_of
from analysis.grids.dimensions import Dimension, dimension_of, dimensions_of, position_of
from analysis.opening.run import RunError, run_of


class State(IntEnum):
    """What a cell of a map is."""

    VALUE = 0
    SILENT = 1
    UNDEFINED = 2
    DIVERGED = 3
    FAILED = 4
    MISSING = 5


def statistic_grid(
    table: pd.DataFrame,
    column: str,
    at: Mapping[str, Any] | None = None,
    over: Sequence[str] = (),
    *,
    first: Sequence[str] = (),
    mark_silent: bool = True,
) -> xr.Dataset:
    """Lay out a column over the axes of the grid: its mean over seeds, their spread, and the state of every cell.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator and one run.
    column : str
        Any that holds numbers; one that was asked for and that no summary has yet is missing everywhere.
    at : mapping of str to value, optional
        Values at which axes are held.
    over : sequence of str
        Axes to average over; only these are.
    first : sequence of str
        Of axes that advance together, those that give their dimension its name; the first of each by default.
    mark_silent : bool
        Let the state say where the population did not fire, even if the column has a value there.

    Returns
    -------
    xarray.Dataset
        A dimension for each axis that varies and is neither held nor averaged over, in the order of the sweep, with
        numbers ascending; axes that advance with it, and held ones, are further coordinates. ``mean`` and ``spread``
        (standard deviation over seeds, ddof 1; NaN with fewer than two) in the unit of the column, ``n_defined`` and
        ``n_rows`` (rows with a value, and rows wanted), ``state`` (a `State`; its meanings are in ``flag_meanings``).

    Raises
    ------
    RunError
        If the table has several simulators or runs, there is no such column or axis, or an axis does not take a value.
    """
    check_one(table)
    averaged = {dimension_of(table, key).key for key in over} if over else set()
    named = {axis.key: key for key in first for axis in dimension_of(table, key).axes}
    dimensions = [
        dimension_of(table, named[one.key]) if one.key in named else one
        for one in dimensions_of(table)
        if not averaged & {axis.key for axis in one.axes}
    ]
    shape = tuple(len(dimension.values) for dimension in dimensions)
    cell = np.zeros(len(table), dtype=np.int64)
    for dimension, size in zip(dimensions, shape, strict=True):
        cell = cell * size + position_of(table, dimension)
    keys = [dimension.key for dimension in dimensions]
    parts = _reduce(table, column, cell, int(np.prod(shape)), mark_silent)
    arrays = {name: (keys, values.reshape(shape)) for name, values in parts.items()}
    grid = xr.Dataset(arrays, _coordinates(table, dimensions), _attributes(table, column, over))
    _describe(grid, table, column)
    return hold(grid, table, at)


def hold(grid: xr.Dataset, table: pd.DataFrame, at: Mapping[str, Any] | None) -> xr.Dataset:
    """Cut a grid at values of some axes; one that takes a single value is held at it anyway.

    Raises
    ------
    RunError
        If an axis does not exist, does not take the value, or has been averaged over.
    """
    for key, value in (at or {}).items():
        dimension = dimension_of(table, key)
        if key not in grid.coords:
            raise RunError(f"axis {key!r} is averaged over, and cannot be held at {value!r} too")
        here = np.atleast_1d(grid[key].to_numpy() == dimension.labels[dimension.index(value)])
        if grid[key].dims:
            grid = grid.isel({grid[key].dims[0]: int(np.flatnonzero(here)[0])})
    return grid.squeeze()


def check_one(table: pd.DataFrame) -> None:
    """Raise a RunError if a table has several simulators or runs: their mean is that of no network."""
    for column, what in (("run", "runs"), ("configuration", "simulators")):
        if column in table:
            names = table[column].unique()
            if len(names) > 1:
                raise RunError(
                    f"the table has several {what}, {[str(name) for name in names]}, of which a map can show one; "
                    f"choose it: table[table[{column!r}] == {str(names[0])!r}]"
                )


def _coordinates(table: pd.DataFrame, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    units, docs = table.attrs.get("units", {}), table.attrs.get("docs", {})
    for dimension in dimensions:
        for axis in dimension.axes:
            attributes = {
                "units": units.get(axis.key, axis.unit),
                "long_name": docs.get(axis.key, axis.doc),
                "log": int(axis.log),
                "n_values": len(dimension.values),
            }
            values = dimension.labels
            if axis != dimension.axes[0]:  # in the order of the first
                beside = dict(zip(dimension.axes[0].values, axis.values, strict=True))
                values = Dimension((axis,), tuple(beside[value] for value in dimension.values)).labels
                attributes["with"] = dimension.key
            found[axis.key] = (dimension.key, values, attributes)
    return found


def _attributes(table: pd.DataFrame, column: str, over: Sequence[str]) -> dict[str, Any]:
    configuration = str(table["configuration"].iloc[0]) if "configuration" in table and len(table) else ""
    return {
        "column": column,
        "run": run_of(table).name,
        "configuration": configuration,
        "mean_over": " ".join(over),
    }


def _describe(grid: xr.Dataset, table: pd.DataFrame, column: str) -> None:
    unit, doc = (str(table.attrs.get(key, {}).get(column, "")) for key in ("units", "docs"))
    grid["mean"].attrs = {"units": unit, "long_name": doc}
    grid["spread"].attrs = {"units": unit, "long_name": "standard deviation over seeds"}
    grid["n_defined"].attrs = {"units": "1", "long_name": "rows with a value"}
    grid["n_rows"].attrs = {"units": "1", "long_name": "rows wanted"}
    grid["state"].attrs = {
        "flag_values": np.array(list(State), dtype=np.int8),
        "flag_meanings": " ".join(state.name.lower() for state in State),
    }


def _reduce(
    table: pd.DataFrame, column: str, cell: NDArray[np.int64], size: int, mark_silent: bool
) -> dict[str, NDArray[Any]]:
    def count(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(cell[rows], minlength=size)

    status = table["status"]
    ok = (status == "ok").to_numpy()
    values = values_of(table, column)
    defined = ok & np.isfinite(values)
    n_defined, n_ok = count(defined), count(ok)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(cell[defined], values[defined], size) / n_defined
        deviation = values[defined] - mean[cell[defined]]
        spread = np.sqrt(np.bincount(cell[defined], deviation**2, size) / (n_defined - 1))
    spread[n_defined < 2] = np.nan
    state = np.full(size, State.MISSING, dtype=np.int8)
    state[count((status == "failed").to_numpy() | (status == "timeout").to_numpy()) > 0] = State.FAILED
    state[count((status == "diverged").to_numpy()) > 0] = State.DIVERGED
    state[n_ok > 0] = State.UNDEFINED
    state[n_defined > 0] = State.VALUE
    if mark_silent:
        state[(n_ok > 0) & (count(ok & silent_rows(table, column)) == n_ok)] = State.SILENT
    return {
        "mean": mean,
        "spread": spread,
        "n_defined": n_defined,
        "n_rows": np.bincount(cell, minlength=size),
        "state": state,
    }
