"""Statistics on the grid of a run: the mean over seeds of every cell, and what a cell without one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.opening.run import Axis, RunError, run_of


class State(IntEnum):
    """What a cell of a map is."""

    VALUE = 0
    SILENT = 1
    UNDEFINED = 2
    DIVERGED = 3
    FAILED = 4
    MISSING = 5


@dataclass(frozen=True)
class Dimension:
    """One dimension of a grid.

    Parameters
    ----------
    axes : tuple of Axis
        The axis, or the axes that advance together.
    values : tuple
        Those of the first axis, ascending if they are numbers.
    """

    axes: tuple[Axis, ...]
    values: tuple[Any, ...]

    @property
    def key(self) -> str:
        """Name of the first axis."""
        return self.axes[0].key

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, and so have distances."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True)
class Grid:
    """A statistic on one or two dimensions, over seeds and whatever is averaged.

    Parameters
    ----------
    statistic : str
        Column of the table.
    y, x : Dimension
        Rows and columns; `y` is None for a curve.
    mean, spread : ndarray of float, shape (n_y, n_x)
        Mean over the ok rows of a cell, and their standard deviation (ddof 1; NaN with fewer than two).
    n_defined, n_rows : ndarray of int, shape (n_y, n_x)
        Rows with a value, and rows wanted.
    state : ndarray of int8, shape (n_y, n_x)
        `State` of each cell.
    at : mapping of str to value
        Where the grid was cut.
    averaged : tuple of str
        Axes that were averaged over.
    """

    statistic: str
    y: Dimension | None
    x: Dimension
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    n_defined: NDArray[np.int64]
    n_rows: NDArray[np.int64]
    state: NDArray[np.int8]
    at: Mapping[str, Any]
    averaged: tuple[str, ...]

    @property
    def partial(self) -> NDArray[np.bool_]:
        """Cells whose mean lacks some of the rows wanted; shape (n_y, n_x)."""
        partial: NDArray[np.bool_] = (self.state == State.VALUE) & (self.n_defined < self.n_rows)
        return partial


def statistic_grid(
    table: pd.DataFrame,
    statistic: str,
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
    mark_silent: bool = True,
) -> Grid:
    """Average a statistic over seeds, and over every axis that is neither shown nor held.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    statistic : str
        Column; one that no summary has yet is missing everywhere.
    x, y : str, optional
        Axes to show; by default the first two dimensions of the grid, the first along x.
    at : mapping of str to value, optional
        Values at which other axes are held.
    mark_silent : bool
        Let the state say where the population did not fire, even if the statistic is defined there.

    Returns
    -------
    Grid

    Raises
    ------
    RunError
        If an axis does not exist, or a value to hold it at is not on the grid.
    """
    shown = choose_dimensions(table, x, y)
    held = dict(at or {})
    chosen = cut(table, held)
    dimensions = [dimension_of(table, key) for key in shown]
    codes = [position_of(chosen, dimension) for dimension in dimensions]
    shape = tuple(len(dimension.values) for dimension in dimensions)
    cell = codes[0] if len(codes) == 1 else codes[1] * shape[0] + codes[0]
    size = int(np.prod(shape))
    state, mean, spread, n_defined, n_rows = _reduce(chosen, statistic, cell, size, mark_silent)
    rows = (shape[1], shape[0]) if len(shape) == 2 else (1, shape[0])
    of_shown = {axis.key for dimension in dimensions for axis in dimension.axes}
    rest = [
        group[0].key
        for group in run_of(table).dimensions
        if not ({axis.key for axis in group} & (of_shown | set(held))) and len(group[0].values) > 1
    ]
    return Grid(
        statistic,
        dimensions[1] if len(dimensions) == 2 else None,
        dimensions[0],
        mean.reshape(rows),
        spread.reshape(rows),
        n_defined.reshape(rows),
        n_rows.reshape(rows),
        state.reshape(rows),
        held,
        tuple(rest),
    )


def choose_dimensions(table: pd.DataFrame, x: str | None = None, y: str | None = None) -> tuple[str, ...]:
    """Return the axes to show, x first: those asked for, filled up with the first of the grid that vary.

    Raises
    ------
    RunError
        If an axis does not exist, or nothing was swept.
    """
    run = run_of(table)
    for key in (x, y):
        if key is not None:
            run.axis(key)
    varying = [group[0].key for group in run.dimensions if len(group[0].values) > 1]
    varying = varying or [group[0].key for group in run.dimensions]
    if not varying:
        raise RunError(f"run {run.name!r}: nothing was swept, so there is no map")
    taken = {axis.key for group in run.dimensions if {x, y} & {axis.key for axis in group} for axis in group}
    free = [key for key in varying if key not in taken]
    first = x or (free.pop(0) if free else None)
    if first is None:
        return (str(y),)
    second = y or (free.pop(0) if free else None)
    return (first,) if second is None else (first, second)


def dimension_of(table: pd.DataFrame, key: str) -> Dimension:
    """Return the dimension of an axis, with that axis first.

    Raises
    ------
    RunError
        If no axis has this key.
    """
    run = run_of(table)
    axis = run.axis(key)
    group = next(group for group in run.dimensions if axis in group)
    values = tuple(dict.fromkeys(axis.values))
    dimension = Dimension((axis, *(other for other in group if other != axis)), values)
    return Dimension(dimension.axes, tuple(sorted(values))) if dimension.numeric else dimension


def position_of(table: pd.DataFrame, dimension: Dimension) -> NDArray[np.int64]:
    """Return the index along a dimension of every row of a table.

    Raises
    ------
    RunError
        If a row has a value that is not on the axis.
    """
    column = table[dimension.key]
    if dimension.numeric:
        values = np.asarray(dimension.values, dtype=np.float64)
        given = column.to_numpy(dtype=np.float64)
        position = np.searchsorted(values, given).clip(max=len(values) - 1)
        known = values[position] == given
    else:
        index = {_plain(value): number for number, value in enumerate(dimension.values)}
        position = np.array([index.get(_plain(value), -1) for value in column], dtype=np.int64)
        known = position >= 0
    if not known.all():
        stray = column[~known].iloc[0]
        raise RunError(f"axis {dimension.key!r}: {stray!r} is not one of its values {list(dimension.values)}")
    return position


def cut(table: pd.DataFrame, at: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows at given values of some axes.

    Raises
    ------
    RunError
        If an axis does not exist, or does not take the value.
    """
    chosen = np.ones(len(table), dtype=bool)
    for key, value in at.items():
        dimension = dimension_of(table, key)
        distances = [
            abs(known - value) if dimension.numeric else float(_plain(known) != _plain(value))
            for known in dimension.values
        ]
        nearest = int(np.argmin(distances))
        if distances[nearest] > (1e-9 * abs(value) if dimension.numeric else 0):
            raise RunError(f"axis {key!r} does not take {value!r}; its values are {list(dimension.values)}")
        chosen &= position_of(table, dimension) == nearest
    return table if chosen.all() else table[chosen]


