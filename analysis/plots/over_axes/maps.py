"""Calibration maps: a column over two axes of the grid, with the region that meets all targets and its best point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.deciding.targets import FEASIBLE, Targets
from analysis.grids.columns import population_of
from analysis.grids.grid import check_one
from analysis.opening.run import RunError, run_of
from analysis.plots.over_axes.curves import draw_curve
from analysis.plots.over_axes.layers import Layers, View, layers_of, shown_axes
from analysis.plots.parts.cells import Frame, Handle, draw_cells, mark_best, outline_feasible, place_legend, title_of
from analysis.plots.parts.colours import ColourScale, probability_scale, statistic_scale
from analysis.plots.parts.rulers import ruler_of, set_axis
from analysis.plots.parts.style import axes_or_new, in_style, label_of


def draw_map(
    table: pd.DataFrame,
    column: str,
    ax: Axes | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
    over: Sequence[str] = (),
    targets: Targets | None = None,
    limits: tuple[float, float] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a column over two axes of the grid, or over its only one.

    Every cell is one point of the grid, averaged over seeds and never interpolated; one without a value is drawn as
    what it is: silent, undefined, diverged, failed or not run. A dot marks a mean that lacks some seeds. Where there
    are targets, lines along the cells enclose P(all targets met) ≥ 0.5 and ≥ 0.9, a star marks the best point, and the
    colours of a column with a target diverge about it. Evenly spaced values stand where they are; others one by one.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    column : str
        Any that holds numbers, or ``feasible`` for P(all targets met).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    x, y : str, optional
        Axes of the grid to show; the first two that are free by default.
    at : mapping of str to value, optional
        Values at which to hold other axes.
    over : sequence of str
        Axes to average over.
    targets
        As in `deciding.targets_of`; those of the run by default.
    limits : tuple of float, optional
        Ends of the colour scale, in the unit of the column; from the values by default.
    legend : bool
        Explain patterns and lines below the map.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    RunError
        If there is no such column or axis, the table has several simulators, or an axis is neither shown nor held nor
        averaged over.
    """
    check_one(table)
    view = View(x, y, at, over, targets)
    (layers,) = layers_of(table, column, view) if column in (*table, FEASIBLE) else layers_of(table, column, view)[:1]
    shown = shown_axes(layers.grid, view)
    left = [str(name) for name in layers.grid["mean"].dims if name not in shown]
    if left:
        raise RunError(
            f"draw_map: {', '.join(map(repr, left))} are neither shown nor held: choose values with "
            f"at={{{left[0]!r}: …}}, average with over=[{left[0]!r}], or draw all slices with draw_maps"
        )
    ax = axes_or_new(ax)
    with in_style():
        if len(shown) == 1:
            handles = draw_curve(layers, shown[0], ax)
        else:
            scale = scale_of([layers], limits)
            handles = draw_layers(ax, layers, shown[0], shown[1], scale)
            scale.draw_bar(ax.figure, ax, pad=0.02, fraction=0.06)
        ax.set_title(title_of(layers.grid, heading_of(layers)))
        if legend:
            place_legend(ax.figure, handles)
    return ax


def draw_layers(ax: Axes, layers: Layers, x: str, y: str, scale: ColourScale) -> list[Handle]:
    """Draw one map where its values are, with its axes, and return the legend's entries."""
    grid = layers.grid.transpose(y, x)
    across, up = ruler_of(grid, x), ruler_of(grid, y)
    width, height = _inches(ax)
    set_axis(ax, across, "x", width)
    set_axis(ax, up, "y", height)
    frame = Frame(across.edges, up.edges)
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)
    return draw_in_frame(ax, layers, x, y, scale, frame)


def draw_in_frame(
    ax: Axes, layers: Layers, x: str, y: str, scale: ColourScale, frame: Frame, pixels: int = 480
) -> list[Handle]:
    """Draw the layers of one map into a frame, and return the legend's entries."""
    handles = draw_cells(ax, layers.grid.transpose(y, x), frame, scale, pixels=pixels)
    if layers.feasible is not None:
        handles += outline_feasible(ax, layers.feasible.transpose(y, x), frame)
        place = layers.place_of_best(x), layers.place_of_best(y)
        if place[0] is not None and place[1] is not None:
            middle = (frame.x[:-1] + frame.x[1:]) / 2, (frame.y[:-1] + frame.y[1:]) / 2
            handles += mark_best(ax, (float(middle[0][place[0]]), float(middle[1][place[1]])))
    return handles


def scale_of(layers: Sequence[Layers], limits: tuple[float, float] | None = None) -> ColourScale:
    """Return one colour scale for maps of one column or unit, about their target if they have one and the same."""
    if layers[0].column == FEASIBLE:
        return probability_scale()
    names = list(dict.fromkeys(one.column for one in layers))
    label = label_of(layers[0].table, names[0])
    if len(names) > 1:
        label = label.replace(names[0], ", ".join(names))
    return statistic_scale([one.grid for one in layers], label, layers[0].target, limits)


def heading_of(layers: Layers) -> str:
    """Return what a map shows, in words."""
    if layers.column == FEASIBLE:
        n_seeds = int(np.max(layers.grid["n_rows"]))
        return "feasible region: 1 seed, so P is 0 or 1" if n_seeds == 1 else f"feasible region, over {n_seeds} seeds"
    population = layers.population or population_of(layers.column, run_of(layers.table).populations)
    return ": ".join(text for text in (population, layers.doc) if text)


def _inches(ax: Axes) -> tuple[float, float]:
    box, figure = ax.get_position(), ax.figure.bbox
    return box.width * figure.width / ax.figure.dpi, box.height * figure.height / ax.figure.dpi
