"""Statistics of clusters that switch between activity states.

Two definitions stand side by side. By the first a cluster wins while its smoothed rate is more than twice that of every
other cluster. By the second it is active while its smoothed rate is in the upper of two components of all smoothed
rates, with hysteresis and a minimum dwell; this one allows several active clusters.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.columns import Column
from simulators.spike_counts import Floats, Integers, SpikeCounts

COLUMNS: Mapping[str, Column] = {
    "cluster_winner_occupancy": Column("1", "fraction of time in which one cluster is twice as fast as every other"),
    "cluster_winner_switching_rate": Column("Hz", "changes of the winning cluster per second"),
    "cluster_n_active": Column("1", "mean number of active clusters"),
    "cluster_occupancy": Column("1", "mean over clusters of the fraction of time a cluster is active"),
    "cluster_dwell_mean": Column("ms", "mean activation, those cut by the recording's ends left out"),
    "cluster_dwell_median": Column("ms", "median activation, those cut by the recording's ends left out"),
    "cluster_dwell_cv": Column("1", "coefficient of variation of activations, those cut left out"),
    "cluster_switching_rate": Column("Hz", "activations of clusters that begin per second"),
    "n_dwells_clusters": Column("1", "whole activations"),
    "n_censored_dwells_clusters": Column("1", "activations cut by an end of the recording"),
}


def cluster_activity(counts: SpikeCounts, settings: Mapping[str, float]) -> dict[str, float | int]:
    """Compute the statistics of `COLUMNS`.

    Parameters
    ----------
    counts : SpikeCounts
        Spikes of a population.
    settings : mapping of str to float
        ``cluster_bin``, ``cluster_sigma`` and ``cluster_min_dwell`` in ms.

    Returns
    -------
    dict of str to float or int
        NaN throughout for fewer than two clusters or no spikes; of the second definition NaN where the upper component
        of rates is not at least twice the lower, so that there are no two states.
    """
    nan = float("nan")
    values: dict[str, float | int] = dict.fromkeys(COLUMNS, nan)
    values |= {"n_dwells_clusters": 0, "n_censored_dwells_clusters": 0}
    width = max(1, round(settings["cluster_bin"] / counts.trains.dt))
    if counts.trains.n_clusters < 2 or counts.n_bins(width) < 2 or not counts.trains.n_spikes:
        return values
    bin_ms = width * counts.trains.dt
    seconds = counts.n_bins(width) * bin_ms * 1e-3
    rates = smoothed_rates(counts, width, settings["cluster_sigma"])
    winner = _winners(rates)
    values["cluster_winner_occupancy"] = float((winner >= 0).mean())
    winning = winner[winner >= 0]
    values["cluster_winner_switching_rate"] = int((np.diff(winning) != 0).sum()) / seconds
    active = _active(rates, max(1, round(settings["cluster_min_dwell"] / bin_ms)))
    if active is None:
        return values
    begins, ends = _runs(active)
    cut = (begins % active.shape[1] == 0) | (ends % active.shape[1] == 0)
    dwells = (ends - begins)[~cut] * bin_ms
    values["cluster_n_active"] = float(active.sum(axis=0).mean())
    values["cluster_occupancy"] = float(active.mean())
    values["cluster_switching_rate"] = int((begins % active.shape[1] != 0).sum()) / seconds
    values["n_dwells_clusters"] = len(dwells)
    values["n_censored_dwells_clusters"] = int(cut.sum())
    if len(dwells):
        values["cluster_dwell_mean"] = float(dwells.mean())
        values["cluster_dwell_median"] = float(np.median(dwells))
        values["cluster_dwell_cv"] = float(dwells.std() / dwells.mean())
    return values


def smoothed_rates(counts: SpikeCounts, width: int, sigma: float) -> Floats:
    """Rate of the neurons of each cluster, smoothed by a Gaussian that is cut and renormalised at the ends.

    Parameters
    ----------
    counts : SpikeCounts
        Spikes of a population.
    width : int
        Bin in steps.
    sigma : float
        ms, SD of the Gaussian.

    Returns
    -------
    ndarray of float64, shape (n_clusters, n_bins)
        Hz.
    """
    trains = counts.trains
    bin_ms = width * trains.dt
    rates = counts.binned_clusters(width) / (trains.size / trains.n_clusters * bin_ms * 1e-3)
    reach = int(np.ceil(4.0 * sigma / bin_ms))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * bin_ms / sigma) ** 2)
    n_bins = rates.shape[1]

    def smooth(signal: Floats) -> Floats:
        return np.convolve(signal, kernel)[reach : reach + n_bins]

    return np.array([smooth(rate) for rate in rates]) / smooth(np.ones(n_bins))


def _winners(rates: Floats) -> Integers:
    """Cluster that is more than twice as fast as every other in each bin, or -1; shape (n_bins,)."""
    second, first = np.partition(rates, -2, axis=0)[-2:]
    return np.where(first > 2.0 * second, rates.argmax(axis=0), -1)


def _active(rates: Floats, min_bins: int) -> NDArray[np.bool_] | None:
    """Which cluster is active when, shape (n_clusters, n_bins); None where the rates have no two components."""
    threshold = _split(rates.ravel())
    upper = rates > threshold
    if not upper.any() or upper.all():
        return None
    low, high = float(rates[~upper].mean()), float(rates[upper].mean())
    if high < 2.0 * low:
        return None
    # Hysteresis: on above two thirds of the way from the lower to the upper component, off below one third.
    known = np.where(rates > low + (high - low) * 2 / 3, 1, np.where(rates < low + (high - low) / 3, 0, -1))
    last = np.maximum.accumulate(np.where(known >= 0, np.arange(rates.shape[1]), -1), axis=1)
    state = np.where(last >= 0, np.take_along_axis(known, np.maximum(last, 0), axis=1), 0).astype(bool)
    begins, ends = _runs(state)
    flat = state.ravel()
    for begin, end in zip(begins, ends, strict=True):
        whole = begin % state.shape[1] and end % state.shape[1]
        if whole and end - begin < min_bins:
            flat[begin:end] = False
    return flat.reshape(state.shape)


def _split(values: Floats) -> float:
    """Threshold between two components: maximises the variance between them (Otsu 1979)."""
    ordered = np.sort(values)
    count = np.arange(1, len(ordered))
    below = np.cumsum(ordered)[:-1]
    total = ordered.sum()
    gap = below / count - (total - below) / (len(ordered) - count)
    best = int(np.argmax(count * (len(ordered) - count) * gap**2))
    return float(ordered[best] + ordered[best + 1]) / 2.0


def _runs(state: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Begin and end of every run of True, as flat indices; runs do not go from one row into the next."""
    padded = np.zeros((state.shape[0], state.shape[1] + 1), dtype=np.int8)
    padded[:, :-1] = state
    edges = np.diff(padded.ravel(), prepend=0)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    rows_begin, rows_end = begins // padded.shape[1], ends // padded.shape[1]
    return begins - rows_begin, ends - rows_end
