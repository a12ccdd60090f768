"""Which statistics of a sweep its recordings are too short for."""

from __future__ import annotations

from collections.abc import Sequence

from gridsearch.sweeps.sweep import Sweep
from gridsearch.sweeps.tables import TargetTable
from simulators.statistics import Statistic, columns, too_short

ASSUMED_RATE = 5.0
"""Hz, where no target says what rates are wanted."""


def short_recordings(sweep: Sweep, populations: Sequence[str], durations: Sequence[float]) -> list[str]:
    """Say of each statistic that is shown or is a target what the shortest recording or a window lacks for it.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    populations : sequence of str
        Those that get statistics.
    durations : sequence of float
        ms, how long its points are recorded.

    Returns
    -------
    list of str
        A line for the recording and for each window that is too short for something: columns of the statistics named
        will be NaN, or say nothing. Whoever lists a statistic means the whole recording; in a window, those are named
        that targets are on.
    """
    rate = wanted_rate(sweep, populations)
    lengths = {None: min(durations)} | {name: window.end - window.begin for name, window in sweep.windows.items()}
    lines = []
    for window, length in lengths.items():
        aimed_at = _of_targets(sweep, populations, window)
        listed = sweep.guests.found_statistics if window is None else []
        wanted = {one.name: one for one in (*listed, *aimed_at)}
        lacking = too_short(list(wanted.values()), length, rate, sweep.statistics_settings)
        if lacking:
            place = "recordings" if window is None else f"window {window}"
            reasons = "; ".join(f"{name}: {reason}" for name, reason in lacking.items())
            lines.append(f"{place} of {length:g} ms: too short for {', '.join(lacking)} ({reasons})")
    return lines


def wanted_rate(sweep: Sweep, populations: Sequence[str]) -> float:
    """Return the lowest of the mean rates in Hz that targets ask for, 5 Hz where none does."""
    aims = [sweep.targets[f"rate_{name}"] for name in populations if f"rate_{name}" in sweep.targets]
    return min((middle for middle in map(_middle, aims) if middle > 0.0), default=ASSUMED_RATE)


def _middle(target: TargetTable) -> float:
    bounds = [bound for bound in (target.value, target.min, target.max) if bound is not None]
    return sum(bounds) / len(bounds)


def _of_targets(sweep: Sweep, populations: Sequence[str], window: str | None) -> list[Statistic]:
    """Return the statistics with a column of a window (or of none) that is a target."""
    windows = {} if window is None else {window: sweep.windows[window]}
    found = []
    for statistic in sweep.guests.found_computed:
        own = set(columns([statistic], populations, windows))
        if window is not None:
            own -= set(columns([statistic], populations))
        if own & sweep.targets.keys():
            found.append(statistic)
    return found
