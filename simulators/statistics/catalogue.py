"""The statistics a sweep can ask for, their columns and settings, and how they are computed from spikes.

Warm-up is excluded from all of them. What is undefined is NaN, never 0 or -1. Bins and windows lie side by side from
the start of the recording; what is left at its end is dropped.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

from simulators.statistics import clusters, correlations, single_neurons
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains
from simulators.statistics.statistic import Column, Setting, Statistic

_FAMILIES = (single_neurons, correlations, clusters)

STATISTICS: Mapping[str, Statistic] = {
    statistic.name: statistic for family in _FAMILIES for statistic in family.STATISTICS
}
"""What a sweep can ask for, by name."""

SETTINGS: Mapping[str, Setting] = {name: setting for family in _FAMILIES for name, setting in family.SETTINGS.items()}
"""Constants of the statistics that a sweep can change, by name."""


def columns(statistics: Sequence[str | Statistic], populations: Sequence[str]) -> dict[str, Column]:
    """Return every column that `summarise` yields, in its order.

    Parameters
    ----------
    statistics : sequence of str
        Names from `STATISTICS`.
    populations : sequence of str
        Names of populations.

    Returns
    -------
    dict of str to Column
        By name, ``<column>_<population>``.

    Raises
    ------
    ValueError
        If a statistic is not known; the message lists those that are.

    Examples
    --------
    >>> list(columns(["cv_isi"], ["E", "I"]))
    ['cv_isi_E', 'n_neurons_cv_isi_E', 'cv_isi_I', 'n_neurons_cv_isi_I']
    """
    wanted = [_find(name) for name in statistics]
    return {
        f"{name}_{population}": column
        for population in populations
        for statistic in wanted
        for name, column in statistic.columns.items()
    }


def check_settings(settings: Mapping[str, float], dt: float) -> dict[str, str]:
    """Return the rule that is broken for every setting that breaks one.

    Parameters
    ----------
    settings : mapping of str to float
        Names from `SETTINGS`.
    dt : float
        ms, time step of the simulation.

    Returns
    -------
    dict of str to str
        By name; empty if all is well.
    """
    broken = {name: _broken_rule(name, value, dt) for name, value in settings.items()}
    return {name: rule for name, rule in broken.items() if rule}


def summarise(
    trains: Mapping[str, SpikeTrains],
    statistics: Sequence[str | Statistic],
    settings: Mapping[str, float] | None = None,
) -> dict[str, float | int]:
    """Compute statistics of the populations of one recording.

    Parameters
    ----------
    trains : mapping of str to SpikeTrains
        Spikes by name of the population.
    statistics : sequence of str
        Names from `STATISTICS`.
    settings : mapping of str to float, optional
        Those of `SETTINGS` that differ from their default.

    Returns
    -------
    dict of str to float or int
        By column, as `columns` gives them. The order of the spikes makes no difference.

    Raises
    ------
    ValueError
        If a statistic or setting is not known, or a setting breaks a rule.

    Examples
    --------
    >>> import numpy as np
    >>> spikes = SpikeTrains(np.array([10, 40, 50]), np.array([0, 0, 0]), size=2, n_steps=1000, dt=1.0)
    >>> summarise({"E": spikes}, ["cv_isi"])
    {'cv_isi_E': 0.5, 'n_neurons_cv_isi_E': 1}
    """
    wanted = [_find(name) for name in statistics]
    chosen = {name: setting.default for name, setting in SETTINGS.items()} | dict(settings or {})
    values: dict[str, float | int] = {}
    for population, recorded in trains.items():
        if broken := check_settings(chosen, recorded.dt):
            raise ValueError("; ".join(f"{name} = {chosen[name]!r}: {rule}" for name, rule in broken.items()))
        spikes = SortedTrains(recorded)
        for statistic in wanted:
            computed = statistic.function(spikes, chosen)
            values |= {f"{name}_{population}": computed[name] for name in statistic.columns}
    return values


def fingerprint(statistics: Sequence[str | Statistic], settings: Mapping[str, float]) -> dict[str, str]:
    """Say what statistics are now: by name, text of the settings."""
    chosen = {name: setting.default for name, setting in SETTINGS.items()} | dict(settings)
    told = " ".join(f"{name}={value:g}" for name, value in sorted(chosen.items()))
    return {_find(one).name: told for one in statistics}


def unknown_statistic(name: str, known: Iterable[str]) -> str:
    """Say that there is no statistic of a name, and which there are."""
    return f"no statistic {name!r}: {_valid(name, known)}"


def _find(statistic: str | Statistic) -> Statistic:
    if isinstance(statistic, Statistic):
        return statistic
    if statistic in STATISTICS:
        return STATISTICS[statistic]
    raise ValueError(unknown_statistic(statistic, STATISTICS))


def _valid(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}there are {', '.join(names)}"


def _broken_rule(name: str, value: float, dt: float) -> str:
    """Return the rule that a value breaks, empty if it breaks none."""
    if name not in SETTINGS:
        return f"no such setting: {_valid(name, SETTINGS)}"
    setting = SETTINGS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return "must be a number"
    if not setting.minimum <= value <= setting.maximum:
        upper = f" and at most {setting.maximum:g}" if setting.maximum < math.inf else ""
        return f"must be at least {setting.minimum:g}{upper} {setting.unit}".removesuffix(" 1")
    if setting.kind == "integer" and value != int(value):
        return "must be a whole number"
    if setting.kind == "bin":
        steps = round(value / dt)
        # dt and bins are decimals that binary numbers only come near to.
        if steps < 1 or abs(value / dt - steps) > 1e-6:
            return f"must be a whole number of steps of {dt:g} ms, at least one"
    return ""
