"""What a statistic is: its columns, its settings, the function that computes it, and how long a recording it needs.

A statistic of one's own is a file that holds such an object, most simply a function with `statistic` above it::

    from simulators.statistics import Column, statistic

    @statistic({"burst_index": Column("1", "share of intervals below 10 ms, over all neurons")})
    def burst_index(spikes, settings):
        \"\"\"Share of short intervals.\"\"\"
        intervals = spikes.intervals[spikes.has_interval] * spikes.trains.dt
        return {"burst_index": (intervals < 10.0).mean() if intervals.size else float("nan")}
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simulators.statistics.measures.accumulated import AccumulatedTrains
from simulators.statistics.measures.needs import NeedsOf
from simulators.statistics.sorted_trains import SortedTrains

Value = float | int | list[float] | list[int]
Values = dict[str, Value]
Kind = Literal["float", "integer", "floats", "integers"]
TooShort = Callable[[float, float, Mapping[str, float]], str | None]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Column:
    """A column of the summary.

    Parameters
    ----------
    unit : str
        ``1`` for numbers without a unit.
    doc : str
        What it means, in a line.
    kind : {'float', 'integer', 'floats', 'integers'}
        A number, or a list of numbers: one for each bin.
    bins : tuple of float, shape (n_bins + 1,)
        Borders of the bins of a list, ascending; the same for every point. Empty for a number.
    bins_unit : str
        Unit of the borders.
    """

    unit: str
    doc: str
    kind: Kind = "float"
    bins: tuple[float, ...] = ()
    bins_unit: str = ""

    def __post_init__(self) -> None:
        if self.is_list != bool(self.bins):
            raise ValueError(f"column of {self.kind} ({self.doc}): a list has bins, a number has none")
        if any(upper <= lower for lower, upper in zip(self.bins, self.bins[1:], strict=False)):
            raise ValueError(f"column of {self.kind} ({self.doc}): bins must ascend")

    @property
    def is_list(self) -> bool:
        """Whether its values are lists, one number for each bin."""
        return self.kind in ("floats", "integers")


def always_long_enough(duration: float, rate: float, settings: Mapping[str, float]) -> None:
    """Return None: the statistic holds for a recording of any length."""
    del duration, rate, settings


@dataclass(frozen=True)
class Statistic:
    """What a sweep can ask for.

    Parameters
    ----------
    name : str
        As it stands in the sweep: letters, digits and ``_``.
    doc : str
        What it is, in a line.
    columns : mapping of str to Column
        By name, without the population.
    function : callable
        Takes the sorted spikes of a population and all settings, returns a value for each of the columns: NaN where
        it is undefined.
    settings : tuple of str
        The settings that its values depend on.
    version : int
        Raised whenever its values change, so that columns of an older version are known to be outdated.
    always : bool
        Whether it costs so little that it is computed for every point, asked for or not.
    too_short : callable
        Takes the length of a recording (ms), the mean rate of a neuron (Hz) and all settings; returns what such a
        recording lacks, in a line, or None if the statistic holds for it.
    needs : callable, optional
        Takes all settings; returns what the function needs, where that is no more than
        `simulators.statistics.measures.measures.Measures` offers. None if it needs whole trains.

    Raises
    ------
    ValueError
        If a name cannot be that of a column, or there are no columns.
    """

    name: str
    doc: str
    columns: Mapping[str, Column]
    function: Callable[[Any, Mapping[str, float]], Mapping[str, Any]]
    settings: tuple[str, ...] = ()
    version: int = 1
    always: bool = False
    too_short: TooShort = always_long_enough
    needs: NeedsOf | None = None

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError(f"statistic {self.name!r}: has no columns")
        for name in (self.name, *self.columns):
            if not _NAME.fullmatch(name):
                raise ValueError(f"statistic {self.name!r}: {name!r} must be letters, digits and '_' after a letter")

    def compute(self, spikes: SortedTrains | AccumulatedTrains, settings: Mapping[str, float]) -> Values:
        """Compute all columns, in their order and of their kinds.

        Parameters
        ----------
        spikes : SortedTrains or AccumulatedTrains
            Of one population; sums only for a statistic that says what it `needs`.
        settings : mapping of str to float
            All settings.

        Returns
        -------
        dict of str to value
            By column, without the population.

        Raises
        ------
        ValueError
            If the function returns no value for a column, or one of another kind; the message names the statistic.
        """
        found = self.function(spikes, settings)
        values: Values = {}
        for name, column in self.columns.items():
            if name not in found:
                raise ValueError(f"statistic {self.name}: returned no value for its column {name}")
            try:
                values[name] = _as_kind(found[name], column)
            except (TypeError, ValueError) as error:
                raise ValueError(f"statistic {self.name}: column {name} = {found[name]!r}: {error}") from error
        return values


def statistic(
    columns: Mapping[str, Column],
    *,
    settings: Sequence[str] = (),
    version: int = 1,
    too_short: TooShort = always_long_enough,
    needs: NeedsOf | None = None,
) -> Callable[[Callable[[Any, Mapping[str, float]], Mapping[str, Any]]], Statistic]:
    """Make a statistic of the function below it; name and first line of the docstring become the statistic's.

    Parameters
    ----------
    columns, settings, version, too_short, needs
        See `Statistic`.

    Examples
    --------
    >>> @statistic({"n_fired": Column("1", "neurons that fired", "integer")})
    ... def fired(spikes, settings):
    ...     \"\"\"How many neurons fired.\"\"\"
    ...     return {"n_fired": (spikes.counts > 0).sum()}
    >>> fired.name, fired.doc
    ('fired', 'How many neurons fired.')
    """

    def make(function: Callable[[Any, Mapping[str, float]], Mapping[str, Any]]) -> Statistic:
        lines = (function.__doc__ or "").strip().splitlines()
        doc = lines[0] if lines else function.__name__
        return Statistic(
            function.__name__,
            doc,
            columns,
            function,
            tuple(settings),
            version=version,
            too_short=too_short,
            needs=needs,
        )

    return make


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


def _as_kind(value: Any, column: Column) -> Value:
    if not column.is_list:
        return int(value) if column.kind == "integer" else float(value)
    if len(value) != len(column.bins) - 1:
        raise ValueError(f"must have {len(column.bins) - 1} entries, one for each bin")
    return [int(one) for one in value] if column.kind == "integers" else [float(one) for one in value]
