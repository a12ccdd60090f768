"""How far two samples are apart."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_MOST_BINS = 200
_FENCE = 3.0  # interquartile ranges beyond the quartiles, outside which a bin has no end
_ATOM = 0.02  # share of all values from which one that repeats has a bin of its own


def common_bins(*samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of bins for samples that are to be compared; shape (n_bins + 1,).

    Freedman–Diaconis width over all values. One that repeats (the 0 of silent cells) has a bin of its own and no part
    in the width; beyond three interquartile ranges lies one bin to either side, so that an outlier costs no memory.

    Parameters
    ----------
    *samples : ndarray of float
        Without NaN.

    References
    ----------
    Freedman, D., & Diaconis, P. (1981). On the histogram as a density estimator. Zeitschrift für
    Wahrscheinlichkeitstheorie und verwandte Gebiete 57, 453–476.
    """
    values = np.concatenate(samples)
    distinct, counts = np.unique(values, return_counts=True)
    atoms = distinct[(counts > 1) & (counts >= _ATOM * len(values))]
    rest = values[~np.isin(values, atoms)]
    edges = np.array([-np.inf, np.inf])
    if len(rest):
        low, high = np.quantile(rest, [0.25, 0.75])
        begin = max(rest.min(), low - _FENCE * (high - low))
        end = min(rest.max(), high + _FENCE * (high - low))
        width = 2 * (high - low) / len(rest) ** (1 / 3)
        if width > 0 and end > begin:
            number = min(max(math.ceil((end - begin) / width), 1), _MOST_BINS)
            edges = np.concatenate([[-np.inf], np.linspace(begin, end, number + 1)[1:-1], [np.inf]])
            edges = np.unique(
                np.concatenate([edges, [begin] if begin > rest.min() else [], [end] if end < rest.max() else []])
            )
    around = np.concatenate([atoms, np.nextafter(atoms, np.inf)])
    return np.unique(np.concatenate([edges, around]))


def kl_divergence(
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    edges: NDArray[np.float64] | None = None,
    pseudo_count: float = 0.5,
) -> float:
    """Estimate the Kullback–Leibler divergence of `values` from `reference` in nats.

    Parameters
    ----------
    values, reference : ndarray of float
        Samples.
    edges : ndarray of float, optional
        Of the bins; `common_bins` of the two by default. Divergences are comparable on the same bins only.
    pseudo_count : float
        Added to every bin, so that an empty one is not infinitely far away.

    Returns
    -------
    float
        ≥ 0; NaN if either is empty.
    """
    if not len(values) or not len(reference):
        return math.nan
    edges = common_bins(values, reference) if edges is None else edges
    p = np.histogram(values, edges)[0] + pseudo_count
    q = np.histogram(reference, edges)[0] + pseudo_count
    return float(stats.entropy(p / p.sum(), q / q.sum()))
