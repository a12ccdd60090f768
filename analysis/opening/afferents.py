"""What stored spikes bring to each projection of a network: the most at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.opening.run import RunError
from analysis.opening.spikes import PointSpikes
from simulators.description import ConnectionList, Network, Projection, SpikeEvents
from simulators.description.network import projection_synapses


def afferent_peaks(spikes: PointSpikes, network: Network, dt: float) -> pd.DataFrame:
    """Find, for each projection, the step in which most spikes come and what they bring.

    Parameters
    ----------
    spikes : PointSpikes
        All spikes of a point (``spikes = "all"``).
    network : Network
        Its network, whose given spikes are those of its sources.
    dt : float
        ms, length of a step.

    Returns
    -------
    pandas.DataFrame
        A row for each projection, its name the index: ``peak_spikes``, most spikes of the population before in a step,
        and its ``time`` in ms; ``peak_events``, most synapses that are reached in a step of emission, and
        ``peak_per_cell``, most of those at one cell after. With an explicit list of connections these are exact; of
        connections that a simulator drew only the mean number per spike is known (``exact`` is False), and
        ``peak_per_cell`` is NaN. Spikes of sources that draw their own are not known: all NaN.

    Raises
    ------
    RunError
        If only a sample of the spikes is stored.
    """
    rows = {}
    for projection in network.projections:
        steps, senders = _emitted(spikes, network, projection.source, dt)
        exact = isinstance(projection.rule, ConnectionList)
        if steps is None:
            rows[projection.name] = (np.nan, np.nan, np.nan, np.nan, exact)
        elif not steps.size:
            rows[projection.name] = (0.0, np.nan, 0.0, 0.0 if exact else np.nan, exact)
        else:
            rows[projection.name] = _peaks(network, projection, steps, senders, dt)
    names = ["peak_spikes", "time", "peak_events", "peak_per_cell", "exact"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("projection")


def _emitted(
    spikes: PointSpikes, network: Network, name: str, dt: float
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Steps and senders of a population's spikes; None if nobody knows them."""
    model = network[name].model
    if model.source == "events":
        given = [one for one in network.inputs if isinstance(one, SpikeEvents) and one.target == name]
        times = np.concatenate([np.zeros(0), *(one.times for one in given)])
        senders = np.concatenate([np.zeros(0, dtype=np.int64), *(one.neurons for one in given)])
        steps = np.rint(times / dt).astype(np.int64)
        kept = (steps > 0) & (steps <= round(spikes.duration / dt))
        pairs = np.unique(np.stack([steps[kept], senders[kept]]), axis=1)  # a source plays one spike in a step
        return pairs[0], pairs[1]
    if model.source is not None or name not in spikes.times:
        return None, np.zeros(0, dtype=np.int64)
    if spikes.recorded[name].size < spikes.sizes[name]:
        raise RunError(f'point {spikes.point_id}: only a sample of {name} is stored; peaks need spikes = "all"')
    return np.rint(spikes.times[name] / dt).astype(np.int64), spikes.senders[name].astype(np.int64)


def _peaks(
    network: Network, projection: Projection, steps: NDArray[np.int64], senders: NDArray[np.int64], dt: float
) -> tuple[float, float, float, float, bool]:
    counts = np.bincount(steps)
    at = int(counts.argmax())
    rule, size = projection.rule, network[projection.source].size
    if not isinstance(rule, ConnectionList):
        each = projection_synapses(network, projection) / size
        return float(counts[at]), at * dt, float(counts[at] * each), np.nan, False
    reached = np.bincount(rule.sources, minlength=size)
    events = np.bincount(steps, weights=reached[senders])
    # Only in full steps can a cell get most: those whose events are no fewer than the best found so far
    order = np.argsort(rule.sources, kind="stable")
    starts, targets = np.concatenate([[0], np.cumsum(reached)]), rule.targets[order]
    by_step = np.argsort(steps, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(counts)])
    most = 0
    for step in np.argsort(-events, kind="stable"):
        if events[step] <= most:
            break
        inside = senders[by_step[firsts[step] : firsts[step + 1]]]
        hit = np.concatenate([targets[starts[one] : starts[one + 1]] for one in inside])
        most = max(most, int(np.bincount(hit).max(initial=0)))
    return float(counts[at]), at * dt, float(events.max()), float(most), True
