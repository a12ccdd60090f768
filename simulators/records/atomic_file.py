"""Files that appear whole or not at all, in folders that others may write to as well."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

_TEMPORARY = re.compile(r"\.(.+)\.(?:[0-9a-f]{16}|\d+)\.tmp")


@contextmanager
def replacing(path: Path, flushed: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it into place when the block ends well.

    The content is flushed to the disk before the move, so that a crash leaves the old file or the new one.
    A block that raises leaves neither a change nor the temporary file.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder is made if it is missing.
    flushed : bool
        Whether to wait for the disk: not for one of thousands of files whose loss in a crash would be noticed.

    Yields
    ------
    Path
        Where to write: an empty file that was not there before, under a name that nobody can foresee, so neither do
        writers meet nor can anybody lay a symbolic link there.

    Raises
    ------
    OSError
        If the folder or the file cannot be written, or somebody put another file in the place of the temporary one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        yield temporary
        if flushed:
            os.fsync(descriptor)
        if not os.path.samestat(os.fstat(descriptor), temporary.lstat()):
            raise OSError(errno.ELOOP, "somebody else put a file in this place", str(temporary))
        temporary.replace(path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def leave_empty(path: Path) -> None:
    """Make an empty file, or leave the one that is there as it is; nothing is made at the end of a symbolic link.

    Raises
    ------
    OSError
        If it cannot be made, or is a link.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))


def remove_leftovers(folder: Path, before: float = float("inf"), of: Sequence[str] = ("*",)) -> int:
    """Remove the temporary files and folders that killed writers left in a folder, and return how many there were.

    Parameters
    ----------
    folder : Path
        The folder; those within it are not looked into.
    before : float
        s since the epoch, as the file system counts: files that were written to since are left alone.
    of : sequence of str
        Only those that would have become files of these names; ``*`` stands for anything.
    """
    n_removed = 0
    try:
        found = [entry for entry in os.scandir(folder) if _would_be(entry.name, of)]
    except OSError:
        return 0
    for entry in found:
        with suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime < before:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    Path(entry.path).unlink()
                n_removed += 1
    return n_removed


def _would_be(name: str, of: Sequence[str]) -> bool:
    """Whether a file is a temporary one of these."""
    match = _TEMPORARY.fullmatch(name)
    return match is not None and any(fnmatchcase(match[1], pattern) for pattern in of)
