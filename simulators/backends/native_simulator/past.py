"""What a run keeps of the past: spikes that are still looked back upon, and jobs that are still to be delivered."""

from __future__ import annotations

import numpy as np

from simulators.backends.native_simulator.kernels.tables import (
    BUNDLE_DELAYS,
    BUNDLE_FACTS,
    BUNDLE_SHORTEST,
    Bundles,
    Record,
)


class Past:
    """The past as a thread keeps it: all spikes, and its own jobs.

    Parameters
    ----------
    shape : tuple of int
        Rows of `starts`, a step each, and their length.
    n_all : int
        Neurons with padding.
    bundles : Bundles
        Compressed rows of the thread.
    """

    def __init__(self, shape: tuple[int, int], n_all: int, bundles: Bundles) -> None:
        self.starts = np.zeros(shape, dtype=np.int64)
        self.spikes = np.zeros(2 * n_all + 4096, dtype=np.int32)
        facts = bundles.facts.reshape(-1, BUNDLE_FACTS)
        ring = int((facts[:, BUNDLE_SHORTEST] + facts[:, BUNDLE_DELAYS]).max(initial=1))
        self._job_counts = np.zeros(ring, dtype=np.int64)
        self._jobs = np.zeros((ring, 256, 3), dtype=np.int64)

    def record(self, base: int) -> Record:
        """Hand it to machine code; `base` is the step of the first row."""
        return Record(
            base,
            self.starts.ravel(),
            self.spikes,
            len(self.spikes),
            len(self._job_counts),
            self._job_counts,
            self._jobs.ravel(),
            self._jobs.shape[1],
        )

    def make_room(self, n_spikes: int, n_all: int) -> None:
        """Grow what a step did not fit into."""
        if n_spikes + n_all > len(self.spikes):
            grown = np.zeros(2 * len(self.spikes) + n_all, dtype=np.int32)
            grown[:n_spikes] = self.spikes[:n_spikes]
            self.spikes = grown
        else:
            jobs = np.zeros((self._jobs.shape[0], 2 * self._jobs.shape[1], 3), dtype=np.int64)
            jobs[:, : self._jobs.shape[1]] = self._jobs
            self._jobs = jobs

    def shift(self, n_steps: int, lag: int, n_spikes: int) -> int:
        """Keep only `lag` steps, those before the one that comes next; return the number of spikes in the record."""
        rows = self.starts[n_steps : n_steps + lag].copy()
        first = int(rows[0, 0])
        self.spikes[: n_spikes - first] = self.spikes[first:n_spikes].copy()
        self.starts[:lag] = rows - first
        return n_spikes - first
