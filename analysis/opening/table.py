"""Open a run as a table: one row per point and simulator, whether it has run yet or not."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from analysis.opening.rows import select_rows
from analysis.opening.run import RunError, read_metadata
from analysis.opening.run_table import Kept, RunTable
from analysis.opening.summary_files import (
    IDENTITY,
    agreeing,
    common_schema,
    open_files,
    read_all,
    warn_unchecked,
    with_schema,
)
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.job_rows import CHECKED
from simulators.records.summaries.summary_cache import read_cached
from simulators.records.summaries.wanted import Wanted

MISSING = "missing"
STATUSES = ("ok", "failed", "timeout", "diverged", MISSING)
_KEYS = ("point_id", *IDENTITY, "status", "finished", "statistics", "spikes")


def open_run(
    path: str | Path | Sequence[str | Path],
    *,
    columns: Sequence[str] | None = None,
    parameters: Sequence[str] = (),
) -> pd.DataFrame:
    """Open a run, whether it is complete, still running or cut short.

    Parameters
    ----------
    path : str, Path or sequence of them
        Folder of the run, ``results/<name>``, or of several: then one table of them all, with the name of the run as
        its first column. A parameter that is an axis in any of them is a column for all.
    columns : sequence of str, optional
        Statistics and other summary columns to read, beside those that identify a row; all by default. For a run
        of a million rows this decides how long it takes. A column that no summary has is left out.
    parameters : sequence of str
        Parameters that were not swept to have as columns too.

    Returns
    -------
    pandas.DataFrame
        One row per point × simulator: ``point_id``, swept parameters, ``seed``, ``network_seed``, ``configuration``
        (the simulator, with its settings where it ran with several), ``simulator``, ``status``, ``error``,
        statistics, phases in s and the rest of a summary. `status` is ``"missing"`` where there is no row yet.
        Where a point has several rows an ok one stands that has the sweep's statistics, then any ok one, then the
        latest. Rows of points that are not in the sweep are left out (see `former_rows`). ``attrs["run"]`` is
        what was asked (see `analysis.run_of`), ``attrs["units"]`` and
        ``attrs["docs"]`` give unit and meaning of the columns that have them, ``attrs["path"]`` the folder. Of several
        runs ``attrs["run"]`` has the axes of all, with the values of all, and the rest of the first.

    Raises
    ------
    RunError
        If a folder is not a run, none is named, or a parameter does not exist.

    Warns
    -----
    CorruptSummaryWarning
        Names every summary file that cannot be read, or whose rows are not those of its job.
    UncheckedSummaryWarning
        If the run has no job files at all, so that rows cannot be compared with what was asked.
    """
    if not isinstance(path, str | Path):
        return _open_several([Path(one) for one in path], columns, parameters)
    directory = RunDirectory(Path(path))
    metadata = read_metadata(path)
    points = _read_points(directory, metadata, parameters)
    others = [name for name in points.column_names if name != "point_id"]
    summaries, described = _read_summaries(directory, columns, others)
    asked = metadata.get("wanted")  # runs of before rows said what was measured do not have it
    wanted = None if asked is None else Wanted(**asked)
    frame = _to_frame(points, metadata["simulators"], summaries, wanted)
    frame.attrs = _attributes(directory, metadata, described)
    return frame


def former_rows(path: str | Path) -> pd.DataFrame:
    """Open the rows of a run that are not in its table: of points that were made with another model or other data.

    Parameters
    ----------
    path : str or Path
        Folder of the run.

    Returns
    -------
    pandas.DataFrame
        Rows as the summaries have them, the oldest first; ``content`` says what they were made with (hashes, JSON).

    Raises
    ------
    RunError
        If the folder is not a run.
    """
    directory = RunDirectory(Path(path))
    metadata = read_metadata(path)
    known = ds.dataset(directory.points).to_table(columns=["point_id"])["point_id"]
    summaries, described = _read_summaries(directory, None, ())
    former = summaries.filter(pc.invert(pc.is_in(summaries["point_id"], known.combine_chunks())))
    frame = RunTable(former.sort_by("finished").to_pandas())
    frame.attrs = _attributes(directory, metadata, described)
    return frame


def _read_summaries(
    directory: RunDirectory, columns: Sequence[str] | None, without: Sequence[str]
) -> tuple[pa.Table, list[pa.Schema]]:
    """Read all rows, and return them with a schema that describes the columns."""
    cached = read_cached(directory, None if columns is None else [*_KEYS, *columns])
    known = bool(directory.job_names())
    if cached.rest and not known:
        warn_unchecked(directory.jobs, len(cached.rest))
    files = agreeing(open_files(cached.rest, directory.jobs if known else None), cached.schema)
    schemas = [*([] if cached.schema is None else [cached.schema]), *(one.fragment.physical_schema for one in files)]
    # Files of jobs that have not begun describe next to nothing; among the others, the order that they have
    schemas.sort(key=lambda schema: "finished" not in schema.names)
    every = common_schema(schemas)
    schema = pa.schema([field for field in every if field.name not in without])
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in {*_KEYS, *columns}])
    compared = {*CHECKED, *(name for one in files if one.job is not None for name in one.job.columns)}
    read = pa.schema([*schema, *(field for field in every if field.name in compared - set(schema.names))])
    summaries = read_all(files, read).select(schema.names)
    if cached.rows is not None:
        summaries = pa.concat_tables([with_schema(cached.rows, schema), summaries])
    return summaries, [schema for schema in schemas if "finished" in schema.names][-1:]


def _open_several(folders: Sequence[Path], columns: Sequence[str] | None, parameters: Sequence[str]) -> pd.DataFrame:
    if not folders:
        raise RunError("open_run: no run was named")
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
        more = [key for key in (*axes, *parameters) if key not in own and key in available]
        table = open_run(folder, columns=columns, parameters=more)
        table.insert(0, "run", pd.Series(content["name"], table.index, dtype="category"))
        tables.append(table)
    attrs: dict[Hashable | None, Any] = {
        "run": Kept({**metadata[0], "axes": list(axes.values())}),
        "units": Kept({key: unit for table in reversed(tables) for key, unit in table.attrs["units"].items()}),
        "docs": Kept({key: doc for table in reversed(tables) for key, doc in table.attrs["docs"].items()}),
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
    return {"run": Kept(metadata), "units": Kept(units), "docs": Kept(docs), "path": str(directory.root)}


def _to_frame(
    points: pa.Table, simulators: Sequence[Mapping[str, Any]], summaries: pa.Table, wanted: Wanted | None
) -> pd.DataFrame:
    """Put points × simulators and their summary rows side by side."""
    rows = select_rows(points["point_id"], simulators, summaries, wanted)
    point, number = np.divmod(np.arange(len(rows)), len(simulators))
    absent = rows < 0
    beside = summaries.drop_columns(["point_id", "simulator"])
    if len(rows) != beside.num_rows or absent.any() or not np.array_equal(rows, np.arange(len(rows))):
        beside = beside.unify_dictionaries().take(pa.array(rows, mask=absent))
    on_left = points if len(simulators) == 1 else points.take(pa.array(point))
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
    frame = RunTable(pa.table(columns).to_pandas(split_blocks=True, zero_copy_only=False))
    # all of them, whatever has happened so far
    frame["status"] = frame["status"].cat.set_categories(STATUSES)
    if absent.any():
        frame["status"] = frame["status"].fillna(MISSING)
    return frame
