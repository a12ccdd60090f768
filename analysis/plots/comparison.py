"""Maps of how two simulators differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

from analysis.agreement.difference import Difference
from analysis.grids.grid import State
from analysis.plots.cells import Handle, centres_of, draw_grid, place_legend, set_axis, state_handles, title_of
from analysis.plots.style import COLOURS, DIFFERENCE_MAP, axes_or_new, in_style, label_of


def draw_difference(
    table: pd.DataFrame, difference: Difference, ax: Axes | None = None, *, legend: bool = True
) -> Axes:
    """Draw the difference of two maps, symmetric about 0; a cross marks more than two standard errors.

    Parameters
    ----------
    table : pandas.DataFrame
        That the difference was made from.
    difference : Difference
        From `difference_grid`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    legend : bool
        Explain hatches and crosses below the map.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    grid = difference.grid
    values = grid.mean[grid.state == State.VALUE]
    reach = float(np.quantile(np.abs(values), 0.99)) if len(values) else 0.0
    reach = reach or float(np.abs(values).max(initial=0.0)) or 1.0
    title = title_of(grid, f"{difference.b} − {difference.a}")
    with in_style():
        if grid.y is None:
            x = centres_of(grid.x)
            ax.errorbar(
                x, grid.mean[0], np.nan_to_num(2 * difference.error[0]), fmt="o-", ms=4, color=COLOURS[0], capsize=2
            )
            ax.axhline(0.0, color="0.4", lw=1, ls=":")
            set_axis(ax, table, grid.x, "x")
            ax.set_ylabel(f"difference of {label_of(table, grid.statistic)}, ± 2 standard errors")
            ax.set_title(title)
            return ax
        draw_grid(table, grid, ax, DIFFERENCE_MAP, (-reach, reach), f"difference of {label_of(table, grid.statistic)}")
        ax.set_title(title)
        handles: list[Handle] = [handle for handle in state_handles(grid) if "lack" not in str(handle.get_label())]
        rows, columns = np.nonzero(difference.beyond_seeds)
        if len(rows):
            (crosses,) = ax.plot(
                centres_of(grid.x)[columns],
                centres_of(grid.y)[rows],
                "x",
                ms=4,
                mew=0.8,
                color="black",
                path_effects=[Stroke(linewidth=2.2, foreground="white"), Normal()],
                label="beyond 2 standard errors",
            )
            handles.append(crosses)
        if legend:
            place_legend(ax, handles)
    return ax
