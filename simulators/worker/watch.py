"""When a worker stops: on request, or when points take too long."""

from __future__ import annotations

import time

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
    """

    def __init__(self, timeout: float | None = None) -> None:
        self._timeout = timeout
        self._until: float | None = None
        self._request: str | None = None

    def request_stop(self, reason: str) -> None:
        """Make the next `check` raise `Terminated`; safe to call from a signal handler."""
        self._request = reason

    def start(self, n_points: int) -> None:
        """Start the clock for points that run together."""
        self._until = None if self._timeout is None else time.monotonic() + self._timeout * n_points

    def rest(self) -> None:
        """Stop the clock: no points run."""
        self._until = None

    def check(self) -> None:
        """Raise `Terminated` or `TimedOut` if it is time to stop."""
        if self._request is not None:
            raise Terminated(self._request)
        if self._until is not None and time.monotonic() > self._until:
            raise TimedOut(f"took longer than {self._timeout:g} s")
