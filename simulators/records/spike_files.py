"""Spikes of a point as parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from simulators.records.atomic_file import replacing
from simulators.statistics.spike_trains import SpikeTrains

SAMPLE_SIZE = 100  # neurons per population that a sample keeps


def write_spikes(spikes: Mapping[str, SpikeTrains], path: Path, sample: bool) -> None:
    """Write the spikes of a point, whole or not at all.

    Columns are ``population``, ``sender`` (index within the population) and ``time`` (ms since the end of the warm-up),
    ordered by population and time. The metadata of the columns gives units; that of the schema the size and
    the number of clusters of every population and the duration.

    Parameters
    ----------
    spikes : mapping of str to SpikeTrains
        By population.
    path : Path
        The file.
    sample : bool
        Keep `SAMPLE_SIZE` neurons of each population, evenly spaced and so from every cluster, rather than all.
    """
    tables = []
    names = list(spikes)
    for code, trains in enumerate(spikes.values()):
        steps, senders = trains.steps, trains.senders
        if sample:
            chosen = np.zeros(trains.size, dtype=bool)
            chosen[recorded_neurons(trains.size, sample)] = True
            kept = chosen[senders]
            steps, senders = steps[kept], senders[kept]
        order = np.lexsort((senders, steps))
        population = pa.DictionaryArray.from_arrays(
            np.full(len(order), code, dtype=np.int8), pa.array(names, pa.string())
        )
        tables.append(
            pa.table(
                [population, senders[order].astype(np.int32), steps[order] * trains.dt],
                schema=_schema(spikes),
            )
        )
    with replacing(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary, compression="zstd")


def recorded_neurons(size: int, sample: bool) -> NDArray[np.int64]:
    """Neurons of a population whose spikes a file holds, in rising order; shape (n_recorded,)."""
    if sample and size > SAMPLE_SIZE:
        return np.linspace(0, size, SAMPLE_SIZE, endpoint=False).astype(np.int64)
    return np.arange(size)


def _schema(spikes: Mapping[str, SpikeTrains]) -> pa.Schema:
    sizes = {f"n_neurons_{name}": str(trains.size) for name, trains in spikes.items()}
    clusters = {f"n_clusters_{name}": str(trains.n_clusters) for name, trains in spikes.items()}
    duration = {"duration_ms": str(next(iter(spikes.values())).duration)} if spikes else {}
    return pa.schema(
        [
            pa.field("population", pa.dictionary(pa.int8(), pa.string())),
            pa.field("sender", pa.int32(), metadata={"doc": "index within the population"}),
            pa.field("time", pa.float64(), metadata={"unit": "ms", "doc": "since the end of the warm-up"}),
        ],
        metadata={**sizes, **clusters, **duration},
    )
