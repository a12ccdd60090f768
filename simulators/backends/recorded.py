"""What a simulator has recorded becomes spike trains: from lists of spikes, or from bits of points side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simulators.backends.pace import most_spikes, too_fast
from simulators.backends.simulator import Check, PointFailure, Recording
from simulators.description.network import Network
from simulators.description.population import Population
from simulators.records.job import Simulation
from simulators.statistics.measures.needs import Needs
from simulators.statistics.spike_trains import SpikeTrains

_BITS = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(axis=1, dtype=np.uint8)


@dataclass(frozen=True)
class Recorded:
    """What makes trains of a population's spikes.

    Parameters
    ----------
    name : str
        Of the population.
    size, n_clusters : int
        Neurons, and clusters of them.
    t_ref : float
        ms, absolute refractory time; 0 where neurons differ in it.
    """

    name: str
    size: int
    n_clusters: int
    t_ref: float

    def trains(
        self, simulation: Simulation, steps: NDArray[np.integer[Any]], senders: NDArray[np.integer[Any]]
    ) -> SpikeTrains:
        """Hand over spikes, those of the warm-up left out.

        Parameters
        ----------
        simulation : Simulation
            Step and duration.
        steps : ndarray of int, shape (n_spikes,)
            Counted from the end of the warm-up: 1 is the first step that is recorded.
        senders : ndarray of int, shape (n_spikes,)
            Neurons, from 0.
        """
        kept = steps > 0
        return SpikeTrains(
            steps=steps[kept].astype(np.int64, copy=False),
            senders=senders[kept].astype(np.int64, copy=False),
            size=self.size,
            n_steps=simulation.n_steps,
            dt=simulation.dt,
            n_clusters=self.n_clusters,
            t_ref=self.t_ref,
        )


def recorded(population: Population) -> Recorded:
    """Say what makes trains of a population's spikes."""
    model = population.model
    t_ref = None
    if model.refractory is not None:
        t_ref = population.parameters.get(model.refractory, model.parameters[model.refractory].default)
    t_ref = t_ref if isinstance(t_ref, (int, float)) else 0.0
    return Recorded(population.name, population.size, population.n_clusters, t_ref)


def recorded_populations(network: Network) -> tuple[Recorded, ...]:
    """Say it of all populations that are recorded: spike sources are not."""
    return tuple(recorded(population) for population in network.populations if not population.is_source)


def recorded_trains(
    population: Population, simulation: Simulation, steps: NDArray[np.integer[Any]], senders: NDArray[np.integer[Any]]
) -> SpikeTrains:
    """Hand over the spikes of a population (see `Recorded.trains`)."""
    return recorded(population).trains(simulation, steps, senders)


class Collector(Protocol):
    """Takes the spikes of points that run side by side, as they are recorded."""

    @property
    def failures(self) -> Mapping[int, PointFailure]:
        """Points that fire too fast, by instance, as far as it is known by now."""
        ...

    def add(self, words: Mapping[str, NDArray[np.uint32]], begin: int, end: int) -> None:
        """Take the bits of some steps.

        Parameters
        ----------
        words : mapping of str to ndarray of uint32, shape (n_steps or more, batch, n_words)
            By population, as `unpacked_spikes` takes them; they must not change before `release` returns. Where sums
            are made, the words of a sample (`simulators.backends.accumulated.SumCollector`).
        begin, end : int
            Steps, counted from the start of the warm-up.
        """
        ...

    def add_sums(self, sums: Mapping[str, NDArray[np.uint32]]) -> None:
        """Take sums that were made of the points' spikes (`simulators.backends.accumulated`), once they have run.

        It may be called several times, with some of them each.
        """
        ...

    def release(self) -> None:
        """Wait until nothing of what was added is needed any more."""
        ...


_MOST_SLOTS, _SLOTS_MEMORY = 8, 5e8


