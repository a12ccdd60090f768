"""Statistics of spike trains, per population, vectorised on flat arrays.

The warm-up is excluded from all. Undefined values are NaN, never 0 or -1, and each statistic comes with the number of
neurons (or pairs) it was computed from. Bins and windows that do not fit whole at the end of a recording are
dropped.

References
----------
.. [1] Holt, G. R., Softky, W. R., Koch, C., & Douglas, R. J. (1996). Comparison of discharge variability in vitro and
   in vivo in cat visual cortex neurons. Journal of Neurophysiology 75.
.. [2] Shinomoto, S., Shima, K., & Tanji, J. (2003). Differences in spiking patterns among cortical neurons. Neural
   Computation 15.
.. [3] Shinomoto, S., et al. (2009). Relating neuronal firing patterns to functional differentiation of cerebral cortex.
   PLoS Computational Biology 5.
.. [4] Golomb, D. (2007). Neuronal synchrony measures. Scholarpedia 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.cluster_statistics import COLUMNS as CLUSTER_COLUMNS
from simulators.cluster_statistics import cluster_activity
from simulators.columns import Column
from simulators.spike_counts import Floats, SpikeCounts
from simulators.spike_trains import SpikeTrains

Values = dict[str, float | int]
Settings = Mapping[str, float]


@dataclass(frozen=True)
class Setting:
    """An adjustable constant of the statistics.

    Parameters
    ----------
    default : float
        In `unit`.
    unit, doc : str
        Unit and meaning.
    """

    default: float
    unit: str
    doc: str


@dataclass(frozen=True)
class Statistic:
    """One choice for a sweep's list of statistics.

    Parameters
    ----------
    doc : str
        What it measures.
    columns : mapping of str to Column
        What it yields, before the population's name is appended.
    compute : callable
        ``compute(counts, settings)`` yields a value for each column.
    """

    doc: str
    columns: Mapping[str, Column]
    compute: Callable[[SpikeCounts, Settings], Values]


SETTINGS: Mapping[str, Setting] = {
    "min_spikes": Setting(3, "1", "spikes a neuron must have for statistics of its intervals"),
    "fano_window": Setting(400.0, "ms", "window of the Fano factor"),
    "correlation_bin": Setting(2.0, "ms", "bin of the correlation"),
    "correlation_bin_slow": Setting(50.0, "ms", "bin of the slow correlation"),
    "correlation_neurons": Setting(250, "1", "neurons of a population between which correlations are computed"),
    "synchrony_bin": Setting(5.0, "ms", "bin of the synchrony"),
    "cluster_bin": Setting(5.0, "ms", "bin of the cluster rates"),
    "cluster_sigma": Setting(25.0, "ms", "width of the Gaussian that smooths cluster rates"),
    "cluster_min_dwell": Setting(50.0, "ms", "shortest activation of a cluster that counts"),
}


def summarise(
    trains: Mapping[str, SpikeTrains], statistics: Sequence[str], settings: Settings | None = None
) -> dict[str, float | int]:
    """Compute statistics of every population.

    Parameters
    ----------
    trains : mapping of str to SpikeTrains
        By population.
    statistics : sequence of str
        Names from `STATISTICS`.
    settings : mapping of str to float, optional
        Constants that differ from the defaults in `SETTINGS`.

    Returns
    -------
    dict of str to float or int
        ``<column>_<population>``, as `columns` lists them.

    Raises
    ------
    ValueError
        If a statistic or setting is unknown, or a bin is not a whole number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> trains = SpikeTrains(np.array([10, 20, 40]), np.array([0, 0, 0]), size=2, n_steps=10000, dt=0.1)
    >>> summarise({"E": trains}, ["rate"])["rate_E"]
    1.5
    """
    check_statistics(statistics)
    unknown = set(settings or {}) - set(SETTINGS)
    if unknown:
        raise ValueError(f"unknown settings of statistics {sorted(unknown)}: there are {', '.join(SETTINGS)}")
    resolved = {name: setting.default for name, setting in SETTINGS.items()} | dict(settings or {})
    counts = {population: SpikeCounts(train) for population, train in trains.items()}
    values: Values = {}
    for name in statistics:
        for population, count in counts.items():
            for column, value in STATISTICS[name].compute(count, resolved).items():
                values[f"{column}_{population}"] = value
    return values


def columns(statistics: Sequence[str], populations: Sequence[str]) -> dict[str, Column]:
    """Columns that `summarise` yields, in order, with unit and meaning.

    Raises
    ------
    ValueError
        If a statistic is unknown.
    """
    check_statistics(statistics)
    return {
        f"{name}_{population}": column
        for statistic in statistics
        for population in populations
        for name, column in STATISTICS[statistic].columns.items()
    }


def check_statistics(statistics: Sequence[str]) -> None:
    """Raise `ValueError`, naming near misses and the valid choices, if a statistic is unknown."""
    for name in statistics:
        if name not in STATISTICS:
            near = difflib.get_close_matches(name, STATISTICS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown statistic {name!r}: there are {', '.join(STATISTICS)}{hint}")


def steps_of(settings: Settings, name: str, dt: float) -> int:
    """A setting in ms as a number of steps.

    Raises
    ------
    ValueError
        If it is not a whole, positive number of steps.
    """
    steps = settings[name] / dt
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
        raise ValueError(f"{name} = {settings[name]:g} ms must be a whole number of steps of dt = {dt:g} ms")
    return round(steps)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _rate(counts: SpikeCounts, settings: Settings) -> Values:
    del settings
    rates = counts.per_neuron / (counts.trains.duration * 1e-3)
    low, median, high = np.quantile(rates, (0.05, 0.5, 0.95))
    return {
        "rate": float(rates.mean()),
        "rate_sd": float(rates.std()),
        "rate_q05": float(low),
        "rate_q50": float(median),
        "rate_q95": float(high),
        "silent_fraction": float((counts.per_neuron == 0).mean()),
        "n_neurons_rate": counts.trains.size,
    }


def _cv_isi(counts: SpikeCounts, settings: Settings) -> Values:
    enough = counts.per_neuron >= max(2, settings["min_spikes"])
    intervals, neurons = counts.intervals, counts.interval_neurons
    n_intervals = np.maximum(counts.per_neuron - 1, 1)
    means = np.bincount(neurons, weights=intervals, minlength=counts.trains.size) / n_intervals
    squares = np.bincount(neurons, weights=(intervals - means[neurons]) ** 2, minlength=counts.trains.size)
    cv = np.sqrt(squares[enough] / n_intervals[enough]) / means[enough]
    return {"cv_isi": _mean(cv), "n_neurons_cv_isi": len(cv)}


def _pairs(counts: SpikeCounts, settings: Settings) -> tuple[Floats, Floats, NDArray[np.int64]]:
    sums, differences, neurons = counts.interval_pairs
    minimum = settings["min_spikes"]
    if minimum > 3:  # a neuron with a pair of intervals has three spikes
        enough = counts.per_neuron[neurons] >= minimum
        return sums[enough], differences[enough], neurons[enough]
    return sums, differences, neurons


def _cv2(counts: SpikeCounts, settings: Settings) -> Values:
    sums, differences, neurons = _pairs(counts, settings)
    values = counts.mean_per_neuron(2.0 * np.abs(differences) / sums, neurons)
    return {"cv2": _mean(values), "n_neurons_cv2": len(values)}


def _lv(counts: SpikeCounts, settings: Settings) -> Values:
    sums, differences, neurons = _pairs(counts, settings)
    values = counts.mean_per_neuron(3.0 * (differences / sums) ** 2, neurons)
    return {"lv": _mean(values), "n_neurons_lv": len(values)}


def _lvr(counts: SpikeCounts, settings: Settings) -> Values:
    sums, differences, neurons = _pairs(counts, settings)
    refractory = 1.0 + 4.0 * counts.trains.t_ref / (sums * counts.trains.dt)
    values = counts.mean_per_neuron(3.0 * (differences / sums) ** 2 * refractory, neurons)
    return {"lvr": _mean(values), "n_neurons_lvr": len(values)}


def _fano_factor(counts: SpikeCounts, settings: Settings) -> Values:
    width = steps_of(settings, "fano_window", counts.trains.dt)
    if counts.n_bins(width) < 2:
        return {"fano_factor": float("nan"), "n_neurons_fano_factor": 0}
    table = counts.binned_per_neuron(width)
    means = table.mean(axis=1)
    firing = means > 0.0
    factors = table[firing].var(axis=1) / means[firing]
    return {"fano_factor": _mean(factors), "n_neurons_fano_factor": len(factors)}


def _correlation(counts: SpikeCounts, settings: Settings) -> Values:
    trains = counts.trains
    size = min(trains.size, round(settings["correlation_neurons"]))
    chosen = np.sort(np.random.default_rng(1).choice(trains.size, size, replace=False))
    index = np.full(trains.size, -1)
    index[chosen] = np.arange(size)
    kept = index[trains.senders] >= 0
    sample = SpikeCounts(SpikeTrains(trains.steps[kept], index[trains.senders[kept]], size, trains.n_steps, trains.dt))
    clusters = chosen // (trains.size // trains.n_clusters)
    values: Values = {}
    for suffix in ("", "_slow"):
        width = steps_of(settings, f"correlation_bin{suffix}", trains.dt)
        values |= {f"{name}{suffix}": value for name, value in _mean_correlations(sample, width, clusters).items()}
    return values


def _mean_correlations(sample: SpikeCounts, width: int, clusters: NDArray[np.int64]) -> Values:
    nan = float("nan")
    values: Values = {
        "correlation": nan, "correlation_within": nan, "correlation_between": nan, "n_pairs_correlation": 0,
    }  # fmt: skip
    if sample.n_bins(width) < 2:
        return values
    table = sample.binned_per_neuron(width).astype(np.float64)
    table -= table.mean(axis=1, keepdims=True)
    norms = np.sqrt((table * table).sum(axis=1))
    varying = norms > 1e-9 * np.sqrt(table.shape[1])  # a constant count has no correlation
    table = table[varying] / norms[varying, None]
    upper = np.triu_indices(len(table), 1)
    correlations = (table @ table.T)[upper]
    clusters = clusters[varying]
    same = clusters[upper[0]] == clusters[upper[1]]
    values["correlation"] = _mean(correlations)
    values["n_pairs_correlation"] = len(correlations)
    if clusters.size and clusters.max() > 0:
        values["correlation_within"] = _mean(correlations[same])
        values["correlation_between"] = _mean(correlations[~same])
    return values


def _synchrony(counts: SpikeCounts, settings: Settings) -> Values:
    width = steps_of(settings, "synchrony_bin", counts.trains.dt)
    size, n_bins = counts.trains.size, counts.n_bins(width)
    undefined: Values = {"synchrony": float("nan"), "n_neurons_synchrony": size}
    if n_bins < 2:
        return undefined
    whole = counts.binned_population(width)
    inside = (counts.trains.steps - 1) // width < n_bins
    per_neuron = np.bincount(counts.trains.senders[inside], minlength=size)
    # Mean over neurons of the variance over bins, from sums of counts alone
    variance = counts.sum_of_squared_counts(width) / (size * n_bins) - float(((per_neuron / n_bins) ** 2).mean())
    if variance <= 0.0:
        return undefined
    return {"synchrony": float((whole / size).var() / variance) - 1.0 / size, "n_neurons_synchrony": size}


def _n_neurons(name: str) -> dict[str, Column]:
    return {f"n_neurons_{name}": Column("1", f"neurons that {name} was computed from")}


def _correlation_columns() -> dict[str, Column]:
    named: dict[str, Column] = {}
    for suffix, setting in (("", "correlation_bin"), ("_slow", "correlation_bin_slow")):
        bins = f"{SETTINGS[setting].doc.removeprefix('bin of the ')}, bin {setting}"
        named[f"correlation{suffix}"] = Column("1", f"mean Pearson correlation of counts ({bins})")
        named[f"correlation_within{suffix}"] = Column("1", f"the same, of pairs within a cluster ({bins})")
        named[f"correlation_between{suffix}"] = Column("1", f"the same, of pairs in different clusters ({bins})")
        named[f"n_pairs_correlation{suffix}"] = Column("1", f"pairs of varying counts ({bins})")
    return named


STATISTICS: Mapping[str, Statistic] = {
    "rate": Statistic(
        "firing rate over neurons, silent ones included",
        {
            "rate": Column("Hz", "mean firing rate"),
            "rate_sd": Column("Hz", "standard deviation of the rate over neurons"),
            "rate_q05": Column("Hz", "5 % quantile of the rate over neurons"),
            "rate_q50": Column("Hz", "median rate over neurons"),
            "rate_q95": Column("Hz", "95 % quantile of the rate over neurons"),
            "silent_fraction": Column("1", "fraction of neurons without a spike"),
            **_n_neurons("rate"),
        },
        _rate,
    ),
    "cv_isi": Statistic(
        "coefficient of variation of inter-spike intervals, SD (ddof 0) over mean",
        {"cv_isi": Column("1", "mean over neurons of the CV of inter-spike intervals"), **_n_neurons("cv_isi")},
        _cv_isi,
    ),
    "cv2": Statistic(
        "local variation of adjacent intervals (Holt et al. 1996)",
        {"cv2": Column("1", "mean over neurons of CV2"), **_n_neurons("cv2")},
        _cv2,
    ),
    "lv": Statistic(
        "local variation (Shinomoto et al. 2003)",
        {"lv": Column("1", "mean over neurons of the local variation"), **_n_neurons("lv")},
        _lv,
    ),
    "lvr": Statistic(
        "local variation revised for the refractory time (Shinomoto et al. 2009)",
        {"lvr": Column("1", "mean over neurons of the revised local variation"), **_n_neurons("lvr")},
        _lvr,
    ),
    "fano_factor": Statistic(
        "variance over mean of spike counts in windows",
        {
            "fano_factor": Column("1", "mean over neurons of the Fano factor"),
            **_n_neurons("fano_factor"),
        },
        _fano_factor,
    ),
    "correlation": Statistic(
        "Pearson correlation of spike counts in a fixed subsample of neurons; screening values in short recordings",
        _correlation_columns(),
        _correlation,
    ),
    "synchrony": Statistic(
        "χ² of Golomb: variance of the mean count over mean variance of counts, minus 1/N",
        {"synchrony": Column("1", "synchrony χ² above that of independent neurons"), **_n_neurons("synchrony")},
        _synchrony,
    ),
    "clusters": Statistic("switching of clusters between activity states", CLUSTER_COLUMNS, cluster_activity),
}
