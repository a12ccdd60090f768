"""A lock for file systems that know no locks: a file that only one process can make.

It stays when its process is killed. On the machine of that process the next one notices and takes it over; elsewhere
nobody can know, and a person must remove it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gridsearch.submitting.owner import Busy, Owner, owner_of, this_process

_WRITES = 1.0  # s, in which who has made the file has written who it is
_UNKNOWN = Owner(0)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file.

    Raises
    ------
    Busy
        If another process holds it, or held it last and is not known to have ended.
    """
    made = _take(path)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            if os.path.samestat(made, path.lstat()):  # a person may have given it to another process
                path.unlink()


def holder(path: Path) -> Owner | None:
    """Return the process that holds the file, or may hold it; None if there is none."""
    found = _read(path)
    return None if found is None or found[0].has_ended() else found[0]


def _take(path: Path) -> os.stat_result:
    until = time.monotonic() + _WRITES
    while True:
        try:
            return _make(path)
        except FileExistsError:
            found = _read(path)
        if found is None:
            continue  # just given back
        owner, stat = found
        if owner == _UNKNOWN and time.monotonic() < until:
            time.sleep(0.01)
        elif not owner.has_ended():
            raise Busy(
                f"{path.parent}: another submit is at work ({owner}); this file system has no locks, so if that process "
                f"has been killed, remove {path}"
            )
        else:
            _remove(path, stat)


def _make(path: Path) -> os.stat_result:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o644), "w", encoding="utf-8") as file:
        file.write(this_process().text())
        return os.fstat(file.fileno())


def _read(path: Path) -> tuple[Owner, os.stat_result] | None:
    """Return who holds the file, and what file it is; None if there is none. One who is just writing it is unknown."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        return owner_of(file.read(10_000)) or _UNKNOWN, os.fstat(descriptor)


def _remove(path: Path, stale: os.stat_result) -> None:
    """Take a file away whose process has ended, but not one that another has made meanwhile."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if os.path.samestat(stale, aside.lstat()):
            aside.unlink()
        else:
            aside.rename(path)
