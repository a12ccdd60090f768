"""A lock for file systems that know no locks: a file that only one process can make.

It stays when its process is killed. On the machine of that process the next one notices and takes it over; elsewhere
nobody can know, and a person must remove it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridsearch.submitting.owner import Busy, Owner, owner_of, this_process

_PATIENCE = 1.0  # s, in which others have written who they are, or taken away a file whose process has ended
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file.

    Raises
    ------
    Busy
        If another process holds it, or held it last and is not known to have ended.
    """
    mine = this_process().text()
    _take(path, mine)
    try:
        yield
    finally:
        if _read(path) == mine:  # a person may have given it to another process
            path.unlink(missing_ok=True)


def holder(path: Path) -> Owner | None:
    """Return the process that holds the file, or may hold it; None if there is none."""
    text = _read(path)
    if text is None:
        return None
    owner = _owner(text)
    return None if owner.has_ended() else owner


def _take(path: Path, mine: str) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with os.fdopen(os.open(path, _FLAGS, 0o644), "w", encoding="utf-8") as file:
                file.write(mine)
            return
        except FileExistsError:
            text = _read(path)
        if text is None:
            continue  # just given back
        owner = _owner(text)
        passing = owner.has_ended() or not text  # its maker is just writing
        if not passing or time.monotonic() > until:
            raise Busy(
                f"{path.parent}: another submit is at work ({owner}); this file system has no locks, so if that "
                f"process has been killed, remove {path}"
            )
        if text:
            _remove(path, text)
        time.sleep(0.002)


def _remove(path: Path, stale: str) -> None:
    """Take a file away whose process has ended, and never one that another has made meanwhile.

    Who does that holds a second file, of a name that is the stale one's alone.
    """
    permit = path.with_name(f"{path.name}-{hashlib.sha256(stale.encode()).hexdigest()[:16]}")
    try:
        os.close(os.open(permit, _FLAGS, 0o644))
    except FileExistsError:
        return  # another is at it
    try:
        if _read(path) == stale:
            path.unlink(missing_ok=True)
    finally:
        permit.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    """Return what stands in the file; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read(10_000)


def _owner(text: str) -> Owner:
    return owner_of(text) or Owner(0)
