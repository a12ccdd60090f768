"""The rows of many small summary files in one: opening a file costs more than reading its rows.

The summaries are the truth. What is kept here is what they held when they were last read, each with the size and time
of change it then had; a summary that has changed since is read itself. Deleting the file loses nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.row_checks import repeat_fault, schema_fault, stranger, value_fault
from simulators.records.summaries.summary import REPETITIVE, UNREADABLE

FEWEST = 100  # summaries that are not in it yet make it worth writing,
SHARE = 0.1  # as a share of those that are, so that a growing run rewrites it seldom,
LARGEST = 200_000  # B; and larger ones gain nothing
SETTLED = 10.0  # s since the last change: a later one then shows in the time of change, however coarse

_DAMAGED = (pa.ArrowException, OSError)
_KEY = b"summaries"
_READERS = 4
_BATCH = 500  # summaries that are read before their rows are joined
_writing = threading.Lock()  # threads of a process share its temporary file

Stamp = tuple[int, int]  # size in B, time of change in ns


@dataclass(frozen=True)
class CachedSummaries:
    """Rows of the summaries of a run that need not be read one by one.

    Parameters
    ----------
    rows : pyarrow.Table or None
        Theirs, with the columns that were asked for; repetitive ones are dictionaries. None if there are none.
    schema : pyarrow.Schema or None
        All columns they have.
    rest : tuple of Path
        The summaries whose rows are not among them, by name.
    """

    rows: pa.Table | None
    schema: pa.Schema | None
    rest: tuple[Path, ...]


def read_cached(run: RunDirectory, columns: Sequence[str] | None = None) -> CachedSummaries:
    """Read the rows of unchanged summaries at once, after writing the cache anew where that pays.

    Parameters
    ----------
    run : RunDirectory
        The run; where its folder cannot be written, nothing is kept.
    columns : sequence of str, optional
        Those to read, as far as there are any; all by default.

    Returns
    -------
    CachedSummaries
        Empty, with all summaries in `rest`, where there is no cache or it cannot be read.
    """
    try:
        return _read_cached(run, _Cache.open(run.summary_cache), columns)
    except _DAMAGED:
        return _read_cached(run, _Cache(None, []), columns)


def _read_cached(run: RunDirectory, cache: _Cache, columns: Sequence[str] | None) -> CachedSummaries:
    files = _stamps(run)
    known = {name for name, stamp in cache.stamps.items() if files.get(name) == stamp}
    worth = [name for name in files if name not in known and _is_worth(files[name])]
    if len(worth) >= max(FEWEST, SHARE * len(known)):
        return _renew(run, cache, known, files, worth, columns)
    rest = tuple(run.summaries / name for name in files if name not in known)
    return CachedSummaries(cache.read(known, columns), cache.schema if known else None, rest)


class _Cache:
    """The file: rows summary by summary, and in its metadata how many each has, and its stamp."""

    def __init__(self, file: pq.ParquetFile | None, index: Sequence[tuple[str, int, int, int]]) -> None:
        self._file = file
        self._index = index
        self.stamps: dict[str, Stamp] = {name: (size, changed) for name, _, size, changed in index}
        self.schema: pa.Schema | None = None if file is None else file.schema_arrow.remove_metadata()

    @classmethod
    def open(cls, path: Path) -> _Cache:
        try:
            file = pq.ParquetFile(path, page_checksum_verification=True)
            index = [tuple(entry) for entry in json.loads(file.schema_arrow.metadata[_KEY])]
            if sum(entry[1] for entry in index) != file.metadata.num_rows:
                raise ValueError("rows and index disagree")
            return cls(file, index)
        except (*_DAMAGED, KeyError, TypeError, ValueError, IndexError):
            return cls(None, [])

    def entries(self, names: set[str]) -> list[tuple[str, int, int, int]]:
        """Return the index of some summaries, in the order of their rows."""
        return [entry for entry in self._index if entry[0] in names]

    def read(self, names: set[str], columns: Sequence[str] | None) -> pa.Table | None:
        """Return the rows of some summaries."""
        if self._file is None or self.schema is None or not names:
            return None
        chosen = None if columns is None else [name for name in columns if name in self.schema.names]
        table = self._file.read(columns=chosen).replace_schema_metadata(None)
        if len(names) == len(self._index):
            return table
        wanted = [entry[0] in names for entry in self._index]
        return table.filter(pa.array(np.repeat(wanted, [entry[1] for entry in self._index])))


def _renew(
    run: RunDirectory,
    cache: _Cache,
    known: set[str],
    files: Mapping[str, Stamp],
    worth: Sequence[str],
    columns: Sequence[str] | None,
) -> CachedSummaries:
    """Read the summaries that are not in the cache, write it with them, and return the rows of all that are now."""
    index = cache.entries(known)
    old = cache.read(known, None)
    tables = [] if old is None else [old]
    fresh: set[str] = set()
    try:
        for start in range(0, len(worth), _BATCH):
            read = _read_unchanged(run, {name: files[name] for name in worth[start : start + _BATCH]})
            together = _joined(list(read.values())) if read else None
            if together is not None and value_fault(together) is not None:  # find out whose
                read = {name: table for name, table in read.items() if value_fault(table) is None}
                together = _joined(list(read.values())) if read else None
            index += [(name, table.num_rows, *files[name]) for name, table in read.items()]
            fresh |= read.keys()
            tables += [] if together is None else [together]
        rows = _strung(tables) if tables else None  # not in one piece, which would be all of it twice
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # columns of one name that have nothing in common
        return CachedSummaries(None, None, tuple(run.summaries / name for name in files))
    rest = tuple(run.summaries / name for name in files if name not in known | fresh)
    if rows is None:
        return CachedSummaries(None, None, rest)
    _write(rows.replace_schema_metadata({_KEY: json.dumps(index).encode()}), run.summary_cache)
    chosen = rows if columns is None else rows.select([name for name in columns if name in rows.column_names])
    return CachedSummaries(chosen, rows.schema, rest)


def _read_unchanged(run: RunDirectory, files: Mapping[str, Stamp]) -> dict[str, pa.Table]:
    """Read summaries, but for those that are none, or were replaced meanwhile: they are not what their stamp says.

    Their values are not looked at: that is quicker for all at once.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        tables = list(pool.map(partial(_read, run.jobs), (run.summaries / name for name in files)))
    return {
        name: rows
        for (name, stamp), rows in zip(files.items(), tables, strict=True)
        if rows is not None and _stamp(run.summaries / name) == stamp
    }


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables into one piece: a small one takes far more memory than its rows."""
    return _strung(tables).combine_chunks()


def _strung(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables one behind the other."""
    alike = all(table.schema.equals(tables[0].schema) for table in tables)
    return pa.concat_tables(tables, promote_options="none" if alike else "permissive").unify_dictionaries()


def _write(rows: pa.Table, path: Path) -> None:
    try:
        with _writing, replacing(path) as temporary:
            pq.write_table(rows, temporary, write_page_checksum=True)
    except OSError:  # a folder of somebody else, a full disk: then without
        return


def _read(jobs: Path, path: Path) -> pa.Table | None:
    """Read a summary; None if its columns are not those of one, or its rows are none of its job."""
    try:
        table = pq.ParquetFile(path, read_dictionary=list(REPETITIVE)).read(use_threads=False)
    except UNREADABLE:
        return None
    wrong = schema_fault(table.schema) or repeat_fault(table) or stranger(table, jobs, path.stem)
    return None if wrong is not None else table.replace_schema_metadata(None)


def _stamps(run: RunDirectory) -> dict[str, Stamp]:
    stamps = {path.name: _stamp(path) for path in run.summary_files()}
    return {name: stamp for name, stamp in stamps.items() if stamp is not None}


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:  # set aside since the folder was listed
        return None
    return found.st_size, found.st_mtime_ns


def _is_worth(stamp: Stamp) -> bool:
    size, changed = stamp
    return size <= LARGEST and time.time() - changed * 1e-9 > SETTLED
