"""Spikes of one population in one recording, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of one population, the warm-up already excluded.

    Parameters
    ----------
    steps : ndarray of int64, shape (n_spikes,)
        Spike times in integration steps since the end of the warm-up, 1 to `n_steps`, in any order: a spike at step
        s has the time s·dt.
    senders : ndarray of int64, shape (n_spikes,)
        Neuron of each spike, 0 to ``size - 1``.
    size : int
        Neurons in the population, silent ones included.
    n_steps : int
        Length of the recording in steps.
    dt : float
        ms.
    n_clusters : int
        Equal, contiguous clusters of neurons.
    t_ref : float
        ms, refractory time.
    """

    steps: NDArray[np.int64]
    senders: NDArray[np.int64]
    size: int
    n_steps: int
    dt: float
    n_clusters: int = 1
    t_ref: float = 0.0

    @property
    def n_spikes(self) -> int:
        """Number of spikes."""
        return len(self.steps)

    @property
    def duration(self) -> float:
        """Length of the recording in ms."""
        return self.n_steps * self.dt

    @property
    def times(self) -> NDArray[np.float64]:
        """Spike times in ms, shape (n_spikes,)."""
        return np.multiply(self.steps, self.dt, dtype=np.float64)