def population_of(statistic: str, populations: Sequence[str]) -> str | None:
    """Return the population that a column is of, by its ending: ``E`` for ``cv_isi_E``."""
    fitting = [name for name in populations if statistic.endswith(f"_{name}")]
    return max(fitting, key=len) if fitting else None


def _reduce(
    table: pd.DataFrame, statistic: str, cell: NDArray[np.int64], size: int, mark_silent: bool
) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    def count(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(cell[rows], minlength=size)

    status = table["status"]
    ok = (status == "ok").to_numpy()
    values = values_of(table, statistic)
    defined = ok & np.isfinite(values)
    n_rows = np.bincount(cell, minlength=size)
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
        state[(n_ok > 0) & (count(ok & silent_rows(table, statistic)) == n_ok)] = State.SILENT
    return state, mean, spread, n_defined, n_rows


def values_of(table: pd.DataFrame, statistic: str) -> NDArray[np.float64]:
    """Return a statistic of every row; NaN where it is undefined, or in no summary yet; shape (n_rows,)."""
    if statistic not in table:
        return np.full(len(table), np.nan)
    return table[statistic].to_numpy(dtype=np.float64, na_value=np.nan)


def silent_rows(table: pd.DataFrame, statistic: str) -> NDArray[np.bool_]:
    """Return the rows in which the population of a statistic did not fire; shape (n_rows,)."""
    population = population_of(statistic, run_of(table).populations)
    column = f"rate_{population}" if population and f"rate_{population}" in table else "n_spikes"
    if column not in table:
        return np.zeros(len(table), dtype=bool)
    return (table[column] == 0).to_numpy(dtype=bool, na_value=False)


def _plain(value: Any) -> Any:
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple | np.ndarray) else value
