"""Where the time of a run went, and how it grows with the size of the network and with biological time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.opening.run import run_of
from simulators.records.summaries.summary import PHASES

Abscissa = Literal["biological_time", "n_neurons", "n_synapses"]
ABSCISSAE: Mapping[Abscissa, str] = {
    "biological_time": "biological time (s)",
    "n_neurons": "neurons",
    "n_synapses": "synapses",
}
SIZE: Abscissa = "n_neurons"
TIME: Abscissa = "biological_time"


def biological_times(table: pd.DataFrame) -> pd.Series:
    """Return the biological time of every row in s: warm-up and recording, as both are propagated.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    """
    simulation = run_of(table).metadata["simulation"]
    duration = pd.Series(float(simulation["duration"]), table.index)
    if "duration" in table:  # summaries of before the duration could be swept do not have it
        duration = table["duration"].astype(float).fillna(duration)
    times: pd.Series = (simulation["warmup"] + duration) * 1e-3
    return times.rename(TIME)


def wall_times(table: pd.DataFrame) -> pd.Series:
    """Return the wall time of every row in s: all phases but compilation; NaN where a row is not ok.

    Compiled code is kept in a cache: which row waits for it is an accident.
    """
    total: pd.Series = table[[name for name in PHASES if name in table and name != "t_compile"]].sum(axis=1)
    return total.where(table["status"] == "ok").rename("wall_time")


@dataclass(frozen=True)
class Scan:
    """Rows of a run along biological time or size.

    Parameters
    ----------
    rows : pandas.DataFrame
        The ok rows, with ``biological_time`` and ``wall_time`` in s.
    x : str
        Column along which the rows are laid out.
    held : str
        What of the other is held, in words; empty if it does not vary.
    """

    rows: pd.DataFrame
    x: Abscissa
    held: str

    @property
    def step(self) -> str:
        """Column whose values are the steps: draws of one size differ a little in their synapses."""
        return TIME if self.x == TIME else SIZE


def scan(table: pd.DataFrame, x: Abscissa) -> Scan:
    """Choose the rows to lay out along `x`: those of the largest network, or of the longest time, if both vary.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run` or `open_runs`.
    x : {'biological_time', 'n_neurons', 'n_synapses'}
        What varies.
    """
    rows = table[(table["status"] == "ok").to_numpy()].copy()  # one block: columns are added without a warning
    rows = rows.assign(**{TIME: biological_times(rows), "wall_time": wall_times(rows)})
    other = SIZE if x == TIME else TIME
    if rows[other].nunique() < 2:
        return Scan(rows, x, "")
    most = rows[other].max()
    held = f"{most:,.0f} neurons" if other == SIZE else f"{most:g} s of biological time"
    return Scan(rows[(rows[other] == most).to_numpy()], x, held)


def scanned(table: pd.DataFrame, x: Abscissa) -> bool:
    """Whether a run has ok rows of more than one size, or of more than one biological time."""
    if SIZE not in table:
        return False
    ok = table[(table["status"] == "ok").to_numpy()]
    return bool((biological_times(ok) if x == TIME else ok[SIZE]).nunique() > 1)


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
