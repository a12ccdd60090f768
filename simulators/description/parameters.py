"""Named parameters with element access: ``p[0,1]`` is row 0, column 1 of the matrix ``p``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_ELEMENT = re.compile(r"(?P<name>\w+)\[(?P<indices>\d+(?:\s*,\s*\d+)*)\]")


@lru_cache(maxsize=4096)
def split_key(key: str) -> tuple[str, tuple[int, ...]]:
    """Split ``name[i,j]`` into the name and the indices; a plain name has none."""
    match = _ELEMENT.fullmatch(key)
    if match is None:
        return key, ()
    return match["name"], tuple(int(index) for index in match["indices"].split(","))


def with_overrides(parameters: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with some values, or elements of them, replaced.

    Parameters
    ----------
    parameters : mapping of str to value
        Not changed.
    overrides : mapping of str to value
        Keys are names or elements (``p[0,1]``); whole values are put in before elements.

    Returns
    -------
    dict

    Raises
    ------
    KeyError
        If a name is not among the parameters.
    IndexError
        If an element is outside its parameter.
    """
    resolved = dict(parameters)
    elements = []
    for key, value in overrides.items():
        name, indices = split_key(key)
        if name not in parameters:
            raise KeyError(name)
        if indices:
            elements.append((name, indices, value))
        else:
            resolved[name] = value
    for name, indices, value in elements:
        resolved[name] = _with_element(resolved[name], indices, value)
    return resolved


def element(value: Any, indices: tuple[int, ...]) -> Any:
    """Return one element of a nested list.

    Raises
    ------
    IndexError
        If there is no such element.
    """
    for index in indices:
        if not isinstance(value, (list, tuple)):
            raise IndexError("too many indices")
        value = value[index]
    return value


def _with_element(value: Any, indices: tuple[int, ...], new: Any) -> Any:
    if not indices:
        return new
    if not isinstance(value, (list, tuple)):
        raise IndexError("too many indices")
    copy = list(value)
    copy[indices[0]] = _with_element(copy[indices[0]], indices[1:], new)
    return copy
