"""Maps as pictures: every cell a square of pixels, coloured by its value or patterned by its state.

A picture weighs little in a vector file, has no seams between cells, and its patterns cost nothing, however many cells
have one.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from analysis.grids.grid import State
from analysis.plots.parts.colours import ColourScale
from analysis.plots.parts.style import STATES

_PERIOD = 16  # pixels from stroke to stroke of a pattern
Glyph = Literal["dot", "cross"]


def paint(
    grid: xr.Dataset, scale: ColourScale, marks: NDArray[np.bool_] | None = None, pixels: int = 480
) -> NDArray[np.uint8]:
    """Paint a map.

    Parameters
    ----------
    grid : xarray.Dataset
        Of two dimensions, the rows first.
    scale : ColourScale
        Its colours.
    marks : ndarray of bool, shape (n_y, n_x), optional
        Cells to mark with a cross; a dot then says nothing of seeds.
    pixels : int
        Along each side, at least.

    Returns
    -------
    ndarray of uint8, shape (n_y · tall, n_x · wide, 4)
        RGBA, the first row lowest.
    """
    mean, state = grid["mean"].to_numpy(), grid["state"].to_numpy()
    tall, wide = (max(-(-pixels // number), 1) for number in mean.shape)  # of a cell; the map is about a square
    valued = state == State.VALUE
    colours = scale.colours(scale.norm(np.where(valued, mean, 0.0)))
    colours = np.asarray(colours, dtype=np.float64)
    for code, look in STATES.items():
        colours[state == code] = to_rgba(look.face)
    picture = (255 * colours).round().astype(np.uint8).repeat(tall, axis=0).repeat(wide, axis=1)
    rows, columns = np.indices(picture.shape[:2])
    for code, look in STATES.items():
        if look.hatch and (state == code).any():
            here = (state == code).repeat(tall, axis=0).repeat(wide, axis=1)
            picture[here & _strokes(look.hatch[0], rows, columns)] = _bytes(look.ink)
    if min(tall, wide) >= 8:
        if marks is None:
            _stamp(picture, lacking(grid), (tall, wide), "dot")
        else:
            _stamp(picture, marks & valued, (tall, wide), "cross")
    return picture


def lacking(grid: xr.Dataset) -> NDArray[np.bool_]:
    """Return the cells whose mean lacks some of the rows wanted."""
    found: NDArray[np.bool_] = ((grid["state"] == State.VALUE) & (grid["n_defined"] < grid["n_rows"])).to_numpy()
    return found


def _strokes(hatch: str, rows: Any, columns: Any) -> NDArray[np.bool_]:
    rising: NDArray[np.bool_] = (rows - columns) % _PERIOD < 2
    falling: NDArray[np.bool_] = (rows + columns) % _PERIOD < 2
    if hatch == "/":
        return rising
    if hatch == "\\":
        return falling
    if hatch == "x":
        return rising | falling
    dots: NDArray[np.bool_] = (rows % (_PERIOD // 2) < 2) & (columns % (_PERIOD // 2) < 2)
    return dots


def _stamp(picture: NDArray[np.uint8], cells: NDArray[np.bool_], size: tuple[int, int], glyph: Glyph) -> None:
    """Put a mark with a halo into the middle of cells."""
    reach = min(max(min(size) // 5, 2), 5)
    steps = np.arange(-reach - 1, reach + 2)
    down, right = np.meshgrid(steps, steps, indexing="ij")
    if glyph == "dot":
        ink, halo = np.hypot(down, right) <= reach - 1, np.hypot(down, right) <= reach + 0.5
        inner, outer = (255, 255, 255, 255), (0, 0, 0, 255)
    else:
        near = np.minimum(np.abs(down - right), np.abs(down + right))
        inside = np.maximum(np.abs(down), np.abs(right)) <= reach
        ink, halo = (near < 1) & inside, near < 3
        inner, outer = (0, 0, 0, 255), (255, 255, 255, 255)
    patch: NDArray[Any]
    for row, column in np.argwhere(cells) * size + np.array(size) // 2:
        patch = picture[row + steps[0] : row + steps[-1] + 1, column + steps[0] : column + steps[-1] + 1]
        if patch.shape[:2] == ink.shape:
            patch[halo] = outer
            patch[ink] = inner


def _bytes(colour: str) -> NDArray[np.uint8]:
    return (255 * np.array(to_rgba(colour))).round().astype(np.uint8)
