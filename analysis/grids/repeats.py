"""Repeated runs of the same point: what they show between them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.grids.columns import values_of
from analysis.opening.run import run_of

QUANTILES = {"median": 0.5, "low": 0.05, "high": 0.95}


def over_repeats(
    table: pd.DataFrame, columns: Sequence[str], group_on: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Bring together rows that differ in their seed alone: the median of each column, and its 5 and 95 per cent.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    columns : sequence of str
        Columns that hold numbers.
    group_on : str or sequence of str, optional
        What the rows of a group share; by default the simulator, with its settings, and every axis.

    Returns
    -------
    pandas.DataFrame
        A row for each group and column, with its number of ``runs`` (rows with a value), ``median``, ``low`` and
        ``high``; quantiles are interpolated, undefined values left out.

    Raises
    ------
    RunError
        If there is no such column, or it does not hold numbers.
    KeyError
        If there is nothing of that name to group on.
    """
    if group_on is None:
        group_on = [
            *(["configuration"] if "configuration" in table else []),
            *(axis.key for axis in run_of(table).axes),
        ]
    keys = [group_on] if isinstance(group_on, str) else list(group_on)
    parts = []
    for column in columns:
        values = pd.Series(values_of(table, column), index=table.index, name="value")
        groups = values.groupby([table[key] for key in keys], observed=True, sort=False) if keys else None
        if groups is None:
            found = pd.DataFrame({"runs": [values.count()]} | {n: [values.quantile(q)] for n, q in QUANTILES.items()})
        else:
            found = pd.DataFrame({"runs": groups.count()} | {n: groups.quantile(q) for n, q in QUANTILES.items()})
            found = found.reset_index()
        found.insert(len(keys), "column", column)
        parts.append(found)
    return pd.concat(parts, ignore_index=True)
