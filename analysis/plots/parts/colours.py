"""From values to colours: one scale for all maps that are to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import Normal, Stroke

from analysis.grids.grid import State
from analysis.opening.run import Target
from analysis.plots.parts.style import DIFFERENCE_MAP, PROBABILITY_MAP, STATISTIC_MAP, TARGET_MAP

_STEPS = 512
_NEUTRAL = (0.42, 0.58)  # of the colour map: the part for values within a target


class TargetNorm(Normalize):
    """Values within a target get the middle of a diverging colour map; those below and above its ends.

    Parameters
    ----------
    vmin, vmax : float
        Ends of the scale.
    low, high : float
        Bounds of the target; the scale has a kink there. One that is infinite is left out.
    """

    def __init__(self, vmin: float, vmax: float, low: float, high: float) -> None:
        super().__init__(vmin, vmax, clip=True)
        bounds = [bound for bound in (low, high) if np.isfinite(bound)]
        middle = _NEUTRAL if len(bounds) == 2 and high > low else (0.5,)
        self._values = np.array([vmin, *bounds[: len(middle)], vmax])
        self._places = np.array([0.0, *middle, 1.0])

    def __call__(self, value: Any, clip: bool | None = None) -> Any:
        """Return the places of values in the colour map; masked ones stay so."""
        values = np.ma.asarray(value, dtype=np.float64)
        return np.ma.array(np.interp(values.filled(np.nan), self._values, self._places), mask=np.ma.getmask(values))

    def inverse(self, value: Any) -> Any:
        """Return the values at places in the colour map."""
        return np.interp(np.asarray(value, dtype=np.float64), self._places, self._values)


@dataclass(frozen=True)
class ColourScale:
    """Colours of one or more maps.

    Parameters
    ----------
    norm : matplotlib.colors.Normalize
        From values to the unit interval.
    colours : matplotlib.colors.Colormap
        From there to colours.
    label : str
        Of the colour bar.
    extend : str
        Whether values lie beyond its ends, as in ``Figure.colorbar``.
    target : Target or None
        Whose bounds are marked on it.
    """

    norm: Normalize
    colours: Colormap
    label: str
    extend: str = "neither"
    target: Target | None = None

    def draw_bar(self, figure: Figure | SubFigure, axes: Any, **where: Any) -> None:
        """Draw the colour bar beside axes."""
        low, high = float(self.norm.vmin or 0.0), float(self.norm.vmax or 0.0)
        # the bar is linear in the values, whatever the colours are
        colours = ListedColormap(self.colours(self.norm(np.linspace(low, high, _STEPS))))
        bar = figure.colorbar(ScalarMappable(Normalize(low, high), colours), ax=axes, extend=self.extend, **where)
        bar.set_label(self.label)
        bar.outline.set_visible(False)
        if self.target is not None:
            _mark_target(bar.ax, self.target)


def probability_scale() -> ColourScale:
    """Return the colours of P(all targets met)."""
    return ColourScale(Normalize(0.0, 1.0), colormaps[PROBABILITY_MAP], "P(all targets met)")


def statistic_scale(
    grids: Sequence[xr.Dataset], label: str, target: Target | None = None, limits: tuple[float, float] | None = None
) -> ColourScale:
    """Return colours for maps of a statistic: about its target where there is one, else from low to high.

    Parameters
    ----------
    grids : sequence of xarray.Dataset
        All maps that are to be compared.
    label : str
        Of the colour bar.
    target : Target, optional
        About which the colours diverge.
    limits : tuple of float, optional
        Ends of the scale; from the values by default.
    """
    found = np.concatenate([grid["mean"].to_numpy()[grid["state"].to_numpy() == State.VALUE] for grid in grids])
    low, high = _limits(found) if limits is None else limits
    if target is None:
        return ColourScale(Normalize(low, high), colormaps[STATISTIC_MAP], label, _extend(found, low, high))
    bounds = [bound for bound in (target.low, target.high) if np.isfinite(bound)]
    room = 0.05 * max(high - low, max(bounds) - min(bounds), 1e-9)
    low, high = min(low, min(bounds) - room), max(high, max(bounds) + room)
    norm = TargetNorm(low, high, target.low, target.high)
    return ColourScale(norm, colormaps[TARGET_MAP], label, _extend(found, low, high), target)


def difference_scale(grids: Sequence[xr.Dataset], label: str) -> ColourScale:
    """Return colours for maps of differences, symmetric about 0."""
    found = np.concatenate([grid["mean"].to_numpy()[grid["state"].to_numpy() == State.VALUE] for grid in grids])
    reach = float(np.quantile(np.abs(found), 0.99)) if len(found) else 0.0
    reach = reach or float(np.abs(found).max(initial=0.0)) or 1.0
    return ColourScale(Normalize(-reach, reach), colormaps[DIFFERENCE_MAP], label, _extend(found, -reach, reach))


def _limits(values: Any) -> tuple[float, float]:
    """Return ends of a colour scale; a few cells far above all others do not set it."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    usual = float(np.quantile(values, 0.98))
    if low >= 0 and usual > 0 and high > 3 * usual:
        high = usual
    if low == high:
        return low - 0.5, high + 0.5
    return (0.0 if 0 <= low < 0.25 * high else low), high


def _extend(values: Any, low: float, high: float) -> str:
    above, below = bool((values > high).any()), bool((values < low).any())
    return {(True, True): "both", (True, False): "max", (False, True): "min"}.get((above, below), "neither")


def _mark_target(bar: Axes, target: Target) -> None:
    for bound in (target.low, target.high):
        if np.isfinite(bound):
            bar.axhline(
                bound, color="white", lw=1.6, path_effects=[Stroke(linewidth=3.0, foreground="black"), Normal()]
            )
