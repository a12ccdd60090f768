"""Programs on disk: the source of each in a folder of its own, with the machine code that Numba keeps beside it.

A program is an entry of a cache (see `simulators.records.code_cache`). Its key is a hash of its text, of all modules
that it is compiled from and of the versions of what compiles it; Numba itself keeps code for different processors
apart. What Numba keeps is loaded as it is: so it must belong to this user, and nobody else may write to it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from simulators.records import code_cache, machine

MAX_PROGRAMS = 100  # of some 2 MB each

_KIND = "native"


def cache_folder(setting: str) -> Path:
    """Folder of programs: the setting, else that of the user's cache (see `simulators.records.code_cache`)."""
    return code_cache.cache_folder(setting, _KIND)


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
    NotOwnError
        If the cache, or what Numba keeps in it, is not this user's alone.
    """
    key = _key(source, versions)
    name = f"gridsearch_native_{key}"
    if name in sys.modules:
        return sys.modules[name]
    folder = code_cache.claimed(folder, _KIND)
    home = folder / key
    if not code_cache.is_there(home):
        private = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))
        (private / "program.py").write_text(source, encoding="utf-8")
        try:
            private.rename(home)
        except OSError:  # another worker was first
            shutil.rmtree(private, ignore_errors=True)
            if not code_cache.is_there(home):
                raise
        code_cache.prune(folder, _KIND, MAX_PROGRAMS)
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


@lru_cache(maxsize=64)
def _key(source: str, versions: str) -> str:
    content = hashlib.sha256(f"{source}\0{versions}\0{sys.version}".encode())
    own = Path(__file__).parent
    sources = {path.relative_to(own).as_posix(): path for path in own.rglob("*.py")}
    content.update(machine.hash_of_files(sources).encode())
    return code_cache.short_key(content.hexdigest())
