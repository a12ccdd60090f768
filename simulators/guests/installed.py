"""Guests that are installed: packages name what they bring by entry points."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from simulators.guests.loading import GuestError

Group = Literal["models", "simulators", "executors", "statistics"]
_COMPILED = (".so", ".pyd", ".dylib")


@cache
def installed(group: Group) -> dict[str, EntryPoint]:
    """Return what installed packages bring of a kind, by name: entry points of the group ``gridsearch.<group>``."""
    return {point.name: point for point in entry_points(group=f"gridsearch.{group}")}


def load_reference(reference: str) -> Any:
    """Import ``package.module`` or ``package.module:name``.

    Raises
    ------
    GuestError
        If it cannot be imported.
    """
    name, _, attribute = reference.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise GuestError(f"{reference}: must be package.module or package.module:name of an installed package")
    try:
        found: Any = importlib.import_module(name)
        for part in filter(None, attribute.split(".")):
            found = getattr(found, part)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may end the process as it is imported
        raise GuestError(f"{reference}: {type(error).__name__}: {error}") from error
    return found


def package_folder(reference: str) -> Path:
    """Return the folder of the package, or the file of the module, that a reference begins with.

    Raises
    ------
    GuestError
        If it is not installed as files.
    """
    top = reference.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise GuestError(f"{reference}: the package {top} is not installed as files")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def is_pure(folder: Path) -> bool:
    """Whether a package is Python alone, so that its files are all it takes to run it elsewhere."""
    return folder.is_file() or not any(file.suffix in _COMPILED for file in folder.rglob("*"))
