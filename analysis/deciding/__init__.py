"""Deciding: which points meet the targets, how surely, what stands in the way, and what depends on what."""

from analysis.deciding.best_points import best_points, parameters_table
from analysis.deciding.sensitivity import sensitivities
from analysis.deciding.targets import feasibility_grid, losses, target_failures, targets_met

__all__ = [
    "best_points",
    "feasibility_grid",
    "losses",
    "parameters_table",
    "sensitivities",
    "target_failures",
    "targets_met",
]
