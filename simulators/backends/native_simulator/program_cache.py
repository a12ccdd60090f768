"""Programs on disk: the source of each in a folder of its own, with the machine code that Numba keeps beside it.

A program is written to a folder with a name nobody else has, and renamed into place when it is whole. Its name is a
hash of its text, of all modules that it is compiled from and of the versions of what compiles it; Numba itself keeps
code for different processors apart. What Numba keeps is loaded as it is: so the folder must belong to this user, and
nobody else may write to it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from simulators.records import machine
from simulators.records.user_cache import user_cache

MAX_PROGRAMS = 100  # of some 2 MB each

_IN_USE = 3600.0  # s


def cache_folder(setting: str) -> Path:
    """Folder of programs: the setting, else ``native`` in the user's cache (`user_cache`)."""
    return Path(setting) if setting else user_cache("native")


def load_program(folder: Path, source: str, versions: str) -> ModuleType:
    """Return a program as a module, writing it to the cache if it is not there.

    Parameters
    ----------
    folder : Path
        The cache.
    source : str
        Text of the program.
    versions : str
        What compiles it.

    Raises
    ------
    PermissionError
        If the cache is not this user's alone.
    """
    key = _key(source, versions)
    name = f"gridsearch_native_{key}"
    if name in sys.modules:
        return sys.modules[name]
    _claim(folder)
    home = folder / key
    if not home.exists():
        private = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))
        (private / "program.py").write_text(source, encoding="utf-8")
        try:
            private.rename(home)
        except OSError:  # another worker was first
            shutil.rmtree(private, ignore_errors=True)
            if not home.exists():
                raise
        prune(folder, MAX_PROGRAMS)
    with suppress(OSError):
        os.utime(home)
    spec = importlib.util.spec_from_file_location(name, home / "program.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def prune(folder: Path, n_programs: int) -> None:
    """Remove programs that were not used for longest, beyond a number, and what killed workers left.

    Nothing is touched that was used within the last hour.
    """
    used = {}
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            used[path] = path.stat().st_mtime
    whole = sorted((path for path in used if not path.name.startswith(".")), key=used.__getitem__)
    left = [path for path in used if path.name.startswith(".")]
    for path in (*whole[: max(0, len(whole) - n_programs)], *left):
        if used[path] < time.time() - _IN_USE:
            shutil.rmtree(path, ignore_errors=True)


def _claim(folder: Path) -> None:
    """Make the cache, or make sure that nobody else can put code there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise PermissionError(f"{folder} holds compiled code and belongs to another user (id {found.st_uid})")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(stat.S_IMODE(found.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))


@lru_cache(maxsize=64)
def _key(source: str, versions: str) -> str:
    content = hashlib.sha256(f"{source}\0{versions}\0{sys.version}".encode())
    own = Path(__file__).parent
    sources = {path.relative_to(own).as_posix(): path for path in own.rglob("*.py")}
    content.update(machine.hash_of_files(sources).encode())
    return content.hexdigest()[:24]
