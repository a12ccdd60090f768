"""Which clusters of a population are active, for how long, and how often the activity moves on.

The rate of a cluster is its spike count smoothed with a Gaussian. A cluster is active by one of two definitions:

- *winner*: its rate is above twice (``cluster_factor``) that of every other cluster, and above each by 4 times
  (``cluster_shot_noise``) the standard deviation that Poisson spikes of these rates give the difference, so that
  chance makes no winners; at most one is at a time.
- *active*: its rate is in the upper one of the two components that the rates of all clusters fall into, with
  hysteresis about the middle and a minimum dwell; any number is at a time. Undefined where the rates do not fall
  into two components.

A dwell is a time for which a cluster is active without a break. Dwells that touch the start or the end of the
recording are censored: they are counted, but left out of mean, median and CV, which therefore underestimate dwells
that are not short against the recording.

Smoothing moves the ends of dwells. With a Gaussian of 25 ms and 40 Hz against 2 Hz, a dwell of *winner* reads 24 ms
short, however long it is, where one cluster hands over to the next (100, 200, 500, 1000 ms read 76, 176, 476, 976),
and about 60 ms long where activity rises from rest (200 reads 260). One of *active* reads 32, 20, 9 and 4 ms long at
these lengths, as short dwells do not reach their rate, so that the middle between the two components lies low:
``active_rate`` reads 22, 29, 35 and 37 Hz instead of 40. All this is in proportion to ``cluster_sigma``. *winner* is
cut into pieces where two clusters differ by little more than their shot noise (10 Hz against 3 Hz with 100 neurons to
a cluster); *active* then is the better measure.

References
----------
Ashman, K. M., Bird, C. M., & Zepf, S. E. (1994). Detecting bimodality in astronomical datasets. Astron J 108,
2348-2361. (Two components are apart if D > 2.)
Otsu, N. (1979). A threshold selection method from gray-level histograms. IEEE Trans Syst Man Cybern 9, 62-66.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Measures
from simulators.statistics.measures.needs import Needs
from simulators.statistics.statistic import Column, Setting, Statistic, Values

NAN = float("nan")

HISTOGRAM_BINS = 256
ITERATIONS = 200
CONVERGED = 1e-5
"""Change of a membership below which components are found."""
SEPARATION = 2.0
"""Ashman's D from which on there are two components."""
MIN_DWELLS = 10
"""Of the shortest kind that a recording must have room for."""
TRUNCATION = 4.0
"""Standard deviations at which the Gaussian ends."""


@dataclass(frozen=True)
class Components:
    """Two components of the distribution of cluster rates, in Hz.

    Parameters
    ----------
    low, high : float
        Means.
    """

    low: float
    high: float


