"""Quantities that several statistics share, each computed once: sorted spikes, intervals, binned counts."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.spike_trains import SpikeTrains

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class SpikeCounts:
    """Lazily computed views of the spikes of one population.

    Everything is computed from integers, so results do not depend on the order in which spikes were recorded.

    Parameters
    ----------
    trains : SpikeTrains
        The spikes.
    """

    def __init__(self, trains: SpikeTrains) -> None:
        self.trains = trains

    @cached_property
    def _sorted(self) -> tuple[Integers, Integers]:
        # One sort of a combined key is several times faster than a lexsort.
        base = self.trains.n_steps + 1
        keys = self.trains.senders.astype(np.int64) * base + self.trains.steps
        keys.sort()
        senders = keys // base
        return senders, keys - senders * base

    @property
    def senders(self) -> Integers:
        """Neuron of each spike, by neuron and time; shape (n_spikes,)."""
        return self._sorted[0]

    @property
    def steps(self) -> Integers:
        """Step of each spike, by neuron and time; shape (n_spikes,)."""
        return self._sorted[1]

    @cached_property
    def per_neuron(self) -> Integers:
        """Spikes of each neuron, shape (size,)."""
        return np.bincount(self.trains.senders, minlength=self.trains.size).astype(np.int64)

    @cached_property
    def _intervals(self) -> tuple[Floats, Integers]:
        same = self.senders[1:] == self.senders[:-1]
        return np.diff(self.steps)[same].astype(np.float64), self.senders[1:][same]

    @property
    def intervals(self) -> Floats:
        """Inter-spike intervals in steps, by neuron and time; shape (n_intervals,)."""
        return self._intervals[0]

    @property
    def interval_neurons(self) -> Integers:
        """Neuron of each interval, shape (n_intervals,)."""
        return self._intervals[1]

    @cached_property
    def interval_pairs(self) -> tuple[Floats, Floats, Integers]:
        """Sum and difference of consecutive intervals in steps, and their neuron; shape (n_pairs,) each."""
        intervals, neurons = self._intervals
        same = neurons[1:] == neurons[:-1]
        first, second = intervals[:-1][same], intervals[1:][same]
        return first + second, first - second, neurons[1:][same]

    def mean_per_neuron(self, values: Floats, neurons: Integers) -> Floats:
        """Mean of values over each neuron that has any, in the order of neurons; shape (n_neurons_with_values,)."""
        count = np.bincount(neurons, minlength=self.trains.size)
        total = np.bincount(neurons, weights=values, minlength=self.trains.size)
        return total[count > 0] / count[count > 0]

    def n_bins(self, width: int) -> int:
        """Whole bins of a width in steps; what is left over at the end is dropped."""
        return self.trains.n_steps // width

    def binned_per_neuron(self, width: int) -> Integers:
        """Counts of every neuron in every bin, shape (size, n_bins)."""
        n_bins = self.n_bins(width)
        bins = (self.trains.steps - 1) // width
        kept = bins < n_bins
        cells = self.trains.senders[kept] * n_bins + bins[kept]
        return np.bincount(cells, minlength=self.trains.size * n_bins).reshape(self.trains.size, n_bins)

    def binned_population(self, width: int) -> Integers:
        """Counts of the whole population in every bin, shape (n_bins,)."""
        n_bins = self.n_bins(width)
        return np.bincount((self.trains.steps - 1) // width, minlength=n_bins)[:n_bins]

    def binned_clusters(self, width: int) -> Integers:
        """Counts of every cluster in every bin, shape (n_clusters, n_bins)."""
        n_bins, n_clusters = self.n_bins(width), self.trains.n_clusters
        bins = (self.trains.steps - 1) // width
        kept = bins < n_bins
        clusters = self.trains.senders[kept] // (self.trains.size // n_clusters)
        return np.bincount(clusters * n_bins + bins[kept], minlength=n_clusters * n_bins).reshape(n_clusters, n_bins)

    def sum_of_squared_counts(self, width: int) -> int:
        """Sum over neurons and bins of the squared count, without the table of counts."""
        n_bins = self.n_bins(width)
        bins = (self.steps - 1) // width
        cells = (self.senders * n_bins + bins)[bins < n_bins]
        if not len(cells):
            return 0
        edges = np.flatnonzero(np.diff(cells))
        counts = np.diff(np.concatenate(([-1], edges, [len(cells) - 1])))
        return int((counts * counts).sum())
