"""Columns of a table: which are statistics, and their values."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.opening.run import Run, RunError, run_of
from simulators.records.summaries.summary import summary_schema
from simulators.statistics import STATISTICS, columns


def statistic_columns(table: pd.DataFrame, statistic: str | None = None) -> list[str]:
    """Return the columns of the statistics that were asked for and are there, but for counts (``n_…``).

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    statistic : str, optional
        Of this one alone.
    """
    run = run_of(table)
    return [name for name in _columns(run, run.statistics if statistic is None else (statistic,)) if name in table]


def main_columns(table: pd.DataFrame) -> list[str]:
    """Return, of `statistic_columns`, those that have the name of their statistic; all of one that has none such."""
    run = run_of(table)
    found = []
    for statistic in run.statistics:
        names = statistic_columns(table, statistic)
        found += [name for name in names if name in _named(run, statistic)] or names
    return found


def maps_of(run: Run) -> dict[str, list[str]]:
    """Return the columns of the maps that a run asks for, by name of the map: those of all populations together."""
    found: dict[str, list[str]] = {}
    for statistic in run.statistics:
        names = _named(run, statistic)
        known = _columns(run, (statistic,))
        for name in [name for name in names if name in known] or known or names:
            population = population_of(name, run.populations)
            found.setdefault(name.removesuffix(f"_{population}"), []).append(name)
    return found


def values_of(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column of every row; NaN where it is undefined, or asked for but in no summary yet; shape (n_rows,).

    Raises
    ------
    RunError
        If there is no such column, or it does not hold numbers; the message names the nearest.
    """
    if column not in table:
        run = run_of(table)
        if column in _columns(run, run.statistics) or column in _known(run):
            return np.full(len(table), np.nan)
        known = dict.fromkeys([*map(str, table.columns), *_known(run)])
        near = difflib.get_close_matches(column, known, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known)}"
        raise RunError(f"run {run.name!r} has no column {column!r}; {hint}")
    if not pd.api.types.is_numeric_dtype(table[column]):
        raise RunError(f"column {column!r} does not hold numbers")
    return table[column].to_numpy(dtype=np.float64, na_value=np.nan)


def population_of(column: str, populations: Sequence[str]) -> str | None:
    """Return the population that a column is of: ``E`` for ``cv_isi_E`` and for ``rate_E_before``."""
    fitting = [name for name in populations if f"_{name}_" in f"{column}_"]
    return max(fitting, key=lambda name: (f"{column}_".rfind(f"_{name}_"), len(name))) if fitting else None


def silent_rows(table: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    """Return the rows in which the population of a column, or the network, did not fire; shape (n_rows,)."""
    population = population_of(column, run_of(table).populations)
    told_by = f"rate_{population}" if population and f"rate_{population}" in table else "n_spikes"
    if told_by not in table:
        return np.zeros(len(table), dtype=bool)
    return (table[told_by] == 0).to_numpy(dtype=bool, na_value=False)


def _named(run: Run, statistic: str) -> list[str]:
    return [f"{statistic}_{name}" for name in run.populations] or [statistic]


def _columns(run: Run, statistics: Sequence[str]) -> list[str]:
    found: list[str] = []
    for statistic in statistics:  # one that this version does not know has columns of its name
        known = columns([statistic], run.populations) if statistic in STATISTICS else _named(run, statistic)
        found += [name for name in known if not name.startswith("n_")]
    return found


def _known(run: Run) -> list[str]:
    statistics = [name for name in run.statistics if name in STATISTICS]
    return list(summary_schema(statistics, run.populations, {}).names)
