"""Maps of how two simulators differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.agreement.difference import difference_grid
from analysis.grids.grid import State, hold
from analysis.opening.run import RunError
from analysis.plots.over_axes.layers import View, shown_axes
from analysis.plots.parts.cells import Frame, Handle, draw_cells, place_legend, title_of
from analysis.plots.parts.colours import ColourScale, difference_scale
from analysis.plots.parts.rulers import ruler_of, set_axis
from analysis.plots.parts.style import COLOURS, axes_or_new, in_style, label_of, new_figure


def draw_difference(
    table: pd.DataFrame,
    column: str,
    a: Any,
    b: Any,
    ax: Axes | None = None,
    *,
    group_on: str = "configuration",
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
    over: Sequence[str] = (),
    legend: bool = True,
) -> Axes:
    """Draw the difference of two maps, symmetric about 0; a cross marks where they differ.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    column, a, b, group_on
        As in `agreement.difference_grid`, which says what a cross means.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    x, y, at, over
        As in `draw_map`.
    legend : bool
        Explain patterns and crosses below the map.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    RunError
        If there are no such rows, columns or axes, or an axis is neither shown nor held nor averaged over.
    """
    view = View(x, y, at, over)
    grid = difference_grid(table, column, a, b, group_on, **view.arguments(table))
    shown = shown_axes(grid, view)
    left = [str(name) for name in grid["mean"].dims if name not in shown]
    if left:
        raise RunError(
            f"draw_difference: {', '.join(map(repr, left))} are neither shown nor held: choose values with at="
        )
    ax = axes_or_new(ax)
    label = f"difference of {label_of(table, column)}"
    with in_style():
        if len(shown) == 1:
            handles = _draw_line(ax, grid, shown[0], label)
        else:
            scale = difference_scale([grid], label)
            handles = _draw_map(ax, grid, shown, scale)
            scale.draw_bar(ax.figure, ax, pad=0.02, fraction=0.06)
        ax.set_title(title_of(grid, f"{grid.attrs['b']} − {grid.attrs['a']}"))
        if legend:
            place_legend(ax.figure, handles)
    return ax


def draw_differences(
    table: pd.DataFrame, columns: Sequence[str], a: Any, b: Any, *, at: Mapping[str, Any] | None = None
) -> Figure:
    """Draw how two simulators differ in several columns, a map each; of a third axis the slice that differs most.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    columns : sequence of str
        Any that hold numbers.
    a, b : value
        Names of the simulators.
    at : mapping of str to value, optional
        Where axes are held; of those that are neither shown nor held, where the mean absolute difference is largest,
        which the title names.

    Returns
    -------
    matplotlib.figure.Figure
    """
    down = -(-len(columns) // 4)
    across = -(-len(columns) // max(down, 1))  # rows of about equal length
    with in_style():
        figure = new_figure(3.5 * across + 0.3, 3.2 * down + 0.5)
        axes = figure.subplots(down, across, squeeze=False)
        handles: list[Handle] = []
        for column, ax in zip(columns, axes.flat, strict=False):
            view = View(at=at)
            grid = difference_grid(table, column, a, b, at=at)
            shown = shown_axes(grid, view)
            grid = hold(grid, table, _most_different(grid, shown))
            if len(shown) == 1:
                handles += _draw_line(ax, grid, shown[0], f"difference of {label_of(table, column)}")
            else:
                scale = difference_scale([grid], label_of(table, column))
                handles += _draw_map(ax, grid, shown, scale, short_labels=True)
                scale.draw_bar(figure, ax, pad=0.02, fraction=0.06)
            n_beyond, n_known = int(grid["beyond"].sum()), int((grid["state"] == State.VALUE).sum())
            ax.set_title(title_of(grid, f"{column}: {n_beyond} of {n_known} cells differ", 40))
        for ax in axes.flat[len(columns) :]:
            ax.remove()
        figure.suptitle(f"{b} − {a}")
        place_legend(figure, handles, 2 * across)
    return figure


def _most_different(grid: xr.Dataset, shown: tuple[str, ...]) -> dict[str, Any]:
    rest = [str(name) for name in grid["mean"].dims if name not in shown]
    if not rest:
        return {}
    apart = abs(grid["mean"])
    apart = apart.mean(dim=list(shown)).fillna(-1.0)
    place = apart.argmax(rest)
    return {key: grid[key].to_numpy()[int(place[key])].item() for key in rest}


def _draw_map(
    ax: Axes, grid: xr.Dataset, shown: tuple[str, ...], scale: ColourScale, short_labels: bool = False
) -> list[Handle]:
    grid = grid.transpose(shown[1], shown[0])
    across, up = ruler_of(grid, shown[0]), ruler_of(grid, shown[1])
    set_axis(ax, across, "x", 2.6)
    set_axis(ax, up, "y", 2.6)
    if short_labels:
        ax.set(xlabel=across.name, ylabel=up.name)
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)
    beyond = grid["beyond"].to_numpy()
    handles = draw_cells(ax, grid, Frame(across.edges, up.edges), scale, beyond)
    handles = [handle for handle in handles if "lack" not in str(handle.get_label())]
    if beyond.any():
        handles.append(
            Line2D([], [], ls="", marker="x", ms=5, mew=1.2, color="black", label="differ (false-discovery rate 5 %)")
        )
    return handles


def _draw_line(ax: Axes, grid: xr.Dataset, key: str, label: str) -> list[Handle]:
    ruler = ruler_of(grid, key)
    x = ruler.labels.astype(float) if ruler.numeric else ruler.centres
    ax.errorbar(x, grid["mean"], np.nan_to_num(2 * grid["error"]), fmt="o-", ms=4, color=COLOURS[0], capsize=2)
    ax.axhline(0.0, color="0.4", lw=1, ls=":")
    if ruler.log:
        ax.set_xscale("log")
    if not ruler.numeric:
        ax.set_xticks(x, [str(value) for value in ruler.labels])
    ax.set(xlabel=ruler.label(44), ylabel=f"{label}, ± 2 standard errors")
    return []
