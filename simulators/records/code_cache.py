"""Caches of compiled code: folders of this user alone, from which nothing is removed but what was made for them.

An entry is a folder. It is made under a temporary name and renamed to its key when it is whole, so workers never see
half of one. A cache bears a marker, which it gets when it is empty: a folder that holds anything else is nobody's to
clear up, and gets a folder of its own for the cache.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulators.records.user_cache import NotOwnError, check_own, is_own, make_own, user_cache

IN_USE = 3600.0  # s; what was asked for so lately may not be loaded yet, what is in the making not be whole

_KEY_LENGTH = 24
_KEY = re.compile(rf"[0-9a-f]{{{_KEY_LENGTH}}}")
_LEFT = re.compile(rf"\.[0-9a-f]{{{_KEY_LENGTH}}}-[a-z0-9_]{{8}}|\.removed-[0-9a-f]{{32}}")  # by killed workers


def short_key(digest: str) -> str:
    """Return the key that a hash, in hexadecimal digits, is as the name of an entry."""
    return digest[:_KEY_LENGTH]


def cache_folder(setting: str, kind: str) -> Path:
    """Folder of a cache: the setting, else ``gridsearch/<kind>`` in the user's cache (`user_cache`)."""
    return Path(setting) if setting else user_cache(kind)


def claimed(folder: Path, kind: str) -> Path:
    """Make a cache, or make sure that it is this user's alone; return its folder.

    Parameters
    ----------
    folder : Path
        From `cache_folder`. If it holds anything and bears no marker, the cache is ``gridsearch-<kind>`` in it; the one
        in the user's cache is ours by its name.
    kind : str
        Whose code it is.

    Raises
    ------
    NotOwnError
        If somebody else may write to it, or to a folder on the way (see `simulators.records.user_cache.make_own`).
    OSError
        If it cannot be made.
    """
    ours = folder == user_cache(kind)
    for place in (folder, folder / f"gridsearch-{kind}"):
        if ours or _is_marked(place, kind) or _is_free(place) or _is_marked(place, kind):  # marked meanwhile
            make_own(place)
            _mark(place, kind)
            return place
    raise NotOwnError(f"{place} holds what is not of the cache: name another folder with [jobs.{kind}] cache")


def is_there(entry: Path) -> bool:
    """Whether an entry is there; note that it is in use.

    Raises
    ------
    NotOwnError
        If somebody else may have written any file in it.
    """
    try:
        found = entry.lstat()
        with suppress(PermissionError), locked(entry.parent):  # root's, who alone removes any
            os.utime(entry, follow_symlinks=False)
    except FileNotFoundError:
        return False
    check_own(entry)
    closed = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)  # files in it then have what rights the umask gives
    for path in entry.rglob("*"):
        with suppress(FileNotFoundError):  # a temporary file, of Numba for one
            check_own(path, rights=not closed)
    return True


def prune(folder: Path, kind: str, n_entries: int) -> None:
    """Remove the entries that were not used for longest, and what killed workers left half made.

    Nothing is touched that was used, or begun, within the last hour, so no worker loses what it is about to load; and
    nothing that has not a name of ours, nor anything at all where the folder does not bear the marker.

    Parameters
    ----------
    folder : Path
        The cache, from `claimed`.
    kind : str
        Whose code it is.
    n_entries : int
        How many to keep; more stay if more are in use.
    """
    if not _is_marked(folder, kind):
        return
    doomed = []
    with locked(folder):
        entries = _last_uses(folder, _KEY)
        oldest = sorted(entries, key=entries.__getitem__)[: max(0, len(entries) - n_entries)]
        used = {path: entries[path] for path in oldest} | _last_uses(folder, _LEFT)
        for path, last in used.items():
            if last < time.time() - IN_USE:
                removed = folder / f".removed-{uuid.uuid4().hex}"
                with suppress(OSError):  # root's
                    path.rename(removed)  # gone at once; what a worker has loaded stays loaded
                    doomed.append(removed)
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from removing entries; without effect on file systems that know no locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _last_uses(folder: Path, names: re.Pattern[str]) -> dict[Path, float]:
    """When folders with such names were used last, s since the epoch."""
    used = {}
    for path in folder.iterdir():
        if names.fullmatch(path.name):
            with suppress(FileNotFoundError):  # a worker has just made it whole
                found = path.lstat()
                if stat.S_ISDIR(found.st_mode):
                    used[path] = found.st_mtime
    return used


def _marker(folder: Path, kind: str) -> Path:
    return folder / f".gridsearch-{kind}"


def _is_marked(folder: Path, kind: str) -> bool:
    try:
        found = _marker(folder, kind).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and is_own(found)


def _is_free(folder: Path) -> bool:
    """Whether a cache can be made here: of nothing, or of an empty folder that is not everybody's."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return True
    return not found.st_mode & stat.S_ISVTX and (not stat.S_ISDIR(found.st_mode) or not any(folder.iterdir()))


def _mark(folder: Path, kind: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileExistsError):
        descriptor = os.open(_marker(folder, kind), flags, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"gridsearch keeps compiled code of {kind} here. It may be deleted at any time.\n")
