"""Open a run as a table: one row per point and simulator, whether it has run yet or not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from analysis.run import RunError, read_metadata
from analysis.summary_tables import IDENTITY, common_schema, open_fragments, read_all, read_fragments, with_schema
from simulators.records.run_directory import RunDirectory
from simulators.records.summary_cache import CachedSummaries, read_cached

if TYPE_CHECKING:
    import dask.dataframe as dd

MISSING = "missing"
STATUSES = ("ok", "failed", "timeout", "diverged", MISSING)
_KEYS = ("point_id", *IDENTITY, "status", "finished")


@overload
def open_run(
    path: str | Path,
    *,
    columns: Sequence[str] | None = ...,
    parameters: Sequence[str] = ...,
    lazy: Literal[False] = ...,
) -> pd.DataFrame: ...
@overload
def open_run(
    path: str | Path,
    *,
    columns: Sequence[str] | None = ...,
    parameters: Sequence[str] = ...,
    lazy: Literal[True],
) -> dd.DataFrame: ...
def open_run(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    parameters: Sequence[str] = (),
    lazy: bool = False,
) -> pd.DataFrame | dd.DataFrame:
    """Open a run, whether it is complete, still running or cut short.

    Parameters
    ----------
    path : str or Path
        Folder of the run, ``results/<name>``.
    columns : sequence of str, optional
        Statistics and other summary columns to read, beside those that identify a row; all by default. For a run
        of a million rows this decides how long it takes. A column that no summary has is left out.
    parameters : sequence of str
        Parameters that were not swept to have as columns too.
    lazy : bool
        Return a dask dataframe of a partition per summary file, for runs larger than memory. Keys (point, status,
        time) are read at once; the statistics only when they are computed with.

    Returns
    -------
    pandas.DataFrame or dask.dataframe.DataFrame
        One row per point × simulator: ``point_id``, swept parameters, ``seed``, ``network_seed``, ``configuration``
        (the simulator, with its settings where it ran with several), ``simulator``, ``status``, ``error``,
        statistics, phases in s and the rest of a summary. `status` is ``"missing"`` where there is no row yet.
        Where a point has several rows an ok one stands, then the latest. Rows of points that are not in the sweep
        are left out. ``attrs["run"]`` is what was asked (see `analysis.run_of`), ``attrs["units"]`` and
        ``attrs["docs"]`` give unit and meaning of the columns that have them, ``attrs["path"]`` the folder.

    Raises
    ------
    RunError
        If the folder is not a run or a parameter does not exist.

    Warns
    -----
    CorruptSummaryWarning
        Names every summary file that cannot be read.
    """
    directory = RunDirectory(Path(path))
    metadata = read_metadata(path)
    points = _read_points(directory, metadata, parameters)
    if lazy:  # a partition per file
        cached = CachedSummaries(None, None, tuple(directory.summary_files()))
    else:
        cached = read_cached(directory, None if columns is None else [*_KEYS, *columns])
    fragments = open_fragments(cached.rest)
    schemas = [*([] if cached.schema is None else [cached.schema]), *(part.physical_schema for part in fragments)]
    schema = common_schema(schemas, without=[name for name in points.column_names if name != "point_id"])
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in {*_KEYS, *columns}])
    attrs = _attributes(directory, metadata, schemas[-1:])
    entries: list[Mapping[str, Any]] = metadata["simulators"]
    if lazy:
        return _open_lazily(points, entries, fragments, schema, attrs)
    summaries = read_all(fragments, schema)
    if cached.rows is not None:
        summaries = pa.concat_tables([with_schema(cached.rows, schema), summaries])
    rows = select_rows(points["point_id"], entries, summaries)
    frame = _to_frame(points, entries, summaries, np.arange(len(rows)), rows)
    frame.attrs = dict(attrs)
    return frame


def open_runs(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Open several runs as one table, with the name of the run as its first column.

    A parameter that is an axis in any of them is a column for all.

    Parameters
    ----------
    paths : iterable of str or Path
        Folders of the runs.

    Returns
    -------
    pandas.DataFrame
        As `open_run`; ``attrs["run"]`` has the axes of all runs, with the values of all, and the rest of the first.

    Raises
    ------
    RunError
        If none is named, or one is not a run.
    """
    folders = [Path(path) for path in paths]
    if not folders:
        raise RunError("open_runs: no run was named")
    metadata = [read_metadata(folder) for folder in folders]
    axes: dict[str, dict[str, Any]] = {}
    for content in metadata:
        for axis in content["axes"]:
            known = axes.setdefault(axis["key"], {**axis, "values": []})
            known["values"] += [value for value in axis["values"] if value not in known["values"]]
    tables = []
    for folder, content in zip(folders, metadata, strict=True):
        own = {axis["key"] for axis in content["axes"]}
        available = set(ds.dataset(RunDirectory(folder).points).schema.names)
        table = open_run(folder, parameters=[key for key in axes if key not in own and key in available])
        table.insert(0, "run", pd.Series(content["name"], table.index, dtype="category"))
        tables.append(table)
    attrs: dict[Hashable | None, Any] = {
        "run": {**metadata[0], "axes": list(axes.values())},
        "units": {key: unit for table in reversed(tables) for key, unit in table.attrs["units"].items()},
        "docs": {key: doc for table in reversed(tables) for key, doc in table.attrs["docs"].items()},
        "path": [str(folder) for folder in folders],
    }
    shared = set.intersection(*(set(table.select_dtypes("category")) for table in tables))
    for column in shared:
        union = pd.api.types.union_categoricals([table[column] for table in tables]).categories
        for table in tables:
            table[column] = table[column].cat.set_categories(union)
    for table in tables:
        table.attrs = {}  # else concat compares them, value by value
    joined = pd.concat(tables, ignore_index=True)
    joined.attrs = attrs
    return joined


