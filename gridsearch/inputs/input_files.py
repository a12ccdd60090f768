"""Reading what the user wrote: the one place where TOML is read, and the one form of complaint."""

from __future__ import annotations

import difflib
import itertools
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

_ELEMENT = re.compile(r"[^.\s]+\[[^\]]*\]")
_DEEPEST = 20  # tables and lists within one another; a sweep needs five
_LARGEST_FILE = 50_000_000  # B
_LONGEST_SHOWN = 80  # characters of a key and of a value
_TOO_DEEP = f"tables and lists lie in one another more than {_DEEPEST} deep"


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
        where = f"{self.file}: {_short(_quoted(self.key))}" if self.key else str(self.file)
        given = "" if self.value is None else f" = {_short(toml_text(_begin(self.value)))}"
        return _one_line(f"{where}{given}: {self.rule}")


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
        If it cannot be read, is not TOML, or holds what no key of any file of ours can take: the character NUL, whole
        numbers beyond 64 bits, tables and lists in twenty others.
    """
    try:
        content = tomllib.loads(_text_of(path))
        problems = [Problem(path, key, value, rule) for key, value, rule in _impossible("", content)]
    except OSError as error:
        raise InputError([Problem(path, "", None, f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise InputError([Problem(path, "", None, f"is not UTF-8 text: {error.reason}")]) from error
    except ValueError as error:  # of TOML; or of Python, which reads a number of some thousand digits at most
        raise InputError([Problem(path, "", None, f"is not valid TOML: {error}")]) from error
    except RecursionError as error:
        raise InputError([Problem(path, "", None, _TOO_DEEP)]) from error
    if problems:
        raise InputError(problems)
    return content


def _text_of(path: Path) -> str:
    """Read a file that has an end."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise OSError("it is a pipe or a device, not a file")
    if found.st_size > _LARGEST_FILE:
        raise OSError(f"it has more than {_LARGEST_FILE // 1_000_000} MB")
    return path.read_text(encoding="utf-8")


def _impossible(key: str, value: object, depth: int = 0) -> Iterator[tuple[str, object, str]]:
    """Yield key, value and rule of what no key can take."""
    if depth > _DEEPEST:
        yield key, None, _TOO_DEEP
    elif isinstance(value, dict):
        for name, entry in value.items():
            inner = f"{key}.{name}" if key else name
            if "\0" in name:
                yield inner, None, "a key must not hold the character NUL"
            yield from _impossible(inner, entry, depth + 1)
    elif isinstance(value, list):
        for entry in value:
            yield from _impossible(key, entry, depth + 1)
    elif isinstance(value, str) and "\0" in value:
        yield key, value, "must not hold the character NUL"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield key, value, "must be a whole number of 64 bits"


def choices(valid: Iterable[str], given: str | None = None) -> str:
    """Say which choices there are, the nearest to what was given first."""
    names = sorted(valid)
    near = difflib.get_close_matches(given, names, 1, 0.6) if given is not None else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}valid: {', '.join(names) if names else 'none'}"


def _quoted(key: str) -> str:
    """Quote the parts of a dotted key that TOML wants quoted, elements such as ``p[0,1]``."""
    return _ELEMENT.sub(r'"\g<0>"', key)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _begin(value: object) -> object:
    """Return as much of a value as can be shown; it may be a list of a million."""
    if isinstance(value, str):
        return value[:_LONGEST_SHOWN]
    if isinstance(value, list):
        return [_begin(one) for one in value[:_LONGEST_SHOWN]]
    if isinstance(value, dict):
        return {key: _begin(one) for key, one in itertools.islice(value.items(), _LONGEST_SHOWN)}
    return value


def _one_line(text: str) -> str:
    """Write what a terminal would not show as it is (line breaks, control characters, turns of direction) escaped."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def toml_text(value: object) -> str:
    """Write a value as it stands in a file, on one line."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        return f"[{', '.join(map(toml_text, value))}]"  # which tomlkit would write as tables with headers
    return tomlkit.item(value).as_string()
