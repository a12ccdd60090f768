"""Calibration maps: a statistic over the grid, with the region that meets all targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.deciding.best_points import wilson_interval
from analysis.deciding.targets import CONTOURS, feasibility_grid
from analysis.grids.grid import Grid, statistic_grid
from analysis.opening.run import run_of
from analysis.plots.cells import (
    CONTOUR_STYLES,
    Handle,
    colour_limits,
    draw_grid,
    mark_target,
    outline_feasible,
    place_legend,
    state_handles,
    title_of,
)
from analysis.plots.curves import draw_curve
from analysis.plots.style import PROBABILITY_MAP, STATISTIC_MAP, axes_or_new, in_style, label_of


def draw_map(
    table: pd.DataFrame,
    statistic: str,
    ax: Axes | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
    limits: tuple[float, float] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a statistic over two axes of the grid, or over its only one.

    Every cell is one point of the grid, averaged over seeds and never interpolated; one without a value is drawn as
    what it is: silent, undefined, diverged, failed or not run. A dot marks a mean that lacks some seeds. Where the
    run has targets, lines along the cells enclose P(all targets met) ≥ 0.5 and ≥ 0.9.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    statistic : str
        Column.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    x, y : str, optional
        Axes of the grid to show; the first two by default. Over those neither shown nor held is averaged.
    at : mapping of str to value, optional
        Values at which to hold other axes.
    limits : tuple of float, optional
        Ends of the colour scale, in the unit of the statistic; from the values by default.
    legend : bool
        Explain hatches and lines below the map.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    RunError
        If an axis does not exist or a value is not on it.
    """
    grid = statistic_grid(table, statistic, x, y, at)
    feasible = feasibility_grid(table, x, y, at) if run_of(table).targets else None
    ax = axes_or_new(ax)
    handles = draw_cells(table, grid, ax, feasible, limits)
    if legend:
        place_legend(ax, handles)
    return ax


def draw_cells(
    table: pd.DataFrame,
    grid: Grid,
    ax: Axes,
    feasible: Grid | None = None,
    limits: tuple[float, float] | None = None,
) -> list[Handle]:
    """Draw a grid that has been computed, as `draw_map` does, and return the entries of its legend.

    Parameters
    ----------
    table : pandas.DataFrame
        That the grid was made from.
    grid : Grid
        The statistic.
    ax : matplotlib.axes.Axes
        Where to draw.
    feasible : Grid, optional
        P(all targets met) on the same cells.
    limits : tuple of float, optional
        Ends of the colour scale.

    Returns
    -------
    list of matplotlib.patches.Patch or matplotlib.lines.Line2D
    """
    with in_style():
        if grid.y is None:
            return draw_curve(table, grid, ax)
        draw_grid(table, grid, ax, STATISTIC_MAP, limits or colour_limits(grid), label_of(table, grid.statistic))
        handles = state_handles(grid)
        if feasible is not None:
            handles += outline_feasible(ax, feasible)
        mark_target(ax, next((goal for goal in run_of(table).targets if goal.statistic == grid.statistic), None))
        return handles


def draw_feasibility(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw P(all targets met), over seeds, with its lines at 0.5 and 0.9; parameters as in `draw_map`.

    Raises
    ------
    RunError
        If the run has no targets or an axis does not exist.
    """
    grid = feasibility_grid(table, x, y, at)
    ax = axes_or_new(ax)
    handles = draw_feasible_cells(table, grid, ax)
    if legend:
        place_legend(ax, handles)
    return ax


def draw_feasible_cells(table: pd.DataFrame, grid: Grid, ax: Axes) -> list[Handle]:
    """Draw P(all targets met) that has been computed, and return the entries of its legend."""
    label = "P(all targets met)"
    with in_style():
        if grid.y is None:
            n = np.where(grid.n_defined[0] > 0, grid.n_defined[0], 1)
            handles = draw_curve(table, grid, ax, label, wilson_interval(grid.mean[0], n))
            for level in CONTOURS:
                ax.axhline(level, color="0.4", lw=1, ls=CONTOUR_STYLES[level])
            ax.set_ylim(-0.05, 1.05)
        else:
            draw_grid(table, grid, ax, PROBABILITY_MAP, (0.0, 1.0), label)
            handles = state_handles(grid) + outline_feasible(ax, grid)
        ax.set_title(title_of(grid, feasibility_title(len(run_of(table).seeds))))
    return handles


def feasibility_title(n_seeds: int) -> str:
    """Return a title that says what the estimate rests on."""
    return "feasible region: 1 seed, so P is 0 or 1" if n_seeds == 1 else f"feasible region, over {n_seeds} seeds"
