"""Figures: the one place that draws.

``draw_map``, ``draw_difference`` and whatever else takes ``ax`` draw into the Axes they are given, or else into a
figure of their own, and return the Axes; ``draw_maps``, ``draw_differences``, ``draw_scan`` and ``draw_timing`` return
a figure of several.
"""

from analysis.plots.figures import (
    Drawn,
    draw_figures,
    draw_scan,
    draw_timing,
    drawn_figures,
    figures_are_current,
    iterate_figures,
)
from analysis.plots.over_axes.comparison import draw_difference, draw_differences
from analysis.plots.over_axes.maps import draw_map
from analysis.plots.over_axes.slices import draw_maps
from analysis.plots.rasters import draw_raster
from analysis.plots.scans import draw_cost, draw_times
from analysis.plots.timing import draw_phases, draw_realtime_factors

__all__ = [
    "Drawn",
    "draw_cost",
    "draw_difference",
    "draw_differences",
    "draw_figures",
    "draw_map",
    "draw_maps",
    "draw_phases",
    "draw_raster",
    "draw_realtime_factors",
    "draw_scan",
    "draw_times",
    "draw_timing",
    "drawn_figures",
    "figures_are_current",
    "iterate_figures",
]
