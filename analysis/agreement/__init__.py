"""Agreement: whether two simulators, runs or sets of seeds show the same."""

from analysis.agreement.comparison import compare, kl_divergence
from analysis.agreement.difference import Difference, difference_grid

__all__ = ["Difference", "compare", "difference_grid", "kl_divergence"]
