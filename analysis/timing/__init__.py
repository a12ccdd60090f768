"""Timing: where the time of a run went, and how it grows with biological time and the size of the network."""

from analysis.timing.per_neuron import fit_per_neuron
from analysis.timing.phases import mean_phases, realtime_factors
from analysis.timing.scaling import CostModel, Frontier, TimeModel, fit_cost, fit_time, realtime_frontier, variable_cost

__all__ = [
    "CostModel",
    "Frontier",
    "TimeModel",
    "fit_cost",
    "fit_per_neuron",
    "fit_time",
    "mean_phases",
    "realtime_factors",
    "realtime_frontier",
    "variable_cost",
]
