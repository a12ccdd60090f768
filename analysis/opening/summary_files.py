"""Read the summary files of a run, of which some may be broken, still being written or of an older sweep."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs

from simulators.records.summaries.row_checks import schema_fault, stranger, value_fault
from simulators.records.summaries.summary import REPETITIVE, UNREADABLE, CorruptSummaryError, read_summary

IDENTITY = ("simulator", "backend", "threads")


class CorruptSummaryWarning(UserWarning):
    """A summary file was left out because it cannot be read."""


def open_fragments(paths: Iterable[Path]) -> list[ds.ParquetFileFragment]:
    """Open the summary files whose footer can be read.

    Parameters
    ----------
    paths : iterable of Path
        The files.

    Returns
    -------
    list of pyarrow.dataset.ParquetFileFragment
        With their metadata, by name of the file.

    Warns
    -----
    CorruptSummaryWarning
        Names every file that is left out.
    """
    parquet = ds.ParquetFileFormat(dictionary_columns=set(REPETITIVE))
    filesystem = pa.fs.LocalFileSystem()
    fragments = []
    for path in paths:
        try:
            fragment = parquet.make_fragment(str(path), filesystem)
            fragment.ensure_complete_metadata()
        except FileNotFoundError:  # set aside since the folder was listed
            continue
        except UNREADABLE as error:
            _warn(f"{path}: left out: is not a readable parquet file: {error}")
            continue
        wrong = schema_fault(fragment.physical_schema)
        if wrong is not None:
            _warn(f"{path}: left out: is not a summary: {wrong}")
            continue
        fragments.append(fragment)
    return fragments


def common_schema(schemas: Iterable[pa.Schema], without: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of all files; an integer in one and a float in another is a float.

    Parameters
    ----------
    schemas : iterable of pyarrow.Schema
        Of the files.
    without : sequence of str
        Columns to leave out.
    """
    distinct: list[pa.Schema] = []
    for schema in (one.remove_metadata() for one in schemas):
        # most files of a run share their schema: compare with the latest first
        if not any(schema.equals(known, check_metadata=True) for known in reversed(distinct)):
            distinct.append(schema)
    if not distinct:
        distinct.append(pa.schema([(name, pa.string()) for name in ("point_id", *REPETITIVE)]))
    joined = pa.unify_schemas(distinct, promote_options="permissive")
    return pa.schema(
        [
            field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in REPETITIVE else field
            for field in joined
            if field.name not in without
        ]
    )


def read_all(fragments: Sequence[ds.ParquetFileFragment], schema: pa.Schema, jobs: Path | None = None) -> pa.Table:
    """Read files into one table.

    Parameters
    ----------
    fragments : sequence of pyarrow.dataset.ParquetFileFragment
        The files.
    schema : pyarrow.Schema
        Columns to give; those that a file lacks are null.
    jobs : Path, optional
        Folder of the run's job files, with which the points are compared.

    Returns
    -------
    pyarrow.Table
        File by file; without the rows of one that turns out to be damaged, or has points that are none of its job's.

    Warns
    -----
    CorruptSummaryWarning
        Names every damaged file.
    """
    if not fragments:
        return schema.empty_table()
    try:
        dataset = ds.FileSystemDataset(fragments, schema, fragments[0].format, fragments[0].filesystem)
        table = dataset.to_table()
    except UNREADABLE:
        table = None
    sizes = [fragment.metadata.num_rows for fragment in fragments]
    if table is None or len(table) != sum(sizes) or value_fault(table) is not None:  # find out which
        table, parts = None, [_read_fragment(fragment, schema) for fragment in fragments]
    else:
        ends = accumulate(sizes, initial=0)
        parts = [table.slice(end, size) for end, size in zip(ends, sizes, strict=False)]
    own = [_own(part, Path(fragment.path), jobs) for part, fragment in zip(parts, fragments, strict=True)]
    return table if table is not None and len(table) == sum(map(len, own)) else pa.concat_tables(own)


def _own(rows: pa.Table, path: Path, jobs: Path | None) -> pa.Table:
    """Return the rows of a file, or none of them if some are not its job's."""
    wrong = None if jobs is None else stranger(rows, jobs, path.stem)
    if wrong is None:
        return rows
    _warn(f"{path}: left out: is not a summary: {wrong}")
    return rows.slice(0, 0)


def with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the columns of a schema; those that they lack are null."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _read_fragment(fragment: ds.ParquetFileFragment, schema: pa.Schema) -> pa.Table:
    try:
        table = fragment.to_table(schema=schema)
    except UNREADABLE:
        pass
    else:
        if value_fault(table) is None:
            return table
    try:
        # It may have been replaced since its footer was read
        return with_schema(read_summary(Path(fragment.path)), schema)
    except FileNotFoundError:
        return schema.empty_table()
    except CorruptSummaryError as error:
        _warn(f"{fragment.path}: left out: {str(error).removeprefix(f'{fragment.path}: ')}")
        return schema.empty_table()


def _warn(message: str) -> None:
    warnings.warn(message, CorruptSummaryWarning, stacklevel=4)
