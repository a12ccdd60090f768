"""From the files of a run to tables, maps, timing and a report.

import analysis

table = analysis.open_run("results/background")
analysis.draw_map(table, "rate_E")
analysis.best_points(table)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis.results import configuration_names, open_run, open_runs
from analysis.run import Axis, Run, RunError, Target, read_run, run_of
from analysis.summary_tables import CorruptSummaryWarning

if TYPE_CHECKING:
    from analysis.agreement import Difference, compare, difference_grid, kl_divergence, summarise_groups
    from analysis.calibration import best_points, feasibility_grid, losses, target_failures, targets_met
    from analysis.grids import Grid, State, statistic_grid
    from analysis.plots import (
        draw_cost,
        draw_costs,
        draw_difference,
        draw_feasibility,
        draw_feasible_region,
        draw_figures,
        draw_map,
        draw_phases,
        draw_phases_along,
        draw_raster,
        draw_realtime_factors,
        draw_scan,
        draw_statistic,
        draw_times,
        draw_timing,
        figures_are_current,
    )
    from analysis.report import write_report
    from analysis.report_tables import parameters_table
    from analysis.scaling import CostModel, Frontier, TimeModel, fit_cost, fit_time, realtime_frontier, variable_cost
    from analysis.sensitivity import sensitivities
    from analysis.spikes import PointSpikes, map_spikes, open_spikes, read_spikes, stored_points

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
    "TimeModel",
    "best_points",
    "compare",
    "configuration_names",
    "difference_grid",
    "draw_cost",
    "draw_costs",
    "draw_difference",
    "draw_feasibility",
    "draw_feasible_region",
    "draw_figures",
    "draw_map",
    "draw_phases",
    "draw_phases_along",
    "draw_raster",
    "draw_realtime_factors",
    "draw_scan",
    "draw_statistic",
    "draw_times",
    "draw_timing",
    "feasibility_grid",
    "figures_are_current",
    "fit_cost",
    "fit_time",
    "kl_divergence",
    "losses",
    "map_spikes",
    "open_run",
    "open_runs",
    "open_spikes",
    "parameters_table",
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
    "write_report",
]

# Imported when first used: opening a run should not wait for matplotlib and scipy.
_LATER = {
    "analysis.agreement": (
        "Difference",
        "compare",
        "difference_grid",
        "kl_divergence",
        "summarise_groups",
    ),
    "analysis.calibration": (
        "best_points",
        "feasibility_grid",
        "losses",
        "target_failures",
        "targets_met",
    ),
    "analysis.grids": (
        "Grid",
        "State",
        "statistic_grid",
    ),
    "analysis.plots": (
        "draw_cost",
        "draw_costs",
        "draw_difference",
        "draw_feasibility",
        "draw_feasible_region",
        "draw_figures",
        "draw_map",
        "draw_phases",
        "draw_phases_along",
        "draw_raster",
        "draw_realtime_factors",
        "draw_scan",
        "draw_statistic",
        "draw_times",
        "draw_timing",
        "figures_are_current",
    ),
    "analysis.report": ("write_report",),
    "analysis.report_tables": ("parameters_table",),
    "analysis.scaling": (
        "CostModel",
        "Frontier",
        "TimeModel",
        "fit_cost",
        "fit_time",
        "realtime_frontier",
        "variable_cost",
    ),
    "analysis.sensitivity": ("sensitivities",),
    "analysis.spikes": (
        "PointSpikes",
        "map_spikes",
        "open_spikes",
        "read_spikes",
        "stored_points",
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
