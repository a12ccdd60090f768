"""Figures of where the time went."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.plots.parts.style import BELOW, COLOURS, PHASE_COLOURS, axes_or_new, in_style
from analysis.plots.scans import draw_phases_along
from analysis.timing.phases import Abscissa, mean_phases, realtime_factors


def draw_phases(table: pd.DataFrame, ax: Axes | None = None, *, along: Abscissa | None = None) -> Axes:
    """Draw the mean wall time of a point by phase, stacked: a bar per simulator, or per biological time or size.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`; of one simulator if drawn along something.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    along : {'biological_time', 'n_neurons', 'n_synapses'}, optional
        Along which.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    RunError
        If drawn along something of several simulators: their bars would stand in each other's place.
    """
    if along is not None:
        return draw_phases_along(table, along, ax)
    ax = axes_or_new(ax, 6.4, 2.6)
    means = mean_phases(table)
    with in_style():
        totals = means.sum(axis=1)
        shown = [name for name in means.columns if (means[name] > 0).any()]
        position = np.arange(len(means))
        left = np.zeros(len(means))
        for name in shown:
            width = means[name].fillna(0.0).to_numpy()
            share = width / totals.to_numpy()
            label = f"{name.removeprefix('t_')} ({', '.join(_percent(part) for part in share)})"
            ax.barh(position, width, 0.6, left=left, color=PHASE_COLOURS.get(name), label=label, ec="white", lw=0.5)
            left += width
        for row, total in enumerate(totals):
            ax.annotate(f" {_seconds(total)}", (total, row), va="center", ha="left", fontsize=8, annotation_clip=False)
        ax.set_yticks(position, [str(name) for name in means.index])
        ax.set_ylim(len(means) - 0.4, -0.6)
        if len(means):
            ax.set_xlim(0, totals.max() * 1.14)
        ax.set_xlabel("wall time per point (s)")
        ax.set_title("where the time goes" if len(means) else "where the time goes: nothing has run yet")
        if shown:
            shares = "share of the total" + (f" ({', '.join(map(str, means.index))})" if len(means) > 1 else "")
            ax.legend(**BELOW, ncols=2, title=f"phase, {shares}")
    return ax


def draw_realtime_factors(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw which fraction of the points runs below a real-time factor, a step curve per simulator.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 4.6, 2.8)
    with in_style():
        for number, (name, factors) in enumerate(realtime_factors(table).items()):
            fraction = np.arange(1, len(factors) + 1) / len(factors)
            median = factors.median()
            ax.step(factors, fraction, where="post", color=COLOURS[number], label=f"{name}: median {median:.3g}")
            ax.plot(median, 0.5, "o", ms=4, color=COLOURS[number])
        if ax.lines:
            ax.set_xscale("log")
            ax.legend(loc="best")
        ax.axvline(1.0, color="0.4", lw=1, ls=":")
        ax.annotate("real time", (1.0, 1.0), xytext=(2, -2), textcoords="offset points", fontsize=7, va="top")
        ax.set_ylim(0, 1.02)
        ax.set_xlabel("real-time factor (wall / biological time)")
        ax.set_ylabel("fraction of points")
        ax.set_title("speed of the propagation")
    return ax


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _seconds(total: float) -> str:
    return f"{total:.3g} s" if total < 120 else f"{total / 60:.3g} min"
