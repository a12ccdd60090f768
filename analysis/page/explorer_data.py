"""What the explorer of a page is given: the values of a run as packed arrays, and what they are of."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.deciding.best_points import toml_line
from analysis.deciding.feasibility import wilson_interval
from analysis.deciding.targets import Targets, targets_of
from analysis.grids.columns import main_columns, population_of, silent_rows, statistic_columns, values_of
from analysis.grids.dimensions import Dimension, dimensions_of, plain, position_of
from analysis.opening.run import RunError, Target, run_of
from analysis.opening.table import STATUSES
from analysis.page.tables import text_of
from simulators.statistics import STATISTICS, columns

BUDGET = 1_600_000  # bytes of values before they are packed
_ABSENT = 255  # a point that was not asked of a simulator with this seed


@dataclass(frozen=True)
class ExplorerData:
    """Values of a run for the explorer.

    Parameters
    ----------
    header : dict
        Names, units, targets and texts, and where each array is; plain values.
    packed : str
        The arrays one after another, bytes of a kind together, zlib, base64.
    left_out : tuple of str
        Columns that there was no room for.
    places : ndarray of int, shape (n_rows, 2)
        Of each row of the table: number of its simulator, and of its point.
    goals : tuple of Target
        The targets.
    """

    header: dict[str, Any]
    packed: str
    left_out: tuple[str, ...]
    places: NDArray[np.int64]
    goals: tuple[Target, ...]


def explorer_data(
    table: pd.DataFrame, targets: Targets | None = None, statistics: Sequence[str] | None = None
) -> ExplorerData:
    """Pack what the explorer shows: columns with a target as they are, others to seven digits if room is short.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of any number of simulators or runs.
    targets
        As in `deciding.targets_of`; those of the run by default, none if it has none.
    statistics : sequence of str, optional
        Columns, however much room they take; by default those of all statistics that were asked for, the main ones
        first, as many as there is room for.

    Raises
    ------
    RunError
        If nothing was swept, a column does not exist, or the run is too large.
    """
    run = run_of(table)
    dimensions = [dimension for dimension in dimensions_of(table) if len(dimension.values) > 1]
    if not dimensions:
        raise RunError(f"run {run.name!r}: nothing was swept, so there is nothing to explore")
    goals = () if targets is None and not run.targets else targets_of(table, targets)
    configurations, place, shape, cells = _places(table, dimensions)
    asked = [goal.statistic for goal in goals]
    names = list(dict.fromkeys([*asked, *(statistics or _numeric(table))]))
    kept, precise, left_out = names, set(names), list[str]()
    if statistics is None:
        kept, precise, left_out = _room(names, asked, math.prod(shape))
    arrays = _Arrays()
    status = np.full(math.prod(shape), _ABSENT, dtype=np.uint8)
    status[place] = table["status"].cat.codes.to_numpy()
    fired = np.zeros(len(status), dtype=np.uint8)
    fired[place] = (table["n_spikes"] != 0).to_numpy(na_value=True) if "n_spikes" in table else 1
    header: dict[str, Any] = {
        "run": run.name,
        "configurations": configurations,
        "seeds": sorted(int(seed) for seed in table["seed"].unique()),
        "n_points": shape[1],
        "statuses": list(STATUSES),
        "dimensions": [_dimension(dimension) for dimension in dimensions],
        "fixed": [_fixed(axis) for axis in run.axes if axis.key not in _keys(dimensions)],
        "order": [axis.key for axis in run.axes],
        "cells": [arrays.add(cell.astype(np.uint16)) for cell in cells],
        "status": arrays.add(status),
        "fired": arrays.add(fired),
        "targets": [_target(goal) for goal in goals],
        "wilson": _wilson(shape[2]),
    }
    main = {*main_columns(table), *(statistics or ())}
    silent: dict[str | None, int] = {}
    header["columns"] = []
    for name in kept:
        population = population_of(name, run.populations)
        if population not in silent:
            mask = np.zeros(len(status), dtype=np.uint8)
            mask[place] = silent_rows(table, name)
            silent[population] = arrays.add(mask)
        values = np.full(len(status), np.nan, dtype=np.float64 if name in precise else np.float32)
        values[place] = values_of(table, name)
        header["columns"].append(
            {
                "name": name,
                "statistic": _statistic_of(name, run.statistics, run.populations),
                "population": population,
                "main": name in main,
                "unit": _unit(table, name),
                "doc": str(table.attrs.get("docs", {}).get(name, "")),
                "silent": silent[population],
                "values": arrays.add(values),
            }
        )
    header["arrays"] = arrays.described
    places = np.stack(np.unravel_index(place, shape)[:2], axis=1)
    return ExplorerData(header, arrays.pack(), tuple(left_out), places, tuple(goals))


class _Arrays:
    """Arrays that are to be packed; each is known by its number."""

    def __init__(self) -> None:
        self.described: list[dict[str, Any]] = []
        self._parts: list[bytes] = []

    def add(self, values: NDArray[Any]) -> int:
        """Take an array and return its number; bytes of equal significance lie together, which packs better."""
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        self.described.append({"kind": values.dtype.name, "length": len(values)})
        self._parts.append(little.view(np.uint8).reshape(-1, values.dtype.itemsize).T.tobytes())
        return len(self._parts) - 1

    def pack(self) -> str:
        """Return all arrays as text."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 9)).decode("ascii")


