"""Rasters: every spike a dot."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from analysis.opening.spikes import PointSpikes
from analysis.plots.parts.rulers import short
from analysis.plots.parts.style import COLOURS, axes_or_new, in_style


def draw_raster(
    spikes: PointSpikes, ax: Axes | None = None, *, window: tuple[float, float] | None = None, neurons: int = 400
) -> Axes:
    """Draw the spikes of a point, populations above one another.

    Parameters
    ----------
    spikes : PointSpikes
        From `read_spikes`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    window : tuple of float, optional
        ms, begin and end of what is shown; everything by default.
    neurons : int
        How many of a population to show at most, evenly spaced, and so from every cluster.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 6.4, 3.6)
    begin, end = window or (0.0, spikes.duration)
    with in_style():
        base = 0
        middles, names = [], []
        for number, (name, times) in enumerate(spikes.times.items()):
            senders = spikes.senders[name]
            shown, size = spikes.recorded[name], spikes.sizes[name]
            if len(shown) > neurons:
                shown = shown[np.linspace(0, len(shown), neurons, endpoint=False).astype(np.int64)]
            position = np.searchsorted(shown, senders).clip(max=max(len(shown) - 1, 0))
            kept = (times >= begin) & (times <= end) & (len(shown) > 0)
            if len(shown):
                kept &= shown[position] == senders
            colour = COLOURS[number % len(COLOURS)]
            (dots,) = ax.plot(
                times[kept], base + position[kept], ".", ms=_marker(kept.sum()), mew=0, color=colour, rasterized=True
            )
            dots.set_label(name)
            middles.append(base + len(shown) / 2)
            of = "" if len(shown) == size else f" of {size}"
            names.append(f"{name}\n{len(shown)}{of}")
            base += len(shown)
            if number < len(spikes.times) - 1:
                ax.axhline(base - 0.5, color="0.6", lw=0.6)
        ax.set_yticks(middles, names)
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(begin, end)
        ax.set_ylim(-0.5, max(base, 1) - 0.5)
        ax.set_xlabel("time since the end of the warm-up (ms)")
        ax.set_ylabel("neurons")
        where = ", ".join(f"{key} = {short(value)}" for key, value in spikes.swept.items())
        ax.set_title(f"{where} ({spikes.simulator})" if where else spikes.simulator)
    return ax


def _marker(n_spikes: int) -> float:
    """Return a size in points at which the spikes are neither dust nor a block."""
    return float(np.clip(100 / np.sqrt(max(n_spikes, 1)), 1.2, 3.0))
