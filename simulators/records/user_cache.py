"""Where what is kept between runs lies, for this user on this machine: compiled code, the machine's speed.

What lies there is loaded as code, or believed. So it must be this user's (root may do anything as it is), others must
not have the right to write to it, and nobody else may be able to put another folder in its place.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

_MAX_LINKS = 40  # on a way, as many as Linux follows
_OPEN = "is open to others, who may write there"


class NotOwnError(PermissionError):
    """Somebody else may have written what is kept, or may put something else in its place."""


def user_cache(name: str) -> Path:
    """Folder or file ``gridsearch/<name>`` where the system keeps caches; nothing is made.

    Where there is no home, or none that can be written to (a worker in a container, often), it is below the folder for
    temporary files.
    """
    with suppress(RuntimeError):  # no home
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        nearest = next(folder for folder in (base, *base.parents) if folder.exists())
        if os.access(nearest, os.W_OK):
            return base / "gridsearch" / name
    return Path(tempfile.gettempdir()) / f"cache-{os.getuid()}" / "gridsearch" / name


def is_own(found: os.stat_result) -> bool:
    """Whether a file or folder, as `os.lstat` finds it, is this user's alone."""
    return not _why_not_own(found)


def make_own(folder: Path) -> None:
    """Make a folder that is this user's alone, or make sure that it is; nothing that is there is changed.

    Raises
    ------
    NotOwnError
        If it is a link, somebody else's, or open to others; or if that holds for a folder on the way to it, where
        links of this user's or of root's will do, and folders for everybody such as ``/tmp``, in which nobody can
        rename what is another's. The home and the folder for temporary files are taken as they are: who rules over
        what is above them rules over this user anyway.
    OSError
        If it cannot be made.
    """
    check_way(folder)
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        with suppress(FileExistsError):  # another worker was quicker
            place.mkdir(mode=0o755)
    check_own(folder)


def check_own(path: Path, rights: bool = True) -> None:
    """Make sure that a file or folder is this user's alone, and no link.

    Parameters
    ----------
    path : Path
        The file or folder.
    rights : bool
        Whether it matters who has the right to write to it: not where nobody else gets to it.

    Raises
    ------
    NotOwnError
        If it is not.
    """
    trouble = _why_not_own(path.lstat(), rights)
    if trouble:
        raise _refusal(path, trouble)


def check_way(path: Path) -> None:
    """Make sure that nobody else can put something in the place of a file or folder (see `make_own`).

    Raises
    ------
    NotOwnError
        If somebody can.
    """
    ends = set()
    for trusted in (Path.home, tempfile.gettempdir):
        with suppress(OSError, RuntimeError):
            ends.add(_identity(Path(trusted()).stat()))
    refused: NotOwnError | None = None
    for place, found in _way(path.absolute().parent):
        if _identity(found) in ends:
            refused = None
            trouble = _open_to_others(found)
        else:
            trouble = _whose(found) or _open_to_others(found)
        if trouble and refused is None:
            refused = _refusal(place, trouble)
        if refused is not None and stat.S_ISLNK(found.st_mode):
            raise refused  # what is above its target has nothing to do with what is above the link
    if refused is not None:
        raise refused


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every folder and link on the way to a folder and itself, as far as they are there."""
    here, n_links = Path("/"), 0
    waiting = list(reversed(path.parts[1:]))
    while waiting:
        part = waiting.pop()
        place = here / part
        try:
            found = place.lstat()
        except FileNotFoundError:
            return
        yield place, found
        if stat.S_ISLNK(found.st_mode):
            n_links += 1
            if n_links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = place.readlink()
            here = Path("/") if target.is_absolute() else here
            waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        else:
            here = here.parent if part == ".." else place


def _why_not_own(found: os.stat_result, rights: bool = True) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return "is neither a file nor a folder"
    return _whose(found) or (_OPEN if rights and _is_open(found) else "")


def _whose(found: os.stat_result) -> str:
    return "" if found.st_uid in (os.geteuid(), 0) else f"belongs to another user (id {found.st_uid})"


def _open_to_others(found: os.stat_result) -> str:
    """Say whether others may rename what is in a folder; those of a sticky one cannot."""
    if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX or not _is_open(found):
        return ""
    return _OPEN


def _is_open(found: os.stat_result) -> bool:
    others = bool(found.st_mode & stat.S_IWOTH)
    return others or bool(found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid))


@cache
def _is_private(group: int) -> bool:
    """Whether a group is this user's alone: where every user has one, umask 002 is common."""
    try:
        user, members = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except (KeyError, OSError):
        return False
    own = user.pw_uid != 0 and user.pw_gid == group and members.gr_name == user.pw_name
    return own and set(members.gr_mem) <= {user.pw_name}


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _refusal(path: Path, trouble: str) -> NotOwnError:
    return NotOwnError(
        f"{path} {trouble}, and code is loaded from there: name another folder with [jobs.<simulator>] cache, or "
        "remove it; if you know who wrote there, take the right from others (chmod -R go-w)"
    )
