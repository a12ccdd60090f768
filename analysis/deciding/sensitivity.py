"""How much each statistic depends on each swept parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.grids.columns import main_columns, values_of
from analysis.grids.dimensions import Dimension, dimensions_of, position_of
from analysis.grids.grid import check_one
from analysis.grids.levels import take_levels

_CONFIDENCE = 0.95


def sensitivities(table: pd.DataFrame, statistics: Sequence[str] | None = None) -> pd.DataFrame:
    """Say how much each statistic depends on each axis, and which way.

    The variance over the grid, every cell counting the same, is taken apart into what each axis explains by itself
    (first-order indices), what axes do together, and what seeds do within cells. Cells without a value are filled in
    by an additive model of the others (weighted least squares, by statsmodels): else what an axis does would depend
    on which cells happen to be silent or missing. Means of few seeds vary by themselves; that is subtracted.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator; only ok rows with a value count.
    statistics : sequence of str, optional
        Columns; the main ones of the run by default.

    Returns
    -------
    pandas.DataFrame
        A row per statistic and axis. ``share`` is the first-order index: the fraction of the variance that the axis
        explains by itself. ``interactions`` and ``seeds`` are the fractions of what axes do together and of what
        happens within cells; with the shares they add up to 1. ``slope`` is that of a straight line along the axis,
        the others held, with its 95 % interval ``slope_low``, ``slope_high``, in the unit of the statistic per unit of
        the axis (NaN where the axis has no numbers). ``cells`` of ``n_cells`` have a value. `seeds` is NaN where no
        cell has two seeds. Shares and slopes are NaN where the cells that have values do not tell the axes apart.

    Raises
    ------
    RunError
        If the table has several simulators, or there is no such column.

    References
    ----------
    Saltelli, A., et al. (2008). Global Sensitivity Analysis: The Primer. Wiley. Section 1.2.
    """
    check_one(table)
    dimensions = [dimension for dimension in dimensions_of(table) if len(dimension.values) > 1]
    names = [dimension.key for dimension in dimensions]
    seeds = np.unique(table["seed"], return_inverse=True)[1]
    rows = []
    for statistic in main_columns(table) if statistics is None else statistics:
        values = values_of(table, statistic)
        valid = (table["status"] == "ok").to_numpy() & np.isfinite(values)
        levels = [position_of(table[valid], dimension) for dimension in dimensions]
        found = _take_apart(values[valid], levels, seeds[valid], dimensions)
        n_cells = int(np.prod([len(dimension.values) for dimension in dimensions]))
        rows += [{"statistic": statistic, "axis": name, **found[name], "n_cells": n_cells} for name in names]
    kinds = ["share", "slope", "slope_low", "slope_high", "interactions", "seeds", "cells", "n_cells"]
    return pd.DataFrame(rows, columns=["statistic", "axis", *kinds])


def _take_apart(
    values: NDArray[np.float64],
    levels: list[NDArray[np.int64]],
    seeds: NDArray[np.int64],
    dimensions: list[Dimension],
) -> dict[str, dict[str, Any]]:
    shape = tuple(len(dimension.values) for dimension in dimensions)
    cell = np.ravel_multi_index(levels, shape) if levels else np.zeros(len(values), dtype=np.int64)
    size = int(np.prod(shape))
    count = np.bincount(cell, minlength=size)
    filled = np.flatnonzero(count)
    mean, noise, error = _noise(values, cell, seeds, filled, size)
    nothing = dict.fromkeys(("share", "slope", "slope_low", "slope_high"), np.nan)
    found: dict[str, dict[str, Any]] = {
        dimension.key: {**nothing, "interactions": np.nan, "seeds": np.nan, "cells": len(filled)}
        for dimension in dimensions
    }
    if len(filled) < 2:
        return found
    # levels at which no cell has a value say nothing
    places = np.unravel_index(filled, shape)
    compact = [np.unique(place, return_inverse=True)[1] for place in places]
    sizes = [int(place.max()) + 1 for place in compact]
    for number, dimension in enumerate(dimensions):
        if dimension.numeric and sizes[number] > 1:
            along = np.asarray(dimension.values, dtype=np.float64)[places[number]]
            line = _slope(along, [p for i, p in enumerate(compact) if i != number], mean[filled], count[filled])
            found[dimension.key] |= dict(zip(("slope", "slope_low", "slope_high"), line, strict=True))
    surface = _filled(compact, sizes, mean[filled], count[filled])
    if surface is None:
        return found
    # a mean of n seeds varies by error/n; of filled-in cells the model's error is smaller, and left out
    wobble = np.zeros(sizes)
    wobble[tuple(compact)] = error / count[filled]
    between = max(float(surface.var()) - float(wobble.mean()) * (1 - 1 / surface.size), 0.0)
    first = [_first_order(surface, wobble, number) for number in range(len(sizes))]
    between = max(between, sum(first))
    total = between + (0.0 if np.isnan(noise) else noise)
    if total <= 1e-24 * max(1.0, float(np.abs(surface).max()) ** 2):
        return found
    for dimension, part in zip(dimensions, first, strict=True):
        found[dimension.key] |= {"share": part / total, "interactions": (between - sum(first)) / total}
        found[dimension.key]["seeds"] = noise / total
    return found


def _noise(
    values: NDArray[np.float64],
    cell: NDArray[np.int64],
    seeds: NDArray[np.int64],
    filled: NDArray[np.int64],
    size: int,
) -> tuple[NDArray[np.float64], float, float]:
    """Return the mean of every cell, the variance within cells, and what of it is left without whole maps' shifts.

    A seed that shifts its whole map adds to the variance within cells, but not to that of the means between them.
    """
    mean = np.full(size, np.nan)
    if not len(values):
        return mean, np.nan, 0.0
    place = np.searchsorted(filled, cell)
    shape = (int(seeds.max()) + 1, len(filled))
    flat = seeds * shape[1] + place
    with np.errstate(invalid="ignore"):
        cells = np.bincount(flat, values, np.prod(shape)) / np.bincount(flat, minlength=np.prod(shape))
    maps = cells.reshape(shape)
    maps = maps[np.isfinite(maps).any(axis=1)]
    shift, height = take_levels(maps)
    mean[filled] = height
    known = np.isfinite(maps)
    within = maps - np.nanmean(maps, axis=0)
    spare = int(known.sum()) - len(filled)  # degrees of freedom within cells
    noise = float(np.nansum(within**2) / spare) if spare else np.nan
    spare -= len(maps) - 1
    rest = maps - height - shift[:, None]
    error = float(np.nansum(rest**2) / spare) if spare > 0 else 0.0
    return mean, noise, error


def _first_order(surface: NDArray[np.float64], wobble: NDArray[np.float64], axis: int) -> float:
    others = tuple(number for number in range(surface.ndim) if number != axis)
    n_levels, n_others = surface.shape[axis], surface.size / surface.shape[axis]
    own = float(wobble.mean()) / n_others * (1 - 1 / n_levels)
    return float(max(surface.mean(axis=others).var() - own, 0.0))


def _slope(
    along: NDArray[np.float64], others: list[NDArray[np.int64]], mean: NDArray[np.float64], count: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Fit a line along one axis, each level of the others with a height of its own."""
    from statsmodels.regression.linear_model import WLS

    design = np.column_stack([along - along.mean(), np.ones(len(along)), *_indicators(others)])
    if not _tells_apart(design):
        return np.nan, np.nan, np.nan
    fit = WLS(mean, design, weights=count).fit(method="qr")
    if fit.df_resid < 1:
        return float(fit.params[0]), np.nan, np.nan
    low, high = fit.conf_int(alpha=1 - _CONFIDENCE)[0]
    return float(fit.params[0]), float(low), float(high)


