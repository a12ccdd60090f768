"""Cells of a map: values as colours, everything else as hatches, and lines along their edges."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from analysis.deciding.targets import CONTOURS
from analysis.grids.grid import Dimension, Grid, State, population_of
from analysis.opening.run import Target, run_of
from analysis.plots.style import STATES, in_style, label_of, map_of, state_map

Handle = Patch | Line2D

_MANY_CELLS = 200_000  # above it cells are drawn as an image
_FEW_VALUES = 8  # up to it every value of an axis gets a tick
_MANY_PATCHES = 20_000  # above it a hatch is a grey tone anyway
CONTOUR_STYLES: Mapping[float, Literal["--", "-"]] = {0.5: "--", 0.9: "-"}


def draw_grid(
    table: pd.DataFrame, grid: Grid, ax: Axes, colours: str, limits: tuple[float, float], bar_label: str
) -> None:
    """Draw the cells of a grid, with axes, states, title and colour bar."""
    assert grid.y is not None
    x_edges, y_edges = edges_of(grid.x), edges_of(grid.y)
    values = np.ma.masked_where(grid.state != State.VALUE, grid.mean)
    regular = not (grid.x.axes[0].log or grid.y.axes[0].log)
    draw = ax.pcolorfast if regular and values.size > _MANY_CELLS else ax.pcolormesh
    states = np.ma.masked_equal(grid.state, State.VALUE)
    if not states.mask.all():
        faces = draw(x_edges, y_edges, states, cmap=state_map(), vmin=-0.5, vmax=len(State) - 0.5)
        faces.set_rasterized(True)  # else a vector viewer shows seams between cells
        for state in State:
            if state in STATES:
                _hatch(ax, x_edges, y_edges, grid.state == state, state)
    mesh = draw(x_edges, y_edges, values, cmap=map_of(colours), vmin=limits[0], vmax=limits[1])
    mesh.set_rasterized(True)
    mesh.set_label(grid.statistic)
    rows, columns = np.nonzero(grid.partial)
    if 0 < len(rows) <= _MANY_PATCHES:
        ax.scatter(
            centres_of(grid.x)[columns], centres_of(grid.y)[rows], s=5, c="white", edgecolors="black", linewidths=0.4
        )
    set_axis(ax, table, grid.x, "x")
    set_axis(ax, table, grid.y, "y")
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)
    ax.set_title(title_of(grid, meaning_of(table, grid.statistic)))
    found = grid.mean[grid.state == State.VALUE]
    above, below = bool((found > limits[1]).any()), bool((found < limits[0]).any())
    extend = {(True, True): "both", (True, False): "max", (False, True): "min"}.get((above, below), "neither")
    bar = ax.figure.colorbar(mesh, ax=ax, extend=extend, pad=0.02, fraction=0.06)
    bar.set_label(bar_label)
    bar.outline.set_visible(False)


def colour_limits(*grids: Grid) -> tuple[float, float]:
    """Return ends of a colour scale for maps that are to be compared.

    A few cells far above all others (beyond three times the 98th percentile) do not set the scale; the colour bar
    then ends in an arrow.
    """
    values = np.concatenate([grid.mean[grid.state == State.VALUE] for grid in grids])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    usual = float(np.quantile(values, 0.98))
    if low >= 0 and usual > 0 and high > 3 * usual:
        high = usual
    if low == high:
        return low - 0.5, high + 0.5
    return (0.0 if 0 <= low < 0.25 * high else low), high


def edges_of(dimension: Dimension) -> NDArray[np.float64]:
    """Return the edges of the cells along a dimension: halfway between its values, or between their logarithms."""
    centres = centres_of(dimension)
    log = dimension.axes[0].log and bool((centres > 0).all())
    if log:
        centres = np.log(centres)
    if len(centres) == 1:
        width = abs(centres[0]) * 0.1 or 0.5
        edges = np.array([centres[0] - width, centres[0] + width])
    else:
        middle = (centres[1:] + centres[:-1]) / 2
        edges = np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


def centres_of(dimension: Dimension) -> NDArray[np.float64]:
    """Return where the values of a dimension stand: numbers where they are, anything else one by one."""
    if dimension.numeric:
        return np.asarray(dimension.values, dtype=np.float64)
    return np.arange(len(dimension.values), dtype=np.float64)


def set_axis(ax: Axes, table: pd.DataFrame, dimension: Dimension, which: Literal["x", "y"]) -> None:
    """Label an axis with key, unit and meaning, and name its values where they are not numbers."""
    edges = edges_of(dimension)
    if dimension.axes[0].log and bool((edges > 0).all()):
        ax.set(**{f"{which}scale": "log"})
    ax.set(**{f"{which}lim": (edges[0], edges[-1])})
    width = 44 if which == "x" else 36
    label = label_of(table, dimension.key)
    meaning = table.attrs.get("docs", {}).get(dimension.key, "")
    lines = [label, *textwrap.wrap(meaning, width)]
    if len(dimension.axes) > 1:
        lines.append("together with " + ", ".join(axis.key for axis in dimension.axes[1:]))
    ax.set(**{f"{which}label": "\n".join(lines)})
    if dimension.numeric and len(dimension.values) <= _FEW_VALUES:
        ax.set(**{f"{which}ticks": dimension.values, f"{which}ticklabels": _labels_that_fit(dimension, edges, which)})
        getattr(ax, f"{which}axis").set_minor_locator(NullLocator())
    if not dimension.numeric:
        ticks = [short(value) for value in dimension.values]
        ax.set(**{f"{which}ticks": centres_of(dimension), f"{which}ticklabels": ticks})


def _labels_that_fit(dimension: Dimension, edges: NDArray[np.float64], which: Literal["x", "y"]) -> list[str]:
    """Return the values as text, but for those that would run into the last one before."""
    place, ends = centres_of(dimension), edges[[0, -1]]
    if dimension.axes[0].log and bool((edges > 0).all()):
        place, ends = np.log(place), np.log(ends)
    labels = [short(value) for value in dimension.values]
    free = -np.inf
    for number, position in enumerate((place - ends[0]) / (ends[1] - ends[0])):
        half = (0.012 * len(labels[number]) if which == "x" else 0.0) + 0.012
        if position - half < free:
            labels[number] = ""
        else:
            free = position + half
    return labels


def title_of(grid: Grid, text: str) -> str:
    """Return a title that also says where the grid was cut and what was averaged."""
    cuts = [f"{key} = {short(value)}" for key, value in grid.at.items()]
    if grid.averaged:
        cuts.append("mean over " + ", ".join(grid.averaged))
    return "\n".join([*textwrap.wrap(text, 46), *([", ".join(cuts)] if cuts else [])])


def meaning_of(table: pd.DataFrame, statistic: str) -> str:
    """Return the population and the meaning of a statistic in words."""
    population = population_of(statistic, run_of(table).populations)
    meaning = str(table.attrs.get("docs", {}).get(statistic, ""))
    return ": ".join(text for text in (population, meaning) if text)


def state_handles(grid: Grid) -> list[Handle]:
    """Return the legend's entries for the states that a grid has."""
    handles: list[Handle] = [
        Patch(facecolor=look.face, edgecolor=look.ink, hatch=look.hatch, linewidth=0.6, label=look.label)
        for state, look in STATES.items()
        if (grid.state == state).any()
    ]
    if grid.partial.any():
        handles.append(
            Line2D([], [], ls="", marker="o", ms=3, mfc="white", mec="black", mew=0.5, label="some seeds lack a value")
        )
    return handles


