"""Checking the settings of a simulator or an executor against what it declares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from gridsearch.inputs.input_files import choices
from gridsearch.inputs.parameters import named
from simulators.backends.simulator import Setting

_LARGEST = 2**31 - 1  # of a number; rows and submit descriptions hold no more


def checked_settings(
    known: Mapping[str, Setting], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, Any, str]]]:
    """Fill in defaults and check types and bounds.

    Parameters
    ----------
    known : mapping of str to Setting
        What is declared.
    given : mapping of str to value
        What stands in the sweep; keys that are not declared are left out.

    Returns
    -------
    checked : dict of str to value
        Every setting; the default where a value is of another type, so that the checks that follow can rely on types.
    broken : list of (str, value, str)
        Key, value and rule of each that breaks one.
    """
    checked: dict[str, Any] = {}
    broken = []
    for name, setting in known.items():
        value = given.get(name, setting.default)
        if isinstance(setting.default, float) and type(value) is int:
            value = float(value)
        checked[name] = value if type(value) is type(setting.default) else setting.default
        broken += [(f"{name}{key}", found, rule) for key, found, rule in _broken_rules(setting, value)]
    return checked, broken


def _broken_rules(setting: Setting, value: Any) -> Iterator[tuple[str, Any, str]]:
    if type(value) is not type(setting.default):
        yield "", value, f"must be {named(type(setting.default))}: {setting.doc}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield "", value, "must be finite"
    elif setting.choices is not None and value not in setting.choices:
        yield "", value, choices(setting.choices, str(value))
    elif setting.minimum is not None and isinstance(value, (int, float)) and value < setting.minimum:
        yield "", value, f"must be at least {setting.minimum:g}"
    elif isinstance(value, (int, float)) and value > _LARGEST:
        yield "", value, f"must be at most {_LARGEST}"
    elif isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(entry, (str, int, float, bool)):
                yield f".{key}", entry, "must be a string, a number, true or false"
            elif isinstance(entry, float) and not math.isfinite(entry):
                yield f".{key}", entry, "must be finite"
