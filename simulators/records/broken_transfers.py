"""What a transfer that broke off took from a run on a pool is put back (see `simulators.records.attempts`)."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from simulators.records.atomic_file import replacing
from simulators.records.attempts import FIRST, attempt_files
from simulators.records.job import Job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import (
    UNREADABLE,
    CorruptSummaryError,
    empty_summary,
    read_summary,
)


def start_attempts(job: Job, run: RunDirectory) -> None:
    """Write the file that the first attempt of a job begins with: the rows that it has, mostly none.

    Nobody waits for the disk, nor is it large: a sweep may have thousands of jobs.
    """
    summary = run.summary(job.name)
    with replacing(run.attempts(job.name) / FIRST, flushed=False) as temporary:
        temporary.write_bytes(summary.read_bytes() if summary.exists() else empty_summary())


def restore_summaries(run: RunDirectory, in_flight: Collection[str]) -> int:
    """Put back the summaries that a broken transfer took; what attempts brought back is of no more use then.

    Parameters
    ----------
    run : RunDirectory
        The run, locked.
    in_flight : collection of str
        Jobs that may still bring something back, which are left alone.

    Returns
    -------
    int
        How many summaries have more rows than before.

    Raises
    ------
    OSError
        If a summary cannot be written.
    """
    n_restored = 0
    for folder in run.root.glob("attempts/*"):
        if folder.name in in_flight:
            continue
        summary = run.summary(folder.name)
        for path in reversed(attempt_files(folder)):
            n_rows = 0 if path.name == FIRST else _count_rows(path)
            if n_rows is None:
                continue
            if n_rows and n_rows > (_count_rows(summary) or 0):
                with replacing(summary) as temporary:
                    shutil.copyfile(path, temporary)
                n_restored += 1
            break
        shutil.rmtree(folder, ignore_errors=True)
    return n_restored


def _count_rows(path: Path) -> int | None:
    """How many rows a summary has; None if it is none."""
    try:
        return int(read_summary(path).num_rows)
    except (*UNREADABLE, CorruptSummaryError):
        return None