def slots_of(n_bytes: float) -> int:
    """How many pieces of so many B that are handed over may wait at once: eight in half a GB, but two at least.

    So many steps of a batch run while others compute statistics of the batch before.
    """
    return max(2, min(_MOST_SLOTS, int(_SLOTS_MEMORY // max(1.0, n_bytes))))


OpenCollector = Callable[[Mapping[int, Sequence[Recorded]], Needs | None], Collector]
"""Makes a collector of points, by instance, of whose populations it takes the spikes, or what is made of them."""


@runtime_checkable
class HandsOver(Protocol):
    """A simulator that can hand spikes over as they are recorded, for others to decode while it goes on.

    Attributes
    ----------
    helpers : int
        Processes that shall take them; 0: it decodes them itself, in `Simulator.run`.
    """

    helpers: int

    def run_into(
        self, networks: Sequence[Network], check: Check, opener: OpenCollector
    ) -> list[Recording | PointFailure]:
        """Run points as `Simulator.run` does, with their spikes handed to a collector: recordings hold none."""
        ...


class BitCollector:
    """Decodes the spikes of points that run side by side (see `Collector`).

    Parameters
    ----------
    simulation : Simulation
        Step, warm-up, duration and the largest rate.
    points : mapping of int to sequence of Recorded
        Populations of the points, by instance.
    """

    def __init__(self, simulation: Simulation, points: Mapping[int, Sequence[Recorded]]) -> None:
        self.failures: dict[int, PointFailure] = {}
        self._simulation = simulation
        self._points = points
        self._parts: dict[tuple[int, str], list[tuple[NDArray[np.int32], NDArray[np.int32]]]] = {
            (instance, one.name): [] for instance, populations in points.items() for one in populations
        }

    def add(self, words: Mapping[str, NDArray[np.uint32]], begin: int, end: int) -> None:
        """Decode the bits of some steps; nothing more of points that have failed."""
        first = begin + 1 - self._simulation.warmup_steps
        for instance, populations in self._points.items():
            for one in populations:
                if instance in self.failures:
                    break
                most = most_spikes(one.size, end - begin, self._simulation)
                found = unpacked_spikes(words[one.name], instance, first, end - begin, most)
                if isinstance(found, int):
                    reason = too_fast(one.name, one.size, found, begin, end, self._simulation)
                    self.failures[instance] = PointFailure("diverged", reason)
                    for other in populations:
                        del self._parts[instance, other.name]
                else:
                    self._parts[instance, one.name].append(found)

    def add_sums(self, sums: Mapping[str, NDArray[np.uint32]]) -> None:
        """Refuse: there are none where spikes are recorded."""
        raise TypeError("sums are for a collector of sums")

    def release(self) -> None:
        """Do nothing: what is added is decoded at once."""

    def take(self, instance: int) -> dict[str, SpikeTrains]:
        """Return the spikes of a point that has not failed, by population, and forget them."""
        trains = {}
        for one in self._points[instance]:
            parts = self._parts.pop((instance, one.name))
            steps, senders = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
            trains[one.name] = one.trains(self._simulation, steps, senders)
        return trains


def unpacked_spikes(
    words: NDArray[np.uint32], instance: int, first_step: int, n_steps: int, most: float = np.inf
) -> tuple[NDArray[np.int32], NDArray[np.int32]] | int:
    """Spikes of one instance from GeNN's recording, one bit per neuron and step.

    Parameters
    ----------
    words : ndarray of uint32, shape (n_steps or more, batch, n_words)
        The recording; neuron k is bit ``k % 32`` of word ``k // 32``.
    instance : int
        Which of the batch.
    first_step : int
        The step that the first recorded step is counted as.
    n_steps : int
        How many of the steps hold spikes.
    most : float
        Spikes that there may be: a bit takes far less memory than a spike.

    Returns
    -------
    steps, senders : ndarray of int32, shape (n_spikes,)
        In order of step, then sender; in their place how many there are, if more than there may be.
    """
    n_words = words.shape[2]
    recorded = np.ascontiguousarray(words[:n_steps, instance]).ravel()
    place = np.flatnonzero(recorded)
    if 32 * len(place) > most:
        count = int(_BITS[recorded[place].view(np.uint16)].sum(dtype=np.int64))
        if count > most:
            return count
    bits = np.unpackbits(recorded[place].astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    found, bit = np.nonzero(bits)
    step, word = np.divmod(place[found], n_words)
    return (step + first_step).astype(np.int32), (word * 32 + bit).astype(np.int32)