def place_legend(ax: Axes, handles: Sequence[Handle]) -> None:
    """Put a legend below an axes, clear of its label."""
    if handles:
        with in_style():
            ax.figure.legend(handles=list(handles), loc="outside lower center", ncols=min(len(handles), 2))


def _hatch(
    ax: Axes, x_edges: NDArray[np.float64], y_edges: NDArray[np.float64], cells: NDArray[np.bool_], state: State
) -> None:
    look = STATES[state]
    if not look.hatch or not cells.any():
        return
    # one patch per run of cells in a row, else the hatch starts anew in every cell
    padded = np.pad(cells, ((0, 0), (1, 1))).astype(np.int8)
    rows, starts = np.nonzero(np.diff(padded, axis=1) == 1)
    ends = np.nonzero(np.diff(padded, axis=1) == -1)[1]
    if len(rows) > _MANY_PATCHES:
        return
    left, right, low, high = x_edges[starts], x_edges[ends], y_edges[rows], y_edges[rows + 1]
    corners = np.stack([[left, low], [right, low], [right, high], [left, high]]).transpose(2, 0, 1)
    patches = PolyCollection(list(corners), facecolors="none", edgecolors=look.ink, linewidths=0.0, hatch=look.hatch)
    patches.set_label(look.label)
    ax.add_collection(patches, autolim=False)


