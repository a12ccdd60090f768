"""Rasters of stored spikes for the explorer: a bounded number of them, each of a bounded number of spikes."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.deciding.best_points import best_points
from analysis.opening.run import Target, run_of
from analysis.opening.spikes import PointSpikes, spikes_of, stored_points
from simulators.records.run_directory import RunDirectory

MOST_RASTERS = 150
MOST_SPIKES = 3000  # of a raster: 12 kB before they are packed
_MOST_NEURONS = 100  # of a population
_MOST_READ = 60_000_000  # bytes of files: reading must not take longer than drawing the figures
_N_BEST = 5
_STEPS = 2**16 - 1


def rasters_json(table: pd.DataFrame, places: NDArray[np.int64], goals: Sequence[Target]) -> str:
    """Pack rasters of the points that have stored spikes: the best points first, then some at even distances.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one run; of several there are no rasters.
    places : ndarray of int, shape (n_rows, 2)
        Of each row: number of its simulator, and of its point.
    goals : sequence of Target
        What makes a point one of the best.

    Returns
    -------
    str
        JSON: ``stored`` lists simulator and point of all that have spikes; ``rasters`` has, by ``simulator:point``,
        the ``seed``, the time ``end`` in ms, ``populations`` as [name, neurons shown, size] and, packed by zlib and
        base64, the spikes: steps of time from one to the next in units of end/65535, then rows, both uint16.
    """
    stored, rows = _stored_rows(table)
    keys = [(int(places[row, 0]), int(places[row, 1])) for row in rows]
    first: dict[tuple[int, int], int] = {}
    for number in np.argsort(table["seed"].to_numpy()[rows], kind="stable"):
        first.setdefault(keys[number], int(number))
    packed, read = dict[str, Any](), 0
    for key in _in_order(first, _best(table, places, goals)):
        number = first[key]
        weight = Path(stored["spike_file"].iloc[number]).stat().st_size
        if len(packed) >= MOST_RASTERS or read + weight > _MOST_READ:
            continue
        read += weight
        packed[f"{key[0]}:{key[1]}"] = {"seed": int(stored["seed"].iloc[number]), **_packed(spikes_of(stored, number))}
    return json.dumps({"stored": [f"{one[0]}:{one[1]}" for one in first], "rasters": packed})


def _stored_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the rows with stored spikes as `stored_points` does, and where they are in the table."""
    path = table.attrs.get("path")
    nothing = table.iloc[:0], np.zeros(0, dtype=np.int64)
    if not isinstance(path, str | Path) or not RunDirectory(Path(path)).spikes("").is_dir():
        return nothing
    stored = stored_points(path)
    names = ["point_id", "configuration"]
    at = pd.Series(np.arange(len(table)), pd.MultiIndex.from_frame(table[names].astype(str)))
    rows = at.reindex(pd.MultiIndex.from_frame(stored[names].astype(str))).to_numpy()
    known = ~np.isnan(rows.astype(np.float64))
    return stored[known], rows[known].astype(np.int64)


def _best(table: pd.DataFrame, places: NDArray[np.int64], goals: Sequence[Target]) -> list[int]:
    """Return the points that are best on some simulator."""
    if not goals:
        return []
    keys = [axis.key for axis in run_of(table).axes]
    found = best_points(table, None, goals)
    leaders = found.groupby("configuration", observed=True).head(_N_BEST)
    rows = [int(np.flatnonzero((table[keys] == one[keys]).all(axis=1))[0]) for _, one in leaders.iterrows()]
    return list(dict.fromkeys(int(places[row, 1]) for row in rows))


def _in_order(keys: Collection[tuple[int, int]], best: list[int]) -> list[tuple[int, int]]:
    """Sort simulators and points: best points, then points at even distances, each on all simulators."""
    simulators: dict[int, list[tuple[int, int]]] = {}
    for key in sorted(keys):
        simulators.setdefault(key[1], []).append(key)
    points = sorted(simulators)
    room = max(MOST_RASTERS // max(len({key[0] for key in keys}), 1), 1)
    spread = np.unique(np.linspace(0, max(len(points) - 1, 0), room).round().astype(int)).tolist()
    even = [points[index] for index in spread] if points else []
    chosen = dict.fromkeys([*(point for point in best if point in simulators), *even])
    return [key for point in chosen for key in simulators[point]]


def _packed(spikes: PointSpikes) -> dict[str, Any]:
    times, rows, populations, base = [], [], [], 0
    for name, shown in spikes.recorded.items():
        if len(shown) > _MOST_NEURONS:
            shown = shown[np.linspace(0, len(shown), _MOST_NEURONS, endpoint=False).astype(np.int64)]
        populations.append([name, len(shown), spikes.sizes[name]])
        if len(shown):
            position = np.searchsorted(shown, spikes.senders[name]).clip(max=len(shown) - 1)
            kept = shown[position] == spikes.senders[name]
            times.append(spikes.times[name][kept])
            rows.append(base + position[kept])
        base += len(shown)
    time = np.concatenate([np.zeros(0), *times])
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    order = np.argsort(time, kind="stable")
    end = spikes.duration
    if len(order) > MOST_SPIKES:  # a shorter while, but all of it
        end = float(time[order[MOST_SPIKES]])
        order = order[time[order] < end] if end > 0 else order[:MOST_SPIKES]
    steps = np.rint(time[order] / max(end, 1e-9) * _STEPS).clip(0, _STEPS).astype(np.int64)
    both = np.concatenate([np.diff(steps, prepend=0), row[order]]).astype("<u2")
    data = base64.b64encode(zlib.compress(both.tobytes(), 9)).decode("ascii")
    return {"end": end, "n": len(order), "populations": populations, "data": data}
