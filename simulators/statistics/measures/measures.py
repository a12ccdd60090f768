"""What statistics ask of a population's recording: of its whole trains, or of sums that were made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Extent:
    """How large a population and how long its recording is.

    Parameters
    ----------
    size : int
        Neurons in the population, silent ones included.
    n_steps : int
        Length of the recording in steps.
    dt : float
        ms, length of a step.
    n_clusters : int
        Number of equal, contiguous clusters.
    t_ref : float
        ms, absolute refractory time.
    """

    size: int
    n_steps: int
    dt: float
    n_clusters: int = 1
    t_ref: float = 0.0

    @property
    def duration(self) -> float:
        """Length of the recording in ms."""
        return self.n_steps * self.dt

    @property
    def cluster_size(self) -> int:
        """Neurons per cluster."""
        return self.size // self.n_clusters

    def bin_steps(self, bin_size: float) -> int:
        """Whole steps in a bin of `bin_size` ms."""
        return round(bin_size / self.dt)

    def n_bins(self, bin_size: float) -> int:
        """Bins of `bin_size` ms that fit fully into the recording."""
        return self.n_steps // self.bin_steps(bin_size)


class Measures(Protocol):
    """A population's recording as statistics see it.

    Bins lie side by side from the start of the recording; what is left at its end is dropped. The contrast of two
    neighbouring intervals is their difference over their sum.

    Attributes
    ----------
    extent : Extent
        Of population and recording.
    counts : ndarray of int64, shape (size,)
        Spikes of each neuron.
    spans : ndarray of int64, shape (size,)
        Steps from its first spike to its last: the sum of its intervals. 0 without an interval.
    interval_squares : ndarray of int64, shape (size,)
        Sum of the squares of its intervals, in steps.
    contrasts : ndarray of float64, shape (size,)
        Sum of the absolute contrasts of its pairs of neighbouring intervals; NaN where the sum of a pair is 0.
    squared_contrasts : ndarray of float64, shape (size,)
        Sum of their squares.
    revised_contrasts : ndarray of float64, shape (size,)
        Sum of their squares, each times ``1 + 4 R / (sum of the pair)`` for the refractory time R.
    """

    @property
    def extent(self) -> Extent: ...  # noqa: D102

    @property
    def counts(self) -> NDArray[np.int64]: ...  # noqa: D102

    @property
    def spans(self) -> NDArray[np.int64]: ...  # noqa: D102

    @property
    def interval_squares(self) -> NDArray[np.int64]: ...  # noqa: D102

    @property
    def contrasts(self) -> NDArray[np.float64]: ...  # noqa: D102

    @property
    def squared_contrasts(self) -> NDArray[np.float64]: ...  # noqa: D102

    @property
    def revised_contrasts(self) -> NDArray[np.float64]: ...  # noqa: D102

    def window_squares(self, width: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count each neuron's spikes that lie in windows of `width` ms, and sum the squares of its windows' counts.

        Returns
        -------
        counts, squares : ndarray of int64, shape (size,)
        """
        ...

    def count_population(self, bin_size: float) -> NDArray[np.int64]:
        """Count the spikes of all neurons together in bins of `bin_size` ms, shape (n_bins,)."""
        ...

    def count_spikes(self, bin_size: float, groups: int) -> NDArray[np.int64]:
        """Count the spikes of equal groups of neighbouring neurons in bins, shape (groups, n_bins)."""
        ...

    def count_table(self, neurons: NDArray[np.int64], bin_size: float) -> NDArray[np.int64]:
        """Count the spikes of some neurons (ascending) in bins of `bin_size` ms, shape (n, n_bins)."""
        ...

    def coincidences(self, neurons: NDArray[np.int64], bin_size: float, n_lags: int) -> NDArray[np.int64]:
        """Sum the products of a neuron's own counts in bins that lie some lag apart, over neurons (ascending).

        Returns
        -------
        ndarray of int64, shape (n_lags + 1,)
            Sum over neurons and bins t of ``x(t) x(t + lag)``.
        """
        ...

    def spikes_of(self, neurons: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the spikes of some neurons (ascending).

        Returns
        -------
        owners : ndarray of int64, shape (m,)
            Position in `neurons` of the neuron of each spike.
        steps : ndarray of int64, shape (m,)
            Counted from 0.
        """
        ...
