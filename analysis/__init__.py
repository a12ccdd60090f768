"""From the files of a run to tables, maps, timing and a report."""

from analysis.grids import Grid, State, statistic_grid
from analysis.plots import (
    draw_feasibility,
    draw_feasible_region,
    draw_figures,
    draw_map,
    draw_phases,
    draw_realtime_factors,
    draw_statistic,
    draw_timing,
)
from analysis.results import configuration_names, open_run, open_runs
from analysis.run import Axis, Run, RunError, Target, read_run, run_of
from analysis.summary_tables import CorruptSummaryWarning

__all__ = [
    "Axis",
    "CorruptSummaryWarning",
    "Grid",
    "Run",
    "RunError",
    "State",
    "Target",
    "configuration_names",
    "draw_feasibility",
    "draw_feasible_region",
    "draw_figures",
    "draw_map",
    "draw_phases",
    "draw_realtime_factors",
    "draw_statistic",
    "draw_timing",
    "open_run",
    "open_runs",
    "read_run",
    "run_of",
    "statistic_grid",
]
