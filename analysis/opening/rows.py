"""Which row of the summaries stands for a point on a simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from simulators.backends.simulator import FIRST_REVISION
from simulators.records.summaries.wanted import Wanted


def select_rows(
    points: pa.ChunkedArray,
    simulators: Sequence[Mapping[str, Any]],
    summaries: pa.Table,
    wanted: Wanted | None = None,
) -> NDArray[np.int64]:
    """Choose the summary row of every point × simulator: the best, and of equals the latest.

    Good rows are better than others, those of a later revision of the simulator better than those of an earlier
    one, and those that hold what is wanted better than those that do not.

    Parameters
    ----------
    points : pyarrow.ChunkedArray of str, shape (n_points,)
        Ids of the points.
    simulators : sequence of mapping
        Identity of each simulator; a row belongs to one if all values that are not None match.
    summaries : pyarrow.Table
        With at least the identity, ``point_id`` and ``status``.
    wanted : Wanted, optional
        Statistics and spikes that a row should hold.

    Returns
    -------
    ndarray of int64, shape (n_points * n_simulators,)
        Index of the row, point by point; −1 where there is none.
    """
    rows = np.full(len(points) * len(simulators), -1, dtype=np.int64)
    if not summaries.num_rows:
        return rows
    if summaries["point_id"].equals(points):
        point = np.arange(len(points))
    else:
        point = pd.Index(points.to_pandas()).get_indexer(pd.Index(summaries["point_id"].to_pandas())).astype(np.int64)
    good = _equals(summaries["status"], "ok").astype(np.int64)
    if "revision" in summaries.column_names:
        good *= 2 * pc.fill_null(summaries["revision"].cast(pa.int64()), FIRST_REVISION).to_numpy()
    if wanted is not None and {"statistics", "spikes"} <= set(summaries.column_names):
        good += good.astype(bool) * _meets(summaries, wanted)
    finished = np.zeros(len(point), dtype=np.int64)
    if "finished" in summaries.column_names:
        finished = pc.fill_null(summaries["finished"].cast(pa.int64()), 0).to_numpy()
    for number, entry in enumerate(simulators):
        belongs = point >= 0
        for key, value in entry.items():
            if value is not None:
                belongs &= _equals(summaries[key], value) if key in summaries.column_names else False
        candidates = np.flatnonzero(belongs)
        slots = point[candidates] * len(simulators) + number
        if len(slots) > 1 and np.bincount(slots).max() > 1:
            # the best row of a slot comes last, and so stays
            order = np.lexsort((finished[candidates], good[candidates], slots))
            candidates, slots = candidates[order], slots[order]
            last = np.append(slots[1:] != slots[:-1], True)
            candidates, slots = candidates[last], slots[last]
        rows[slots] = candidates
    return rows


def _meets(summaries: pa.Table, wanted: Wanted) -> NDArray[np.int8]:
    made = list(zip(summaries["statistics"].to_pylist(), summaries["spikes"].to_pylist(), strict=True))
    met = {values: wanted.is_met_by(*values) for values in set(made)}
    return np.array([met[values] for values in made], dtype=np.int8)


def _equals(column: pa.ChunkedArray, value: Any) -> NDArray[np.bool_]:
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
        chunks = [
            np.asarray(pc.fill_null(chunk.indices, -1)) == chunk.dictionary.to_pylist().index(value)
            if value in chunk.dictionary.to_pylist()
            else np.zeros(len(chunk), dtype=bool)
            for chunk in column.chunks
        ]
        return np.concatenate([np.zeros(0, dtype=bool), *chunks])
    result: NDArray[np.bool_] = pc.fill_null(pc.equal(column, value), False).to_numpy()
    return result
