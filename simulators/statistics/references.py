"""Finding statistics: ours by name, installed ones by name, a user's own as ``file.py:name``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from simulators.guests.content import code_digest
from simulators.guests.installed import installed, load_reference
from simulators.guests.loading import GuestError, load_attribute
from simulators.statistics.catalogue import NO_WINDOWS, STATISTICS, fingerprint, unknown_statistic
from simulators.statistics.statistic import Statistic
from simulators.statistics.windows import Window

_FILE = ".py:"


def statistic_names() -> list[str]:
    """Names of the statistics there are, ours and installed ones."""
    return [*STATISTICS, *(name for name in installed("statistics") if name not in STATISTICS)]


def is_file(reference: str) -> bool:
    """Whether a statistic is referred to as what a file holds, rather than by its name."""
    return _FILE in reference


def file_of(reference: str) -> str:
    """Return the file of a reference ``file.py:name``."""
    return reference.rpartition(":")[0]


def importable(reference: str) -> str:
    """Return a statistic's name as it can be found where entry points are not: an installed one by its module."""
    if reference in STATISTICS:
        return reference
    return installed("statistics")[reference].value if reference in installed("statistics") else reference


def find_statistic(reference: str, root: Path) -> Statistic:
    """Return a statistic.

    Parameters
    ----------
    reference : str
        A name, ``package.module:name``, or ``file.py:name`` with a file relative to `root`.
    root : Path
        The folder that files are relative to.

    Raises
    ------
    LookupError
        If there is none of that name.
    GuestError
        If a user's file cannot be used.
    """
    if reference in STATISTICS:
        return STATISTICS[reference]
    if is_file(reference):
        file, _, name = reference.rpartition(":")
        found = load_attribute(root / file, name)
    elif reference in installed("statistics"):
        found = load_reference(installed("statistics")[reference].value)
    elif ":" in reference:
        found = load_reference(reference)
    else:
        raise LookupError(unknown_statistic(reference, statistic_names()))
    if not isinstance(found, Statistic):
        raise GuestError(f"{reference}: must be a Statistic, not {type(found).__name__}")
    return found


def find_statistics(references: Sequence[str], root: Path) -> list[Statistic]:
    """Return several statistics (see `find_statistic`)."""
    return [find_statistic(reference, root) for reference in references]


def fingerprint_of(
    references: Sequence[str], root: Path, settings: Mapping[str, float], windows: Mapping[str, Window] = NO_WINDOWS
) -> dict[str, str]:
    """Say what statistics are now, so that a stored column can be told from an outdated one.

    Returns
    -------
    dict of str to str
        As `simulators.statistics.catalogue.fingerprint` gives it, with the hash of the file of a user's own.
    """
    told: dict[str, str] = {}
    for reference in references:
        own = fingerprint([find_statistic(reference, root)], settings, windows)
        code = f"; code {code_digest(root / file_of(reference))}" if is_file(reference) else ""
        told |= {name: f"{text}{code}" for name, text in own.items()}
    return told
