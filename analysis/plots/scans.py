"""Figures of how the time of a simulation grows with biological time and with the size of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from analysis.opening.run import RunError
from analysis.plots.parts.style import BELOW, COLOURS, PHASE_COLOURS, axes_or_new, in_style
from analysis.timing.phases import ABSCISSAE, TIME, Abscissa, Scan, scan
from analysis.timing.scaling import SYNAPSES_PER_PAIR, CostModel, Frontier, costs_by_simulator, fit_time
from simulators.records.summaries.summary import PHASES


def draw_times(table: pd.DataFrame, x: Abscissa = "n_neurons", ax: Axes | None = None) -> Axes:
    """Draw wall time against biological time or size: medians over seeds with 5–95 %, by simulator.

    Filled marks are all phases but compilation, which is done once and kept in a cache; open ones are propagation and
    fetching the spikes. Along biological time the line is the regression on a fixed cost and one per biological second.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    x : {'biological_time', 'n_neurons', 'n_synapses'}
        Along which. If the other varies too, the longest time or the largest network is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 4.8, 3.8)
    chosen = scan(table, x)
    with in_style():
        for number, (name, part) in enumerate(chosen.rows.groupby("configuration", observed=True, sort=False)):
            colour = COLOURS[number % len(COLOURS)]
            variable = part["t_simulate"] + part["t_record"]
            along = x == TIME and _draw_fit(part, str(name), colour, ax)
            for values, fill, style, label in (
                (part["wall_time"], colour, "-", f"{name}, all but compilation"),
                (variable, "white", "--", f"{name}, propagation and spikes"),
            ):
                at = part.groupby(chosen.step)[x].median().to_numpy()
                low, middle, high = (
                    values.groupby(part[chosen.step]).quantile(q).to_numpy() for q in (0.05, 0.5, 0.95)
                )
                error = np.clip([middle - low, high - middle], 0.0, None)
                line = "" if along and fill == colour else style
                ax.errorbar(
                    at, middle, error, color=colour, marker="o", ms=5, mfc=fill, ls=line, lw=1, capsize=2, label=label
                )
        if x == TIME and len(chosen.rows):
            ends = np.array([chosen.rows[TIME].min(), chosen.rows[TIME].max()])
            ax.plot(ends, ends, ":", color="0.4", lw=1, label="real time")
        ax.set(xscale="log", yscale="log", xlabel=ABSCISSAE[x], ylabel="wall time (s)")
        ax.set_title(_title("wall time", chosen))
        _plain_ticks(ax, chosen.rows.groupby(chosen.step)[x].median().to_numpy())
        if ax.get_legend_handles_labels()[0]:
            ax.legend(**BELOW)
    return ax


def draw_phases_along(table: pd.DataFrame, x: Abscissa = "n_neurons", ax: Axes | None = None) -> Axes:
    """Draw the mean wall time of a point by phase, stacked, a bar per biological time or size.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    x, ax
        As in `draw_times`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    RunError
        If the table has several simulators: their bars would stand in each other's place.
    """
    names = list(dict.fromkeys(table["configuration"].astype(str)))
    if len(names) > 1:
        raise RunError(f"draw_phases: the table has several simulators, {names}; choose one")
    ax = axes_or_new(ax, 4.8, 3.8)
    chosen = scan(table, x)
    with in_style():
        groups = chosen.rows.groupby(chosen.step)
        means = groups[[name for name in PHASES if name in table]].mean()
        position, base = np.arange(len(means)), np.zeros(len(means))
        for name in (name for name in means.columns if (means[name] > 0.002 * means.sum(axis=1)).any()):
            height = means[name].fillna(0.0).to_numpy()
            label = name.removeprefix("t_")
            ax.bar(position, height, 0.7, bottom=base, color=PHASE_COLOURS[name], label=label, ec="white", lw=0.4)
            base += height
        ax.set_xticks(position, [_short(value) for value in groups[x].median()])
        ax.set(xlabel=ABSCISSAE[x], ylabel="wall time per point (s)")
        ax.set_title(_title(", ".join(names), chosen))
        if ax.patches:
            ax.legend(**BELOW, ncols=4)
    return ax


