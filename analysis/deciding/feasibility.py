"""P(all targets met) over the grid, with what the seeds leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.deciding.targets import FEASIBLE, Targets, targets_met
from analysis.grids.grid import statistic_grid
from analysis.opening.run import run_of

CONTOURS = (0.5, 0.9)  # of P(all targets met)
CONFIDENCE = 0.95


def feasibility_grid(
    table: pd.DataFrame,
    targets: Targets | None = None,
    at: Mapping[str, Any] | None = None,
    over: Sequence[str] = (),
    *,
    first: Sequence[str] = (),
) -> xr.Dataset:
    """Estimate P(all targets met | cell) as the fraction of seeds that meet them all.

    Not the targets applied to means: two seeds, one too quiet and one too loud, are not a calibrated network.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of one simulator.
    targets
        As in `deciding.targets_of`; those of the run by default.
    at, over, first
        As in `statistic_grid`.

    Returns
    -------
    xarray.Dataset
        As `statistic_grid`; ``mean`` is P, and ``low`` and ``high`` are the ends of its 95 % interval (Wilson).

    Raises
    ------
    RunError
        If there are no targets, or a column or axis does not exist.
    """
    status = table["status"].astype(str)
    keys = [axis.key for axis in run_of(table).axes] + [key for key in ("run", "configuration") if key in table]
    verdicts = table[keys].assign(
        **{FEASIBLE: targets_met(table, targets)[FEASIBLE], "status": status.where(status != "diverged", "ok")}
    )
    verdicts.attrs = table.attrs
    grid = statistic_grid(verdicts, FEASIBLE, at, over, first=first, mark_silent=False)
    grid["mean"].attrs = {"units": "1", "long_name": "P(all targets met)"}
    low, high = wilson_interval(grid["mean"].to_numpy(), grid["n_defined"].to_numpy())
    for name, values in (("low", low), ("high", high)):
        grid[name] = (grid["mean"].dims, values, {"units": "1", "long_name": f"{name} end of the 95 % interval"})
    return grid


def wilson_interval(
    fraction: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the Wilson interval of a fraction of `n`; NaN where `n` is 0.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22, 209–212.
    """
    from statsmodels.stats.proportion import proportion_confint

    share, total = np.asarray(fraction, dtype=np.float64), np.asarray(n, dtype=np.float64)
    known = total > 0
    hits = np.where(known, np.round(np.nan_to_num(share) * total), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = proportion_confint(hits, np.where(known, total, 1.0), alpha=1 - confidence, method="wilson")
    # not a rounding error away from the ends
    low = np.where(hits == 0, 0.0, np.clip(ends[0], 0.0, 1.0))
    high = np.where(hits == total, 1.0, np.clip(ends[1], 0.0, 1.0))
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
