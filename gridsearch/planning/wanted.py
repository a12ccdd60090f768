"""What the rows of a sweep must hold to be enough."""

from __future__ import annotations

from collections.abc import Sequence

from gridsearch.planning.grid import Grid
from gridsearch.sweeps.sweep import Sweep
from simulators.backends.simulator import FIRST_REVISION, find_simulator, revision_of
from simulators.records.summaries.wanted import Wanted
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


def wanted_revisions(grid: Grid, simulator: str) -> dict[str, int]:
    """Return the revision of a simulator that is wanted of each point, by its id, where it is not the first."""
    module, networks = find_simulator(simulator), grid.networks[simulator]
    made_of = list(zip(grid.structures[simulator], grid.simulations, strict=True))
    revisions = {(at, simulation): revision_of(module, networks[at], simulation) for at, simulation in set(made_of)}
    if all(revision == FIRST_REVISION for revision in revisions.values()):
        return {}
    return {point.point_id: revisions[key] for point, key in zip(grid.points, made_of, strict=True)}