def _places(
    table: pd.DataFrame, dimensions: Sequence[Dimension]
) -> tuple[list[str], NDArray[np.int64], tuple[int, int, int], list[NDArray[np.int64]]]:
    """Number simulators, points (in the order of the table) and seeds, and say where each row goes."""
    labels = table["configuration"].astype(str)
    if "run" in table:
        labels = table["run"].astype(str) + " · " + labels
    configuration, names = pd.factorize(labels)
    cells = [position_of(table, dimension) for dimension in dimensions]
    size = [len(dimension.values) for dimension in dimensions]
    point, unique = pd.factorize(np.ravel_multi_index(cells, size))
    seeds = np.unique(table["seed"].to_numpy(), return_inverse=True)[1]
    shape = (len(names), len(unique), int(seeds.max(initial=-1)) + 1)
    place = np.ravel_multi_index([configuration, point, seeds], shape)
    if len(np.unique(place)) < len(place):
        raise RunError("the table has several rows of one point, simulator and seed; the explorer can show one")
    return [str(name) for name in names], place, shape, [*np.unravel_index(unique, size)]


def _numeric(table: pd.DataFrame) -> list[str]:
    """Return the columns of statistics that hold numbers and have any, the main ones first."""
    names = dict.fromkeys([*main_columns(table), *statistic_columns(table)])
    numeric = [name for name in names if name in table and pd.api.types.is_numeric_dtype(table[name])]
    return [name for name in numeric if table[name].notna().any()] or numeric


def _room(names: Sequence[str], asked: Sequence[str], n_rows: int) -> tuple[list[str], set[str], list[str]]:
    """Say which columns there is room for, and which of them in double precision."""
    if 8 * n_rows * len(names) <= BUDGET:
        return list(names), set(names), []
    free = (BUDGET - 8 * n_rows * len(asked)) // (4 * n_rows)
    if free < 0 or not (asked or free):
        raise RunError(
            f"{n_rows:,} results are more than a page can hold; analysis.explore takes them, with the columns you name"
        )
    others = [name for name in names if name not in asked]
    return [*asked, *others[:free]], set(asked), others[free:]


def _dimension(dimension: Dimension) -> dict[str, Any]:
    """Describe a dimension; axes that advance together have values of equal number and order."""
    first, *others = dimension.axes
    axes = [(first, list(dimension.values))]
    for axis in others:
        beside = dict(zip((plain(value) for value in first.values), axis.values, strict=True))
        axes.append((axis, [beside[plain(value)] for value in dimension.values]))
    return {
        "key": dimension.key,
        "numeric": dimension.numeric,
        "size": len(dimension.values),
        "axes": [
            {
                "key": axis.key,
                "unit": "" if axis.unit == "1" else axis.unit,
                "doc": axis.doc,
                "of_network": axis.of_network,
                "labels": [text_of(value) for value in values],
                "toml": [toml_line(axis, value) for value in values],
            }
            for axis, values in axes
        ],
    }


def _fixed(axis: Any) -> dict[str, Any]:
    return {"key": axis.key, "of_network": axis.of_network, "toml": toml_line(axis, axis.values[0])}


def _keys(dimensions: Sequence[Dimension]) -> set[str]:
    return {axis.key for dimension in dimensions for axis in dimension.axes}


def _target(goal: Target) -> dict[str, Any]:
    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    kind = {"low": finite(goal.low), "high": finite(goal.high)}
    if goal.value is not None:
        kind = {"value": goal.value, "tolerance": goal.tolerance or 0.0}
    return {"column": goal.statistic, "weight": goal.weight, **kind}


def _wilson(n_seeds: int) -> list[list[list[float]]]:
    """Return the 95 % intervals of k of n, so that a page needs no statistics of its own; [n][k] is low and high."""
    found = [[[0.0, 1.0]]]
    for n in range(1, n_seeds + 1):
        low, high = wilson_interval(np.arange(n + 1) / n, np.full(n + 1, n))
        found.append(np.stack([low, high], axis=1).tolist())
    return found


def _statistic_of(column: str, statistics: Sequence[str], populations: Sequence[str]) -> str:
    for statistic in statistics:
        if statistic in STATISTICS and column in columns([statistic], populations):
            return statistic
    return column


def _unit(table: pd.DataFrame, name: str) -> str:
    unit = str(table.attrs.get("units", {}).get(name, ""))
    return "" if unit == "1" else unit
