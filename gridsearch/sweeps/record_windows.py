"""``[record.windows]``: parts of the recording that get statistics of their own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gridsearch.inputs.input_files import Problem, choices
from simulators.statistics import Window
from simulators.statistics.windows import broken_rule

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read_windows(
    path: Path, given: Mapping[str, Any], shifts: Mapping[str, Any], durations: Iterable[float], dt: float
) -> tuple[dict[str, Window], list[Problem]]:
    """Check windows, and return them with what is wrong.

    Parameters
    ----------
    path : Path
        The sweep's file.
    given : mapping of str to value
        ``[record.windows]``: begin and end in ms by name.
    shifts : mapping of str to value
        ``[record.window_shifts]``: ms by population.
    durations : iterable of float
        ms, lengths of the recordings; windows must lie in all of them.
    dt : float
        ms.

    Returns
    -------
    windows : dict of str to Window
        Those that are sound, by name.
    problems : list of Problem
        Whether the populations exist is left to `shift_problems`.
    """
    problems = [
        Problem(path, f"record.window_shifts.{population}", shift, "must be a number of ms")
        for population, shift in shifts.items()
        if not _is_number(shift)
    ]
    if shifts and not given:
        problems.append(Problem(path, "record.window_shifts", dict(shifts), "shifts windows, but there are none"))
    sound = {population: float(shift) for population, shift in shifts.items() if _is_number(shift)}
    shortest = min(durations)
    windows = {}
    for name, value in given.items():
        key = f"record.windows.{name}"
        if not _NAME.fullmatch(name):
            problems.append(Problem(path, key, value, "its name must be letters, digits and '_' after a letter"))
        elif not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
            problems.append(Problem(path, key, value, "must be [begin, end] in ms since the end of the warm-up"))
        else:
            window = Window(float(value[0]), float(value[1]), sound)
            # "" stands for the populations that are not shifted
            rules = (broken_rule(window, population, shortest, dt) for population in ("", *sound))
            rule = next(filter(None, rules), None)
            if rule is not None:
                problems.append(Problem(path, key, value, rule))
            else:
                windows[name] = window
    return windows, problems


def shift_problems(path: Path, windows: Mapping[str, Window], populations: Iterable[str]) -> list[Problem]:
    """Check that every population whose windows are shifted is one that gets statistics."""
    shifts = {population: shift for window in windows.values() for population, shift in window.shifts.items()}
    valid = list(populations)
    return [
        Problem(path, f"record.window_shifts.{population}", shift, f"no such population; {choices(valid, population)}")
        for population, shift in shifts.items()
        if population not in valid
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
