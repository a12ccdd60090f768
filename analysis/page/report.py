"""One page on a run: what was asked, where it is calibrated, what it cost and what failed."""

from __future__ import annotations

import base64
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis.agreement.comparison import compare
from analysis.deciding.best_points import best_points, parameters_table
from analysis.deciding.sensitivity import sensitivities
from analysis.deciding.targets import target_failures
from analysis.grids.dimensions import dimensions_of, position_of
from analysis.opening.run import Run, RunError, run_of
from analysis.opening.summary_files import CorruptSummaryWarning
from analysis.opening.table import open_run
from analysis.page.explorer import explorer_part, templates
from analysis.page.tables import (
    Rows,
    as_percent,
    as_rows,
    axes_rows,
    best_rows,
    failure_rows,
    machine_rows,
    settings_rows,
    targets_rows,
    text_of,
)
from analysis.page.timing_tables import SCAN_WORDS, cost_rows, frontier_words, time_rows, timing_rows
from analysis.plots.figures import Drawn, draw_figures, drawn_figures, figures_are_current
from analysis.timing.phases import SIZE, TIME, scanned
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory

_COMPARISON = [
    "statistic",
    "n_points",
    "difference",
    "interval",
    "distance",
    "distance_within",
    "p_adjusted",
    "verdict",
]
_COMPARISON_TITLES = [
    *("statistic", "points", "mean difference", "90 %", "distance", "between seeds", "p", "what follows"),
]


_N_BEST = 5  # the explorer goes on from there


@dataclass(frozen=True)
class Embedded:
    """A figure within the page: SVG in base64, and what it shows."""

    data: str
    text: str


def write_report(path: str | Path, live: float | None = None) -> Path:
    """Write ``report.html`` of a run: one file that needs nothing else, complete run or not.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    live : float, optional
        s after which an open page loads itself again, while a run goes on; 0: it does not. Such a page has no
        figures, as they are soon out of date and take the longest; the explorer has all that they show.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    RunError
        If the folder is not a run.
    """
    directory = RunDirectory(Path(path))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorruptSummaryWarning)
        table = open_run(path)
    complaints = [str(warning.message) for warning in caught if issubclass(warning.category, CorruptSummaryWarning)]
    if live is None and not figures_are_current(path):
        draw_figures(path, table)
    figures = drawn_figures(path) if live is None else []
    content = _content(table, directory, complaints, figures)
    content["drawn"] = live is None
    content["script"] = Markup((files("analysis.page") / "templates" / "live.js").read_text("utf-8"))
    if live:
        content["live"] = {"seconds": f"{live:g}", "written": f"{1000 * time.time():.0f}"}
    page = templates().get_template("report.html").render(content)
    with replacing(directory.report) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return directory.report