def _draw_fitted_cost(
    n_neurons: ArrayLike,
    cost: ArrayLike,
    model: CostModel | None = None,
    frontier: Frontier | None = None,
    ax: Axes | None = None,
    *,
    label: str = "measured",
    colour: str = COLOURS[0],
    synapses_per_pair: float = SYNAPSES_PER_PAIR,
) -> Axes:
    """Draw the real-time factor against the size of the network, with the fitted cost and the real-time frontier.

    Parameters
    ----------
    n_neurons, cost : array_like, shape (n,)
        Measurements.
    model : CostModel, optional
        From `fit_cost`.
    frontier : Frontier, optional
        From `realtime_frontier`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    label, colour : str
        Of this series, when several share the axes.
    synapses_per_pair : float
        Synapses per N², for the line of the model between the sizes.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 4.8, 3.6)
    sizes = np.asarray(n_neurons, dtype=float)
    with in_style():
        ax.plot(sizes, np.asarray(cost, dtype=float), "o", ms=4, color=colour, label=label)
        if model is not None:
            dense = np.geomspace(sizes.min(), sizes.max(), 300)
            fitted = model.factor(dense, synapses_per_pair * dense**2)
            ax.plot(dense, fitted, "-", lw=1, color=colour, label=_equation(model))
        if frontier is not None and np.isfinite(frontier.n_neurons):
            ax.axvspan(frontier.low, frontier.high, color=colour, alpha=0.15, lw=0)
            ax.plot(frontier.n_neurons, 1.0, "D", ms=7, color=colour, mec="white", label=frontier_text(frontier))
        if not any(line.get_label() == "real time" for line in ax.lines):
            ax.axhline(1.0, color="0.4", lw=1, ls=":", label="real time")
        ax.set(xscale="log", yscale="log", xlabel="neurons", ylabel="variable wall / biological time")
        drawn = [line.get_xdata() for line in ax.lines if line.get_marker() == "o"]  # of all series so far
        _plain_ticks(ax, np.unique(np.concatenate([np.asarray(x, dtype=float) for x in drawn])))
        ax.legend(**BELOW)
    return ax


def draw_cost(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the variable cost against the size by simulator, with regression and real-time frontier where they exist.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 4.8, 3.8)
    for number, (name, costs) in enumerate(costs_by_simulator(table).items()):
        _draw_fitted_cost(
            costs.n_neurons,
            costs.cost,
            costs.model,
            costs.frontier,
            ax,
            label=name,
            colour=COLOURS[number % len(COLOURS)],
            synapses_per_pair=float(np.median(costs.n_synapses / costs.n_neurons**2)),
        )
    with in_style():
        ax.set_title("variable cost")
    return ax


def frontier_text(frontier: Frontier) -> str:
    """Say up to which size a simulator runs in real time, or what is known of it."""
    if np.isfinite(frontier.n_neurons):
        return _frontier_label(frontier)
    if frontier.low:
        return f"real time at all sizes up to {frontier.low:,.0f} neurons: the frontier lies beyond"
    return f"real time at no size down to {frontier.high:,.0f} neurons: the frontier lies below"


def _equation(model: CostModel) -> str:
    a0, a1, a2 = model.coefficients
    return f"{a0:.3g} {a1:+.3g}·N {a2:+.3g}·synapses".replace("-", "−")


def _frontier_label(frontier: Frontier) -> str:
    numbers: Sequence[float] = (frontier.n_neurons, frontier.low, frontier.high)
    middle, low, high = (f"{number:,.0f}" if np.isfinite(number) else "∞" for number in numbers)
    return f"real time up to {middle} neurons ({low} to {high})"


def _draw_fit(part: pd.DataFrame, name: str, colour: str, ax: Axes) -> bool:
    """Draw the fixed and the variable cost of a simulator's rows, if they tell them."""
    try:
        model = fit_time(part[TIME], part["wall_time"])
    except RunError:
        return False
    dense = np.geomspace(part[TIME].min(), part[TIME].max(), 200)
    ax.plot(
        dense,
        model.fixed + model.factor * dense,
        "-",
        lw=1,
        color=colour,
        label=f"{name}: {model.fixed:.3g} s fixed + {model.factor:.3g} · biological time",
    )
    return True


def _title(text: str, chosen: Scan) -> str:
    return ", ".join(part for part in (text, chosen.held) if part)


def _plain_ticks(ax: Axes, values: NDArray[np.float64]) -> None:
    """Label logarithmic axes in plain numbers: x with the values that were simulated, as many as fit."""
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    shown: list[float] = []
    span = np.log(values.max() / values.min()) if len(values) else 0.0
    for value in np.sort(values):
        if not shown or np.log(value / shown[-1]) > 0.12 * span:
            shown.append(float(value))
    if shown:
        ax.set_xticks(shown, [_short(value) for value in shown])
        ax.xaxis.set_minor_locator(NullLocator())


def _short(value: float) -> str:
    for size, letter in ((1e9, "·10⁹"), (1e6, "·10⁶")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
