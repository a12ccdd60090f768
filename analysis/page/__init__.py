"""The page: everything that a run shows in one file."""

from analysis.page.report import write_report

__all__ = ["write_report"]
