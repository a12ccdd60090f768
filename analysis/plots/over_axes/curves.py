"""A column along the only axis of a grid."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from analysis.deciding.feasibility import CONTOURS
from analysis.deciding.targets import FEASIBLE
from analysis.grids.columns import values_of
from analysis.grids.dimensions import dimension_of, position_of
from analysis.grids.grid import State
from analysis.plots.over_axes.layers import Layers
from analysis.plots.parts.cells import CONTOUR_STYLES, Handle, mark_best
from analysis.plots.parts.rulers import Ruler, ruler_of, short, shown_ranks
from analysis.plots.parts.style import COLOURS, STATES, in_style, label_of

_MANY_SEEDS = 5_000  # above it single seeds are not drawn


def draw_curve(layers: Layers, key: str, ax: Axes) -> list[Handle]:
    """Draw the mean over seeds as a line, their standard deviation as a band and every seed as a dot.

    Of P(all targets met) the band is its 95 % interval. Points without a value are bands in the look of their state. A
    target is a band across, the best point a star.

    Parameters
    ----------
    layers : Layers
        Of one dimension.
    key : str
        Its axis.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    list of matplotlib.patches.Patch or matplotlib.lines.Line2D
        Entries of the legend.
    """
    with in_style():
        grid, ruler = layers.grid, ruler_of(layers.grid, key)
        x, edges = _places(ruler)
        probability = layers.column == FEASIBLE
        state, handles = grid["state"].to_numpy(), list[Handle]()
        there = np.isin(state, (State.VALUE, State.SILENT))
        mean = np.where(there, grid["mean"], np.nan)
        if probability or int(grid["n_rows"].max()) > 1:
            spread = np.nan_to_num(grid["spread"])
            low, high = (grid["low"], grid["high"]) if probability else (mean - spread, mean + spread)
            band = ax.fill_between(
                x, np.where(there, low, np.nan), np.where(there, high, np.nan), color=COLOURS[0], alpha=0.2, lw=0
            )
            band.set_label("spread")
            meaning = "95 % interval (Wilson)" if probability else "± 1 SD over seeds"
            handles.append(Patch(facecolor=COLOURS[0], alpha=0.2, label=meaning))
            if not probability:
                _draw_seeds(layers, key, x, ax)
        (line,) = ax.plot(x, mean, "-o", ms=4, color=COLOURS[0], label="mean over seeds")
        handles.insert(0, line)
        if ruler.log and bool((edges > 0).all()):
            ax.set_xscale("log")
        ax.set_xlim(edges[0], edges[-1])
        _set_ticks(ax, ruler, x)
        handles += _draw_states(state, edges, ax)
        if probability:
            for level in CONTOURS:
                ax.axhline(level, color="0.4", lw=1, ls=CONTOUR_STYLES[level])
            ax.set_ylim(-0.05, 1.05)
        elif layers.target is not None:
            # an open end runs to the frame
            bounds = np.clip([layers.target.low, layers.target.high], *ax.get_ylim())
            if bounds[0] < bounds[1]:
                ax.axhspan(*bounds, color=COLOURS[2], alpha=0.18, lw=0, zorder=0.5).set_label("target")
                handles.append(Patch(facecolor=COLOURS[2], alpha=0.18, label="target"))
        place = layers.place_of_best(key)
        if place is not None and np.isfinite(mean[place]):
            handles += mark_best(ax, (float(x[place]), float(mean[place])))
        ax.set_xlabel(ruler.label(44))
        ax.set_ylabel("P(all targets met)" if probability else label_of(layers.table, layers.column))
    return handles


def _places(ruler: Ruler) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the values stand on a line, numbers where they are, and the edges between them."""
    if not ruler.numeric:
        return ruler.centres, ruler.edges
    x = ruler.labels.astype(np.float64)
    log = ruler.log and bool((x > 0).all())
    at = np.log(x) if log else x
    if len(at) == 1:
        return x, np.array([0.9, 1.1]) * x[0] if x[0] else np.array([-0.5, 0.5])
    middle = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])
    return x, np.exp(edges) if log else edges


def _set_ticks(ax: Axes, ruler: Ruler, x: NDArray[np.float64]) -> None:
    if not ruler.numeric or len(x) <= 8 or ruler.log:
        ranks = shown_ranks(ruler, 3.4, "x")
        ax.set_xticks(x[ranks], [short(ruler.labels[rank]) for rank in ranks])
        ax.xaxis.set_minor_locator(NullLocator())


def _draw_seeds(layers: Layers, key: str, x: NDArray[np.float64], ax: Axes) -> None:
    table = layers.table
    dimension = dimension_of(table, key)
    ok = (table["status"] == "ok").to_numpy()
    for name in layers.grid.coords:  # where the grid was cut
        if not layers.grid[name].dims and name in table and layers.grid[name].attrs.get("n_values", 1) > 1:
            other = dimension_of(table, str(name))
            ok &= other.labels[position_of(table, other)] == layers.grid[name].item()
    if ok.sum() <= _MANY_SEEDS:
        values = values_of(table, layers.column)[ok]
        ax.plot(x[position_of(table[ok], dimension)], values, ".", ms=3, color=COLOURS[0], alpha=0.5, label="seeds")


def _draw_states(state: NDArray[np.int8], edges: NDArray[np.float64], ax: Axes) -> list[Handle]:
    handles: list[Handle] = []
    for code, look in STATES.items():
        cells = np.flatnonzero(state == code)
        for cell in cells:
            ax.axvspan(
                edges[cell], edges[cell + 1], fc=look.face, ec=look.ink, hatch=look.hatch, lw=0, alpha=0.6, zorder=0
            ).set_label(look.label)
        if len(cells):
            handles.append(Patch(facecolor=look.face, edgecolor=look.ink, hatch=look.hatch, label=look.label))
    return handles
