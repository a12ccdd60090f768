"""Tables of the report: what was asked, best points, failures and the rest, as text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.opening.run import Run


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and whether it holds numbers."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Rows:
    """A table as text."""

    columns: tuple[Column, ...]
    cells: tuple[tuple[str, ...], ...]


def as_rows(frame: pd.DataFrame, titles: Sequence[str] | None = None) -> Rows:
    """Turn a data frame into text; numbers get three digits."""
    columns = [
        Column(title, _is_numeric(frame[name]))
        for title, name in zip(titles or [str(name) for name in frame], frame, strict=True)
    ]
    return Rows(
        tuple(columns), tuple(tuple(text_of(value) for value in line) for line in frame.itertuples(index=False))
    )


def as_percent(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Write fractions as per cent: in the columns named, or in all that hold numbers."""
    frame = frame.copy()
    for name in columns or [str(name) for name in frame.select_dtypes("number")]:
        frame[name] = [_percent(value) for value in frame[name]]
    return frame


def text_of(value: Any) -> str:
    """Return a value as short text; what is undefined is a dash."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return "–"
    if isinstance(value, float | np.floating):
        return "∞" if math.isinf(value) else f"{value:.4g}"
    if isinstance(value, list | tuple | np.ndarray):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    return str(value)


def axes_rows(run: Run) -> Rows:
    """Say what was swept."""
    return Rows(
        (Column("axis"), Column("meaning"), Column("unit"), Column("values"), Column("number", True)),
        tuple(
            (
                axis.key + (f" (with {axis.zip})" if axis.zip else ""),
                axis.doc,
                "" if axis.unit == "1" else axis.unit,
                _range(axis.values),
                str(len(axis.values)),
            )
            for axis in run.axes
        ),
    )


def settings_rows(run: Run) -> Rows:
    """Say how it was simulated."""
    simulation = run.metadata.get("simulation", {})
    swept = {axis.key for axis in run.axes if not axis.of_network}
    duration = "swept" if "duration" in swept else f"{simulation.get('duration', 0):g} ms"
    simulators = [
        ", ".join(f"{value}" if key == "simulator" else f"{key} {value or 'any'}" for key, value in entry.items())
        for entry in run.metadata["simulators"]
    ]
    cells = [
        ("model", run.model),
        ("simulators", "; ".join(simulators)),
        ("seeds", f"{_range(run.seeds)} ({run.metadata.get('draws', '')} draws of the connectivity)"),
        ("statistics", ", ".join(run.statistics) + " of " + ", ".join(run.populations)),
        ("warm-up, duration", f"{simulation.get('warmup', 0):g} ms, {duration}"),
        ("time step", f"{simulation.get('dt', 0):g} ms"),
        ("spikes kept", str(run.metadata.get("spikes", "none"))),
    ]
    return Rows((Column("setting"), Column("value")), tuple(cells))


def targets_rows(run: Run, units: dict[str, str]) -> Rows:
    """Say what counts as calibrated."""
    cells = []
    for target in run.targets:
        unit = units.get(target.statistic, "1")
        bounds = f"{text_of(target.low)} to {text_of(target.high)}"
        if target.value is not None:
            bounds = f"{text_of(target.value)} ± {text_of(target.tolerance)}"
        elif not math.isfinite(target.low):
            bounds = f"at most {text_of(target.high)}"
        elif not math.isfinite(target.high):
            bounds = f"at least {text_of(target.low)}"
        cells.append((target.statistic, f"{bounds}{'' if unit == '1' else f' {unit}'}", text_of(target.weight)))
    return Rows((Column("statistic"), Column("target"), Column("weight", True)), tuple(cells))


def best_rows(best: pd.DataFrame, run: Run) -> Rows:
    """Show the best points of one simulator with their uncertainty over seeds."""
    shown = pd.DataFrame({axis.key: best[axis.key] for axis in run.axes})
    shown["P(all targets)"] = best["p_feasible"]
    shown["95 %"] = [f"{low:.2g} to {high:.2g}" for low, high in zip(best["p_low"], best["p_high"], strict=True)]
    shown["seeds"] = best["n_seeds"]
    shown["loss"] = best["loss"]
    for target in run.targets:
        name = target.statistic
        spread = [f" ± {value:.2g}" if math.isfinite(value) else "" for value in best[f"{name}_sd"]]
        shown[name] = [f"{text_of(value)}{more}" for value, more in zip(best[name], spread, strict=True)]
    return as_rows(shown)


def failure_rows(table: pd.DataFrame, run: Run) -> Rows:
    """Group the rows that are not good by their reason, with an example of each."""
    bad = table[~table["status"].isin(["ok", "missing"])]
    if bad.empty:
        return Rows((), ())
    reasons = bad["error"].astype(object).fillna("no reason given")
    cells = []
    for (name, status, reason), part in bad.groupby(
        [bad["configuration"].astype(str), bad["status"].astype(str), reasons], sort=False
    ):
        example = part.iloc[0]
        where = ", ".join(f"{axis.key} = {text_of(example[axis.key])}" for axis in run.axes)
        cells.append(
            (str(name), str(status), f"{len(part):,}", _short(str(reason)), f"{where}, seed {example['seed']}")
        )
    cells.sort(key=lambda row: -int(row[2].replace(",", "")))
    columns = (Column("simulator"), Column("status"), Column("results", True), Column("reason"), Column("for example"))
    return Rows(columns, tuple(cells[:50]))


def machine_rows(table: pd.DataFrame) -> Rows:
    """Say where the results were computed."""
    ran = table[table["status"] != "missing"]
    keys = [key for key in ("simulator", "host", "cpu", "gpu", "threads", "versions") if key in ran]
    cells = []
    for values, part in ran[keys].astype(object).fillna("").groupby(keys, sort=False):
        known: dict[str, Any] = dict(zip(keys, values, strict=True))
        versions = known.get("versions", "")
        try:
            packages = ", ".join(f"{name} {version}" for name, version in json.loads(versions or "{}").items())
        except ValueError:
            packages = str(versions)
        processor = " + ".join(str(known[key]) for key in ("cpu", "gpu") if known.get(key))
        threads = text_of(int(known["threads"])) if known.get("threads") not in ("", None) else "–"
        cells.append(
            (str(known["simulator"]), str(known.get("host", "")), processor, threads, f"{len(part):,}", packages)
        )
    columns = (
        Column("simulator"), Column("host"), Column("processor"), Column("threads", True), Column("results", True),
        Column("versions"),
    )  # fmt: skip
    return Rows(columns, tuple(cells))


def _range(values: Sequence[Any]) -> str:
    if len(values) <= 4:
        return ", ".join(text_of(value) for value in values)
    return f"{text_of(values[0])}, {text_of(values[1])} … {text_of(values[-1])}"


def _percent(fraction: float) -> str:
    if math.isnan(fraction):
        return "–"
    return f"{100 * fraction:.0f} %" if fraction >= 0.0995 or fraction == 0 else f"{100 * fraction:.2g} %"


def _is_numeric(column: pd.Series[Any]) -> bool:
    percent = len(column) > 0 and all(str(value).endswith(" %") for value in column)
    return percent or bool(pd.api.types.is_numeric_dtype(column))


def _short(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
