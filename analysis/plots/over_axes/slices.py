"""Maps of any number of axes: slices side by side, all simulators and populations, few colour bars."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.deciding.targets import FEASIBLE, Targets
from analysis.grids.dimensions import dimension_of
from analysis.opening.run import run_of
from analysis.plots.over_axes.curves import draw_curve
from analysis.plots.over_axes.layers import Layers, View, layers_of, shown_axes
from analysis.plots.over_axes.maps import draw_in_frame, draw_layers, heading_of, scale_of
from analysis.plots.parts.cells import Frame, Handle, place_legend, title_of
from analysis.plots.parts.colours import ColourScale
from analysis.plots.parts.rulers import Ruler, rank_ticks, ruler_of, short, shown_ranks
from analysis.plots.parts.style import in_style, new_figure

_MOST_ACROSS = 8  # slices side by side
_MOST_PANELS = 4  # maps of whole populations side by side
_MOST_DOWN = 6  # rows of them, of each population and simulator
_SLICE = 1.65  # inches
_PIXELS = 264


def draw_maps(
    table: pd.DataFrame,
    name: str,
    *,
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
    over: Sequence[str] = (),
    targets: Targets | None = None,
    title: bool = True,
) -> Figure:
    """Draw a statistic of all populations and simulators, whatever the number of axes.

    Two axes make a map each. A third makes slices side by side, further ones rows of slices. Of an axis with many
    values some are shown, evenly spaced and with that of the best point: the title says how many of how many. Maps
    whose columns share a unit share one colour scale, unless they have targets, about which the colours diverge.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    name : str
        A statistic (``rate``: of all populations), a column, or ``feasible`` for P(all targets met).
    x, y, at, over, targets
        As in `draw_map`.
    title : bool
        Name the run, and say how much of it has run.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    RunError
        If there is no such column or axis, or no target where P is asked for.
    """
    view = View(x, y, at, over, targets)
    return draw_all(table, layers_of(table, name, view), view, title)


def draw_all(table: pd.DataFrame, layers: Sequence[Layers], view: View, title: bool = True) -> Figure:
    """Draw layers that have been computed, as `draw_maps` does."""
    shown = shown_axes(layers[0].grid, view)
    rest = [str(key) for key in layers[0].grid["mean"].dims if key not in shown]
    with in_style():
        if len(shown) == 2 and rest:
            return _draw_strips(table, layers, shown, rest, title)
        return _draw_panels(table, layers, shown, title)


def groups_of_colour(layers: Sequence[Layers]) -> list[list[Layers]]:
    """Part maps into those that share a colour scale: all of one unit and one target."""
    found: dict[Any, list[Layers]] = {}
    for one in layers:
        target = one.target
        bounds = None if target is None else (target.low, target.high)
        unit = None if one.column == FEASIBLE else one.grid["mean"].attrs.get("units")
        found.setdefault((unit, bounds), []).append(one)
    return list(found.values())


def _draw_panels(table: pd.DataFrame, layers: Sequence[Layers], shown: tuple[str, ...], title: bool) -> Figure:
    """A column of maps or curves for each population, a row for each simulator; of many populations, several rows."""
    simulators = list(dict.fromkeys(one.simulator for one in layers))
    blocks = _Blocks(layers, len(simulators), _MOST_PANELS)
    figure = new_figure(0.6 + 4.1 * blocks.across, 0.9 + 3.1 * blocks.rows)
    axes = blocks.subplots(figure)
    handles: list[Handle] = []
    for group in groups_of_colour(layers):
        scale = scale_of(group)
        drawn = []
        for one in group:
            ax = axes[blocks.place(one.column, simulators.index(one.simulator))]
            if len(shown) == 1:
                handles += draw_curve(one, shown[0], ax)
            else:
                handles += draw_layers(ax, one, shown[0], shown[1], scale)
            lines = [one.simulator, title_of(one.grid, heading_of(one))]
            ax.set_title("\n".join(line for line in lines if line))
            drawn.append(ax)
        if len(shown) == 2:
            scale.draw_bar(figure, drawn, pad=0.015, fraction=0.06 / blocks.across, aspect=30 * len(simulators))
    for (row, column), ax in axes.items():
        if (row + 1, column) in axes:
            ax.set_xlabel("")
        if column and len(shown) == 2:
            ax.set_ylabel("")
    place_legend(figure, handles, 2 * blocks.across)
    _name(figure, table, title)
    return figure


class _Blocks:
    """Where the rows of each population stand: blocks side by side, of many populations also one below another."""

    def __init__(self, layers: Sequence[Layers], height: int, most: int) -> None:
        self._columns = list(dict.fromkeys(one.column for one in layers))
        self._height = height
        down = -(-len(self._columns) // most)
        self.across = -(-len(self._columns) // down)
        self.rows = down * height

    def place(self, column: str, row: int) -> tuple[int, int]:
        """Return row and column in the figure of a row of a population's block."""
        down, across = divmod(self._columns.index(column), self.across)
        return down * self._height + row, across

    def subplots(self, figure: Figure) -> dict[tuple[int, int], Axes]:
        """Return axes for all blocks."""
        spec = figure.add_gridspec(self.rows, self.across)
        places = [self.place(column, row) for column in self._columns for row in range(self._height)]
        return {place: figure.add_subplot(spec[place]) for place in places}


