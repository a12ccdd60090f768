"""Stored spikes as a Neo Block, which Elephant and NixIO take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.opening.run import RunError

if TYPE_CHECKING:
    import neo

    from analysis.opening.spikes import PointSpikes


def as_block(spikes: PointSpikes, populations: Sequence[str] | None = None) -> neo.Block:
    """Turn the spikes of a point into a Neo Block (see `PointSpikes.to_neo`)."""
    try:
        import neo
        import quantities
    except ImportError as error:
        raise RunError(f"to_neo needs the package neo (pip install 'gridsearch[neo]'): {error}") from error
    block = neo.Block(
        name=spikes.point_id,
        simulator=spikes.simulator,
        **{f"parameter {key}": value for key, value in spikes.swept.items()},
    )
    segment = neo.Segment(name="recording")
    for name in spikes.times if populations is None else populations:
        if name not in spikes.times:
            raise RunError(f"point {spikes.point_id}: has no population {name!r}; it has {list(spikes.times)}")
        order = np.argsort(spikes.senders[name], kind="stable")  # times stay ascending
        times, senders = spikes.times[name][order], spikes.senders[name][order]
        neurons = spikes.recorded[name]
        begins, ends = (np.searchsorted(senders, neurons, side=side) for side in ("left", "right"))
        trains = [
            neo.SpikeTrain(
                times[begin:end],
                units=quantities.ms,
                t_start=0.0 * quantities.ms,
                t_stop=spikes.duration * quantities.ms,
                name=f"{name} {neuron}",
                population=name,
                neuron=int(neuron),
            )
            for neuron, begin, end in zip(neurons, begins, ends, strict=True)
        ]
        group = neo.Group(objects=trains, name=name, size=spikes.sizes[name])
        segment.spiketrains.extend(trains)
        block.groups.append(group)
    block.segments.append(segment)
    return block
