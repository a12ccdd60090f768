"""Agreement: whether two simulators, runs or sets of seeds show the same."""

from analysis.agreement.comparison import compare
from analysis.agreement.difference import difference_grid
from analysis.agreement.distances import common_bins, kl_divergence

__all__ = ["common_bins", "compare", "difference_grid", "kl_divergence"]
