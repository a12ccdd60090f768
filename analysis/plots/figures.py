"""The figures of a run as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.deciding.targets import feasibility_grid
from analysis.grids.grid import choose_dimensions, dimension_of, statistic_grid
from analysis.opening.run import Run, run_of
from analysis.opening.table import open_run
from analysis.plots.cells import Handle, colour_limits, place_legend
from analysis.plots.maps import draw_cells, draw_feasible_cells
from analysis.plots.scans import draw_costs, draw_phases_along, draw_times
from analysis.plots.style import in_style, new_figure
from analysis.plots.timing import draw_phases, draw_realtime_factors
from analysis.timing.phases import SIZE, TIME, Abscissa, scanned
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory
from simulators.records.summary import PHASES

FORMATS = ("png", "pdf")
_MOST_SLICES = 4
_LAST = "timing"  # of the figures, in the order in which they are drawn
_COUNTS = ("realtime_factor", "duration", "n_neurons", "n_synapses", "n_spikes")
# A date would make equal figures unequal.
_METADATA: Mapping[str, dict[str, Any]] = {"pdf": {"CreationDate": None}}


def draw_figures(path: str | Path) -> list[Path]:
    """Draw the figures of a run into its folder ``figures/``: maps of every statistic, feasible region, timing.

    Works on a run that is incomplete. Figures of an earlier call are replaced, each whole or not at all.

    Parameters
    ----------
    path : str or Path
        Folder of the run.

    Returns
    -------
    list of Path
        The files, a PNG and a PDF of each figure.

    Raises
    ------
    RunError
        If the folder is not a run.
    """
    run = run_of(path)
    statistics = [f"{name}_{population}" for name in run.statistics for population in run.populations]
    goals = [target.statistic for target in run.targets]
    table = open_run(
        path,
        columns=[*run.statistics, *statistics, *goals, *PHASES, *_rates(run), *_COUNTS],
    )
    folder = RunDirectory(Path(path)).figures
    written = []
    with in_style():
        for name, figure in iterate_figures(table):
            for suffix in FORMATS:
                target = folder / f"{name}.{suffix}"
                with replacing(target) as temporary:
                    # the date would make equal figures unequal
                    figure.savefig(
                        temporary, format=suffix, metadata={"CreationDate": None} if suffix == "pdf" else None
                    )
                written.append(target)
                figure.set_layout_engine("none")  # laid out already, which takes as long as to draw it
    return written


def figures_are_current(path: str | Path) -> bool:
    """Whether the figures of a run were all drawn after its last row was written.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    """
    run = RunDirectory(Path(path))
    last = run.figures / f"{_LAST}.{FORMATS[-1]}"
    try:
        drawn = last.stat().st_mtime_ns
        return all(file.stat().st_mtime_ns < drawn for file in (run.points, *run.summary_files()))
    except OSError:
        return False


def iterate_figures(table: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw the figures of a run one by one.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.

    Yields
    ------
    name : str
        ``map_<statistic>``, ``feasible_region``, ``timing``, ``time_scan`` or ``size_scan``.
    figure : matplotlib.figure.Figure
    """
    run = run_of(table)
    if any(len(axis.values) > 1 for axis in run.axes):
        for statistic in run.statistics:
            yield f"map_{statistic}", draw_statistic(table, statistic)
        if run.targets:
            yield "feasible_region", draw_feasible_region(table)
    if scanned(table, TIME):
        yield "time_scan", draw_scan(table, TIME)
    if scanned(table, SIZE):
        yield "size_scan", draw_scan(table, SIZE)
    yield _LAST, draw_timing(table)


