"""One submit at a time in a run's folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from simulators.records.run_directory import RunDirectory


class Busy(Exception):
    """Another submit is at work in the same folder."""


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Hold the run's folder, so that a second submit cannot come between.

    Raises
    ------
    Busy
        If another process holds it.
    OSError
        If the folder cannot be written.
    """
    run.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{run.root}: another submit is at work (process {lock_owner(run) or 'unknown'})") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
            # a file system without locks: go on without
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def lock_owner(run: RunDirectory) -> int | None:
    """Return the process that is at work in a run's folder, or None if there is none."""
    try:
        with run.lock.open("r", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except (OSError, ValueError):
        return None
    return None
