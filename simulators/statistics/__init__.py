"""Statistics of spike trains: what a sweep can ask for (`catalogue`), one module per family."""

from simulators.statistics.catalogue import SETTINGS, STATISTICS, check_settings, columns, summarise
from simulators.statistics.statistic import Column, Setting, Statistic

__all__ = ["SETTINGS", "STATISTICS", "Column", "Setting", "Statistic", "check_settings", "columns", "summarise"]
