"""Axes of the grid on paper: where their values stand, and what is written there."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

_FEW_VALUES = 8  # up to it every value of an axis gets a tick
_LETTER = 0.075  # inches


@dataclass(frozen=True)
class Ruler:
    """An axis of a map.

    Values that are evenly spaced stand where they are; others (uneven, logarithmic, names) stand one by one, in order,
    so that every cell has the same size and can be seen.

    Parameters
    ----------
    key, unit, doc : str
        Name, unit and meaning.
    labels : ndarray, shape (n,)
        The values.
    log : bool
        Whether they are evenly spaced on a logarithmic scale.
    beside : tuple of str
        Axes that advance with it.
    """

    key: str
    unit: str
    doc: str
    labels: NDArray[Any]
    log: bool
    beside: tuple[str, ...]

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers."""
        return bool(np.issubdtype(self.labels.dtype, np.number))

    @property
    def even(self) -> bool:
        """Whether the values are numbers at equal distances."""
        if not self.numeric or self.log:
            return False
        steps = np.diff(self.labels)
        return len(steps) == 0 or bool(np.ptp(steps) <= 0.01 * abs(steps.mean()))

    @property
    def centres(self) -> NDArray[np.float64]:
        """Where the values stand; shape (n,)."""
        return self.labels.astype(np.float64) if self.even else np.arange(len(self.labels), dtype=np.float64)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the cells, halfway between; shape (n + 1,)."""
        centres = self.centres
        if len(centres) == 1:
            half = (abs(centres[0]) * 0.1 or 0.5) if self.even else 0.5
            return np.array([centres[0] - half, centres[0] + half])
        middle = (centres[1:] + centres[:-1]) / 2
        return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])

    @property
    def name(self) -> str:
        """Key and unit."""
        return self.key if self.unit in ("", "1") else f"{self.key} ({self.unit})"

    def label(self, width: int) -> str:
        """Return key, unit and meaning, in lines of a width in letters."""
        lines = [self.name, *textwrap.wrap(self.doc, width)]
        if self.beside:
            lines.append("together with " + ", ".join(self.beside))
        return "\n".join(lines)


def ruler_of(grid: xr.Dataset, key: str) -> Ruler:
    """Return an axis of a grid."""
    coordinate = grid[key]
    name = coordinate.dims[0] if coordinate.dims else key
    beside = tuple(str(other) for other in grid.coords if grid[other].attrs.get("with") == name)
    attributes = coordinate.attrs
    return Ruler(
        key,
        str(attributes.get("units", "")),
        str(attributes.get("long_name", "")),
        np.atleast_1d(coordinate.to_numpy()),
        bool(attributes.get("log", 0)),
        beside,
    )


def set_axis(ax: Axes, ruler: Ruler, which: Literal["x", "y"], inches: float) -> None:
    """Label an axis of a map: limits, ticks, key, unit and meaning."""
    edges = ruler.edges
    ax.set(**{f"{which}lim": (edges[0], edges[-1]), f"{which}label": ruler.label(44 if which == "x" else 34)})
    if not ruler.even or len(ruler.labels) <= _FEW_VALUES:
        ranks = shown_ranks(ruler, inches, which)
        texts = [short(ruler.labels[rank]) for rank in ranks]
        ax.set(**{f"{which}ticks": ruler.centres[ranks], f"{which}ticklabels": texts})
        getattr(ax, f"{which}axis").set_minor_locator(NullLocator())


def shown_ranks(ruler: Ruler, inches: float, which: Literal["x", "y"]) -> NDArray[np.int64]:
    """Choose the values to write beside an axis of a length, as many as can be read."""
    longest = max(len(short(value)) for value in ruler.labels)
    room = inches / (_LETTER * (longest + 1.5) if which == "x" else 0.17)
    step = int(np.ceil(len(ruler.labels) / max(room, 1.0)))
    return np.arange(0, len(ruler.labels), max(step, 1))


def rank_ticks(ruler: Ruler, inches: float) -> tuple[NDArray[np.float64], list[str]]:
    """Return ticks of an axis whose cells stand one by one at 0, 1, 2 …: round numbers where the values are even."""
    if ruler.even and len(ruler.labels) > _FEW_VALUES:
        first, step = float(ruler.labels[0]), float(ruler.labels[1] - ruler.labels[0])
        longest = max(len(short(value)) for value in ruler.labels[[0, -1]])
        number = int(np.clip(inches / (_LETTER * (longest + 2)), 1, 6))
        locator = MaxNLocator(number, steps=[1, 2, 2.5, 5, 10])
        values = np.asarray(locator.tick_values(first, float(ruler.labels[-1])), dtype=np.float64)
        places = (values - first) / step
        inside = (places >= -0.05) & (places <= len(ruler.labels) - 0.95)
        return places[inside], [short(value) for value in values[inside]]
    ranks = shown_ranks(ruler, inches, "x")
    return ranks.astype(float), [short(ruler.labels[rank]) for rank in ranks]


def short(value: Any) -> str:
    """Return a value of an axis as text."""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
