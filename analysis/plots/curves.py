"""A statistic along the only axis of a grid."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.grids.grid import Grid, State, cut, position_of
from analysis.opening.run import run_of
from analysis.plots.cells import Handle, centres_of, edges_of, meaning_of, set_axis, title_of
from analysis.plots.style import COLOURS, STATES, in_style, label_of

_MANY_SEEDS = 5_000  # above it single seeds are not drawn


def draw_curve(
    table: pd.DataFrame,
    grid: Grid,
    ax: Axes,
    label: str | None = None,
    interval: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> list[Handle]:
    """Draw the mean over seeds as a line, their standard deviation as a band and every seed as a dot.

    Points without a value are bands in the look of their state. A target is a band across.

    Parameters
    ----------
    table : pandas.DataFrame
        That the grid was made from.
    grid : Grid
        Of one dimension.
    ax : matplotlib.axes.Axes
        Where to draw.
    label : str, optional
        Of the y axis; the statistic and its unit by default.
    interval : tuple of ndarray of float, optional
        Ends of a 95 % interval, each of shape (n_x,), to draw in place of the standard deviation.

    Returns
    -------
    list of matplotlib.patches.Patch or matplotlib.lines.Line2D
        Entries of the legend.
    """
    with in_style():
        x, mean, spread = centres_of(grid.x), grid.mean[0], np.nan_to_num(grid.spread[0])
        state, edges = grid.state[0], edges_of(grid.x)
        handles: list[Handle] = []
        mean = np.where(np.isin(state, (State.VALUE, State.SILENT)), mean, np.nan)
        if interval is not None or (grid.n_rows > 1).any():
            low, high = (mean - spread, mean + spread) if interval is None else interval
            band = ax.fill_between(x, low, high, color=COLOURS[0], alpha=0.2, lw=0)
            band.set_label("spread")
            meaning = "± 1 SD over seeds" if interval is None else "95 % interval (Wilson)"
            handles.append(Patch(facecolor=COLOURS[0], alpha=0.2, label=meaning))
            chosen = cut(table, grid.at)
            if grid.statistic in chosen and len(chosen) <= _MANY_SEEDS:
                seeds = chosen[grid.statistic].to_numpy(dtype=float, na_value=np.nan)
                ax.plot(x[position_of(chosen, grid.x)], seeds, ".", ms=3, color=COLOURS[0], alpha=0.5, label="seeds")
        (line,) = ax.plot(x, mean, "-o", ms=4, color=COLOURS[0], label="mean over seeds")
        handles.insert(0, line)
        for code, look in STATES.items():
            cells = np.flatnonzero(state == code)
            for cell in cells:
                ax.axvspan(
                    edges[cell], edges[cell + 1], fc=look.face, ec=look.ink, hatch=look.hatch, lw=0, alpha=0.6, zorder=0
                ).set_label(look.label)
            if len(cells):
                handles.append(Patch(facecolor=look.face, edgecolor=look.ink, hatch=look.hatch, label=look.label))
        for target in run_of(table).targets:
            if target.statistic == grid.statistic:
                # an open end runs to the frame
                low, high = np.clip([target.low, target.high], *ax.get_ylim())
                if low == high:
                    continue
                ax.axhspan(low, high, color=COLOURS[2], alpha=0.18, lw=0, zorder=0.5).set_label("target")
                handles.append(Patch(facecolor=COLOURS[2], alpha=0.18, label="target"))
        set_axis(ax, table, grid.x, "x")
        ax.set_ylabel(label or label_of(table, grid.statistic))
        ax.set_title(title_of(grid, meaning_of(table, grid.statistic)))
    return handles