def draw_statistic(table: pd.DataFrame, statistic: str, title: bool = True) -> Figure:
    """Draw maps of a statistic: a column per population, a row per simulator and slice of a third axis.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    statistic : str
        Name of a statistic (``rate``) or of one of its columns (``rate_E``).
    title : bool
        Name the run, and say how much of it has run.

    Returns
    -------
    matplotlib.figure.Figure
    """
    run = run_of(table)
    columns = [f"{statistic}_{name}" for name in run.populations]
    if statistic in table or not run.populations:
        columns = [statistic]
    columns = [name for name in columns if name in table] or columns
    panels = list(_panels(table))
    feasible = [feasibility_grid(part, at=at) if run.targets else None for _, part, at in panels]
    with in_style():
        figure, axes = _panel_figure(table, len(panels), len(columns), title)
        handles: dict[str, Handle] = {}
        for column, name in enumerate(columns):
            grids = [statistic_grid(part, name, at=at) for _, part, at in panels]
            limits = colour_limits(*grids)
            for row, ((simulator, part, _), grid) in enumerate(zip(panels, grids, strict=True)):
                ax = axes[row][column]
                entries = draw_cells(part, grid, ax, feasible[row], limits)
                _say_simulator(ax, simulator)
                handles |= {str(entry.get_label()): entry for entry in entries}
        _label_outer(axes, maps=len(choose_dimensions(table)) == 2)
        place_legend(axes[0][0], list(handles.values()))
    return figure


def draw_feasible_region(table: pd.DataFrame, title: bool = True) -> Figure:
    """Draw P(all targets met): a panel per simulator and slice of a third axis.

    Parameters
    ----------
    table : pandas.DataFrame
        From `open_run`.
    title : bool
        Name the run, and say how much of it has run.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    RunError
        If the run has no targets.
    """
    panels = list(_panels(table))
    with in_style():
        figure, axes = _panel_figure(table, len(panels), 1, title)
        handles: dict[str, Handle] = {}
        for (simulator, part, at), ax in zip(panels, axes[:, 0], strict=True):
            entries = draw_feasible_cells(part, feasibility_grid(part, at=at), ax)
            _say_simulator(ax, simulator)
            handles |= {str(entry.get_label()): entry for entry in entries}
        _label_outer(axes, maps=len(choose_dimensions(table)) == 2)
        place_legend(axes[0][0], list(handles.values()))
    return figure


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
            draw_costs(table, axes[1])
        for row, begin in zip(lower, range(0, len(parts), 2), strict=True):
            panels = row.subplots(1, 2)
            for part, ax in zip(parts[begin:], panels, strict=False):
                draw_phases_along(part, x, ax)
            for ax in panels[len(parts) - begin :]:
                ax.remove()
        figure.suptitle(run_of(table).name)
    return figure


def _rates(run: Run) -> list[str]:
    """Name the columns that tell a silent population."""
    return [f"rate_{name}" for name in run.populations]


def _panels(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, Mapping[str, Any]]]:
    """Return simulator, its rows and where to cut a third axis, for each panel."""
    shown = choose_dimensions(table)
    third = [
        group[0].key
        for group in run_of(table).dimensions
        if len(group[0].values) > 1 and not ({axis.key for axis in group} & set(shown))
    ][:1]
    cuts: list[dict[str, Any]] = [{}]
    for key in third:
        values = dimension_of(table, key).values
        chosen = np.unique(np.linspace(0, len(values) - 1, min(_MOST_SLICES, len(values))).round().astype(int))
        cuts = [{key: values[index]} for index in chosen]
    configurations = list(dict.fromkeys(table["configuration"]))
    several = len(run_of(table).metadata["simulators"]) > 1
    for name in configurations:
        part = table[table["configuration"] == name] if len(configurations) > 1 else table
        for at in cuts:
            yield (str(name) if several else ""), part, at


def _panel_figure(table: pd.DataFrame, n_rows: int, n_columns: int, title: bool) -> tuple[Figure, Any]:
    figure = new_figure(0.6 + 4.1 * n_columns, 0.9 + 3.3 * n_rows)
    if not title:
        return figure, figure.subplots(n_rows, n_columns, squeeze=False)
    finished = float((table["status"] != "missing").mean())
    state = "" if finished == 1 else f" ({100 * finished:.0f} % of the points have run)"
    figure.suptitle(f"{run_of(table).name}{state}")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False)


def _label_outer(axes: Any, maps: bool) -> None:
    """Say what an axis is once per row and column: the panels share their axes."""
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
    if maps:
        for ax in axes[:, 1:].flat:
            ax.set_ylabel("")


def _say_simulator(ax: Any, simulator: str) -> None:
    if simulator:
        ax.set_title("\n".join(text for text in (simulator, ax.get_title()) if text))