def _content(
    table: pd.DataFrame, directory: RunDirectory, complaints: list[str], figures: list[Drawn]
) -> dict[str, Any]:
    run = run_of(table)
    status = table["status"].value_counts()
    counts = {"total": f"{len(table):,}", "missing": f"{status['missing']:,}" if status["missing"] else ""}
    tiles = [("points × simulators", counts["total"])]
    tiles += [(name, f"{status[name]:,}") for name in status.index if status[name]]
    swept = any(len(axis.values) > 1 for axis in run.axes)
    embed = partial(_embed, directory.figures, figures)
    content = {
        "run": run,
        "counts": counts,
        "tiles": tiles,
        "warnings": complaints,
        "axes": axes_rows(run),
        "settings": settings_rows(run),
        "targets": targets_rows(run, table.attrs["units"]),
        "maps": embed("maps"),
        "calibration": _calibration(table, run, embed("calibration")) if run.targets else None,
        "sensitivity": list(_sensitivity(table)) if swept else [],
        "agreement": list(_agreement(table)),
        "timing": timing_rows(table) if "realtime_factor" in table else Rows((), ()),
        "differences": embed("agreement"),
        "timing_figures": embed("timing"),
        "scans": list(_scans(table, embed)),
        "failures": failure_rows(table, run),
        "machines": machine_rows(table),
        "provenance": _read_text(directory.provenance),
        "sweep": _read_text(directory.sweep),
        **_explorer(table, swept),
        "live": None,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    titles = {
        "verdict": "Verdict",
        "explorer": "Explorer",
        "asked": "What was asked",
        "maps": "Maps",
        "calibration": "Feasible region",
        "sensitivity": "Dependence",
        "agreement": "Agreement",
        "timing": "Time",
        "failures": "Failures",
        "provenance": "Provenance",
    }
    content["verdict"] = content["calibration"]
    content["sections"] = [(key, title) for key, title in titles.items() if content.get(key, True)]
    return content


def _explorer(table: pd.DataFrame, swept: bool) -> dict[str, Any]:
    """Return the explorer, or None and why the page has none."""
    if not swept:
        return {"explorer": None, "no_explorer": ""}
    try:
        return {"explorer": explorer_part(table), "no_explorer": ""}
    except RunError as error:  # too large
        return {"explorer": None, "no_explorer": str(error)}


def _calibration(table: pd.DataFrame, run: Run, figures: list[Embedded]) -> dict[str, Any]:
    best = best_points(table, None)
    parts = []
    for name in dict.fromkeys(table["configuration"]):
        own = best[best["configuration"] == name]
        part: dict[str, Any] = {
            "configuration": _label(table, name),
            "rows": best_rows(own.head(_N_BEST), run),
            "toml": "",
        }
        part["words"] = "No point deserves to be called best: nothing has fired, or nothing has run."
        if len(own):
            first = own.iloc[0]
            part["toml"] = parameters_table(first, run)
            part["words"] = (
                f"The best point meets all targets in {text_of(float(100 * first['p_feasible']))} % of "
                f"{text_of(int(first['n_seeds']))} seed{'s' if first['n_seeds'] != 1 else ''}"
                + ("." if first["p_feasible"] > 0 else ": no point does; this one is the nearest.")
            )
        parts.append(part)
    feasible = int((best["p_feasible"] >= 0.5).sum())
    words = f"{feasible:,} of {_finished(table):,} finished points meet all targets in at least half of their seeds."
    if len(run.seeds) == 1:
        words += " There is one seed, so P is 0 or 1 at every point: it says what that seed did, not how sure it is."
    failures = [
        {"caption": _label(table, name), "rows": _failure_shares(part)}
        for name, part in table.groupby("configuration", observed=True, sort=False)
        if (part["status"] != "missing").any()
    ]
    return {"words": words, "best": parts, "failures": failures, "figures": figures}


def _finished(table: pd.DataFrame) -> int:
    """Count the points, by simulator, of which something is known; silent ones too, which are never best."""
    known = table[table["status"].isin(["ok", "diverged"])]
    keys = {dimension.key: position_of(known, dimension) for dimension in dimensions_of(known)}
    return len(pd.DataFrame({"configuration": known["configuration"].to_numpy(), **keys}).drop_duplicates())


def _failure_shares(table: pd.DataFrame) -> Rows:
    titles = ["target", "met", "too low", "too high", "undefined", "diverged", "only obstacle"]
    return as_rows(as_percent(target_failures(table).rename_axis("target").reset_index()), titles)


def _sensitivity(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for name, part in table.groupby("configuration", observed=True, sort=False):
        found = sensitivities(part)
        if found["share"].notna().any():
            shown = as_percent(found, ["share", "interactions", "seeds"])
            shown["95 %"] = [
                f"{text_of(low)} to {text_of(high)}"
                for low, high in zip(found["slope_low"], found["slope_high"], strict=True)
            ]
            columns = ["statistic", "axis", "share", "slope", "95 %", "interactions", "seeds"]
            yield {"caption": _label(table, name), "rows": as_rows(shown[columns])}


def _agreement(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = list(dict.fromkeys(table.loc[table["status"] == "ok", "configuration"]))
    for other in names[1:]:
        found = compare(table, names[0], other)
        found["interval"] = [
            f"{text_of(low)} to {text_of(high)}"
            for low, high in zip(found["difference_low"], found["difference_high"], strict=True)
        ]
        yield {"title": f"{other} and {names[0]}", "rows": as_rows(found[_COMPARISON], _COMPARISON_TITLES)}


def _scans(table: pd.DataFrame, embed: Callable[[str], list[Embedded]]) -> Iterator[dict[str, Any]]:
    """Show how the time grows along what was swept of it: biological time, size."""
    for x, section, title in (
        (TIME, "time_scan", "Time against biological time"),
        (SIZE, "size_scan", "Time against size"),
    ):
        if scanned(table, x):
            yield {
                "title": title,
                "words": SCAN_WORDS[x],
                "rows": time_rows(table) if x == TIME else cost_rows(table),
                "figures": embed(section),
                "sayings": frontier_words(table, x),
            }


def _label(table: pd.DataFrame, name: Any) -> str:
    return str(name) if table["configuration"].nunique() > 1 else ""


def _embed(folder: Path, figures: Sequence[Drawn], section: str) -> list[Embedded]:
    return [
        Embedded(base64.b64encode((folder / f"{drawn.name}.svg").read_bytes()).decode("ascii"), drawn.text)
        for drawn in figures
        if drawn.section == section
    ]


def _read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    if path.suffix == ".json":
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text
    return text