def configuration_names(simulators: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the simulators of a run, with their settings where one appears more than once."""
    names = [str(entry["simulator"]) for entry in simulators]
    return [
        name
        if names.count(name) == 1
        else ", ".join([name, *(f"{key} {value}" for key, value in entry.items() if key != "simulator")])
        for name, entry in zip(names, simulators, strict=True)
    ]


def select_rows(
    points: pa.ChunkedArray, simulators: Sequence[Mapping[str, Any]], summaries: pa.Table
) -> NDArray[np.int64]:
    """Choose the summary row of every point × simulator: an ok row, then the latest.

    Parameters
    ----------
    points : pyarrow.ChunkedArray of str, shape (n_points,)
        Ids of the points.
    simulators : sequence of mapping
        Identity of each simulator; a row belongs to one if all values that are not None match.
    summaries : pyarrow.Table
        With at least the identity, ``point_id`` and ``status``.

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
    good = _equals(summaries["status"], "ok")
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


def _read_points(directory: RunDirectory, metadata: Mapping[str, Any], parameters: Sequence[str]) -> pa.Table:
    dataset = ds.dataset(directory.points)
    known = set(dataset.schema.names)
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise RunError(f"{directory.points}: has no parameters {unknown}; it has {sorted(known)}")
    swept = [axis["key"] for axis in metadata["axes"]]
    columns = dict.fromkeys(["point_id", *swept, *parameters, "seed", "network_seed"])
    table = dataset.to_table(columns=[name for name in columns if name in known])
    return table.replace_schema_metadata(None)


def _attributes(
    directory: RunDirectory, metadata: Mapping[str, Any], schemas: Sequence[pa.Schema]
) -> dict[Hashable | None, Any]:
    units = {axis["key"]: axis.get("unit", "1") for axis in metadata["axes"]}
    docs = {axis["key"]: axis.get("doc", "") for axis in metadata["axes"]}
    for field in (field for schema in schemas for field in schema):
        for found, key in ((units, b"unit"), (docs, b"doc")):
            text = (field.metadata or {}).get(key, b"").decode()
            if text:
                found.setdefault(field.name, text)
    return {"run": dict(metadata), "units": units, "docs": docs, "path": str(directory.root)}


def _to_frame(
    points: pa.Table,
    simulators: Sequence[Mapping[str, Any]],
    summaries: pa.Table,
    slots: NDArray[np.int64],
    rows: NDArray[np.int64],
    categorical: bool = True,
) -> pd.DataFrame:
    """Put points and their summary rows side by side; `slots` count points × simulators, `rows` are −1 if absent."""
    point, number = np.divmod(slots, len(simulators))
    absent = rows < 0
    beside = summaries.drop_columns(["point_id", "simulator"])
    if len(rows) != beside.num_rows or absent.any() or not np.array_equal(rows, np.arange(len(rows))):
        beside = beside.unify_dictionaries().take(pa.array(rows, mask=absent))
    on_left = points if np.array_equal(point, np.arange(points.num_rows)) else points.take(pa.array(point))
    columns = {name: on_left[name] for name in on_left.column_names}
    for name, texts in (
        ("configuration", configuration_names(simulators)),
        ("simulator", [str(entry["simulator"]) for entry in simulators]),
    ):
        distinct = list(dict.fromkeys(texts))
        codes = np.array([distinct.index(text) for text in texts], dtype=np.int8)[number]
        columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))
    columns["status"] = beside["status"]
    columns |= {name: beside[name] for name in beside.column_names}
    frame: pd.DataFrame = pa.table(columns).to_pandas(split_blocks=True, zero_copy_only=False)
    # all of them, whatever has happened so far
    frame["status"] = frame["status"].cat.set_categories(STATUSES)
    if absent.any():
        frame["status"] = frame["status"].fillna(MISSING)
    if not categorical:  # partitions would differ in their categories
        for repetitive in frame.select_dtypes("category"):
            frame[repetitive] = frame[repetitive].astype("str")
    return frame


