"""The page: everything that a run shows in one file, and the explorer of it alone."""

from analysis.page.explorer import Explorer, explore
from analysis.page.report import write_report

__all__ = ["Explorer", "explore", "write_report"]
