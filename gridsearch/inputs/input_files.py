"""Reading what the user wrote: the one place where TOML is read, and the one form of complaint."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

_ELEMENT = re.compile(r"[^.\s]+\[[^\]]*\]")


@dataclass(frozen=True)
class Problem:
    """One mistake in an input file.

    Parameters
    ----------
    file : Path
        The file.
    key : str
        Dotted key, or empty if the whole file is meant.
    value : object
        What stands there; None if nothing does.
    rule : str
        What must hold instead, with the valid choices.
    """

    file: Path
    key: str
    value: object
    rule: str

    def __str__(self) -> str:
        where = f"{self.file}: {_quoted(self.key)}" if self.key else str(self.file)
        return f"{where}: {self.rule}" if self.value is None else f"{where} = {_short(self.value)}: {self.rule}"


class InputError(Exception):
    """Everything that is wrong with the input.

    Parameters
    ----------
    problems : sequence of Problem
        At least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    InputError
        If it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError([Problem(path, "", None, f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise InputError([Problem(path, "", None, f"is not UTF-8 text: {error.reason}")]) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError([Problem(path, "", None, f"is not valid TOML: {error}")]) from error


def choices(valid: Iterable[str], given: str | None = None) -> str:
    """Say which choices there are, the nearest to what was given first."""
    names = sorted(valid)
    near = difflib.get_close_matches(given, names, 1, 0.6) if given is not None else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}valid: {', '.join(names) if names else 'none'}"


def _quoted(key: str) -> str:
    """Quote the parts of a dotted key that TOML wants quoted, elements such as ``p[0,1]``."""
    return _ELEMENT.sub(r'"\g<0>"', key)


def _short(value: object) -> str:
    text = toml_text(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def toml_text(value: object) -> str:
    """Write a value as it stands in a file."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return tomlkit.item(value).as_string()