def _open_lazily(
    points: pa.Table,
    simulators: Sequence[Mapping[str, Any]],
    fragments: Sequence[ds.ParquetFileFragment],
    schema: pa.Schema,
    attrs: dict[Hashable | None, Any],
) -> dd.DataFrame:
    import dask.dataframe as dd

    keys = read_fragments(fragments, schema, _KEYS)
    empty = pa.schema([schema.field(name) for name in _KEYS if name in schema.names]).empty_table()
    rows = select_rows(points["point_id"], simulators, pa.concat_tables([empty, *keys]))
    starts = np.cumsum([0, *(table.num_rows for table in keys)])
    by_row = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[by_row], starts)
    parts: list[tuple[ds.ParquetFileFragment | None, NDArray[np.int64], NDArray[np.int64]]] = [
        (fragment, by_row[begin:end], rows[by_row[begin:end]] - start)
        for fragment, start, begin, end in zip(fragments, starts[:-1], bounds[:-1], bounds[1:], strict=True)
        if end > begin
    ]
    if bounds[0] or not parts:
        parts.append((None, by_row[: bounds[0]], rows[by_row[: bounds[0]]]))

    def read_part(part: tuple[ds.ParquetFileFragment | None, NDArray[np.int64], NDArray[np.int64]]) -> pd.DataFrame:
        fragment, slots, chosen = part
        tables = [] if fragment is None else read_fragments([fragment], schema)
        return _to_frame(points, simulators, pa.concat_tables([schema.empty_table(), *tables]), slots, chosen, False)

    meta = _to_frame(points, simulators, schema.empty_table(), np.zeros(0, np.int64), np.zeros(0, np.int64), False)
    frame: dd.DataFrame = dd.from_map(read_part, parts, meta=meta, enforce_metadata=False)  # type: ignore[no-untyped-call]
    frame.attrs = attrs
    return frame
