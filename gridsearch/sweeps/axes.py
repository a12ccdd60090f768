"""Axes of a sweep: from their tables to their values."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import SIMULATION_AXES, Parameter
from gridsearch.sweeps.tables import AxisTable

MOST_POINTS = 10_000_000
"""Points of a sweep; a million take a minute and 4 GB to plan."""

_REPEATED_SHOWN = 5


@dataclass(frozen=True)
class Axis:
    """One axis of the grid.

    Parameters
    ----------
    key : str
        A parameter, an element of one (``p[0,1]``), or one of `gridsearch.inputs.parameters.SIMULATION_AXES`.
    values : tuple
        In the order in which they run.
    unit, doc : str
        Of the parameter.
    log : bool
        Whether the values are spaced logarithmically.
    zip : str, optional
        Axes that share this name advance together.
    """

    key: str
    values: tuple[Any, ...]
    unit: str
    doc: str
    log: bool = False
    zip: str | None = None

    @property
    def of_network(self) -> bool:
        """Whether it varies the network, rather than how it is simulated."""
        return self.key not in SIMULATION_AXES


def expand_axis(key: str, table: AxisTable, parameter: Parameter, indices: tuple[int, ...]) -> Axis:
    """Expand an axis and check each of its values.

    Raises
    ------
    ValueError
        If the table mixes the ways to give values, or a value breaks a rule; the message is the rule.
    """
    values = []
    for value in _values(table):
        try:
            values.append(_hashable(parameter.checked(value, indices)))
        except ValueError as error:
            raise ValueError(f"value {value!r}: {error}") from error
    if table.zip is None and (repeated := _repeated(values)):
        raise ValueError(f"values repeat: {', '.join(repeated)}")
    return Axis(key, tuple(values), parameter.unit, parameter.doc, table.log, table.zip)


def zip_groups(axes: Sequence[Axis]) -> list[list[Axis]]:
    """Group axes that advance together, in the order of their first member.

    Raises
    ------
    ValueError
        If axes of one group differ in length or a combination of their values repeats; the message is the rule,
        with every such group.
    """
    groups: dict[str, list[Axis]] = {}
    for axis in axes:
        groups.setdefault(f"zip {axis.zip}" if axis.zip is not None else f"axis {axis.key}", []).append(axis)
    unequal = [
        f'in zip = "{group[0].zip}" ' + ", ".join(f"{axis.key} has {len(axis.values)} values" for axis in group)
        for group in groups.values()
        if len({len(axis.values) for axis in group}) > 1
    ]
    if unequal:
        raise ValueError(f"axes of one zip group must be equally long; {'; '.join(unequal)}")
    for group in groups.values():
        if repeated := _repeated(list(zip(*(axis.values for axis in group), strict=True))):
            raise ValueError(f'in zip = "{group[0].zip}" combinations repeat: {", ".join(repeated)}')
    return list(groups.values())


def combinations(axes: Sequence[Axis]) -> Iterator[dict[str, Any]]:
    """Yield what each grid point sweeps, by key; the last axis is the fastest."""
    groups = [
        [
            dict(zip((axis.key for axis in group), values, strict=True))
            for values in zip(*(axis.values for axis in group), strict=True)
        ]
        for group in zip_groups(axes)
    ]
    for parts in itertools.product(*groups):
        yield {key: value for part in parts for key, value in part.items()}


def network_part(swept: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a grid point sweeps of the network."""
    return {key: value for key, value in swept.items() if key not in SIMULATION_AXES}


def simulation_part(swept: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a grid point sweeps of the simulation."""
    return {key: value for key, value in swept.items() if key in SIMULATION_AXES}


def too_many_points(tables: Mapping[str, AxisTable], n_seeds: int) -> str | None:
    """Return the rule that is broken where the axes make more points than can be planned. None of them is expanded.

    Parameters
    ----------
    tables : mapping of str to AxisTable
        The axes, by key.
    n_seeds : int
        Replicates of each grid point.
    """
    lengths: dict[str, int] = {}
    for key, table in tables.items():
        group = f"axis {key}" if table.zip is None else f"zip {table.zip}"
        lengths[group] = max(lengths.get(group, 1), table.num or len(table.values or [None]))
    factors = [*lengths.values(), n_seeds]
    n_points = math.prod(factors)
    if n_points <= MOST_POINTS:
        return None
    product = " × ".join(f"{factor:,}" for factor in factors)
    return f"{product} points (axes, then seeds) are more than the {MOST_POINTS:,} that a sweep may have"


def _repeated(values: Sequence[Any]) -> list[str]:
    """Return what is there more than once, a few at most."""
    if len(set(values)) == len(values):
        return []
    found = sorted(str(value) for value, count in Counter(values).items() if count > 1)
    more = ["…"] if len(found) > _REPEATED_SHOWN else []
    return found[:_REPEATED_SHOWN] + more


def _values(table: AxisTable) -> list[Any]:
    given = {key for key in ("values", "start", "stop", "step", "num") if getattr(table, key) is not None}
    if given == {"values"} and not table.log and table.values is not None:
        return table.values
    start, stop, step, num = table.start, table.stop, table.step, table.num
    if given == {"start", "stop", "num"} and start is not None and stop is not None and num is not None:
        if num < 2:
            raise ValueError("num must be at least 2 between start and stop")
        if not table.log:
            return _rounded(np.linspace(start, stop, num))
        if start <= 0 or stop <= 0:
            raise ValueError("a logarithmic axis needs start and stop above 0")
        return _rounded(np.geomspace(start, stop, num))
    if given == {"start", "step", "num"} and start is not None and step is not None and num is not None:
        if table.log:
            raise ValueError("a logarithmic axis is given by start, stop and num")
        return _rounded(start + step * np.arange(num))
    raise ValueError("give either values, or start, stop and num, or start, step and num (log only with stop)")


def _rounded(values: Iterable[float]) -> list[float]:
    # Twelve digits: 0.95 + 3·0.05 is 1.1 however it was come by, and so has the same identity; −0.3 + 3·0.1 is 0
    values = [float(value) for value in values]
    smallest = 1e-12 * max(abs(value) for value in values)
    return [0.0 if abs(value) < smallest else float(f"{value:.12g}") for value in values]


def _hashable(value: Any) -> Any:
    return tuple(_hashable(one) for one in value) if isinstance(value, list) else value