def _filled(
    places: list[NDArray[np.int64]], sizes: list[int], mean: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return the means on the whole grid, or None where the cells do not tell the axes apart."""
    from statsmodels.regression.linear_model import WLS

    surface = np.full(sizes, np.nan)
    surface[tuple(places)] = mean
    lacking = np.nonzero(np.isnan(surface))
    if not len(lacking[0]):
        return surface
    design = np.column_stack([np.ones(len(mean)), *_indicators(places, sizes)])
    if not _tells_apart(design):
        return None
    fit = WLS(mean, design, weights=count).fit(method="qr")
    surface[lacking] = fit.predict(np.column_stack([np.ones(len(lacking[0])), *_indicators(list(lacking), sizes)]))
    return surface


def _tells_apart(design: NDArray[np.float64]) -> bool:
    """Whether the columns of a design are independent; told from their small matrix of products."""
    scaled = design / np.linalg.norm(design, axis=0).clip(min=1e-300)
    sizes = np.abs(np.linalg.eigvalsh(scaled.T @ scaled))
    return bool((sizes > 1e-10 * sizes.max(initial=0.0)).all())


def _indicators(places: list[NDArray[np.int64]], sizes: list[int] | None = None) -> list[NDArray[np.float64]]:
    """Return a column for every level of every axis but the first of each."""
    sizes = [int(place.max()) + 1 for place in places] if sizes is None else sizes
    return [
        (place == level).astype(float) for place, size in zip(places, sizes, strict=True) for level in range(1, size)
    ]
