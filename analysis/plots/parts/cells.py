"""Cells of a map on axes: the picture, the outline of the feasible region, the best point, and the legend's entries."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, Normal
from numpy.typing import NDArray
from scipy.ndimage import label as label_parts

from analysis.deciding.feasibility import CONTOURS
from analysis.grids.grid import State
from analysis.plots.parts.colours import ColourScale
from analysis.plots.parts.painting import lacking, paint
from analysis.plots.parts.rulers import short
from analysis.plots.parts.style import STATES

Handle = Patch | Line2D
CONTOUR_STYLES: Mapping[float, Literal["--", "-"]] = {0.5: "--", 0.9: "-"}
MOST_PIECES = 12  # of an outline
_DASHES: Mapping[str, Any] = {"-": "-", "--": (0, (1.5, 1.0))}  # short: every edge of a cell has some


@dataclass(frozen=True)
class Frame:
    """Where on the axes a map lies: edges of its cells, each at equal distances.

    Parameters
    ----------
    x, y : ndarray of float, shape (n + 1,)
        Edges of columns and rows.
    """

    x: NDArray[np.floating[Any]]
    y: NDArray[np.floating[Any]]


def draw_cells(
    ax: Axes,
    grid: xr.Dataset,
    frame: Frame,
    scale: ColourScale,
    marks: NDArray[np.bool_] | None = None,
    pixels: int = 480,
) -> list[Handle]:
    """Draw the picture of a grid into a frame, and return the legend's entries."""
    limits = ax.get_xlim(), ax.get_ylim()
    extent = (frame.x[0], frame.x[-1], frame.y[0], frame.y[-1])
    picture = AxesImage(ax, extent=extent, origin="lower", interpolation="none", zorder=0.5)
    picture.set_data(paint(grid, scale, marks, pixels))
    picture.set_label(str(grid.attrs.get("column", "")))
    ax.add_image(picture)
    ax.set(xlim=limits[0], ylim=limits[1])
    return state_handles(grid)


def state_handles(grid: xr.Dataset) -> list[Handle]:
    """Return the legend's entries for the states that a grid has."""
    state = grid["state"].to_numpy()
    handles: list[Handle] = [
        Patch(facecolor=look.face, edgecolor=look.ink, hatch=look.hatch, linewidth=0.6, label=look.label)
        for code, look in STATES.items()
        if (state == code).any()
    ]
    if lacking(grid).any():
        handles.append(
            Line2D([], [], ls="", marker="o", ms=4, mfc="white", mec="black", mew=1, label="some seeds lack a value")
        )
    return handles


def outline_feasible(ax: Axes, grid: xr.Dataset, frame: Frame) -> list[Handle]:
    """Enclose the cells of P ≥ each contour along their edges, and return the legend's entries.

    Of few seeds, a higher contour may fall to pieces, cell by cell: on a fine grid it would hide the map. One of more
    than `MOST_PIECES` is left out, and the legend says so; the map of P shows it by its colours.
    """
    handles: list[Handle] = []
    single = int(grid["n_rows"].max()) <= 1
    p = np.where(grid["state"] == State.VALUE, grid["mean"], -1.0)
    width = min(max(_cell_width(ax, frame) / 6.0, 0.9), 1.6)
    for number, level in enumerate(CONTOURS[-1:] if single else CONTOURS):
        inside = p >= level
        style = CONTOUR_STYLES[level]
        label = "all targets met" if single else f"all targets met, P ≥ {level:g}"
        if number and pieces(inside) > MOST_PIECES:
            handles.append(Patch(alpha=0.0, label=f"P ≥ {level:g} is in too many pieces to outline"))
        elif inside.any():
            x, y = _outline(inside, frame)
            ax.add_artist(Line2D(x, y, zorder=3, color="black", lw=1.4 + width))
            ax.add_artist(Line2D(x, y, zorder=3, color="white", lw=width, ls=_DASHES[style], label=label))
            handles.append(_outline_handle(style, label))
    return handles


def pieces(inside: NDArray[np.bool_]) -> int:
    """Return how many closed lines enclose a set of cells: its parts, and the holes in them."""
    parts = int(label_parts(inside)[1])
    holes = int(label_parts(np.pad(~inside, 1, constant_values=True), np.ones((3, 3)))[1]) - 1
    return parts + holes


def mark_best(ax: Axes, place: tuple[float, float]) -> list[Handle]:
    """Mark the best point, and return the legend's entry."""
    look: dict[str, Any] = {"marker": "*", "ms": 12, "mfc": "white", "mec": "black", "mew": 1.1, "ls": ""}
    ax.plot(*place, **look, zorder=4, label="best point", clip_on=False)
    return [Line2D([], [], **look, label="best point")]


def place_legend(figure: Figure | SubFigure, handles: Sequence[Handle], columns: int = 2) -> None:
    """Put a legend below everything, an entry for each label."""
    distinct = {str(handle.get_label()): handle for handle in handles}
    if distinct:
        figure.legend(handles=list(distinct.values()), loc="outside lower center", ncols=min(len(distinct), columns))


def title_of(grid: xr.Dataset, text: str, width: int = 46) -> str:
    """Return a title that also says where the grid was cut and what was averaged."""
    cuts = [
        f"{name} = {short(grid[name].item())}"
        for name in grid.coords
        if not grid[name].dims and grid[name].attrs.get("n_values", 1) > 1 and "with" not in grid[name].attrs
    ]
    if grid.attrs.get("mean_over"):
        cuts.append("mean over " + ", ".join(str(grid.attrs["mean_over"]).split()))
    return "\n".join([*textwrap.wrap(text, width), *([", ".join(cuts)] if cuts else [])])


def _outline_handle(style: Literal["--", "-"], label: str) -> Line2D:
    handle = Line2D([], [], color="white", ls=_DASHES[style], lw=1.6, label=label)
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


def _cell_width(ax: Axes, frame: Frame) -> float:
    """Return how wide the first cell is, before the axes are laid out, in points."""
    left, right = ax.get_xlim()
    inches = ax.get_position().width * ax.figure.bbox.width / ax.figure.dpi
    return float(72.0 * inches * abs((frame.x[1] - frame.x[0]) / (right - left)))


def _outline(inside: NDArray[np.bool_], frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the border of a set of cells as one line along their edges, broken by NaN."""
    x, y = frame.x, frame.y
    padded = np.pad(inside, 1)
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([x[columns], y[rows], x[columns], y[rows + 1]], axis=-1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([x[columns], y[rows], x[columns + 1], y[rows]], axis=-1)
    ends = np.concatenate([upright, level]).reshape(-1, 2, 2)
    broken = np.concatenate([ends, np.full((len(ends), 1, 2), np.nan)], axis=1).reshape(-1, 2)
    return broken[:, 0], broken[:, 1]
