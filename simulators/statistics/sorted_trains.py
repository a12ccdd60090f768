"""Spikes sorted by neuron and time, with what several statistics need of them, each made once and when asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Extent
from simulators.statistics.spike_trains import SpikeTrains


class SortedTrains:
    """A population's spikes in the order of (sender, step).

    All spikes of all neurons lie in one flat array; neuron ``i`` owns the ``counts[i]`` spikes from ``starts[i]``
    on. Arrays with an entry per interval or pair of intervals have that same length, with the entry at the
    interval's first spike, and zeros where an interval or pair would reach into the next neuron: so sums per neuron
    are one `sum_per_neuron` and nothing is copied to squeeze the boundaries out.

    Parameters
    ----------
    trains : SpikeTrains
        The spikes in any order.
    recording : SpikeTrains, optional
        The whole recording, if they are cut from one.
    begin : int
        Steps of the recording that precede them.

    Attributes
    ----------
    trains : SpikeTrains
        The same.
    """

    def __init__(self, trains: SpikeTrains, recording: SpikeTrains | None = None, begin: int = 0) -> None:
        self.trains = trains
        self._recording = recording
        self._begin = begin

    def counts_before(self, duration: float) -> NDArray[np.int64] | None:
        """Count the spikes of each neuron in the ms just before these, shape (size,); None if none were recorded."""
        first = self._begin - self.bin_steps(duration)
        if self._recording is None or first < 0:
            return None
        inside = (self._recording.steps > first) & (self._recording.steps <= self._begin)
        return np.bincount(self._recording.senders[inside], minlength=self.trains.size)

    @property
    def extent(self) -> Extent:
        """How large the population and how long the recording is."""
        return self.trains.extent

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Spikes of each neuron, shape (size,)."""
        return np.bincount(self.trains.senders, minlength=self.trains.size)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Index of each neuron's first spike, shape (size,)."""
        return np.cumsum(self.counts) - self.counts

    @cached_property
    def lasts(self) -> NDArray[np.int64]:
        """Index of the last spike of each neuron that fires, shape (n_firing,)."""
        firing = self.counts > 0
        return self.starts[firing] + self.counts[firing] - 1

    @cached_property
    def steps(self) -> NDArray[np.integer[Any]]:
        """Steps counted from 0 (one less than those of `SpikeTrains`), shape (n_spikes,)."""
        return self._keys - self._per_spike(self._sender_keys)

    @cached_property
    def intervals(self) -> NDArray[np.float64]:
        """Inter-spike intervals in steps, shape (n_spikes,)."""
        intervals = np.zeros(self._keys.size)
        # Within a neuron, a difference of keys is a difference of steps.
        np.subtract(self._keys[1:], self._keys[:-1], out=intervals[:-1])
        intervals[self.lasts] = 0.0
        return intervals

    @cached_property
    def has_interval(self) -> NDArray[np.bool_]:
        """Whether an interval begins at a spike, shape (n_spikes,): at all but the last spike of each neuron."""
        mask = np.ones(self.trains.n_spikes, dtype=bool)
        mask[self.lasts] = False
        return mask

    @cached_property
    def pair_sums(self) -> NDArray[np.float64]:
        """Sum of an interval and the next one in steps, shape (n_spikes,)."""
        sums = np.zeros_like(self.intervals)
        np.add(self.intervals[:-1], self.intervals[1:], out=sums[:-1])
        self.clear_pairs(sums)
        return sums

    @cached_property
    def pair_contrasts(self) -> NDArray[np.float64]:
        """Difference of an interval and the next one over their sum, shape (n_spikes,); NaN if the sum is 0."""
        contrasts = np.zeros_like(self.intervals)
        np.subtract(self.intervals[:-1], self.intervals[1:], out=contrasts[:-1])
        with np.errstate(invalid="ignore", divide="ignore"):
            contrasts /= self.pair_sums
        self.clear_pairs(contrasts)
        return contrasts

    @cached_property
    def spans(self) -> NDArray[np.int64]:
        """Sum of each neuron's intervals in steps, shape (size,)."""
        return self._integers_per_neuron(self.intervals.astype(np.int64))

    @cached_property
    def interval_squares(self) -> NDArray[np.int64]:
        """Sum of the squares of each neuron's intervals in steps, shape (size,)."""
        return self._integers_per_neuron(np.square(self.intervals.astype(np.int64)))

    @cached_property
    def contrasts(self) -> NDArray[np.float64]:
        """Sum of the absolute `pair_contrasts` of each neuron, shape (size,)."""
        return self.sum_per_neuron(np.abs(self.pair_contrasts))

    @cached_property
    def squared_contrasts(self) -> NDArray[np.float64]:
        """Sum of the squared `pair_contrasts` of each neuron, shape (size,)."""
        return self.sum_per_neuron(np.square(self.pair_contrasts))

    @cached_property
    def revised_contrasts(self) -> NDArray[np.float64]:
        """Sum of the squared `pair_contrasts`, times 1 + 4 t_ref / `pair_sums`, of each neuron, shape (size,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.divide(4.0 * (self.trains.t_ref / self.trains.dt), self.pair_sums)
            terms += 1.0
            terms *= self.pair_contrasts
            terms *= self.pair_contrasts
        self.clear_pairs(terms)
        return self.sum_per_neuron(terms)

    def sum_per_neuron(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum an array of shape (n_spikes,) over the spikes of each neuron, shape (size,)."""
        sums = np.zeros(self.counts.size)
        firing = self.counts > 0
        if values.size:
            sums[firing] = np.add.reduceat(values, self.starts[firing])
        return sums

    def _integers_per_neuron(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        sums = np.zeros(self.counts.size, dtype=np.int64)
        firing = self.counts > 0
        if values.size:
            sums[firing] = np.add.reduceat(values, self.starts[firing])
        return sums

    def clear_pairs(self, values: NDArray[np.float64]) -> None:
        """Set an array of shape (n_spikes,) to 0 where a pair of intervals reaches into the next neuron."""
        # The spike before the last of a neuron with one spike is the last of another: cleared anyway.
        values[self.lasts] = 0.0
        values[self.lasts - 1] = 0.0

    def bin_steps(self, bin_size: float) -> int:
        """Whole steps in a bin of `bin_size` ms."""
        return self.extent.bin_steps(bin_size)

    def n_bins(self, bin_size: float) -> int:
        """Bins of `bin_size` ms that fit fully into the recording."""
        return self.extent.n_bins(bin_size)

    def count_population(self, bin_size: float) -> NDArray[np.int64]:
        """Count the spikes of all neurons together in bins of `bin_size` ms, shape (n_bins,)."""
        width, n_bins = self.bin_steps(bin_size), self.n_bins(bin_size)
        counts: NDArray[np.int64] = self._in_steps[: n_bins * width].reshape(n_bins, width).sum(axis=1)
        return counts

    def count_spikes(self, bin_size: float, groups: int) -> NDArray[np.int64]:
        """Count the spikes of equal groups of neighbouring neurons in bins.

        Parameters
        ----------
        bin_size : float
            ms; whole steps. What is left at the end of the recording is dropped.
        groups : int
            Number of groups, which divides the size of the population.

        Returns
        -------
        ndarray of int64, shape (groups, n_bins)
        """
        width = self.bin_steps(bin_size)
        n_bins = -(-self.trains.n_steps // width)
        group = np.arange(self.trains.size) // (self.trains.size // groups)
        cells = self.steps // width + self._per_spike(group * n_bins)
        counts = np.bincount(cells, minlength=groups * n_bins).reshape(groups, n_bins)
        return counts[:, : self.n_bins(bin_size)]

    def window_squares(self, width: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sum the counts of single neurons in windows, and their squares, without a table of neurons by windows.

        Parameters
        ----------
        width : float
            ms; whole steps. What is left at the end of the recording is dropped.

        Returns
        -------
        counts : ndarray of int64, shape (size,)
            Spikes of each neuron that are in a window.
        squares : ndarray of int64, shape (size,)
            Sum over its windows of the squared count.
        """
        steps, n_bins = self.bin_steps(width), self.n_bins(width)
        n_cells = -(-self.trains.n_steps // steps)  # of a neuron, with the one that is left over
        cells = self.steps // steps
        cells += self._per_spike(np.arange(self.trains.size) * n_cells)
        counts = self.counts
        if n_bins * steps < self.trains.n_steps:
            inside = self.steps < n_bins * steps
            cells = cells[inside]
            senders = np.repeat(np.arange(self.trains.size), self.counts)
            counts = np.bincount(senders[inside], minlength=self.trains.size)
        # The cells ascend: spikes of one neuron in one window are neighbours.
        begins = np.flatnonzero(np.diff(cells, prepend=-1))
        in_cell = np.diff(begins, append=cells.size)
        squares = np.bincount(cells[begins] // n_cells, np.square(in_cell), self.trains.size)
        return counts, squares.astype(np.int64)

    def count_table(self, neurons: NDArray[np.int64], bin_size: float) -> NDArray[np.int64]:
        """Count the spikes of some neurons (ascending) in bins of `bin_size` ms, shape (n, n_bins)."""
        n_bins = self.n_bins(bin_size)
        owners, steps = self.spikes_of(neurons)
        bins = steps // self.bin_steps(bin_size)
        cells = (owners * n_bins + bins)[bins < n_bins]
        return np.bincount(cells, minlength=neurons.size * n_bins).reshape(neurons.size, n_bins)

    def coincidences(self, neurons: NDArray[np.int64], bin_size: float, n_lags: int) -> NDArray[np.int64]:
        """Sum the products of a neuron's own counts in bins that lie some lag apart, over neurons.

        Parameters
        ----------
        neurons : ndarray of int64, shape (n,)
            Ascending.
        bin_size : float
            ms; whole steps. What is left at the end of the recording is dropped.
        n_lags : int
            Largest lag in bins.

        Returns
        -------
        ndarray of int64, shape (n_lags + 1,)
            Sum over neurons and bins t of ``x(t) x(t + lag)``.
        """
        width, n_bins = self.bin_steps(bin_size), self.n_bins(bin_size)
        n_steps, end, reach = self.trains.n_steps, n_bins * width, (n_lags + 1) * width
        owners, steps = self.spikes_of(neurons)
        keys = owners * n_steps + steps
        n_inside = int(np.count_nonzero(steps < end))
        pairs = np.zeros(n_lags + 1, dtype=np.int64)
        # Spikes that are `order` apart in their neuron; where their interval is too long, so are all of higher order.
        firsts = np.flatnonzero(keys[1:] - keys[:-1] < reach)
        order = 1
        while firsts.size:
            begins = keys[firsts]
            intervals = keys[firsts + order] - begins
            near = intervals < reach
            firsts, begins, intervals = firsts[near], begins[near], intervals[near]
            begins %= n_steps
            ends = begins + intervals
            # What ends beyond the recording is a spike of the next neuron.
            inside = ends < end
            lags = ends[inside] // width - begins[inside] // width
            pairs += np.bincount(lags, minlength=n_lags + 2)[: n_lags + 1]
            order += 1
            firsts = firsts[: np.searchsorted(firsts, keys.size - order)]
        pairs[0] = n_inside + 2 * pairs[0]
        return pairs

    def spikes_of(self, neurons: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the spikes of some neurons.

        Parameters
        ----------
        neurons : ndarray of int64, shape (n,)
            Ascending.

        Returns
        -------
        owners : ndarray of int64, shape (m,)
            Position in `neurons` of the neuron of each spike.
        steps : ndarray of int64, shape (m,)
            Counted from 0.
        """
        counts = self.counts[neurons]
        owners = np.repeat(np.arange(neurons.size), counts)
        index = np.arange(owners.size) + np.repeat(self.starts[neurons] - (np.cumsum(counts) - counts), counts)
        return owners, self._keys[index].astype(np.int64) - neurons[owners] * self.trains.n_steps

    @cached_property
    def _in_steps(self) -> NDArray[np.int64]:
        """Spikes of all neurons in each step, shape (n_steps,)."""
        return np.bincount(self.trains.steps, minlength=self.trains.n_steps + 1)[1:]

    @cached_property
    def _keys(self) -> NDArray[np.integer[Any]]:
        """One number for sender and step; half as wide where it fits, as the sort is the dearest step of all."""
        keys = self.trains.senders * self.trains.n_steps
        keys += self.trains.steps
        keys -= 1
        narrow = keys.astype(self._sender_keys.dtype, copy=False)
        narrow.sort()
        return narrow

    @cached_property
    def _sender_keys(self) -> NDArray[np.integer[Any]]:
        keys = np.arange(self.trains.size) * self.trains.n_steps
        return keys.astype(np.uint32 if self.trains.size * self.trains.n_steps < 2**32 else np.int64)

    def _per_spike(self, per_neuron: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        return np.repeat(per_neuron.astype(self._sender_keys.dtype, copy=False), self.counts)
