"""From the files of a run to tables, maps, timing and a report.

import analysis

table = analysis.open_run("results/background")
analysis.draw_map(table, "rate_E")
analysis.best_points(table)

What is needed every day is here; the rest is in rooms, by what a reader asks:

opening     a run, its stored spikes, and what was asked of it
grids       statistics as labelled arrays over the axes of a run
deciding    which points meet the targets, how surely, and what the statistics depend on
agreement   whether two simulators, runs or sets of seeds agree
timing      where the time went, and how it grows
plots       figures
page        the report and the explorer
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis import agreement, deciding, grids, opening, page, plots, timing
    from analysis.agreement import compare
    from analysis.deciding import best_points, parameters_table, sensitivities
    from analysis.grids import statistic_grid
    from analysis.opening import RunError, map_spikes, open_run, open_spikes, read_spikes, run_of
    from analysis.page import explore, write_report
    from analysis.plots import draw_figures, draw_map, draw_raster

__all__ = [
    "RunError",
    "agreement",
    "best_points",
    "compare",
    "deciding",
    "draw_figures",
    "draw_map",
    "draw_raster",
    "explore",
    "grids",
    "map_spikes",
    "open_run",
    "open_spikes",
    "opening",
    "page",
    "parameters_table",
    "plots",
    "read_spikes",
    "run_of",
    "sensitivities",
    "statistic_grid",
    "timing",
    "write_report",
]

# Imported when first used: opening a run should not wait for matplotlib and scipy.
_FROM = {
    "opening": ("RunError", "map_spikes", "open_run", "open_spikes", "read_spikes", "run_of"),
    "grids": ("statistic_grid",),
    "deciding": ("best_points", "parameters_table", "sensitivities"),
    "agreement": ("compare",),
    "timing": (),
    "plots": ("draw_figures", "draw_map", "draw_raster"),
    "page": ("explore", "write_report"),
}


def __getattr__(name: str) -> Any:
    for room, names in _FROM.items():
        if name == room:
            return import_module(f"analysis.{room}")
        if name in names:
            return getattr(import_module(f"analysis.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