def outline_feasible(ax: Axes, grid: Grid) -> list[Handle]:
    """Enclose the cells of P ≥ each contour along their edges, and return the legend's entries."""
    assert grid.y is not None
    handles: list[Handle] = []
    single = int(grid.n_rows.max(initial=0)) <= 1
    for level in CONTOURS[-1:] if single else CONTOURS:
        inside = (grid.state == State.VALUE) & (np.nan_to_num(grid.mean) >= level)
        style = CONTOUR_STYLES[level]
        label = "all targets met" if single else f"all targets met, P ≥ {level:g}"
        if inside.any():
            segments = _outline(inside, edges_of(grid.x), edges_of(grid.y))
            ax.add_collection(LineCollection(segments, colors="black", linewidths=3.0, zorder=3), autolim=False)
            lines = LineCollection(segments, colors="white", linewidths=1.6, linestyles=style, zorder=3)
            lines.set_label(label)
            ax.add_collection(lines, autolim=False)
            handles.append(_outline_handle(style, label))
    return handles


def _outline_handle(style: Literal["--", "-"], label: str) -> Line2D:
    handle = Line2D([], [], color="white", ls=style, lw=1.6, label=label)
    handle.set_path_effects([_Background(), Normal()])
    return handle


class _Background(AbstractPathEffect):
    """Draw a line solid, black and wide, whatever its own style: the ground for white dashes."""

    def draw_path(self, renderer: Any, gc: Any, tpath: Any, affine: Any, rgbFace: Any = None) -> None:
        ground = renderer.new_gc()
        ground.copy_properties(gc)
        ground.set_foreground("black")
        ground.set_linewidth(gc.get_linewidth() * 3.0 / 1.6)
        ground.set_dashes(0, None)
        renderer.draw_path(ground, tpath, affine, rgbFace)
        ground.restore()


def _outline(
    inside: NDArray[np.bool_], x_edges: NDArray[np.float64], y_edges: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the border of a set of cells as segments along their edges."""
    padded = np.pad(inside, 1)
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([x_edges[columns], y_edges[rows], x_edges[columns], y_edges[rows + 1]], axis=-1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([x_edges[columns], y_edges[rows], x_edges[columns + 1], y_edges[rows]], axis=-1)
    return list(np.concatenate([upright, level]).reshape(-1, 2, 2))


def mark_target(ax: Axes, target: Target | None) -> None:
    """Draw the range of the target on the colour bar of the map."""
    if target is None:
        return
    bar = _colour_bar_axes(ax)
    for bound in (target.low, target.high):
        if np.isfinite(bound):
            bar.axhline(bound, color="white", lw=1.6, path_effects=_halo())


def _halo() -> list[AbstractPathEffect]:
    return [Stroke(linewidth=3.0, foreground="black"), Normal()]


def _colour_bar_axes(ax: Axes) -> Axes:
    artists = [*ax.collections, *ax.images]
    return next(artist.colorbar.ax for artist in artists if artist.colorbar is not None)


def short(value: Any) -> str:
    """Return a value of an axis as text."""
    return f"{value:g}" if isinstance(value, float) else str(value)
