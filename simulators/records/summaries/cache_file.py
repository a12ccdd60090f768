"""The file that holds the rows of many summaries: in its metadata is which they are.

It is written and read group by group, so that all columns of all rows are never in memory at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulators.records.atomic_file import replacing

Stamp = tuple[int, int]
"""Size of a summary in B, and its time of change in ns."""

Entry = tuple[str, int, int, int]
"""Name of a summary, number of its rows, and its stamp."""

Piece = tuple[list[Entry], pa.Table]
"""Rows of some summaries; entries may be ahead of their rows."""

_KEY = b"summaries"
_GROUP = 100_000  # rows that are written, and read, together


class WiderColumnsError(ValueError):
    """Rows have columns, or wider types of them, that those before did not have; `schema` has all."""

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__("there are more columns")
        self.schema = schema


class CacheFile:
    """The file: rows summary by summary, and in its metadata how many each has, and its stamp.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile or None
        None if there is none that can be read.
    index : sequence of Entry
        Whose rows they are, in their order.
    """

    def __init__(self, file: pq.ParquetFile | None, index: Sequence[Entry]) -> None:
        self._file = file
        self._index = index
        self.stamps: dict[str, Stamp] = {name: (size, changed) for name, _, size, changed in index}
        self.schema: pa.Schema | None = None if file is None else file.schema_arrow.remove_metadata()

    @classmethod
    def open(cls, path: Path) -> CacheFile:
        """Open a file; what is none holds nothing."""
        try:
            file = pq.ParquetFile(path, page_checksum_verification=True)
            index = [tuple(entry) for entry in json.loads(file.metadata.metadata[_KEY])]
            if sum(entry[1] for entry in index) != file.metadata.num_rows:
                raise ValueError("rows and index disagree")
            return cls(file, index)
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, IndexError):
            return cls(None, [])

    def read(self, names: set[str], columns: Sequence[str] | None) -> pa.Table | None:
        """Return the rows of some summaries."""
        pieces = [table for _, table in self.pieces(names, columns)]
        return strung(pieces) if pieces else None

    def pieces(self, names: set[str], columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """Yield the rows of some summaries, group by group.

        Raises
        ------
        OSError
            If the file is damaged.
        """
        if self._file is None or self.schema is None or not names:
            return
        chosen = None if columns is None else [name for name in columns if name in self.schema.names]
        wanted = np.repeat([entry[0] in names for entry in self._index], [entry[1] for entry in self._index])
        entries, end = [entry for entry in self._index if entry[0] in names], 0
        for group in range(self._file.num_row_groups):
            begin, end = end, end + self._file.metadata.row_group(group).num_rows
            try:
                table = self._file.read_row_group(group, columns=chosen).replace_schema_metadata(None)
            except pa.ArrowException as error:
                raise OSError(f"rows that were kept are damaged: {error}") from error
            yield entries, table if wanted[begin:end].all() else table.filter(pa.array(wanted[begin:end]))
            entries = []


@dataclass(frozen=True)
class Gathered:
    """Rows of summaries.

    Parameters
    ----------
    rows : pyarrow.Table or None
        With the columns that were asked for; None if there are none.
    schema : pyarrow.Schema or None
        All columns.
    names : frozenset of str
        Whose rows they are.
    """

    rows: pa.Table | None
    schema: pa.Schema | None
    names: frozenset[str]


def gather(
    pieces: Iterable[Piece], schema: pa.Schema | None, columns: Sequence[str] | None, path: Path | None
) -> Gathered:
    """Put rows together, and write them to a file, whole or not at all.

    Parameters
    ----------
    pieces : iterable of Piece
        The rows.
    schema : pyarrow.Schema or None
        Columns that the rows get if they lack them.
    columns : sequence of str or None
        Those to return.
    path : Path or None
        The file, if one is wanted.

    Raises
    ------
    WiderColumnsError
        If later rows have columns that the first ones, which the file begins with, and the schema lack.
    OSError
        If the file cannot be written.
    """
    groups = _widened(_grouped(pieces), schema)
    first = next(groups, None)
    if first is None:
        return Gathered(None, schema, frozenset())
    index: list[Entry] = []
    kept: list[pa.Table] = []
    widest = first[1].schema
    with ExitStack() as stack:
        writer = None if path is None else _opened(stack, path, widest)
        for entries, table in chain([first], groups):
            index += entries
            kept.append(table if columns is None else table.select([n for n in columns if n in table.column_names]))
            widest = table.schema
            if writer is not None and widest.equals(writer.schema):
                writer.write_table(table)
        if writer is not None:
            if not widest.equals(writer.schema):
                raise WiderColumnsError(widest)
            writer.add_key_value_metadata({_KEY: json.dumps(index).encode()})
    return Gathered(strung(kept), widest, frozenset(entry[0] for entry in index))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables into one piece: a small one takes far more memory than its rows."""
    return strung(tables).combine_chunks()


def strung(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables one behind the other."""
    alike = all(table.schema.equals(tables[0].schema) for table in tables)
    return pa.concat_tables(tables, promote_options="none" if alike else "permissive").unify_dictionaries()


def _opened(stack: ExitStack, path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    temporary = stack.enter_context(replacing(path))
    return stack.enter_context(pq.ParquetWriter(temporary, schema, write_page_checksum=True))


def _grouped(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Join pieces to groups that are worth a reader's while."""
    entries: list[Entry] = []
    tables: list[pa.Table] = []
    for more, table in pieces:
        entries += more
        tables.append(table)
        if sum(table.num_rows for table in tables) >= _GROUP:
            yield entries, joined(tables)
            entries, tables = [], []
    if tables:
        yield entries, joined(tables)


def _widened(pieces: Iterable[Piece], schema: pa.Schema | None) -> Iterator[Piece]:
    """Give rows the columns that those before them had."""
    for entries, piece in pieces:
        table = piece if schema is None else strung([schema.empty_table(), piece])
        schema = table.schema
        yield entries, table
