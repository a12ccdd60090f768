"""Tables of the report on time: what a result costs, and how that grows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from analysis.opening.run import RunError
from analysis.page.tables import Column, Rows, as_rows, text_of
from analysis.plots.scans import frontier_text
from analysis.timing.phases import SIZE, TIME, Abscissa, mean_phases, scan
from analysis.timing.scaling import costs_by_simulator, fit_time

SCAN_WORDS: Mapping[Abscissa, str] = {
    TIME: "T = fixed + factor · T_bio, fitted on relative residuals; T is all phases but compilation, which is done "
    "once and kept. With a factor below 1 a long simulation runs faster than the brain.",
    SIZE: "T_var/T_bio = a0 + a1·N + a2·synapses, fitted on relative residuals; T_var is propagation and fetching the "
    "spikes. Building and compiling are not in it: they are paid once, however long the network lives.",
}
_INTERVAL = ("95 % from", "to")


def timing_rows(table: pd.DataFrame) -> Rows:
    """Show what the simulators cost: total, per point, and the real-time factor."""
    rows = []
    phases = mean_phases(table).sum(axis=1)
    for name, part in table.groupby("configuration", observed=True, sort=False):
        if name not in phases.index:
            continue
        ran = int((part["status"] != "missing").sum())
        factor = part.loc[part["status"] == "ok", "realtime_factor"].dropna()
        low, middle, high = factor.quantile([0.05, 0.5, 0.95]) if len(factor) else (math.nan,) * 3
        rows.append(
            (
                str(name),
                f"{ran:,}",
                f"{phases[name] * ran / 3600:.3g}",
                f"{phases[name]:.3g}",
                f"{text_of(float(middle))} ({text_of(float(low))} to {text_of(float(high))})",
                f"{part['peak_memory'].max() / 1e9:.3g}",
            )
        )
    titles = (
        "simulator",
        "results",
        "hours in all",
        "s per result",
        "real-time factor, median (5–95 %)",
        "peak memory (GB)",
    )
    return Rows(tuple(Column(title, title != "simulator") for title in titles), tuple(rows))


def time_rows(table: pd.DataFrame) -> Rows:
    """Show the fixed cost and the cost per biological time by simulator, where the biological time was swept."""
    rows = []
    chosen = scan(table, TIME)
    for name, part in chosen.rows.groupby("configuration", observed=True, sort=False):
        try:
            model = fit_time(part[TIME], part["wall_time"])
        except RunError:  # too few
            continue
        rows.append((str(name), "fixed cost (s)", model.fixed, *model.fixed_interval, len(part)))
        rows.append((str(name), "factor", model.factor, *model.factor_interval, len(part)))
    return as_rows(pd.DataFrame(rows, columns=["simulator", "term", "value", *_INTERVAL, "results"]))


def cost_rows(table: pd.DataFrame) -> Rows:
    """Show the regression of the variable cost on the size by simulator, where the size was swept."""
    rows = []
    for name, costs in costs_by_simulator(table).items():
        if costs.model is not None:
            terms = zip(
                ("a0", "a1, per neuron", "a2, per synapse"),
                costs.model.coefficients,
                costs.model.low,
                costs.model.high,
                strict=True,
            )
            rows += [(name, term, *map(float, values), len(costs.cost)) for term, *values in terms]
    return as_rows(pd.DataFrame(rows, columns=["simulator", "term", "coefficient", *_INTERVAL, "results"]))


def frontier_words(table: pd.DataFrame, x: Abscissa) -> Iterator[str]:
    """Say up to which size each simulator runs in real time, where the size was swept."""
    if x == SIZE:
        for name, costs in costs_by_simulator(table).items():
            yield f"{name}: {frontier_text(costs.frontier)}."
