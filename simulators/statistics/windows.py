"""Windows of a recording: parts of it that get statistics of their own, such as before and during a stimulus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simulators.statistics.spike_trains import SpikeTrains


@dataclass(frozen=True)
class Window:
    """A part of a recording.

    Parameters
    ----------
    begin, end : float
        ms since the end of the warm-up; whole steps of the simulation.
    shifts : mapping of str to float
        ms by which it lies later for a population, as activity reaches it later; those not named are not shifted.
    """

    begin: float
    end: float
    shifts: Mapping[str, float] = field(default_factory=dict)

    def bounds(self, population: str) -> tuple[float, float]:
        """Begin and end in ms for a population."""
        shift = self.shifts.get(population, 0.0)
        return self.begin + shift, self.end + shift


def broken_rule(window: Window, population: str, duration: float, dt: float) -> str:
    """Return the rule that a window breaks for a population, empty if it breaks none.

    Parameters
    ----------
    window : Window
        The window.
    population : str
        Whose shift applies.
    duration, dt : float
        ms, length of the recording and of a step.
    """
    begin, end = window.bounds(population)
    shifted = f" (shifted by {window.shifts[population]:g} ms for {population})" if population in window.shifts else ""
    if not begin < end:
        return "must end after it begins"
    if begin < -1e-6 * dt or end > duration + 1e-6 * dt:
        return f"must lie within the recording, 0 to {duration:g} ms{shifted}"
    for time in (begin, end):
        if abs(time / dt - round(time / dt)) > 1e-6 * max(1.0, abs(time / dt)):
            return f"must begin and end at whole steps of {dt:g} ms{shifted}"
    return ""


def cut(trains: SpikeTrains, window: Window, population: str) -> SpikeTrains:
    """Return the spikes of a population in a window, as a recording of its own.

    Raises
    ------
    ValueError
        If the window does not lie within the recording, or not on its steps.
    """
    if rule := broken_rule(window, population, trains.duration, trains.dt):
        raise ValueError(f"window {window.begin:g} to {window.end:g} ms: {rule}")
    first, last = (round(time / trains.dt) for time in window.bounds(population))
    # A spike at step s is at the end of the interval (s - 1, s].
    inside = (trains.steps > first) & (trains.steps <= last)
    return replace(trains, steps=trains.steps[inside] - first, senders=trains.senders[inside], n_steps=last - first)
