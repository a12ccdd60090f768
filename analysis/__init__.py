"""From the files of a run to tables, maps, timing and a report.

import analysis

table = analysis.open_run("results/background")
analysis.draw_map(table, "rate_E")
analysis.best_points(table)
"""

from analysis.agreement import Difference, compare, difference_grid, kl_divergence, summarise_groups
from analysis.calibration import best_points, feasibility_grid, losses, target_failures, targets_met
from analysis.grids import Grid, State, statistic_grid
from analysis.plots import (
    draw_cost,
    draw_difference,
    draw_feasibility,
    draw_feasible_region,
    draw_figures,
    draw_map,
    draw_phases,
    draw_raster,
    draw_realtime_factors,
    draw_statistic,
    draw_timing,
)
from analysis.results import configuration_names, open_run, open_runs
from analysis.run import Axis, Run, RunError, Target, read_run, run_of
from analysis.scaling import CostModel, Frontier, fit_cost, realtime_frontier, variable_cost
from analysis.sensitivity import sensitivities
from analysis.spikes import PointSpikes, map_spikes, open_spikes, read_spikes, stored_points
from analysis.summary_tables import CorruptSummaryWarning

__all__ = [
    "Axis",
    "CorruptSummaryWarning",
    "CostModel",
    "Difference",
    "Frontier",
    "Grid",
    "PointSpikes",
    "Run",
    "RunError",
    "State",
    "Target",
    "best_points",
    "compare",
    "configuration_names",
    "difference_grid",
    "draw_cost",
    "draw_difference",
    "draw_feasibility",
    "draw_feasible_region",
    "draw_figures",
    "draw_map",
    "draw_phases",
    "draw_raster",
    "draw_realtime_factors",
    "draw_statistic",
    "draw_timing",
    "feasibility_grid",
    "fit_cost",
    "kl_divergence",
    "losses",
    "map_spikes",
    "open_run",
    "open_runs",
    "open_spikes",
    "read_run",
    "read_spikes",
    "realtime_frontier",
    "run_of",
    "sensitivities",
    "statistic_grid",
    "stored_points",
    "summarise_groups",
    "target_failures",
    "targets_met",
    "variable_cost",
]
