"""Where the time of a run went."""

from __future__ import annotations

import pandas as pd

from simulators.records import PHASES


def mean_phases(table: pd.DataFrame) -> pd.DataFrame:
    """Average the phases of the rows that ran, by simulator.

    A build that several points share is charged to the row that made it, so means are what a point costs and not
    what a point alone would take.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Returns
    -------
    pandas.DataFrame, shape (n_configurations, n_phases)
        s per point; phases in the order in which they happen, simulators in that of the run.
    """
    ran = table[table["status"] != "missing"]
    columns = [name for name in PHASES if name in table]
    if ran.empty or not columns:
        return pd.DataFrame(columns=columns, dtype=float)
    means: pd.DataFrame = ran.groupby("configuration", observed=True, sort=False)[columns].mean()
    return means


def realtime_factors(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the real-time factors (wall time per biological time) of the ok rows, ascending, by simulator."""
    if "realtime_factor" not in table:
        return {}
    ok = table[(table["status"] == "ok") & table["realtime_factor"].notna()]
    return {
        str(name): part.sort_values(ignore_index=True)
        for name, part in ok.groupby("configuration", observed=True, sort=False)["realtime_factor"]
    }
