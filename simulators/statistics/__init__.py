"""Statistics of spike trains: what a sweep can ask for (`catalogue`), one module per family."""

from simulators.statistics.catalogue import (
    SETTINGS,
    STATISTICS,
    check_settings,
    columns,
    fingerprint,
    needs_of,
    summarise,
    too_short,
    with_always,
)
from simulators.statistics.statistic import Column, Setting, Statistic, statistic
from simulators.statistics.windows import Window

__all__ = [
    "SETTINGS",
    "STATISTICS",
    "Column",
    "Setting",
    "Statistic",
    "Window",
    "check_settings",
    "columns",
    "fingerprint",
    "needs_of",
    "statistic",
    "summarise",
    "too_short",
    "with_always",
]
