"""Where a network is calibrated: which points meet the targets, how surely, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.grids import Grid, statistic_grid
from analysis.run import RunError, run_of

FEASIBLE = "feasible"
CONTOURS = (0.5, 0.9)  # of P(all targets met)


def targets_met(table: pd.DataFrame) -> pd.DataFrame:
    """Say of each row which targets it meets.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Returns
    -------
    pandas.DataFrame of float, shape (n_rows, n_targets + 1)
        1 met, 0 not met, NaN not known (no row yet, failed or timed out); columns are the statistics and
        ``feasible``, which is 1 where all are met. A statistic that is undefined (a silent population has no CV)
        does not meet its target, nor does a point that diverged.

    Raises
    ------
    RunError
        If the run has no targets.
    """
    run = run_of(table)
    if not run.targets:
        raise RunError(f"run {run.name!r} has no targets; give them under [targets] in the sweep")
    status = table["status"]
    known = (status == "ok").to_numpy() | (status == "diverged").to_numpy()
    met: dict[str, NDArray[np.float64]] = {}
    for target in run.targets:
        values = _values(table, target.statistic)
        with np.errstate(invalid="ignore"):
            inside = (values >= target.low) & (values <= target.high) & (status == "ok").to_numpy()
        met[target.statistic] = np.where(known, inside, np.nan)
    met[FEASIBLE] = np.min(list(met.values()), axis=0)
    return pd.DataFrame(met, index=table.index)


def feasibility_grid(
    table: pd.DataFrame, x: str | None = None, y: str | None = None, at: Mapping[str, Any] | None = None
) -> Grid:
    """Estimate P(all targets met | cell) as the fraction of seeds that meet them all.

    Not the targets applied to means: two seeds, one too quiet and one too loud, are not a calibrated network.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    x, y, at
        As in `statistic_grid`; over axes that are neither shown nor held P is averaged.

    Returns
    -------
    Grid
        `mean` is P.

    Raises
    ------
    RunError
        If the run has no targets or an axis does not exist.
    """
    status = table["status"].astype(str)
    keys = [axis.key for axis in run_of(table).axes]
    verdicts = table[keys].assign(
        **{FEASIBLE: targets_met(table)[FEASIBLE], "status": status.where(status != "diverged", "ok")}
    )
    verdicts.attrs = table.attrs
    return statistic_grid(verdicts, FEASIBLE, x, y, at, mark_silent=False)


def _values(table: pd.DataFrame, statistic: str) -> NDArray[np.float64]:
    if statistic not in table:
        return np.full(len(table), np.nan)
    return table[statistic].to_numpy(dtype=np.float64, na_value=np.nan)
