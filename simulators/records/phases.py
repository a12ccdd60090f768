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
        seconds = self.lap()
        self.add({name: seconds})
        return seconds

    def lap(self) -> float:
        """End the running phase under no name: what it took is the caller's to `add`. Return it in s."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return seconds

    def add(self, phases: Mapping[str, float]) -> None:
        """Add times in s that were measured elsewhere, by phase."""
        for name, seconds in phases.items():
            self.times[name] = self.times.get(name, 0.0) + seconds

    def take(self) -> dict[str, float]:
        """Return the phases ended so far and forget them."""
        times, self.times = self.times, {}
        return times
