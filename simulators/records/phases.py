"""A clock whose phases add up to the time that passed."""

from __future__ import annotations

import time
from collections.abc import Mapping


class PhaseClock:
    """Wall time cut into named phases, without gaps between them.

    Parameters
    ----------
    elapsed : float
        s that the first phase has been running already.

    Attributes
    ----------
    times : dict of str to float
        s, by phase; a name that ends twice adds up.
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self.times: dict[str, float] = {}
        self._since = time.perf_counter() - elapsed

    def end(self, name: str) -> float:
        """End the running phase under a name, begin the next, and return the length of the one that ended in s."""
        now = time.perf_counter()
        seconds = now - self._since
        self.times[name] = self.times.get(name, 0.0) + seconds
        self._since = now
        return seconds

    def split(self, parts: Mapping[str, float], rest: str) -> None:
        """End the running phase in parts that were measured elsewhere; what they leave goes to `rest`."""
        total = self.end(rest)
        self.times[rest] -= total
        left = total - sum(parts.values())
        for name, seconds in {**parts, rest: parts.get(rest, 0.0) + left}.items():
            self.times[name] = self.times.get(name, 0.0) + seconds

    def take(self) -> dict[str, float]:
        """Return the phases ended so far and forget them."""
        times, self.times = self.times, {}
        return times
