"""Folders that are of use only while the process that made them lives, and what is left of those that died.

A process holds a lock on its folder, which ends with it, however that ends. Where a file system knows no locks,
nothing is taken for left behind.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def held_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder whose name begins so; it is removed at the end, unless it was moved."""
    folder, descriptor = _hold(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def left_behind(parent: Path, prefix: str) -> list[Path]:
    """Folders of this user whose name begins so and that nobody holds, the oldest first."""
    return sorted(_left(parent, prefix), key=_changed)


def sweep(parent: Path, prefix: str) -> None:
    """Remove what is left behind."""
    for path in _left(parent, prefix):
        shutil.rmtree(path, ignore_errors=True)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # swept by another since
        return 0.0


def _hold(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(FileNotFoundError):  # swept before it was held
            descriptor = os.open(folder, os.O_RDONLY)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def _left(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield folders that nobody holds, each while it is held here."""
    for path in list(parent.glob(f"{prefix}*")):
        try:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # somebody is at work there, or it cannot be known
        else:
            yield path
        finally:
            os.close(descriptor)
