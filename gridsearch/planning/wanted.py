"""What the rows of a sweep must hold to be enough."""

from __future__ import annotations

from collections.abc import Sequence

from gridsearch.sweeps.sweep import Sweep
from simulators.records.wanted import Wanted
from simulators.statistics import columns


def wanted_of(sweep: Sweep, populations: Sequence[str]) -> Wanted:
    """Return what is wanted: the statistics that are listed, those that targets are columns of, and the spikes.

    What is computed besides, because it costs next to nothing, is welcome but not missed.
    """
    guests = sweep.guests
    targeted = [
        name
        for name, statistic in zip(guests.computed, guests.found_computed, strict=True)
        if columns([statistic], populations, sweep.windows).keys() & sweep.targets.keys()
    ]
    names = list(dict.fromkeys([*sweep.statistics, *targeted]))
    return Wanted(guests.fingerprint(names, sweep.statistics_settings, sweep.windows), sweep.spikes)
