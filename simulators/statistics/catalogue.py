"""The statistics a sweep can ask for, their columns and settings, and how they are computed from spikes.

Warm-up is excluded from all of them. What is undefined is NaN, never 0 or -1. Bins and windows lie side by side from
the start of the recording; what is left at its end is dropped.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from simulators.statistics import (
    clusters,
    correlations,
    dimensionality,
    responses,
    single_neurons,
    spectrum,
    timescales,
)
from simulators.statistics.measures.accumulated import AccumulatedTrains
from simulators.statistics.measures.needs import Needs
from simulators.statistics.sorted_trains import SortedTrains
from simulators.statistics.spike_trains import SpikeTrains
from simulators.statistics.statistic import Column, Setting, Statistic, Value
from simulators.statistics.windows import Window, cut

_FAMILIES = (single_neurons, correlations, spectrum, timescales, dimensionality, clusters, responses)

STATISTICS: Mapping[str, Statistic] = {
    statistic.name: statistic for family in _FAMILIES for statistic in family.STATISTICS
}
"""What a sweep can ask for, by name."""

SETTINGS: Mapping[str, Setting] = {name: setting for family in _FAMILIES for name, setting in family.SETTINGS.items()}
"""Constants of the statistics that a sweep can change, by name."""

NO_WINDOWS: Mapping[str, Window] = {}


def with_always(statistics: Iterable[str | Statistic]) -> tuple[str | Statistic, ...]:
    """Return what is computed where these are asked for: those that always are, by name, and the rest of these."""
    always = tuple(name for name, statistic in STATISTICS.items() if statistic.always)
    return (*always, *(one for one in statistics if (one.name if isinstance(one, Statistic) else one) not in always))


def columns(
    statistics: Sequence[str | Statistic], populations: Sequence[str], windows: Mapping[str, Window] = NO_WINDOWS
) -> dict[str, Column]:
    """Return every column that `summarise` yields, in its order.

    Parameters
    ----------
    statistics : sequence of str or Statistic
        Names from `STATISTICS`, and others as they are.
    populations : sequence of str
        Names of populations.
    windows : mapping of str to Window, optional
        Parts of the recording that get columns of their own, by name.

    Returns
    -------
    dict of str to Column
        By name, ``<column>_<population>``, and ``<column>_<population>_<window>``.

    Raises
    ------
    ValueError
        If a statistic is not known (the message lists those that are), or two columns would have one name.

    Examples
    --------
    >>> list(columns(["synchrony"], ["E", "I"], {"before": Window(0.0, 300.0)}))[:4]
    ['synchrony_E', 'n_neurons_synchrony_E', 'synchrony_I', 'n_neurons_synchrony_I']
    """
    wanted = [_find(one) for one in statistics]
    found: dict[str, Column] = {}
    for window, population in ((w, p) for w in (None, *windows) for p in populations):
        for name, column in ((n, c) for statistic in wanted for n, c in statistic.columns.items()):
            full = _full_name(name, population, window)
            if full in found:
                raise ValueError(f"column {full} is there twice: of two statistics, populations or windows")
            found[full] = column if window is None else replace(column, doc=f"{column.doc}; in window {window}")
    return found


def fingerprint(
    statistics: Sequence[str | Statistic],
    settings: Mapping[str, float] | None = None,
    windows: Mapping[str, Window] = NO_WINDOWS,
) -> dict[str, str]:
    """Say of each statistic what its values depend on besides the spikes: where this is the same, so are they.

    Parameters
    ----------
    statistics : sequence of str or Statistic
        Names from `STATISTICS`, and others as they are.
    settings : mapping of str to float, optional
        Those of `SETTINGS` that differ from their default.
    windows : mapping of str to Window, optional
        Parts of the recording with columns of their own, by name.

    Returns
    -------
    dict of str to str
        Version and settings by name of the statistic, and, with the window, by ``<statistic>[<window>]``. Settings
        that it does not use make no difference, nor does whether a setting is given or left at its default.

    Raises
    ------
    ValueError
        If a statistic is not known, or names a setting that is not.

    Examples
    --------
    >>> fingerprint(["cv_isi"], {"fano_window": 100.0})
    {'cv_isi': 'version 2; cv_min_spikes = 15.0'}
    """
    chosen = _all_settings(settings)
    texts: dict[str, str] = {}
    for statistic in map(_find, statistics):
        for name in statistic.settings:
            if name not in chosen:
                raise ValueError(f"statistic {statistic.name}: no such setting: {name!r}; {_valid(name, SETTINGS)}")
        used = [f"{name} = {float(chosen[name])!r}" for name in sorted(statistic.settings)]
        texts[statistic.name] = "; ".join([f"version {statistic.version}", *used])
    for window, content in windows.items():
        shifts = [f"{name} {shift:+g} ms" for name, shift in sorted(content.shifts.items()) if shift]
        part = ", ".join([f"{float(content.begin)!r} to {float(content.end)!r} ms", *shifts])
        texts |= {f"{_find(one).name}[{window}]": f"{texts[_find(one).name]}; {part}" for one in statistics}
    return texts


def too_short(
    statistics: Sequence[str | Statistic], duration: float, rate: float, settings: Mapping[str, float] | None = None
) -> dict[str, str]:
    """Return what a recording lacks for each statistic that does not hold for it.

    Parameters
    ----------
    statistics : sequence of str or Statistic
        Names from `STATISTICS`, and others as they are.
    duration : float
        ms, length of the recording.
    rate : float
        Hz, mean rate of a neuron.
    settings : mapping of str to float, optional
        Those of `SETTINGS` that differ from their default.

    Returns
    -------
    dict of str to str
        By statistic; empty if all hold.

    Examples
    --------
    >>> too_short(["rate", "cv_isi"], 1000.0, 5.0)
    {'cv_isi': '15 spikes of a neuron (cv_min_spikes) take 3000 ms at 5 Hz'}
    """
    chosen = _all_settings(settings)
    found = {one.name: one.too_short(duration, rate, chosen) for one in map(_find, statistics)}
    return {name: lacking for name, lacking in found.items() if lacking is not None}


def needs_of(
    statistics: Sequence[str | Statistic],
    settings: Mapping[str, float] | None = None,
    windows: Mapping[str, Window] = NO_WINDOWS,
) -> Needs | None:
    """Return what statistics need of a recording in place of whole trains; None if some need those.

    Parameters
    ----------
    statistics : sequence of str or Statistic
        Names from `STATISTICS`, and others as they are.
    settings : mapping of str to float, optional
        Those of `SETTINGS` that differ from their default.
    windows : mapping of str to Window, optional
        Parts of the recording: trains are cut to them, and sums cannot be.

    Examples
    --------
    >>> needs_of(["rate", "correlation", "dimensionality"]).sample
    250
    >>> needs_of(["rate", "response"]) is None
    True
    """
    chosen = _all_settings(settings)
    wanted = Needs()
    for statistic in map(_find, statistics):
        if statistic.needs is None or windows:
            return None
        wanted |= statistic.needs(chosen)
    return wanted


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
    trains: Mapping[str, SpikeTrains] | Mapping[str, AccumulatedTrains],
    statistics: Sequence[str | Statistic],
    settings: Mapping[str, float] | None = None,
    windows: Mapping[str, Window] = NO_WINDOWS,
) -> dict[str, Value]:
    """Compute statistics of the populations of one recording.

    Parameters
    ----------
    trains : mapping of str to SpikeTrains or AccumulatedTrains
        Spikes by name of the population, or what `needs_of` says.
    statistics : sequence of str or Statistic
        Names from `STATISTICS`, and others as they are.
    settings : mapping of str to float, optional
        Those of `SETTINGS` that differ from their default.
    windows : mapping of str to Window, optional
        Parts of the recording for which all are computed as well, by name.

    Returns
    -------
    dict of str to value
        By column, as `columns` gives them. The order of the spikes makes no difference.

    Raises
    ------
    ValueError
        If a statistic or setting is not known, a setting breaks a rule, a window does not lie within the recording,
        a statistic of one's own does not return its columns, or one needs whole trains and there are sums.

    Examples
    --------
    >>> import numpy as np
    >>> spikes = SpikeTrains(np.array([10, 40, 50]), np.array([0, 0, 0]), size=2, n_steps=1000, dt=1.0)
    >>> summarise({"E": spikes}, ["synchrony"], {"synchrony_bin": 10.0})["n_neurons_synchrony_E"]
    2
    """
    wanted = [_find(one) for one in statistics]
    chosen = _all_settings(settings)
    for recorded in trains.values():
        if broken := check_settings(chosen, recorded.extent.dt):
            raise ValueError("; ".join(f"{name} = {chosen[name]!r}: {rule}" for name, rule in broken.items()))
    if any(isinstance(one, AccumulatedTrains) for one in trains.values()) and needs_of(wanted, chosen, windows) is None:
        raise ValueError("windows, or statistics that do not say what they need, need whole trains")
    values: dict[str, Value] = {}
    for window, content in ((None, None), *windows.items()):
        for population, recorded in trains.items():
            spikes = _measures(recorded, content, population)
            for statistic in wanted:
                for name, value in statistic.compute(spikes, chosen).items():
                    values[_full_name(name, population, window)] = value
    return values


def _measures(
    recorded: SpikeTrains | AccumulatedTrains, window: Window | None, population: str
) -> SortedTrains | AccumulatedTrains:
    """Return a recording, or a window of it, as statistics take it."""
    if isinstance(recorded, AccumulatedTrains):
        return recorded
    if window is None:
        return SortedTrains(recorded, recorded)
    begin = round(window.bounds(population)[0] / recorded.dt)
    return SortedTrains(cut(recorded, window, population), recorded, begin)


def _full_name(column: str, population: str, window: str | None) -> str:
    return f"{column}_{population}" if window is None else f"{column}_{population}_{window}"


def _all_settings(settings: Mapping[str, float] | None) -> dict[str, float]:
    return {name: setting.default for name, setting in SETTINGS.items()} | dict(settings or {})


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
