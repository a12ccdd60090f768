"""Loading a user's Python file: under a name of its own, its neighbours found before anybody else's modules.

A guest may import a neighbour called ``analysis.py`` or ``statistics.py`` and gets just that, while the rest of the
program goes on with its own. So every folder of guests is a package of its own (``guest_<hash>``), and in its modules
``import name`` looks into the folder first.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.machinery
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from simulators.guests.neighbours import is_neighbour

_PREFIX = "guest_"


class GuestError(Exception):
    """A user's file that cannot be used; the message names file, line and reason."""


def load_file(path: Path) -> ModuleType:
    """Load a Python file, once per process.

    Raises
    ------
    GuestError
        If it is not there, or cannot be imported.
    """
    path = path.resolve()
    if not path.is_file():
        raise GuestError(f"{path}: no such file")
    try:
        return importlib.import_module(f"{_package_of(path.parent)}.{path.stem}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, or what somebody made of his own
        raise GuestError(explained(error, path)) from error


def load_attribute(path: Path, name: str) -> Any:
    """Load what a file calls `name`.

    Raises
    ------
    GuestError
        If the file cannot be loaded or has nothing of that name.
    """
    module = load_file(path)
    if not hasattr(module, name):
        there = ", ".join(key for key in vars(module) if not key.startswith("_")) or "nothing"
        raise GuestError(f"{path}: has no {name!r}; it holds {there}")
    return getattr(module, name)


def explained(error: BaseException, path: Path) -> str:
    """Say what went wrong and where in a user's folder, in a line: file, line, reason.

    Parameters
    ----------
    error : Exception
        What was raised.
    path : Path
        The file that was being loaded or called; the deepest line in its folder is named.
    """
    try:
        said = str(error).strip().splitlines()
    except Exception:  # an error of somebody's own that cannot say what it is
        said = []
    reason = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    folder = path.resolve().parent
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}: {reason}" if frames else f"{path}: {reason}"


@cache
def _package_of(folder: Path) -> str:
    """Make the package that a folder of guests is, and return its name."""
    name = _PREFIX + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    if not any(isinstance(finder, _GuestFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _GuestFinder())
    return name


class _GuestFinder(MetaPathFinder):
    """Finds the modules of packages of guests."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of a guest, to be loaded by `_GuestLoader`."""
        if not fullname.startswith(_PREFIX):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _GuestLoader(spec.loader.name, spec.loader.path)
        return spec


class _GuestLoader(SourceFileLoader):
    """Loads a module whose imports look into its own folder first; leaves no compiled file there."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Say nothing of the source: without its age no compiled file is read or written."""
        raise OSError

    def exec_module(self, module: ModuleType) -> None:
        """Run a module."""
        package = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(package)}
        super().exec_module(module)


def _importer(package: str) -> Callable[..., ModuleType]:
    folder = Path(sys.modules[package].__path__[0])

    def import_name(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or not is_neighbour(folder, top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if fromlist:
            return builtins.__import__(f"{package}.{name}", globals, locals, fromlist, 0)
        importlib.import_module(f"{package}.{name}")
        return sys.modules[f"{package}.{top}"]

    return import_name
