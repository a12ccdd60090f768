"""What a simulator has accumulated of points side by side becomes what statistics take.

Sums of a population are arrays of 32-bit words, by ``<population> <kind>``, so that they travel as bits of spikes do:

=============  =====================================  ==========================================================
kind           shape                                  what
=============  =====================================  ==========================================================
``whole``      (4 + 3 · windows, batch, size)         spikes, first step, last step, last interval; for each kind
                                                      of windows the last one with a spike, spikes in it, and in all
``squares``    (1 + windows, batch, 2 · size)         64-bit sums of squares: of intervals, and of counts in windows
                                                      but the last one with a spike
``terms``      (3, batch, 2 · size)                   doubles: sums over contrasts of neighbouring intervals
``table <k>``  (batch, groups, bins)                  counts of groups in bins
=============  =====================================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simulators.backends.recorded import BitCollector, Recorded
from simulators.backends.simulator import PointFailure
from simulators.records.job import Simulation
from simulators.statistics.measures.accumulated import AccumulatedTrains, Plan, plan_of
from simulators.statistics.measures.measures import Extent
from simulators.statistics.measures.needs import Needs
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains

Words = Mapping[str, NDArray[np.uint32]]

OF_NEURON, OF_WINDOW = 4, 3
"""Whole numbers of a neuron, and for each kind of windows."""


@runtime_checkable
class Accumulates(Protocol):
    """A simulator that can make what statistics need while it runs, in place of recording all spikes.

    Attributes
    ----------
    accumulates : bool
        Whether it shall, where nothing needs whole trains: whether that is faster.
    """

    accumulates: bool

    def accumulate(self, needs: Needs) -> None:
        """Do so for all that is built from now on: recordings hold ``sums``."""
        ...


def plans_of(populations: Sequence[Recorded], simulation: Simulation, needs: Needs) -> dict[str, Plan]:
    """Say what is accumulated of populations, by name."""
    return {one.name: plan_of(_extent(one, simulation), needs) for one in populations}


def _extent(population: Recorded, simulation: Simulation) -> Extent:
    return Extent(population.size, simulation.n_steps, simulation.dt, population.n_clusters, population.t_ref)


class SumCollector:
    """Takes what was accumulated of points that run side by side (see `simulators.backends.recorded.Collector`).

    Parameters
    ----------
    simulation : Simulation
        Step, warm-up and duration.
    points : mapping of int to sequence of Recorded
        Populations of the points, by instance.
    needs : Needs
        What statistics need.
    """

    def __init__(self, simulation: Simulation, points: Mapping[int, Sequence[Recorded]], needs: Needs) -> None:
        self.failures: dict[int, PointFailure] = {}
        self._warmup = simulation.warmup_steps
        self._plans = {k: plans_of(populations, simulation, needs) for k, populations in points.items()}
        self._parts: dict[tuple[int, str], list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {
            (k, name): [] for k, plans in self._plans.items() for name in plans
        }
        self._sums: dict[tuple[int, str], NDArray[np.uint32]] = {}

    def add(self, words: Words, begin: int, end: int) -> None:
        """Take the words of the samples: shape (n_words or more, batch, n_sample), a bit for each step."""
        n_words = -(-(end - begin) // 32)
        for (instance, name), parts in self._parts.items():
            if name in words:
                own = np.ascontiguousarray(words[name][:n_words, instance])
                parts.append(_unpacked_words(own, begin + 1 - self._warmup))

    def add_sums(self, sums: Words) -> None:
        """Take sums of the points, once they have run; they are copied."""
        for instance, plans in self._plans.items():
            for name, plan in plans.items():
                for key in {f"{name} {kind}" for kind in ("whole", "squares", "terms")} & sums.keys():
                    self._sums[instance, key] = sums[key][:, instance].copy()
                for key in {f"{name} table {k}" for k in range(len(plan.tables))} & sums.keys():
                    self._sums[instance, key] = sums[key][instance].copy()

    def release(self) -> None:
        """Do nothing: what is added is taken at once."""

    def take(self, instance: int) -> dict[str, AccumulatedTrains]:
        """Return what was accumulated of a point, by population, and forget it."""
        return {name: self._trains(instance, name, plan) for name, plan in self._plans[instance].items()}

    def _trains(self, instance: int, name: str, plan: Plan) -> AccumulatedTrains:
        whole = self._sums.pop((instance, f"{name} whole")).astype(np.int64)
        squares = self._sums.pop((instance, f"{name} squares")).view(np.uint64).astype(np.int64)
        terms = self._sums.pop((instance, f"{name} terms")).view(np.float64)
        windows = {}
        for k, width in enumerate(plan.windows):
            _, in_last, inside = whole[OF_NEURON + OF_WINDOW * k :][:OF_WINDOW]
            windows[width] = (inside, squares[1 + k] + in_last**2)
        parts = self._parts.pop((instance, name))
        steps, senders = (np.concatenate([part[k] for part in parts] or [np.zeros(0, int)]) for k in (0, 1))
        kept = steps > 0
        extent = plan.extent
        return AccumulatedTrains(
            extent,
            counts=whole[0],
            spans=whole[2] - whole[1],
            interval_squares=squares[0],
            contrasts=terms[0],
            squared_contrasts=terms[1],
            revised_contrasts=terms[2],
            windows=windows,
            tables={
                table: self._sums.pop((instance, f"{name} table {k}")).astype(np.int64)
                for k, table in enumerate(plan.tables)
            },
            neurons=plan.sample,
            sample=SpikeTrains(steps[kept], senders[kept], max(1, plan.sample.size), extent.n_steps, extent.dt),
        )


def sums_of(points: Sequence[SpikeTrains | None], name: str, plan: Plan) -> dict[str, NDArray[np.uint32]]:
    """Make the sums of a population of points whose spikes are there, in the place of a simulator; None has no spikes.

    Parameters
    ----------
    points : sequence of SpikeTrains or None
        Of one population, by instance.
    name : str
        Of the population.
    plan : Plan
        What to make.
    """
    size, batch = plan.extent.size, len(points)
    whole = np.zeros((OF_NEURON + OF_WINDOW * len(plan.windows), batch, size), np.uint32)
    squares = np.zeros((1 + len(plan.windows), batch, size), np.uint64)
    terms = np.zeros((3, batch, size))
    tables = {
        f"{name} table {k}": np.zeros((batch, groups, max(1, plan.extent.n_steps // width)), np.uint32)
        for k, (groups, width) in enumerate(plan.tables)
    }
    for instance, trains in enumerate(points):
        if trains is None:
            continue
        found, dt = SortedTrains(trains), plan.extent.dt
        whole[0, instance], whole[2, instance] = found.counts, found.spans  # as if the first spike were at step 0
        squares[0, instance] = found.interval_squares
        terms[:, instance] = found.contrasts, found.squared_contrasts, found.revised_contrasts
        for k, width in enumerate(plan.windows):
            inside = whole[OF_NEURON + OF_WINDOW * k + 2]
            inside[instance], squares[1 + k, instance] = found.window_squares(width * dt)
        for k, (groups, width) in enumerate(plan.tables):
            counts = found.count_spikes(width * dt, groups)
            tables[f"{name} table {k}"][instance, :, : counts.shape[1]] = counts
    others = {f"{name} squares": squares.view(np.uint32), f"{name} terms": terms.view(np.uint32)}
    return {f"{name} whole": whole, **others, **tables}


def open_collector(
    simulation: Simulation, points: Mapping[int, Sequence[Recorded]], needs: Needs | None
) -> BitCollector | SumCollector:
    """Make what takes the spikes of points, by instance, or what is accumulated of them."""
    return BitCollector(simulation, points) if needs is None else SumCollector(simulation, points, needs)


def _unpacked_words(words: NDArray[np.uint32], first_step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return steps and neurons of the bits that are set in words, shape (n_words, n_neurons): a bit for each step."""
    n_neurons = max(1, words.shape[1])
    recorded = words.ravel()
    place = np.flatnonzero(recorded)
    bits = np.unpackbits(recorded[place].astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    found, bit = np.nonzero(bits)
    row, neuron = np.divmod(place[found], n_neurons)
    return 32 * row + bit + first_step, neuron
