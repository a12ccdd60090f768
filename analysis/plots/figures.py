"""The figures of a run as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.deciding.targets import FEASIBLE
from analysis.grids.columns import main_columns, maps_of
from analysis.opening.run import run_of
from analysis.opening.table import open_run
from analysis.plots.over_axes.comparison import draw_differences
from analysis.plots.over_axes.layers import View, layers_of, overlays_of
from analysis.plots.over_axes.slices import draw_all
from analysis.plots.parts.style import in_style, in_vectors, new_figure, write_figure
from analysis.plots.scans import draw_cost, draw_phases_along, draw_times
from analysis.plots.timing import draw_phases, draw_realtime_factors
from analysis.timing.phases import SIZE, TIME, Abscissa, scanned
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory

FORMATS = ("png", "svg")  # of every figure; "pdf" on request, as fonts and another drawing take a third of the time
_ALL = (*FORMATS, "pdf")
_INDEX = "figures.json"
_DPI = 160


@dataclass(frozen=True)
class Drawn:
    """A figure of a run.

    Parameters
    ----------
    name : str
        Of its files, but for the ending: ``map_<statistic>``, ``feasible_region``, ``difference_<simulator>``,
        ``timing``, ``time_scan`` or ``size_scan``.
    section : str
        What it belongs to: ``maps``, ``calibration``, ``agreement``, ``timing``, ``time_scan`` or ``size_scan``.
    text : str
        What it shows.
    """

    name: str
    section: str
    text: str


def draw_figures(path: str | Path, table: pd.DataFrame | None = None, pdf: bool | None = None) -> list[Path]:
    """Draw the figures of a run into its folder ``figures/``: maps of every statistic, feasible region, timing.

    Works on a run that is incomplete. Each is laid out once and kept as PNG and SVG, and as PDF if asked for. Figures
    of an earlier call are replaced, each whole or not at all; those that are no longer of the run are removed.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    table : pandas.DataFrame, optional
        All of its rows, where they have been read already.
    pdf : bool, optional
        Whether to keep them as PDF too; by default a run that has PDFs goes on having them.

    Returns
    -------
    list of Path
        The files, two or three of each figure.

    Raises
    ------
    RunError
        If the folder is not a run.
    """
    table = open_run(path) if table is None else table
    folder = RunDirectory(Path(path)).figures
    before = {drawn.name for drawn in drawn_figures(path)}
    if pdf is None:
        pdf = any((folder / f"{name}.pdf").is_file() for name in before)
    written, index = [], []
    for drawn, figure in iterate_figures(table):
        written += _save(figure, folder, drawn.name, _ALL if pdf else FORMATS)
        index.append(drawn)
    kept = {file.name for file in written}
    for name in before | {drawn.name for drawn in index}:
        for suffix in _ALL:
            if f"{name}.{suffix}" not in kept:
                (folder / f"{name}.{suffix}").unlink(missing_ok=True)
    with replacing(folder / _INDEX) as temporary:  # last: it says that all are there
        temporary.write_text(json.dumps([asdict(drawn) for drawn in index], indent=1), encoding="utf-8")
    return written


def drawn_figures(path: str | Path) -> list[Drawn]:
    """Return what `draw_figures` has drawn of a run; nothing if it has not, or its list cannot be read."""
    try:
        text = (RunDirectory(Path(path)).figures / _INDEX).read_text(encoding="utf-8")
        return [Drawn(**entry) for entry in json.loads(text)]
    except (OSError, ValueError, TypeError):
        return []


def figures_are_current(path: str | Path, pdf: bool = False) -> bool:
    """Whether the figures of a run were all drawn after its last row was written, and are all there.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    pdf : bool
        Whether they must be there as PDF too.
    """
    run = RunDirectory(Path(path))
    try:
        drawn_at = (run.figures / _INDEX).stat().st_mtime_ns
        suffixes = _ALL if pdf else FORMATS
        files = [run.figures / f"{drawn.name}.{suffix}" for drawn in drawn_figures(path) for suffix in suffixes]
        return (
            bool(files)
            and all(file.is_file() for file in files)
            and all(file.stat().st_mtime_ns < drawn_at for file in (run.points, *run.summary_files()))
        )
    except OSError:
        return False


def iterate_figures(table: pd.DataFrame) -> Iterator[tuple[Drawn, Figure]]:
    """Draw the figures of a run one by one.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Yields
    ------
    drawn : Drawn
        What it is.
    figure : matplotlib.figure.Figure
        The figure.
    """
    run = run_of(table)
    if any(len(axis.values) > 1 for axis in run.axes):
        view = View()
        overlays = overlays_of(table, view)
        if run.targets:
            figure = draw_all(table, layers_of(table, FEASIBLE, view, overlays), view)
            yield Drawn("feasible_region", "calibration", "probability that all targets are met"), figure
        for statistic in maps_of(run):
            figure = draw_all(table, layers_of(table, statistic, view, overlays), view)
            yield Drawn(f"map_{statistic}", "maps", f"maps of {statistic}"), figure
        names = list(dict.fromkeys(table.loc[table["status"] == "ok", "configuration"].astype(str)))
        for other in names[1:]:
            figure = draw_differences(table, main_columns(table), names[0], other)
            yield (
                Drawn(f"difference_{_file_name(other)}", "agreement", f"difference of {other} and {names[0]}"),
                figure,
            )
    if scanned(table, TIME):
        yield Drawn("time_scan", "time_scan", "wall time against biological time"), draw_scan(table, TIME)
    if scanned(table, SIZE):
        yield Drawn("size_scan", "size_scan", "wall time against size"), draw_scan(table, SIZE)
    yield Drawn("timing", "timing", "wall time by phase, and real-time factors"), draw_timing(table)


def _save(figure: Figure, folder: Path, name: str, suffixes: Sequence[str]) -> list[Path]:
    """Lay out a figure once, and write it in every format: ``savefig`` would lay it out and draw it twice for each."""
    with in_style():
        figure.set_dpi(_DPI)
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
        figure.set_layout_engine("none")
    written = []
    for suffix in suffixes:
        target = folder / f"{name}.{suffix}"
        with replacing(target) as temporary, in_vectors() if suffix == "svg" else in_style():
            write_figure(figure, temporary, suffix)
        written.append(target)
    return written


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def draw_timing(table: pd.DataFrame, title: bool = True) -> Figure:
    """Draw the phases of the points and how fast the propagation ran.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    title : bool
        Name the run.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with in_style():
        figure = new_figure(6.4, 6.4)
        upper, lower = figure.subplots(2, 1, height_ratios=[1.0, 1.0])
        draw_phases(table, upper)
        draw_realtime_factors(table, lower)
        if title:
            figure.suptitle(run_of(table).name)
    return figure


def draw_scan(table: pd.DataFrame, x: Abscissa = "n_neurons") -> Figure:
    """Draw what a run says of time against biological time or size: wall times, phases by simulator, variable cost.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    x : {'biological_time', 'n_neurons', 'n_synapses'}
        Along which.

    Returns
    -------
    matplotlib.figure.Figure
    """
    parts = [part for _, part in table.groupby("configuration", observed=True, sort=False) if scanned(part, x)]
    with in_style():
        figure = new_figure(9.6, 4.4 * (1 + -(-len(parts) // 2)))
        upper, *lower = figure.subfigures(1 + -(-len(parts) // 2), 1, squeeze=False).ravel()
        axes = upper.subplots(1, 2)
        draw_times(table, x, axes[0])
        if x == TIME:
            draw_realtime_factors(table, axes[1])
        else:
            draw_cost(table, axes[1])
        for row, begin in zip(lower, range(0, len(parts), 2), strict=True):
            panels = row.subplots(1, 2)
            for part, ax in zip(parts[begin:], panels, strict=False):
                draw_phases_along(part, x, ax)
            for ax in panels[len(parts) - begin :]:
                ax.remove()
        figure.suptitle(run_of(table).name)
    return figure
