"""Which code of a user's, or of installed packages, a sweep runs: told before any of it is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gridsearch.inputs.input_files import InputError, read_toml
from simulators import models
from simulators.guests.installed import package_folder
from simulators.guests.loading import GuestError
from simulators.guests.neighbours import closure
from simulators.statistics import references


def named_code(path: Path) -> tuple[Path, ...]:
    """Return the files of the model and the statistics that a sweep names, and the packages of installed ones.

    Nothing of them is run: which neighbours a file imports is read from its text. What is wrong with a sweep is left to
    its reader to say.

    Parameters
    ----------
    path : Path
        A sweep, or a model's Python file.

    Returns
    -------
    tuple of Path
        Files with those of their own folders that they import; folders, or single modules, of packages.
    """
    model, statistics = _named(path)
    folder = path.resolve().parent
    files = [model] if models.is_file(model) else []
    files += [references.file_of(one) for one in statistics if references.is_file(one)]
    names = [] if models.is_file(model) else [models.importable(model)]
    names += [references.importable(one) for one in statistics if not references.is_file(one)]
    found = [*(file for one in files for file in _files(folder, one))]
    found += [package for one in names if "." in one or ":" in one for package in _packages(one)]
    return tuple(dict.fromkeys(found))


def _named(path: Path) -> tuple[str, list[str]]:
    """Model and statistics as they stand in a sweep."""
    if path.suffix == ".py":
        return path.name, []
    try:
        content = read_toml(path)
    except (InputError, ValueError, RecursionError):
        return "", []
    model, record = content.get("model"), content.get("record")
    statistics = record.get("statistics") if isinstance(record, dict) else None
    listed = statistics if isinstance(statistics, list) else []
    return model if isinstance(model, str) else "", [one for one in listed if isinstance(one, str)]


def _files(folder: Path, file: str) -> Iterator[Path]:
    try:
        path = (folder / file).resolve()
        if path.is_file():
            yield path  # also if it cannot be read as Python here
            yield from closure(path)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return


def _packages(reference: str) -> Iterator[Path]:
    try:
        yield package_folder(reference)
    except (GuestError, ImportError, ValueError):
        return
