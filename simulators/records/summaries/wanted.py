"""What a row must hold to be enough: it does not change what a point is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from simulators.records.job import SpikeRecording

_KEPT = ("none", "sample", "all")


@dataclass(frozen=True)
class Wanted:
    """What a sweep asks to be measured and kept.

    Parameters
    ----------
    statistics : mapping of str to str
        From `simulators.statistics.references.fingerprint_of`.
    spikes : {'none', 'sample', 'all'}
        Which are kept at least.
    """

    statistics: Mapping[str, str]
    spikes: SpikeRecording = "none"

    def is_met_by(self, statistics: str | None, spikes: str | None) -> bool:
        """Whether a row holds all of it; the arguments are its columns of these names."""
        made = json.loads(statistics) if statistics else {}
        enough = _KEPT.index(spikes or "none") >= _KEPT.index(self.spikes)
        return enough and all(made.get(name) == told for name, told in self.statistics.items())
