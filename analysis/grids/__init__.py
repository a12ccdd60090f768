"""Statistics on the grid of a run: what every cell shows, and what a cell without a value is."""

from analysis.grids.columns import main_columns, statistic_columns
from analysis.grids.dimensions import Dimension
from analysis.grids.grid import State, statistic_grid
from analysis.grids.repeats import over_repeats

__all__ = ["Dimension", "State", "main_columns", "over_repeats", "statistic_columns", "statistic_grid"]
