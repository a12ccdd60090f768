"""What a neuron costs: the time to build, to simulate and to write against size and biological time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.opening.run import RunError
from analysis.timing.phases import SIZE, biological_times

STAGES: Mapping[str, tuple[str, ...]] = {
    "build": ("t_build",),
    "simulate": ("t_reset", "t_simulate"),
    "write": ("t_record", "t_write"),
}
"""The phases that make up each stage."""


def fit_per_neuron(table: pd.DataFrame, constant: bool = False) -> pd.DataFrame:
    """Fit t = a·N + b·N·T for each stage by least squares, by simulator.

    Large networks and long simulations count most, where the time of a stage is of interest; what does not grow with
    the network (a worker's start, compilation) is in no stage. A build that several points share is charged to one of
    them: scans for this fit give every point a network of its own.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`, of a run over sizes and durations. All neurons count, sources too.
    constant : bool
        Fit t = c + a·N + b·N·T, for simulators that spend the same time on any network, to load its program say.

    Returns
    -------
    pandas.DataFrame
        Index: simulator and stage. ``a``, in ms per neuron, and ``b``, in ms per neuron and second of biological time;
        with `constant` also ``c`` in ms; their standard errors ``a_error``, ``b_error`` and ``c_error``; ``r2``, the
        share of the variance that the fit explains; ``results``, how many rows it rests on.

    Raises
    ------
    RunError
        If a simulator has fewer than four ok rows, or all are of one biological time.
    """
    ok = table[(table["status"] == "ok").to_numpy()]
    if ok.empty:
        raise RunError("fit_per_neuron: no row is ok")
    rows = {
        (str(name), stage): _fit(part, columns, constant)
        for name, part in ok.groupby("configuration", observed=True, sort=False)
        for stage, columns in STAGES.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["simulator", "stage"])


def _fit(rows: pd.DataFrame, columns: tuple[str, ...], constant: bool) -> dict[str, float]:
    from statsmodels.regression.linear_model import OLS

    times = biological_times(rows)
    if len(rows) < 4 or times.nunique() < 2:
        raise RunError(
            f"fit_per_neuron: needs four measurements of two durations, got {len(rows)} of {times.nunique()}"
        )
    sizes = rows[SIZE].to_numpy(dtype=np.float64)
    measured = rows[list(columns)].to_numpy(dtype=np.float64).sum(axis=1) * 1e3  # ms
    terms = {"a": sizes, "b": sizes * times.to_numpy(dtype=np.float64)}
    if constant:
        terms["c"] = np.ones_like(sizes)
    fit = OLS(measured, np.column_stack(list(terms.values()))).fit()
    found: dict[str, float] = {}
    for name, value, error in zip(terms, fit.params, fit.bse, strict=True):
        found |= {name: float(value), f"{name}_error": float(error)}
    spread = float(((measured - measured.mean()) ** 2).sum())
    return {**found, "r2": 1.0 - float(fit.ssr) / spread if spread else np.nan, "results": len(rows)}
