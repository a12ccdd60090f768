"""Figures: the one place that draws.

Every function of the kind ``draw_<something>(table, ax=None)`` draws into the Axes it is given, or else into a figure
of its own, and returns the Axes.
"""

from analysis.plots.comparison import draw_difference
from analysis.plots.figures import (
    draw_feasible_region,
    draw_figures,
    draw_scan,
    draw_statistic,
    draw_timing,
    figures_are_current,
    iterate_figures,
)
from analysis.plots.maps import draw_feasibility, draw_map
from analysis.plots.rasters import draw_raster
from analysis.plots.scans import draw_cost, draw_costs, draw_phases_along, draw_times
from analysis.plots.timing import draw_phases, draw_realtime_factors

__all__ = [
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
    "iterate_figures",
]
