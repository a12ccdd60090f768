"""The spikes of a point, taken out of NEST's recorders window by window.

To say how many spikes a recorder holds, NEST copies all of them: one that is asked again and again while it fills takes
time that grows with the square of the spikes, 29 % of the wall half way through ten seconds of the full microcircuit.
What has been taken out is not copied again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Spikes = NDArray[np.int64]


class SpikeLog:
    """What NEST's recorders have recorded.

    Parameters
    ----------
    recorders : mapping of str to NodeCollection
        By population; they count time in steps. What they hold is forgotten.
    """

    def __init__(self, recorders: Mapping[str, Any]) -> None:
        self._recorders = recorders
        self._taken: dict[str, list[tuple[Spikes, Spikes]]] = {name: [] for name in recorders}
        for recorder in recorders.values():
            recorder.set(n_events=0)

    def counts(self) -> dict[str, int]:
        """Return how many spikes of each population have not been taken yet."""
        return {name: recorder.n_events for name, recorder in self._recorders.items()}

    def take(self) -> None:
        """Take what the recorders hold; NEST must not be prepared to run."""
        for name, recorder in self._recorders.items():
            events = recorder.get("events")
            # a recorder without events hands out floats
            steps = np.asarray(events["times"], dtype=np.int64)
            if steps.size:
                self._taken[name].append((steps, np.asarray(events["senders"], dtype=np.int64)))
                recorder.set(n_events=0)

    def of(self, population: str) -> tuple[Spikes, Spikes]:
        """Return steps and senders of a population's spikes, as NEST counts both; shape (n_spikes,) each."""
        pieces = self._taken[population]
        if not pieces:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        return np.concatenate([steps for steps, _ in pieces]), np.concatenate([senders for _, senders in pieces])
