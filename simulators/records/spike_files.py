"""Spikes of a point as parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from simulators.records.atomic_file import replacing
from simulators.statistics.measures.subsample import evenly_spaced
from simulators.statistics.spike_trains import SpikeTrains

SAMPLE_SIZE = 100  # neurons per population that a sample keeps

_SIZE = "n_neurons_"


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
                schema=_schema(spikes, sample),
            )
        )
    with replacing(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary, compression="zstd")


def recorded_neurons(size: int, sample: bool) -> NDArray[np.int64]:
    """Neurons of a population whose spikes a file holds, in rising order; shape (n_recorded,)."""
    return evenly_spaced(size, SAMPLE_SIZE) if sample else np.arange(size)


def holds_everything(path: Path) -> bool:
    """Whether a file has all spikes of all neurons, and what statistics need to know of them."""
    try:
        return (pq.read_schema(path).metadata or {}).get(b"sample") == b"false"
    except (OSError, pa.ArrowException):
        return False


def read_spikes(path: Path) -> dict[str, SpikeTrains]:
    """Read the spikes of a point, by population.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is a sample, or of an earlier version.
    """
    if not holds_everything(path):
        raise ValueError(f"{path}: does not hold all spikes of all neurons")
    table = pq.read_table(path, partitioning=None)
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    dt, n_steps = float(said["dt_ms"]), int(said["n_steps"])
    population = table["population"].combine_chunks()
    known = population.dictionary.to_pylist()
    codes = population.indices.to_numpy()
    names = [key.removeprefix(_SIZE) for key in said if key.startswith(_SIZE)]
    code_of = {name: known.index(name) if name in known else -1 for name in names}  # a silent one may not be there
    steps = np.rint(table["time"].to_numpy() / dt).astype(np.int64)
    senders = table["sender"].to_numpy().astype(np.int64)
    return {
        name: SpikeTrains(
            steps=steps[codes == code],
            senders=senders[codes == code],
            size=int(said[f"{_SIZE}{name}"]),
            n_steps=n_steps,
            dt=dt,
            n_clusters=int(said[f"n_clusters_{name}"]),
            t_ref=float(said[f"t_ref_ms_{name}"]),
        )
        for name, code in code_of.items()
    }


def _schema(spikes: Mapping[str, SpikeTrains], sample: bool) -> pa.Schema:
    sizes = {f"{_SIZE}{name}": str(trains.size) for name, trains in spikes.items()}
    clusters = {f"n_clusters_{name}": str(trains.n_clusters) for name, trains in spikes.items()}
    refractory = {f"t_ref_ms_{name}": str(trains.t_ref) for name, trains in spikes.items()}
    steps = {}
    if spikes:
        first = next(iter(spikes.values()))
        steps = {"duration_ms": str(first.duration), "n_steps": str(first.n_steps), "dt_ms": str(first.dt)}
    return pa.schema(
        [
            pa.field("population", pa.dictionary(pa.int8(), pa.string())),
            pa.field("sender", pa.int32(), metadata={"doc": "index within the population"}),
            pa.field("time", pa.float64(), metadata={"unit": "ms", "doc": "since the end of the warm-up"}),
        ],
        metadata={**sizes, **clusters, **refractory, **steps, "sample": str(sample).lower()},
    )
