"""How values spread over neurons or pairs: mean, SD, quantiles, and histograms on bins that are the same everywhere.

The bins of a histogram never depend on the data, so that those of two simulators, seeds or points can be compared bin
by bin. Values beyond the ends are counted in the first and the last bin: a histogram adds up to the number of values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.statistic import Column, Values

QUANTILES = {"q05": 0.05, "q50": 0.50, "q95": 0.95}
_WORDS = {"q05": "5 % quantile", "q50": "median", "q95": "95 % quantile"}

RATE_BINS = (*np.arange(0.0, 20.0, 0.5).tolist(), *np.arange(20.0, 201.0, 5.0).tolist())
"""Hz: 0.5 Hz wide up to 20 Hz, 5 Hz wide up to 200 Hz."""
IRREGULARITY_BINS = tuple((np.arange(0, 61) * 0.05).round(10).tolist())
"""Of CV and LV: 0.05 wide up to 3."""
CORRELATION_BINS = (
    *(np.arange(-20, -4) * 0.05).round(10).tolist(),
    *(np.arange(-40, 40) * 0.005).round(10).tolist(),
    *(np.arange(4, 21) * 0.05).round(10).tolist(),
)
"""0.005 wide between -0.2 and 0.2, 0.05 wide beyond."""


def spread(name: str, values: NDArray[np.float64]) -> Values:
    """Mean, SD (ddof 0) and quantiles of values that are all defined; NaN if there are none."""
    if not values.size:
        return dict.fromkeys([name, f"{name}_sd", *(f"{name}_{key}" for key in QUANTILES)], float("nan"))
    quantiles = np.quantile(values, list(QUANTILES.values()))
    return {
        name: float(values.mean()),
        f"{name}_sd": float(values.std()),
        **{f"{name}_{key}": float(value) for key, value in zip(QUANTILES, quantiles, strict=True)},
    }


def spread_columns(name: str, unit: str, doc: str, over: str = "neurons") -> dict[str, Column]:
    """Columns that `spread` fills."""
    return {
        name: Column(unit, f"{doc}, mean over {over}"),
        f"{name}_sd": Column(unit, f"standard deviation of {name} over {over} (ddof 0)"),
        **{f"{name}_{key}": Column(unit, f"{word} of {name} over {over}") for key, word in _WORDS.items()},
    }


def histogram(values: NDArray[np.float64], bins: Sequence[float]) -> list[int]:
    """Count values in bins; those beyond the ends in the first and the last one.

    Parameters
    ----------
    values : ndarray of float64
        All defined.
    bins : sequence of float, shape (n_bins + 1,)
        Borders, ascending; a value on a border is in the upper bin.
    """
    index = np.searchsorted(np.asarray(bins[1:-1]), values, side="right")
    counts: list[int] = np.bincount(index, minlength=len(bins) - 1).tolist()
    return counts


def histogram_column(name: str, unit: str, bins: Sequence[float], over: str = "neurons") -> Column:
    """Column that `histogram` fills."""
    return Column("1", f"histogram of {name}: {over} in each bin", "integers", tuple(bins), unit)
