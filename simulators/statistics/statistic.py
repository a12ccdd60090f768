"""What a statistic is: its columns, its settings, and the function that computes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from simulators.statistics.sorted_trains import SortedTrains

Values = dict[str, float | int]


@dataclass(frozen=True)
class Column:
    """A column of the summary; integers if its name begins with ``n_``, else floats.

    Parameters
    ----------
    unit : str
        ``1`` for numbers without a unit.
    doc : str
        What it means, in a line.
    """

    unit: str
    doc: str


@dataclass(frozen=True)
class Statistic:
    """What a sweep can ask for.

    Parameters
    ----------
    name : str
        As it stands in the sweep.
    doc : str
        What it is, in a line.
    columns : mapping of str to Column
        By name, without the population.
    function : callable
        Takes the sorted spikes of a population and all settings, returns a value for each of the columns.
    """

    name: str
    doc: str
    columns: Mapping[str, Column]
    function: Callable[[SortedTrains, Mapping[str, float]], Values]


@dataclass(frozen=True)
class Setting:
    """A constant of a statistic.

    Parameters
    ----------
    default : float
        Value where a sweep gives none.
    unit : str
        ``1`` for numbers without a unit.
    doc : str
        What it is, in a line.
    kind : {'bin', 'integer', 'real'}
        A bin must be a whole number of steps of the simulation.
    minimum : float
        Smallest value.
    maximum : float
        Largest value.
    """

    default: float
    unit: str
    doc: str
    kind: Literal["bin", "integer", "real"]
    minimum: float = 0.0
    maximum: float = math.inf
