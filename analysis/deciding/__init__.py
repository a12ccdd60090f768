"""Deciding: which points meet the targets, how surely, what stands in the way, and what depends on what."""

from analysis.deciding.best_points import best_points, parameters_table
from analysis.deciding.feasibility import feasibility_grid
from analysis.deciding.sensitivity import sensitivities
from analysis.deciding.targets import losses, margins, target_failures, targets_met, targets_of

__all__ = [
    "best_points",
    "feasibility_grid",
    "losses",
    "margins",
    "parameters_table",
    "sensitivities",
    "target_failures",
    "targets_met",
    "targets_of",
]
