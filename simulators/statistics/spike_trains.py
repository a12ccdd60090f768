"""The spikes of one population, as every simulator hands them over and every statistic takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Extent


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of one population in one recording, warm-up already excluded.

    Parameters
    ----------
    steps : ndarray of int64, shape (n_spikes,)
        Spike times in integration steps since the end of the warm-up, 1 to `n_steps`, in any order; a spike at
        step ``s`` has the time ``s * dt``.
    senders : ndarray of int64, shape (n_spikes,)
        The neuron of each spike, 0 to ``size - 1``. Other integer types are converted, here and in `steps`.
    size : int
        Neurons in the population, silent ones included.
    n_steps : int
        Length of the recording in steps.
    dt : float
        ms, length of a step.
    n_clusters : int
        Number of equal, contiguous clusters; neuron ``k`` is in cluster ``k * n_clusters // size``.
    t_ref : float
        ms, absolute refractory time.

    Raises
    ------
    ValueError
        If the arrays do not match, are not integers, or hold a step or sender out of range; if the population is
        empty or cannot be cut into equal clusters; if there is no duration.
    """

    steps: NDArray[np.int64]
    senders: NDArray[np.int64]
    size: int
    n_steps: int
    dt: float
    n_clusters: int = 1
    t_ref: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.n_clusters < 1 or self.size % self.n_clusters:
            raise ValueError(f"{self.size} neurons cannot be divided into {self.n_clusters} equal clusters")
        if self.n_steps < 1 or not self.dt > 0.0:
            raise ValueError(f"a recording of {self.n_steps} steps of {self.dt} ms has no duration")
        for name, first, last in (("steps", 1, self.n_steps), ("senders", 0, self.size - 1)):
            object.__setattr__(self, name, _checked(name, getattr(self, name), first, last))
        if self.steps.shape != self.senders.shape:
            raise ValueError(f"there are {self.steps.size} steps but {self.senders.size} senders")

    @property
    def extent(self) -> Extent:
        """How large the population and how long the recording is."""
        return Extent(self.size, self.n_steps, self.dt, self.n_clusters, self.t_ref)

    @property
    def duration(self) -> float:
        """Length of the recording in ms."""
        return self.n_steps * self.dt

    @property
    def n_spikes(self) -> int:
        """Number of spikes."""
        return int(self.steps.size)

    @property
    def times(self) -> NDArray[np.float64]:
        """Spike times in ms since the end of the warm-up, shape (n_spikes,)."""
        return np.multiply(self.steps, self.dt, dtype=np.float64)

    @property
    def cluster_size(self) -> int:
        """Neurons per cluster."""
        return self.size // self.n_clusters


def _checked(name: str, values: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    # Simulators return nothing at all as an empty array of floats.
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name} must be a vector of integers, not {array.dtype} of shape {array.shape}")
    if array.size and not first <= array.min() <= array.max() <= last:
        raise ValueError(f"{name} must lie in {first} to {last}, not {array.min()} to {array.max()}")
    return array.astype(np.int64, copy=False)
