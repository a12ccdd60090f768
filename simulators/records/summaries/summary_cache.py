"""The rows of many small summary files in one: opening a file costs more than reading its rows.

The summaries are the truth. What is kept here is what they held when they were last read, each with the size and time
of change it then had; a summary that has changed since is read itself. Deleting the file loses nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.cache_file import (
    CacheFile,
    Gathered,
    Piece,
    Stamp,
    WiderColumnsError,
    gather,
    joined,
)
from simulators.records.summaries.row_checks import NO_LIMITS, repeat_fault, value_fault
from simulators.records.summaries.summary import REPETITIVE, UNREADABLE, CorruptSummaryError, job_of, type_fault

FEWEST = 100  # summaries that are not in it yet make it worth writing,
SHARE = 0.1  # as a share of those that are, so that a growing run rewrites it seldom,
LARGEST = 200_000  # B; and larger ones gain nothing
SETTLED = 10.0  # s since the last change: a later one then shows in the time of change, however coarse

_READERS = min(4, max(2, os.cpu_count() or 2))
_BATCH = 100  # summaries that are read before their rows are joined


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
        return _read_cached(run, CacheFile.open(run.summary_cache), columns)
    except OSError:
        return _read_cached(run, CacheFile(None, []), columns)


def _read_cached(run: RunDirectory, cache: CacheFile, columns: Sequence[str] | None) -> CachedSummaries:
    files = _stamps(run)
    jobs = run.job_names()  # the rows of others cannot be checked, and do not count
    known = {name for name, stamp in cache.stamps.items() if files.get(name) == stamp and Path(name).stem in jobs}
    worth = [n for n in files if n not in known and _is_worth(files[n]) and Path(n).stem in jobs]
    if len(worth) >= max(FEWEST, SHARE * len(known)):
        return _renew(run, cache, known, files, worth, columns)
    rest = tuple(run.summaries / name for name in files if name not in known)
    return CachedSummaries(cache.read(known, columns), cache.schema if known else None, rest)


def _renew(
    run: RunDirectory,
    cache: CacheFile,
    known: set[str],
    files: Mapping[str, Stamp],
    worth: Sequence[str],
    columns: Sequence[str] | None,
) -> CachedSummaries:
    """Read the summaries that are not in the cache, write it with them, and return the rows of all that are now."""

    def pieces() -> Iterator[Piece]:
        yield from cache.pieces(known)
        for start in range(0, len(worth), _BATCH):
            yield from _read_sound(run, {name: files[name] for name in worth[start : start + _BATCH]})

    try:
        path = run.summary_cache if os.access(run.root, os.W_OK) else None
        found = _gathered(pieces, cache.schema if known else None, columns, path)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # columns of one name that have nothing in common
        return CachedSummaries(None, None, tuple(run.summaries / name for name in files))
    rest = tuple(run.summaries / name for name in files if name not in found.names)
    return CachedSummaries(found.rows, found.schema, rest)


def _gathered(
    pieces: Callable[[], Iterator[Piece]], schema: pa.Schema | None, columns: Sequence[str] | None, path: Path | None
) -> Gathered:
    """Gather rows and write them, or gather them alone where they cannot be written."""
    try:
        try:
            return gather(pieces(), schema, columns, path)
        except WiderColumnsError as wider:  # again, with the columns that those before did not have
            return gather(pieces(), wider.schema, columns, path)
    except (OSError, WiderColumnsError):  # a full disk, say, or summaries that change meanwhile
        return gather(pieces(), schema, columns, None)


def _read_sound(run: RunDirectory, files: Mapping[str, Stamp]) -> Iterator[Piece]:
    """Read some summaries, without those whose values cannot be a worker's."""
    read, limits = _read_unchanged(run, files)
    together = joined(list(read.values())) if read else None
    if together is not None and value_fault(together, limits) is not None:  # find out whose
        read = {name: table for name, table in read.items() if value_fault(table, limits) is None}
        together = joined(list(read.values())) if read else None
    if together is not None:
        yield [(name, table.num_rows, *files[name]) for name, table in read.items()], together


def _read_unchanged(run: RunDirectory, files: Mapping[str, Stamp]) -> tuple[dict[str, pa.Table], dict[str, float]]:
    """Read summaries, but for those that are none, or were replaced meanwhile: they are not what their stamp says.

    Their values are not looked at: that is quicker for all at once, with the limits that are returned with them.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        tables = list(pool.map(partial(_read, run.jobs), (run.summaries / name for name in files)))
    read: dict[str, pa.Table] = {}
    limits: dict[str, float] = {}
    for (name, stamp), found in zip(files.items(), tables, strict=True):
        if found is not None and _stamp(run.summaries / name) == stamp:
            read[name], own = found
            limits |= own
    return read, limits


def _read(jobs: Path, path: Path) -> tuple[pa.Table, Mapping[str, float]] | None:
    """Read a summary, and the limits of its values; None if it is none, or not that of its job."""
    try:
        # Read as a whole: quicker than column by column
        content = pa.BufferReader(path.read_bytes())
        table = pq.ParquetFile(content, read_dictionary=list(REPETITIVE)).read(use_threads=False)
        job = job_of(path, jobs) if table.num_rows else None
    except (*UNREADABLE, CorruptSummaryError):
        return None
    wrong = type_fault(table.schema, job) or repeat_fault(table) or (None if job is None else job.fault(table))
    if wrong is not None:
        return None
    return table.replace_schema_metadata(None), NO_LIMITS if job is None else job.limits


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
