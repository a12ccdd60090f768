"""Read the summary files of a run, of which some may be broken, still being written or of an older sweep."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs

from simulators.records.summaries.job_rows import JobRows
from simulators.records.summaries.row_checks import NO_LIMITS, schema_fault, value_fault
from simulators.records.summaries.summary import (
    REPETITIVE,
    UNREADABLE,
    CorruptSummaryError,
    job_of,
    read_summary,
    type_fault,
)

IDENTITY = ("simulator", "backend", "threads")


class CorruptSummaryWarning(UserWarning):
    """A summary file was left out because it cannot be read, or its rows are not those of its job."""


class UncheckedSummaryWarning(CorruptSummaryWarning):
    """Summary files were read of whose jobs nothing is known."""


@dataclass(frozen=True)
class SummaryFile:
    """A summary file that is open.

    Parameters
    ----------
    fragment : pyarrow.dataset.ParquetFileFragment
        With its metadata.
    job : JobRows or None
        What its rows must hold; None if nobody wants to know.
    """

    fragment: ds.ParquetFileFragment
    job: JobRows | None

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.fragment.path)


def open_files(paths: Iterable[Path], jobs: Path | None = None) -> list[SummaryFile]:
    """Open the summary files whose footer can be read.

    Parameters
    ----------
    paths : iterable of Path
        The files.
    jobs : Path, optional
        Folder of the run's job files, with which rows are compared.

    Returns
    -------
    list of SummaryFile
        In this order; those of a type of columns that the most others do not share are left out.

    Warns
    -----
    CorruptSummaryWarning
        Names every file that is left out.
    """
    parquet = ds.ParquetFileFormat(dictionary_columns=set(REPETITIVE))
    filesystem = pa.fs.LocalFileSystem()
    files = []
    for path in paths:
        try:
            fragment = parquet.make_fragment(str(path), filesystem)
            fragment.ensure_complete_metadata()
            wrong, job = schema_fault(fragment.physical_schema), None
            if wrong is None and fragment.metadata.num_rows:
                job = job_of(path, jobs)
                wrong = type_fault(fragment.physical_schema, job)
        except FileNotFoundError:  # set aside since the folder was listed
            continue
        except UNREADABLE as error:
            _warn(f"{path}: left out: is not a readable parquet file: {error}")
            continue
        except CorruptSummaryError as error:
            _warn(f"{path}: left out: {str(error).removeprefix(f'{path}: ')}")
            continue
        if wrong is not None:
            _warn(f"{path}: left out: is not a summary: {wrong}")
            continue
        files.append(SummaryFile(fragment, job))
    return files


def agreeing(files: Sequence[SummaryFile], schema: pa.Schema | None) -> list[SummaryFile]:
    """Return the files whose columns can stand in one table, with those of a schema first, then those of the most.

    Warns
    -----
    CorruptSummaryWarning
        Names every file that is left out.
    """
    schemas = [one.fragment.physical_schema.remove_metadata() for one in files]
    distinct = _distinct(schemas)
    together = [] if schema is None else [schema]
    try:
        pa.unify_schemas([*together, *distinct], promote_options="permissive")
        return list(files)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # find out whose do not fit
        pass
    kinds = [next(k for k, known in enumerate(distinct) if one.equals(known)) for one in schemas]
    strange: dict[int, str] = {}
    for kind, _ in Counter(kinds).most_common():
        try:
            together = [pa.unify_schemas([*together, distinct[kind]], promote_options="permissive")]
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            strange[kind] = str(error)
    for one, kind in zip(files, kinds, strict=True):
        if kind in strange:
            _warn(f"{one.path}: left out: a column is of another type than elsewhere: {strange[kind]}")
    return [one for one, kind in zip(files, kinds, strict=True) if kind not in strange]


def common_schema(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return the columns of all files; an integer in one and a float in another is a float.

    Parameters
    ----------
    schemas : iterable of pyarrow.Schema
        Of the files.
    """
    distinct = _distinct(one.remove_metadata() for one in schemas)
    if not distinct:
        distinct.append(pa.schema([(name, pa.string()) for name in ("point_id", *REPETITIVE)]))
    joined = pa.unify_schemas(distinct, promote_options="permissive")
    return pa.schema(
        [
            field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in REPETITIVE else field
            for field in joined
        ]
    )


