"""What a map shows, computed before anything is drawn: statistic, feasible region and best point, of each simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from analysis.deciding.best_points import best_points
from analysis.deciding.feasibility import feasibility_grid
from analysis.deciding.targets import FEASIBLE, Targets, targets_of
from analysis.grids.columns import maps_of, population_of, values_of
from analysis.grids.dimensions import Dimension, dimension_of, find_axis
from analysis.grids.grid import hold, statistic_grid
from analysis.opening.run import RunError, Target, run_of


@dataclass(frozen=True)
class View:
    """Which part of the grid is shown, and against which targets.

    Parameters
    ----------
    x, y : str or None
        Axes to show; the first two that are free by default.
    at : mapping of str to value
        Where axes are held.
    over : sequence of str
        Axes to average over.
    targets : mapping, sequence of Target, or None
        Those of the run by default.
    """

    x: str | None = None
    y: str | None = None
    at: Mapping[str, Any] | None = None
    over: Sequence[str] = ()
    targets: Targets | None = None

    def goals(self, table: pd.DataFrame) -> tuple[Target, ...]:
        """Return the targets; none if there are none."""
        return targets_of(table, self.targets) if self.targets is not None or run_of(table).targets else ()

    def arguments(self, table: pd.DataFrame) -> dict[str, Any]:
        """Return what `statistic_grid` takes."""
        first = [key for key in (self.x, self.y) if key is not None]
        for key in first:
            find_axis(run_of(table), key)
        return {"at": self.at, "over": self.over, "first": first}


@dataclass(frozen=True)
class Layers:
    """A column on the grid of one simulator, with what lies over it.

    Parameters
    ----------
    simulator, population : str
        Of which; empty where there is no need to say.
    column : str
        The column.
    doc : str
        Its meaning.
    table : pandas.DataFrame
        The rows of the simulator.
    grid : xarray.Dataset
        The column.
    feasible : xarray.Dataset or None
        P(all targets met), where there are targets.
    best : mapping of str to value, or None
        Where the best point is, if there is one.
    target : Target or None
        On this column.
    """

    simulator: str
    population: str
    column: str
    doc: str
    table: pd.DataFrame
    grid: xr.Dataset
    feasible: xr.Dataset | None
    best: Mapping[str, Any] | None
    target: Target | None

    def cut(self, at: Mapping[str, Any]) -> Layers:
        """Return the layers at values of axes; the best point only if it is there."""
        if not at:
            return self
        here = self.best is not None and all(self.best[key] == value for key, value in at.items())
        return replace(
            self,
            grid=hold(self.grid, self.table, at),
            feasible=None if self.feasible is None else hold(self.feasible, self.table, at),
            best=self.best if here else None,
        )

    def place_of_best(self, key: str) -> int | None:
        """Return the index of the best point along an axis of the grid, if it is in it."""
        if self.best is None:
            return None
        dimension = _as_shown(self.table, key)
        found = np.flatnonzero(np.atleast_1d(self.grid[key]) == dimension.labels[dimension.index(self.best[key])])
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Overlay:
    """What lies over all maps of a simulator.

    Parameters
    ----------
    table : pandas.DataFrame
        Its rows.
    feasible : xarray.Dataset or None
        P(all targets met), where there are targets.
    best : mapping of str to value, or None
        Where the best point is, if there is one.
    """

    table: pd.DataFrame
    feasible: xr.Dataset | None
    best: Mapping[str, Any] | None


def overlays_of(table: pd.DataFrame, view: View) -> dict[str, Overlay]:
    """Compute what lies over the maps of each simulator: once for all figures of a run."""
    goals, arguments = view.goals(table), view.arguments(table)
    parts = {str(name): table[table["configuration"] == name] for name in dict.fromkeys(table["configuration"])}
    return {
        name: Overlay(part, feasibility_grid(part, goals, **arguments) if goals else None, _best(part, goals))
        for name, part in parts.items()
    }


def layers_of(
    table: pd.DataFrame, name: str, view: View, overlays: Mapping[str, Overlay] | None = None
) -> list[Layers]:
    """Compute what maps of a statistic show: of every simulator and, for each, of every population.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    name : str
        A statistic (``rate``), a column (``rate_E``), or ``feasible``.
    view : View
        Which part of the grid.
    overlays : mapping of str to Overlay, optional
        From `overlays_of` with this view.

    Raises
    ------
    RunError
        If there is no such column or axis, or no target where P is asked for.
    """
    run = run_of(table)
    columns = _columns(table, name)
    goals = targets_of(table, view.targets) if name == FEASIBLE else view.goals(table)
    arguments = view.arguments(table)
    several = len(run.metadata["simulators"]) > 1
    found = []
    for simulator, overlay in (overlays_of(table, view) if overlays is None else overlays).items():
        for column in columns:
            grid = overlay.feasible if column == FEASIBLE else statistic_grid(overlay.table, column, **arguments)
            assert grid is not None
            found.append(
                Layers(
                    simulator if several else "",
                    (population_of(column, run.populations) or "") if len(columns) > 1 else "",
                    column,
                    str(table.attrs.get("docs", {}).get(column, "")),
                    overlay.table,
                    grid,
                    overlay.feasible,
                    overlay.best,
                    next((goal for goal in goals if goal.statistic == column), None),
                )
            )
    return sorted(found, key=lambda one: columns.index(one.column))


def shown_axes(grid: xr.Dataset, view: View) -> tuple[str, ...]:
    """Return the axes of a grid that are shown, x first: those asked for, then the first that are free.

    Raises
    ------
    RunError
        If one that is asked for is held, or nothing varies.
    """
    names = [str(name) for name in grid["mean"].dims]
    asked = [key for key in (view.x, view.y) if key is not None]
    for key in asked:
        if key not in names:
            raise RunError(f"axis {key!r} takes one value here, and cannot be shown along an axis of a figure")
    free = [name for name in names if name not in asked]
    x = view.x or (free.pop(0) if free else None)
    y = view.y or (free.pop(0) if free else None)
    shown = tuple(key for key in (x, y) if key is not None)
    if not shown:
        raise RunError("nothing varies here, so there is no map")
    return shown


def _as_shown(table: pd.DataFrame, key: str) -> Dimension:
    return dimension_of(table, key)


def _columns(table: pd.DataFrame, name: str) -> list[str]:
    if name == FEASIBLE or name in table:
        return [name]
    run = run_of(table)
    columns = maps_of(run).get(name) or [
        column for column in (f"{name}_{population}" for population in run.populations) if column in table
    ]
    if not columns:
        values_of(table, name)  # which says what is near
    return columns or [name]


def _best(part: pd.DataFrame, goals: Sequence[Target]) -> Mapping[str, Any] | None:
    if not goals:
        return None
    found = best_points(part, 1, goals)
    if found.empty or found["p_feasible"].iloc[0] == 0:
        return None
    return {axis.key: found[axis.key].iloc[0] for axis in run_of(part).axes}
