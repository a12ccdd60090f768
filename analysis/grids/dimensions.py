"""Dimensions of the grid of a run: its axes, with those that advance together as one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.opening.run import Axis, Run, RunError, run_of


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

    @property
    def labels(self) -> NDArray[Any]:
        """The values as a coordinate: numbers where they are, else text; shape (n_values,)."""
        if self.numeric:
            return np.asarray(self.values)
        return np.array([value if isinstance(value, str) else str(value) for value in self.values])

    def index(self, value: Any) -> int:
        """Return where a value is along the dimension.

        Raises
        ------
        RunError
            If it is not one of the values.
        """
        if self.numeric and isinstance(value, int | float | np.number):
            distances = np.abs(np.asarray(self.values, dtype=np.float64) - float(value))
            nearest = int(np.argmin(distances))
            if distances[nearest] <= 1e-9 * abs(float(value)):
                return nearest
        else:
            for number, known in enumerate(self.values):
                if plain(known) == plain(value) or (isinstance(value, str) and str(known) == value):
                    return number
        raise RunError(f"axis {self.key!r} does not take {value!r}; its values are {list(self.values)}")


def dimensions_of(table: pd.DataFrame) -> tuple[Dimension, ...]:
    """Return the dimensions of the grid that a table is of, in the order of the sweep."""
    run = run_of(table)
    return tuple(_dimension(group, group[0]) for group in run.dimensions)


def dimension_of(table: pd.DataFrame, key: str) -> Dimension:
    """Return the dimension of an axis, with that axis first.

    Raises
    ------
    RunError
        If no axis has this key.
    """
    run = run_of(table)
    axis = find_axis(run, key)
    return _dimension(next(group for group in run.dimensions if axis in group), axis)


def find_axis(run: Run, key: str) -> Axis:
    """Return the axis of a key; a RunError names the nearest if there is none."""
    keys = [axis.key for axis in run.axes]
    if key not in keys:
        near = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RunError(f"run {run.name!r}: {key!r} is not an axis; {hint}the axes are {keys}")
    return run.axis(key)


def position_of(table: pd.DataFrame, dimension: Dimension) -> NDArray[np.int64]:
    """Return the index along a dimension of every row of a table; shape (n_rows,).

    Raises
    ------
    RunError
        If a row has a value that is not on the axis.
    """
    column = table[dimension.key]
    if dimension.numeric:
        values = np.asarray(dimension.values, dtype=np.float64)
        given = column.to_numpy(dtype=np.float64, na_value=np.nan)
        position = np.searchsorted(values, given).clip(max=len(values) - 1)
        known = values[position] == given
    else:
        index = {plain(value): number for number, value in enumerate(dimension.values)}
        position = np.array([index.get(plain(value), -1) for value in column], dtype=np.int64)
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
        chosen &= position_of(table, dimension) == dimension.index(value)
    return table if chosen.all() else table[chosen]


def plain(value: Any) -> Any:
    """Return a value of an axis in a form that can be compared and hashed."""
    return tuple(plain(item) for item in value) if isinstance(value, list | tuple | np.ndarray) else value


def _dimension(group: tuple[Axis, ...], first: Axis) -> Dimension:
    values = tuple(dict.fromkeys(first.values))
    dimension = Dimension((first, *(other for other in group if other != first)), values)
    return Dimension(dimension.axes, tuple(sorted(values))) if dimension.numeric else dimension