def _distinct(schemas: Iterable[pa.Schema]) -> list[pa.Schema]:
    distinct: list[pa.Schema] = []
    for schema in schemas:
        # most files of a run share their schema: compare with the latest first
        if not any(schema.equals(known, check_metadata=True) for known in reversed(distinct)):
            distinct.append(schema)
    return distinct


def read_all(files: Sequence[SummaryFile], schema: pa.Schema) -> pa.Table:
    """Read files into one table.

    Parameters
    ----------
    files : sequence of SummaryFile
        The files.
    schema : pyarrow.Schema
        Columns to give; those that a file lacks are null. Where they are among them, rows are compared with the jobs.

    Returns
    -------
    pyarrow.Table
        File by file; without the rows of one that turns out to be damaged, or is not that of its job.

    Warns
    -----
    CorruptSummaryWarning
        Names every damaged file.
    """
    if not files:
        return schema.empty_table()
    fragments = [one.fragment for one in files]
    try:
        dataset = ds.FileSystemDataset(fragments, schema, fragments[0].format, fragments[0].filesystem)
        table = dataset.to_table()
    except UNREADABLE:
        table = None
    sizes = [fragment.metadata.num_rows for fragment in fragments]
    limits = {name: least for one in files if one.job is not None for name, least in one.job.limits.items()}
    if table is None or len(table) != sum(sizes) or value_fault(table, limits) is not None:  # find out which
        table, parts = None, [_read_file(one, schema) for one in files]
    else:
        ends = accumulate(sizes, initial=0)
        parts = [table.slice(end, size) for end, size in zip(ends, sizes, strict=False)]
    own = [_own(part, one) for part, one in zip(parts, files, strict=True)]
    return table if table is not None and len(table) == sum(map(len, own)) else pa.concat_tables(own)


def _own(rows: pa.Table, file: SummaryFile) -> pa.Table:
    """Return the rows of a file, or none of them if some are not its job's."""
    wrong = None if file.job is None or not rows.num_rows else file.job.fault(rows)
    if wrong is None:
        return rows
    _warn(f"{file.path}: left out: is not a summary: {wrong}")
    return rows.slice(0, 0)


def warn_unchecked(jobs: Path, n_files: int) -> None:
    """Say that summaries are taken as they are."""
    text = f"{jobs}: holds no job files: the rows of {n_files} summaries are taken as they are, and submit counts none"
    warnings.warn(text, UncheckedSummaryWarning, stacklevel=4)


def with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the columns of a schema; those that they lack are null."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _read_file(file: SummaryFile, schema: pa.Schema) -> pa.Table:
    try:
        table = file.fragment.to_table(schema=schema)
    except UNREADABLE:
        pass
    else:
        if value_fault(table, NO_LIMITS if file.job is None else file.job.limits) is None:
            return table
    try:
        # It may have been replaced since its footer was read
        table = read_summary(file.path)
        wrong = None if file.job is None else type_fault(table.schema, file.job) or value_fault(table, file.job.limits)
        if wrong is not None:
            raise CorruptSummaryError(f"{file.path}: is not a summary: {wrong}")
        return with_schema(table, schema)
    except FileNotFoundError:
        return schema.empty_table()
    except CorruptSummaryError as error:
        _warn(f"{file.path}: left out: {str(error).removeprefix(f'{file.path}: ')}")
        return schema.empty_table()


def _warn(message: str) -> None:
    warnings.warn(message, CorruptSummaryWarning, stacklevel=4)