def clusters(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Occupancy, dwells, number and switching of active clusters by both definitions; undefined for one cluster."""
    extent = spikes.extent
    if extent.n_clusters < 2 or extent.n_bins(settings["cluster_bin"]) < 1:
        return _values(None, settings) | {"n_neurons_clusters": 0}
    rates = cluster_rates(spikes, settings["cluster_bin"], settings["cluster_sigma"])
    # Variance of the rate of Poisson spikes seen through the Gaussian, per Hz of their rate.
    shot_noise = 1.0 / (extent.cluster_size * 2.0 * math.sqrt(math.pi) * settings["cluster_sigma"] * 1e-3)
    components = find_components(rates, shot_noise)
    winners = find_winners(rates, settings["cluster_factor"], settings["cluster_shot_noise"] ** 2 * shot_noise)
    return _values((rates, winners, components), settings) | {"n_neurons_clusters": extent.size}


def cluster_rates(spikes: Measures, bin_size: float, sigma: float) -> NDArray[np.float64]:
    """Smooth the spike counts of clusters.

    Parameters
    ----------
    spikes : Measures
        Of a population with clusters.
    bin_size, sigma : float
        ms, of the counts and of the Gaussian. At the ends of the recording the Gaussian is cut and normalised again.

    Returns
    -------
    ndarray of float64, shape (n_clusters, n_bins)
        Hz per neuron, exactly 0 where no spike is near.
    """
    counts = spikes.count_spikes(bin_size, spikes.extent.n_clusters).astype(np.float64)
    n_bins = counts.shape[1]
    # A kernel longer than the recording would turn the roles in np.convolve around.
    reach = min(math.ceil(TRUNCATION * sigma / bin_size), (n_bins - 1) // 2)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * bin_size / sigma) ** 2)
    mass = np.convolve(np.ones(n_bins), kernel, mode="same") * spikes.extent.cluster_size * bin_size * 1e-3
    length = _fast_length(n_bins + 2 * reach)
    smoothed = np.fft.irfft(np.fft.rfft(counts, length) * np.fft.rfft(kernel, length), length)[
        :, reach : reach + n_bins
    ]
    # Less than the smallest part of a spike is no spike, but rounding.
    smoothed[smoothed < 0.5 * kernel[0]] = 0.0
    smoothed /= mass
    return smoothed


def find_components(rates: NDArray[np.float64], shot_noise: float) -> Components | None:
    """Fit two normal components to the rates of all clusters at all times.

    Parameters
    ----------
    rates : ndarray of float64
        Hz.
    shot_noise : float
        Hz; the variance of a component is at least this times its mean, as it cannot be known better. So chance
        fluctuations of silent or small clusters are not taken for two components.

    Returns
    -------
    Components or None
        None if they overlap, which is how one component looks: Ashman's D is 2 or less.
    """
    if not np.ptp(rates) > HISTOGRAM_BINS * np.spacing(rates.max()):
        return None  # so little apart that no bins lie between them
    weights, edges = np.histogram(rates, bins=HISTOGRAM_BINS)
    width = float(edges[1] - edges[0])
    share = weights / weights.sum()
    # In bins, from the middle of the histogram: logarithms of normal densities are parabolas of this.
    place = np.arange(share.size) - (share.size - 1) / 2.0
    powers = np.stack([np.ones_like(place), place, place * place])
    moments = share * powers
    zero, noise = (edges[0] + edges[-1]) / 2.0 / width, shot_noise / width
    if not math.isfinite(noise):
        return None  # so little apart that chance alone is infinitely more
    upper = _otsu_split(share, place)
    for _ in range(ITERATIONS):
        above = moments @ upper
        components = []
        for mass, first, second in (moments.sum(axis=1) - above, above):
            if mass <= 0.0:
                return None
            mean = first / mass
            # A bin is 1 wide, and so has a variance of 1/12.
            variance = max(second / mass - mean * mean, noise * max(mean + zero, 0.0) + 1.0 / 12.0)
            components.append((mean, variance, math.log(mass) - 0.5 * math.log(variance)))
        parabolas = [(height - 0.5 * m * m / v, m / v, -0.5 / v) for m, v, height in components]
        difference = np.subtract(parabolas[1], parabolas[0]) @ powers
        previous, upper = upper, 1.0 / (1.0 + np.exp(-np.clip(difference, -700.0, 700.0)))
        if np.abs(upper - previous).max() < CONVERGED:
            break
    (low, low_variance, _), (high, high_variance, _) = sorted(components)
    if math.sqrt(2.0) * (high - low) / math.sqrt(low_variance + high_variance) <= SEPARATION:
        return None
    return Components(float((low + zero) * width), float((high + zero) * width))


def find_winners(rates: NDArray[np.float64], factor: float, noise: float = 0.0) -> NDArray[np.bool_]:
    """Mark the cluster whose rate is above those of all others.

    Parameters
    ----------
    rates : ndarray of float64, shape (n_clusters, n_bins)
        Hz.
    factor : float
        By at least this factor.
    noise : float
        Hz; and by more than the root of this times the sum of the two rates.

    Returns
    -------
    ndarray of bool, shape (n_clusters, n_bins)
        At most one in a bin.
    """
    ordered = np.partition(rates, -2, axis=0)
    first, second = ordered[-1], ordered[-2]
    apart = (first > factor * second) & (np.square(first - second) > noise * (first + second))
    wins: NDArray[np.bool_] = (rates == first) & apart
    return wins


def find_active(rates: NDArray[np.float64], low: float, high: float, minimum: int) -> NDArray[np.bool_]:
    """Mark active clusters with hysteresis and a minimum dwell.

    Parameters
    ----------
    rates : ndarray of float64, shape (n_clusters, n_bins)
        Hz.
    low, high : float
        Hz; a cluster becomes active above `high` and stays so down to `low`. It begins active if its rate is above
        the middle.
    minimum : int
        Bins; what is active for less is not.

    Returns
    -------
    ndarray of bool, shape (n_clusters, n_bins)
    """
    decided = (rates > high) | (rates < low)
    decided[:, 0] = True
    upper = rates > high
    upper[:, 0] = rates[:, 0] > (low + high) / 2.0
    # Where nothing is decided, the last decision holds.
    latest = np.maximum.accumulate(np.where(decided, np.arange(rates.shape[1]), 0), axis=1)
    active = np.take_along_axis(upper, latest, axis=1)
    cluster, starts, ends = find_dwells(active)
    kept = ends - starts >= minimum
    edges = np.zeros((rates.shape[0], rates.shape[1] + 1), dtype=np.int8)
    edges[cluster[kept], starts[kept]] = 1
    edges[cluster[kept], ends[kept]] = -1
    return np.cumsum(edges, axis=1, dtype=np.int8)[:, :-1].astype(bool)


def find_dwells(active: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return cluster, first bin and bin after the last of every dwell, ordered by cluster and time."""
    edges = np.diff(active.astype(np.int8), axis=1, prepend=0, append=0)
    cluster, starts = np.nonzero(edges == 1)
    return cluster, starts, np.nonzero(edges == -1)[1]


def _values(
    found: tuple[NDArray[np.float64], NDArray[np.bool_], Components | None] | None, settings: Mapping[str, float]
) -> Values:
    rates, winners, components = found if found is not None else (None, None, None)
    active = None
    if rates is not None and components is not None:
        middle = (components.low + components.high) / 2.0
        margin = settings["cluster_hysteresis"] * (components.high - components.low)
        minimum = math.ceil(settings["cluster_min_dwell"] / settings["cluster_bin"])
        active = find_active(rates, middle - margin, middle + margin, minimum)
    return {
        **_dwell_values("winner", winners, settings["cluster_bin"]),
        **_dwell_values("active", active, settings["cluster_bin"]),
        "active_clusters": NAN if active is None else float(active.sum(axis=0).mean()),
        "active_rate": NAN if components is None else components.high,
        "inactive_rate": NAN if components is None else components.low,
    }


def _dwell_values(prefix: str, active: NDArray[np.bool_] | None, bin_size: float) -> Values:
    """Columns that both definitions share."""
    occupancy = switching = NAN
    complete = np.zeros(0)
    n_censored = n_ever = 0
    if active is not None:
        n_bins = active.shape[1]
        cluster, starts, ends = find_dwells(active)
        censored = (starts == 0) | (ends == n_bins)
        complete = (ends - starts)[~censored] * bin_size
        n_censored, n_ever = int(censored.sum()), int(np.unique(cluster).size)
        occupancy = float(active.any(axis=0).mean())
        in_time = cluster[np.argsort(starts, kind="stable")]
        switching = float(np.count_nonzero(np.diff(in_time)) / (n_bins * bin_size * 1e-3))
    mean = float(complete.mean()) if complete.size else NAN
    return {
        f"{prefix}_occupancy": occupancy,
        f"{prefix}_dwell_mean": mean,
        f"{prefix}_dwell_median": float(np.median(complete)) if complete.size else NAN,
        f"{prefix}_dwell_cv": float(complete.std() / mean) if complete.size > 1 else NAN,
        f"{prefix}_switching_rate": switching,
        f"n_dwells_{prefix}": int(complete.size),
        f"n_dwells_{prefix}_censored": n_censored,
        f"n_clusters_ever_{prefix}": n_ever,
    }


def _fast_length(n: int) -> int:
    """Return a length that is transformed fast, not less than `n`: a power of 2, or 3, 5 or 9 times one."""
    return int(min(factor << max(-(-n // factor) - 1, 0).bit_length() for factor in (1, 3, 5, 9)))


def _otsu_split(share: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Membership (0 or 1) in the upper one of two classes with the greatest variance between them, shape (n,)."""
    below = np.cumsum(share)[:-1]
    moment = np.cumsum(share * place)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (moment[-1] * below - moment[:-1]) ** 2 / (below * (1.0 - below))
    split = int(np.argmax(np.nan_to_num(between, posinf=0.0))) + 1
    return (np.arange(share.size) >= split).astype(np.float64)


def _dwells_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    del rate
    needed = MIN_DWELLS * (settings["cluster_min_dwell"] + 2.0 * settings["cluster_sigma"])
    return None if duration >= needed else f"{MIN_DWELLS} dwells of the shortest kind take {needed:g} ms"


SETTINGS: Mapping[str, Setting] = {
    "cluster_bin": Setting(1.0, "ms", "bin of the cluster rates, the resolution of dwells", "bin"),
    "cluster_sigma": Setting(25.0, "ms", "SD of the Gaussian that smooths cluster rates", "real", 1e-3),
    "cluster_factor": Setting(2.0, "1", "a winner's rate is above this times every other cluster's", "real", 1.0),
    "cluster_shot_noise": Setting(
        4.0, "1", "a winner's rate is above every other by this times the SD of shot noise", "real"
    ),
    "cluster_hysteresis": Setting(
        0.1, "1", "half width of the hysteresis, in distances between inactive and active rate", "real", 0.0, 0.5
    ),
    "cluster_min_dwell": Setting(50.0, "ms", "shorter activations of a cluster do not count as active", "real"),
}


def _dwell_columns(prefix: str, state: str) -> dict[str, Column]:
    return {
        f"{prefix}_occupancy": Column("1", f"fraction of time in which a cluster {state}"),
        f"{prefix}_dwell_mean": Column("ms", f"mean time for which a cluster {state}, censored left out"),
        f"{prefix}_dwell_median": Column("ms", f"median time for which a cluster {state}, censored left out"),
        f"{prefix}_dwell_cv": Column("1", f"CV of the times for which a cluster {state}, censored left out"),
        f"{prefix}_switching_rate": Column("Hz", f"how often it is another cluster that newly {state}"),
        f"n_dwells_{prefix}": Column("1", f"complete times for which a cluster {state}", "integer"),
        f"n_dwells_{prefix}_censored": Column("1", "the same, cut by the start or end of the recording", "integer"),
        f"n_clusters_ever_{prefix}": Column("1", f"clusters of which it happens that one {state}", "integer"),
    }


STATISTICS = (
    Statistic(
        "clusters",
        "which clusters are active, how long and how many",
        {
            **_dwell_columns("winner", "fires twice as much as every other"),
            **_dwell_columns("active", "is in the upper component of rates"),
            "active_clusters": Column("1", "clusters active at a time, mean over time"),
            "active_rate": Column("Hz", "mean of the upper component of cluster rates"),
            "inactive_rate": Column("Hz", "mean of the lower component of cluster rates"),
            "n_neurons_clusters": Column("1", "neurons in the cluster rates", "integer"),
        },
        clusters,
        tuple(SETTINGS),
        version=2,
        always=True,
        too_short=_dwells_lacking,
        needs=lambda settings: Needs(cluster_bins=frozenset({settings["cluster_bin"]})),
    ),
)