@dataclass(frozen=True)
class _Choice:
    """Values of an axis that are shown."""

    key: str
    values: tuple[Any, ...]
    total: int

    @property
    def words(self) -> str:
        """What was left out; empty if nothing was."""
        return "" if len(self.values) == self.total else f"{len(self.values)} of {self.total} values of {self.key}"


def _draw_strips(
    table: pd.DataFrame, layers: Sequence[Layers], shown: tuple[str, ...], rest: Sequence[str], title: bool
) -> Figure:
    """A row of slices for each population, simulator and combination of the axes beyond the third."""
    choices = [_choose(layers, key, _MOST_ACROSS if number == 0 else _MOST_DOWN) for number, key in enumerate(rest)]
    across, down = choices[0], list(itertools.product(*(choice.values for choice in choices[1:])))
    omitted = [choice.words for choice in choices if choice.words]
    if len(down) > _MOST_DOWN:
        kept = np.unique(np.linspace(0, len(down) - 1, _MOST_DOWN).round().astype(int))
        best = [tuple(one.best[key] for key in rest[1:]) for one in layers if one.best is not None]
        rows = dict.fromkeys([*(down[index] for index in kept), *(place for place in best if place in down)])
        omitted.append(f"{len(rows)} of {len(down)} combinations of {', '.join(rest[1:])}")
        down = sorted(rows, key=down.index)
    rulers = ruler_of(layers[0].grid, shown[0]), ruler_of(layers[0].grid, shown[1])
    rows_of: dict[str, list[tuple[Layers, dict[str, Any]]]] = {}
    for one in layers:
        rows_of.setdefault(one.column, []).extend((one, dict(zip(rest[1:], place, strict=True))) for place in down)
    height = max(map(len, rows_of.values()))
    blocks = _Blocks(layers, height, max(1, _MOST_ACROSS // len(across.values)) if height > 2 else 1)
    width = blocks.across * len(across.values)
    figure = new_figure(0.8 + 0.8 * blocks.across + _SLICE * width, 1.2 + (_SLICE + 0.35) * blocks.rows)
    axes = blocks.subplots(figure)
    handles: list[Handle] = []
    for group in groups_of_colour(layers):
        scale, drawn = scale_of(group), []
        for number, (one, place) in itertools.chain(*(enumerate(rows_of[name]) for name in _names(group))):
            row, column = blocks.place(one.column, number)
            ax = axes[row, column]
            handles += _draw_strip(ax, one.cut(place), shown, across, rulers, scale)
            if row == 0:
                _name_slices(ax, across, rulers)
            ax.set_title(_heading(one, place), loc="left", pad=16 if row == 0 else 4)
            drawn.append(ax)
        aspect = 16 * min(len(drawn), blocks.rows)
        scale.draw_bar(figure, drawn, pad=0.01, fraction=0.06 / max(width / 2, 1), aspect=aspect)
    for (row, column), ax in axes.items():
        if (row + 1, column) in axes:
            ax.set_xticks([])
        else:
            _set_ticks(ax, across, rulers[0])
        if column:
            ax.set_ylabel("")
    place_legend(figure, handles, max(2, width // 2))
    _name(figure, table, title, omitted)
    return figure


def _names(group: Sequence[Layers]) -> list[str]:
    return list(dict.fromkeys(one.column for one in group))


def _draw_strip(
    ax: Axes, layers: Layers, shown: tuple[str, ...], across: _Choice, rulers: tuple[Ruler, Ruler], scale: ColourScale
) -> list[Handle]:
    """Draw slices side by side on one pair of axes, cells one by one."""
    n_x, n_y = len(rulers[0].labels), len(rulers[1].labels)
    gap = _gap(n_x)
    handles: list[Handle] = []
    width = n_x * len(across.values) + gap * (len(across.values) - 1)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(-0.5, n_y - 0.5))
    for number, value in enumerate(across.values):
        begin = number * (n_x + gap) - 0.5
        frame = Frame(begin + np.arange(n_x + 1.0), np.arange(n_y + 1.0) - 0.5)
        part = layers.cut({across.key: value})
        handles += draw_in_frame(ax, part, shown[0], shown[1], scale, frame, pixels=_PIXELS)
        ax.add_patch(Rectangle((begin, -0.5), n_x, n_y, fill=False, lw=0.8, ec="black", zorder=3.5, clip_on=False))
    if rulers[1].even and n_y > 8:
        places, labels = rank_ticks(rulers[1], _SLICE * 2)
    else:
        ranks = shown_ranks(rulers[1], _SLICE, "y")
        places, labels = ranks.astype(float), [short(rulers[1].labels[rank]) for rank in ranks]
    ax.set_yticks(places, labels)
    ax.set_ylabel(rulers[1].name)
    for side in ax.spines.values():
        side.set_visible(False)
    return handles


def _gap(n_x: int) -> float:
    """Return the room between slices, in cells."""
    return max(0.07 * n_x, 0.25)


def _name_slices(ax: Axes, across: _Choice, rulers: tuple[Ruler, Ruler]) -> None:
    """Write above each slice where it is: rows below share it."""
    n_x, top = len(rulers[0].labels), len(rulers[1].labels) - 0.5
    for number, value in enumerate(across.values):
        middle = number * (n_x + _gap(n_x)) + (n_x - 1) / 2
        ax.annotate(
            f"{across.key} = {short(value)}",
            (middle, top),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            annotation_clip=False,
        )


def _set_ticks(ax: Axes, across: _Choice, ruler: Ruler) -> None:
    """Write values below each slice of the last row."""
    places, labels = rank_ticks(ruler, _SLICE * 0.85)
    begins = [number * (len(ruler.labels) + _gap(len(ruler.labels))) for number in range(len(across.values))]
    ax.set_xticks([begin + place for begin in begins for place in places], labels * len(begins))
    ax.set_xlabel(ruler.label(44 * len(begins)))


def _choose(layers: Sequence[Layers], key: str, most: int) -> _Choice:
    """Return the values of an axis to show: all, or some at even distances and those of the best points."""
    dimension = dimension_of(layers[0].table, key)
    total = len(dimension.values)
    ranks = set(range(total))
    if total > most:
        ranks = set(np.linspace(0, total - 1, most).round().astype(int).tolist())
        ranks |= {dimension.index(one.best[key]) for one in layers if one.best is not None}
    return _Choice(key, tuple(dimension.values[rank] for rank in sorted(ranks)), total)


def _heading(layers: Layers, place: Mapping[str, Any]) -> str:
    where = ", ".join(f"{key} = {short(value)}" for key, value in place.items())
    return " · ".join(text for text in (layers.simulator, heading_of(layers), where) if text)


def _name(figure: Figure, table: pd.DataFrame, title: bool, omitted: Sequence[str] = ()) -> None:
    """Name the run; say how much of it has run, and what of it is not shown."""
    finished = float((table["status"] != "missing").mean())
    words = [run_of(table).name] if title else []
    if title and finished < 1:
        words[0] += f" ({100 * finished:.0f} % of the points have run)"
    if omitted:
        words.append("shown: " + "; ".join(omitted))
    if words:
        figure.suptitle("\n".join(words))
