"""Statistics on the grid of a run: what every cell shows, and what a cell without a value is."""

from analysis.grids.grid import Dimension, Grid, State, statistic_grid

__all__ = ["Dimension", "Grid", "State", "statistic_grid"]
