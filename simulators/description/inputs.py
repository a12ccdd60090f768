"""Inputs: currents, Poisson trains and given spikes. All of their values may change between points of one structure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.description.errors import NetworkError
from simulators.neurons.neuron_model import Receptor


@dataclass(frozen=True, slots=True)
class PiecewiseConstant:
    """A value that changes at given times.

    Parameters
    ----------
    times : tuple of float, shape (n,)
        ms from the end of the warm-up, rising; from each on the value of the same place holds. The first value holds
        before the first time, too.
    values : tuple of float, shape (n,)
        The values.

    Raises
    ------
    NetworkError
        If times and values do not match or do not rise.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.times or len(self.times) != len(self.values):
            raise NetworkError(f"there are {len(self.times)} times for {len(self.values)} values; at least one of each")
        if list(self.times) != sorted(set(self.times)):
            raise NetworkError(f"times must rise: {list(self.times)}")

    def at(self, time: float) -> float:
        """Return the value at a time in ms from the end of the warm-up."""
        return self.values[max(0, int(np.searchsorted(self.times, time, side="right")) - 1)]


@dataclass(frozen=True, eq=False)
class StepCurrent:
    """A rectangular current into some neurons of a population.

    Parameters
    ----------
    name, target : str
        Name of the input, and the population it drives.
    clusters : tuple of int, optional
        Indices of the clusters it drives.
    amplitude : float
        pA, while the current is on.
    onsets, offsets : tuple of float
        ms from the end of the warm-up; pairs, in rising order.
    neurons : ndarray of int64, shape (n,), optional
        The neurons it drives, in place of clusters. Without either it drives all.

    Raises
    ------
    NetworkError
        If clusters and neurons are both given, or onsets and offsets are no rising pairs.
    """

    name: str
    target: str
    clusters: tuple[int, ...] | None = None
    amplitude: float = 0.0
    onsets: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    neurons: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.clusters is not None and self.neurons is not None:
            raise NetworkError(f"input {self.name}: give clusters or neurons, not both")
        if self.neurons is not None:
            object.__setattr__(self, "neurons", np.unique(np.asarray(self.neurons, dtype=np.int64)))
        edges = [edge for pair in zip(self.onsets, self.offsets, strict=False) for edge in pair]
        if len(self.onsets) != len(self.offsets) or edges != sorted(set(edges)):
            raise NetworkError(
                f"input {self.name}: each onset needs an offset after it and before the next onset, "
                f"got {list(self.onsets)} and {list(self.offsets)}"
            )

    def driven(self, size: int, n_clusters: int) -> NDArray[np.int64]:
        """Return the neurons it drives, in rising order, of a population of that size and number of clusters."""
        if self.neurons is not None:
            return self.neurons
        every = np.arange(size, dtype=np.int64)
        if self.clusters is None:
            return every
        return every[np.isin(every // (size // n_clusters), self.clusters)]

    @cached_property
    def structure(self) -> object:
        """Whom it drives: what two inputs must share to share a build."""
        return (self.name, self.target, self.clusters, None if self.neurons is None else self.neurons.tobytes())


@dataclass(frozen=True)
class PoissonDrive:
    """Independent Poisson spike trains, one per target neuron.

    Parameters
    ----------
    name, target : str
        Name of the input, and the population it drives.
    rate : float or PiecewiseConstant
        Hz, of the train each neuron receives (number of sources × rate of one).
    weight : float
        pA or nS.
    delay : float
        ms.
    receptor : {'excitatory', 'inhibitory'}
        Which synaptic time constant of the target integrates it.
    """

    name: str
    target: str
    rate: float | PiecewiseConstant
    weight: float
    delay: float
    receptor: Receptor = "excitatory"

    @property
    def structure(self) -> object:
        """What two inputs must share to share a build."""
        return (self.name, self.target, self.delay, self.receptor)


@dataclass(frozen=True, eq=False)
class SpikeEvents:
    """The spikes that a population of spike sources plays.

    Parameters
    ----------
    name, target : str
        Name of the input, and the population of ``spike_source`` neurons that plays it.
    times : ndarray of float64, shape (n_spikes,)
        ms from the end of the warm-up, in any order; negative ones are played during the warm-up. Each is rounded to a
        step; the last step before the recording is at 0.
    neurons : ndarray of int64, shape (n_spikes,)
        The source of each. A source plays at most one spike in a step.

    Raises
    ------
    NetworkError
        If times and neurons do not match.
    """

    name: str
    target: str
    times: NDArray[np.float64]
    neurons: NDArray[np.int64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype=np.float64))
        object.__setattr__(self, "neurons", np.asarray(self.neurons, dtype=np.int64))
        if self.times.ndim != 1 or self.times.shape != self.neurons.shape:
            raise NetworkError(f"input {self.name}: there are {self.times.size} times for {self.neurons.size} neurons")

    @property
    def structure(self) -> object:
        """What two inputs must share to share a build: the spikes themselves may differ."""
        return (self.name, self.target)

    @cached_property
    def digest(self) -> str:
        """Hash of the spikes."""
        return hashlib.sha256(self.times.tobytes() + self.neurons.tobytes()).hexdigest()


Input = StepCurrent | PoissonDrive | SpikeEvents
