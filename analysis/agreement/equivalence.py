"""Whether two groups of maps are the same as far as it matters: two one-sided tests against a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.05  # of each one-sided test; the interval is then one of 90 %


@dataclass(frozen=True)
class Equivalence:
    """What is known of a difference.

    Parameters
    ----------
    difference, low, high : float
        Mean of the second group less that of the first, and its 90 % interval; NaN ends with fewer than two of each.
    margin : float
        Difference that does not matter; NaN if none is known.
    p : float
        The larger of the two one-sided tests; NaN without a margin.
    """

    difference: float
    low: float
    high: float
    margin: float
    p: float

    def row(self) -> dict[str, Any]:
        """Return it as columns of a comparison."""
        return {
            "difference": self.difference,
            "difference_low": self.low,
            "difference_high": self.high,
            "margin": self.margin,
            "p_equivalent": self.p,
            "equivalent": None if math.isnan(self.p) else self.p <= SIGNIFICANCE,
        }


def assess_equivalence(a: NDArray[np.float64], b: NDArray[np.float64], margin: float) -> Equivalence:
    """Test whether the means of two groups differ by less than a margin (Welch's t, statsmodels' TOST).

    Parameters
    ----------
    a, b : ndarray of float, shape (n_maps,)
        A number for each map.
    margin : float
        In their unit; NaN if none is known.
    """
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    if not len(a) or not len(b):
        return Equivalence(math.nan, math.nan, math.nan, margin, math.nan)
    difference = float(b.mean() - a.mean())
    if min(len(a), len(b)) < 2:
        return Equivalence(difference, math.nan, math.nan, margin, math.nan)
    if a.std() + b.std() <= 1e-12 * (1 + abs(difference)):  # deterministic: there is nothing to be unsure of
        p = math.nan if math.isnan(margin) else float(abs(difference) >= margin)
        return Equivalence(difference, difference, difference, margin, p)
    means = CompareMeans(DescrStatsW(b), DescrStatsW(a))
    low, high = means.tconfint_diff(alpha=2 * SIGNIFICANCE, usevar="unequal")
    p = math.nan if math.isnan(margin) else float(means.ttost_ind(-margin, margin, usevar="unequal")[0])
    return Equivalence(difference, float(low), float(high), margin, p)
