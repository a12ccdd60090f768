"""When a worker stops: on request, or when points take too long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from simulators.backends.simulator import PointStopped


class Terminated(PointStopped):
    """Somebody asked the worker to stop."""


class TimedOut(PointStopped):
    """The points took longer than they may."""


class Watch:
    """Says when to stop: on request, or when points take too long.

    Parameters
    ----------
    timeout : float, optional
        s of wall time per point.

    Attributes
    ----------
    timeout : float or None
        The same.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self._begun = 0.0
        self._until: float | None = None
        self._request: str | None = None

    def request_stop(self, reason: str) -> None:
        """Make the next `check` raise `Terminated`; safe to call from a signal handler."""
        self._request = reason

    def start(self, n_points: int) -> None:
        """Start the clock for points that run together."""
        self._begun = time.monotonic()
        self._until = None if self.timeout is None else self._begun + self.timeout * n_points

    def left(self, n_points: int) -> float | None:
        """Return the s that each of the points that ran together has left; None if it may take any time."""
        if self.timeout is None:
            return None
        return max(0.0, self.timeout - (time.monotonic() - self._begun) / n_points)

    def start_rest(self, seconds: float | None) -> None:
        """Start the clock for what one point still has to do; None: it may take any time."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def rest(self) -> None:
        """Stop the clock: no points run."""
        self._until = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let time pass that is not the points': others are waited for."""
        begun, until = time.monotonic(), self._until
        self._until = None
        try:
            yield
        finally:
            waited = time.monotonic() - begun
            self._begun += waited
            self._until = None if until is None else until + waited

    def check(self) -> None:
        """Raise `Terminated` or `TimedOut` if it is time to stop."""
        if self._request is not None:
            raise Terminated(self._request)
        if self._until is not None and time.monotonic() > self._until:
            raise TimedOut(f"took longer than {self.timeout:g} s")
