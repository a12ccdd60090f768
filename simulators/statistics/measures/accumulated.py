"""A population's recording of which sums were made while it ran, and the trains of a sample of its neurons kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Extent
from simulators.statistics.measures.needs import Needs
from simulators.statistics.measures.subsample import evenly_spaced, subsample
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains

_MOST_STEPS = 2**31
_MOST_IN_CELL = 2**32


@dataclass(frozen=True, eq=False)
class Plan:
    """What is accumulated of a population.

    Parameters
    ----------
    extent : Extent
        Of population and recording.
    windows : tuple of int
        Widths in steps of the windows in which every neuron's spikes are counted.
    tables : tuple of (int, int)
        Groups, and width of a bin in steps, of every table of counts.
    sample : ndarray of int64, shape (n_sample,)
        Neurons whose trains are kept, ascending.
    """

    extent: Extent
    windows: tuple[int, ...]
    tables: tuple[tuple[int, int], ...]
    sample: NDArray[np.int64]


def plan_of(extent: Extent, needs: Needs) -> Plan:
    """Return what to accumulate of a population, so that statistics have what they need.

    Raises
    ------
    ValueError
        If a recording is so long, or a bin so wide, that a count of 32 bits could overflow.
    """
    groups = {1: _steps(extent, needs.population_bins)}
    if extent.n_clusters > 1:
        groups[extent.n_clusters] = _steps(extent, needs.cluster_bins)
    # Bins of one table serve all that are whole multiples of them
    tables = [(number, math.gcd(*widths)) for number, widths in groups.items() if widths]
    finest = dict(tables).get(extent.n_clusters)
    if extent.n_clusters > 1 and finest is not None:
        tables = [(number, width) for number, width in tables if number > 1 or width % finest]
    wide = max((width * extent.size // number for number, width in tables), default=0)
    if extent.n_steps >= _MOST_STEPS or wide >= _MOST_IN_CELL:
        raise ValueError(
            f"{extent.n_steps} steps of {extent.size} neurons in bins of up to {wide} are more than counts of 32 bits "
            "hold; keep whole trains (spikes), or take narrower bins"
        )
    windows = tuple(sorted(_steps(extent, needs.windows)))
    sample = subsample(extent.size, needs.sample)
    for number in needs.spaced:
        sample = np.union1d(sample, evenly_spaced(extent.size, number))
    return Plan(extent, windows, tuple(tables), sample)


def _steps(extent: Extent, sizes: Iterable[float]) -> set[int]:
    return {extent.bin_steps(size) for size in sizes}


@dataclass(frozen=True, eq=False)
class AccumulatedTrains:
    """What `Plan` asks for, in place of a population's spikes (see `simulators.statistics.measures.measures.Measures`).

    Parameters
    ----------
    extent : Extent
        Of population and recording.
    counts, spans, interval_squares : ndarray of int64, shape (size,)
        See `Measures`.
    contrasts, squared_contrasts, revised_contrasts : ndarray of float64, shape (size,)
        See `Measures`.
    windows : mapping of int to (ndarray of int64, ndarray of int64)
        By width in steps, what `Measures.window_squares` returns.
    tables : mapping of (int, int) to ndarray of int64, shape (groups, n_bins)
        By groups and width in steps, counts in all bins that fit into the recording.
    neurons : ndarray of int64, shape (n_sample,)
        Of the sample, ascending.
    sample : SpikeTrains
        Their trains; senders are places in `neurons`. Of one silent neuron where there is no sample.
    """

    extent: Extent
    counts: NDArray[np.int64]
    spans: NDArray[np.int64]
    interval_squares: NDArray[np.int64]
    contrasts: NDArray[np.float64]
    squared_contrasts: NDArray[np.float64]
    revised_contrasts: NDArray[np.float64]
    windows: Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]]
    tables: Mapping[tuple[int, int], NDArray[np.int64]]
    neurons: NDArray[np.int64]
    sample: SpikeTrains

    @property
    def n_spikes(self) -> int:
        """Number of spikes."""
        return int(self.counts.sum())

    @property
    def kept_trains(self) -> SpikeTrains:
        """Trains of the sample as those of the whole population, of which all others are silent."""
        one, extent = self.sample, self.extent
        senders = self.neurons[one.senders]
        return SpikeTrains(one.steps, senders, extent.size, one.n_steps, one.dt, extent.n_clusters, extent.t_ref)

    def window_squares(self, width: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sums of counts and of their squares, of each neuron, shape (size,)."""
        return self.windows[self.extent.bin_steps(width)]

    def count_population(self, bin_size: float) -> NDArray[np.int64]:
        """Spikes of all neurons together in bins, shape (n_bins,)."""
        counts: NDArray[np.int64] = self.count_spikes(bin_size, 1)[0]
        return counts

    def count_spikes(self, bin_size: float, groups: int) -> NDArray[np.int64]:
        """Spikes of groups in bins, shape (groups, n_bins), summed from those of finer groups and bins.

        Raises
        ------
        KeyError
            If there are none.
        """
        steps, n_bins = self.extent.bin_steps(bin_size), self.extent.n_bins(bin_size)
        for (number, width), table in self.tables.items():
            if number % groups == 0 and steps % width == 0:
                inside = table[:, : n_bins * (steps // width)]
                cells = inside.reshape(groups, number // groups, n_bins, steps // width)
                counts: NDArray[np.int64] = cells.sum(axis=(1, 3), dtype=np.int64)
                return counts
        raise KeyError(f"no counts of {groups} groups in bins of {bin_size:g} ms were made")

    def count_table(self, neurons: NDArray[np.int64], bin_size: float) -> NDArray[np.int64]:
        """Spikes of some neurons of the sample in bins, shape (n, n_bins)."""
        return self._sorted.count_table(self._places(neurons), bin_size)

    def coincidences(self, neurons: NDArray[np.int64], bin_size: float, n_lags: int) -> NDArray[np.int64]:
        """Sums of products of counts of some neurons of the sample, shape (n_lags + 1,)."""
        return self._sorted.coincidences(self._places(neurons), bin_size, n_lags)

    def spikes_of(self, neurons: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Owners and steps of the spikes of some neurons of the sample."""
        return self._sorted.spikes_of(self._places(neurons))

    @cached_property
    def _sorted(self) -> SortedTrains:
        return SortedTrains(self.sample)

    def _places(self, neurons: NDArray[np.int64]) -> NDArray[np.int64]:
        places: NDArray[np.int64] = np.searchsorted(self.neurons, neurons)
        if not np.array_equal(self.neurons[np.minimum(places, self.neurons.size - 1)], neurons):
            raise KeyError("some of these neurons are not in the sample")
        return places
