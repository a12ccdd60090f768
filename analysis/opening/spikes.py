"""Spikes of the points that were stored, and new statistics computed from them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.opening.neo_block import as_block
from analysis.opening.run import RunError, run_of
from analysis.opening.table import open_run
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import recorded_neurons

_READERS = 4


@dataclass(frozen=True)
class PointSpikes:
    """Spikes of one point.

    Parameters
    ----------
    point_id, simulator : str
        What they are of.
    times : mapping of str to ndarray of float
        ms since the end of the warm-up, ascending, by population.
    senders : mapping of str to ndarray of int
        Index of the neuron in the population, by population; as long as `times`.
    sizes : mapping of str to int
        Neurons in each population.
    recorded : mapping of str to ndarray of int
        Neurons whose spikes were kept, silent ones included: all of a population, or those of the sample.
    duration : float
        ms that were recorded.
    swept : mapping of str to value
        The point's parameters.
    """

    point_id: str
    simulator: str
    times: Mapping[str, NDArray[np.float64]]
    senders: Mapping[str, NDArray[np.int32]]
    sizes: Mapping[str, int]
    recorded: Mapping[str, NDArray[np.int64]]
    duration: float
    swept: Mapping[str, Any]

    def to_neo(self, populations: Sequence[str] | None = None) -> Any:
        """Return the spikes as a Neo Block of one segment, with a group for each population.

        Parameters
        ----------
        populations : sequence of str, optional
            Of which; all by default.

        Returns
        -------
        neo.Block
            A SpikeTrain for each recorded neuron, silent ones included, from 0 to the end of the recording in ms,
            annotated with ``population`` and ``neuron``; the block has the parameters of the point.

        Raises
        ------
        RunError
            If Neo is not installed, or there is no such population.
        """
        return as_block(self, populations)


def stored_points(path: str | Path) -> pd.DataFrame:
    """Find the points of a run whose spikes are stored.

    Parameters
    ----------
    path : str or Path
        Folder of the run.

    Returns
    -------
    pandas.DataFrame
        The rows of `open_run` that have a file, with its path in ``spike_file``.

    Raises
    ------
    RunError
        If the folder is not a run.
    """
    directory = RunDirectory(Path(path))
    table = open_run(path, columns=["job", "duration"])
    if "job" not in table:
        return table.iloc[:0].assign(spike_file=pd.Series(dtype=str))
    table = table[table["job"].notna()]
    files = [
        directory.spike_file(str(job), str(point)) for job, point in zip(table["job"], table["point_id"], strict=True)
    ]
    table = table.assign(spike_file=[str(file) for file in files])
    stored = table[[file.is_file() for file in files]]
    stored.attrs = table.attrs
    return stored


def read_spikes(path: str | Path, point_id: str, configuration: str | None = None) -> PointSpikes:
    """Read the spikes of a point.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    point_id : str
        The point, or the beginning of its id.
    configuration : str, optional
        Which simulator; the first that has them by default.

    Returns
    -------
    PointSpikes

    Raises
    ------
    RunError
        If no spikes of such a point are stored, or several points begin so.
    """
    stored = stored_points(path)
    found = stored[stored["point_id"].str.startswith(point_id)]
    if configuration is not None:
        found = found[found["configuration"] == configuration]
    if found.empty:
        of = "" if configuration is None else f" of {configuration}"
        raise RunError(
            f"{path}: no spikes{of} are stored of point {point_id!r}; {len(stored)} points have them"
            + ("" if len(stored) else ' (ask for them with spikes = "sample" or "all" under [record])')
        )
    if found["point_id"].nunique() > 1:
        raise RunError(f"{path}: {found['point_id'].nunique()} points begin with {point_id!r}")
    return spikes_of(found, 0)


def spikes_of(stored: pd.DataFrame, row: int) -> PointSpikes:
    """Read the spikes of a row, by its number, of what `stored_points` returns.

    Raises
    ------
    RunError
        If its file cannot be read.
    """
    return _read_point(_task(stored, row))


def open_spikes(
    path: str | Path, points: Sequence[str] | None = None, populations: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read the stored spikes of a run, or of some of its points, as one table.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    points : sequence of str, optional
        Ids of the points; all that have spikes by default. A spike takes 15 bytes: where all do not fit into memory,
        read some, or use `map_spikes`, which holds a point at a time.
    populations : sequence of str, optional
        Of which; all by default.

    Returns
    -------
    pandas.DataFrame
        Columns ``point_id``, ``configuration``, ``population`` (categories), ``sender`` (index in the population) and
        ``time`` (ms since the end of the warm-up); point by point, population by population, in the order of time.

    Raises
    ------
    RunError
        If no spikes are stored, or not of a point or population that was asked for.
    """
    stored = stored_points(path)
    if points is not None:
        lacking = sorted(set(points) - set(stored["point_id"]))
        if lacking:
            raise RunError(f"{path}: no spikes are stored of {lacking}; {len(stored)} points have them")
        stored = stored[stored["point_id"].isin(points)]
    known = run_of(stored).populations
    unknown = sorted(set(populations or ()) - set(known))
    if unknown:
        raise RunError(f"{path}: has no populations {unknown}; it has {list(known)}")
    tasks = _tasks(path, stored)
    with ThreadPoolExecutor(_READERS) as pool:
        tables = list(pool.map(lambda task: _read_table(task, populations), tasks))
    joined = pa.concat_tables([table.replace_schema_metadata(None) for table in tables]).unify_dictionaries()
    rows_of = np.repeat(np.arange(len(tasks)), [table.num_rows for table in tables])
    columns = {name: _repeated([task[name] for task in tasks], rows_of) for name in ("point_id", "configuration")}
    columns |= {name: joined[name] for name in ("population", "sender", "time")}
    frame: pd.DataFrame = pa.table(columns).to_pandas(split_blocks=True)
    frame.attrs = stored.attrs
    return frame


def map_spikes(
    path: str | Path,
    function: Callable[[PointSpikes], Mapping[str, float] | float],
    workers: int | None = None,
    processes: bool = False,
) -> pd.DataFrame:
    """Compute a new statistic from the stored spikes of every point, several at a time.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    function : callable
        Takes the `PointSpikes` of a point and returns a number, or several by name. A point for which it raises
        stops the computation, with the point's id in the message.
    workers : int, optional
        How many points at a time; as many as there are cores by default.
    processes : bool
        Use processes rather than threads: for a slow function of pure Python, which must then be one of a module.

    Returns
    -------
    pandas.DataFrame
        Identity and swept parameters of every stored point and one column per number, named after the function if
        it returns one only. ``attrs`` are those of `open_run`: the result can be drawn like any statistic.

    Raises
    ------
    RunError
        If no spikes are stored, or the function fails.
    """
    stored = stored_points(path)
    tasks = _tasks(path, stored)
    name = getattr(function, "__name__", "value")
    kind: type[Executor] = ProcessPoolExecutor if processes else ThreadPoolExecutor
    with kind(workers or os.cpu_count()) as pool:  # type: ignore[call-arg]
        values = list(pool.map(_apply, itertools.repeat(function), tasks, itertools.repeat(name)))
    frame = stored.drop(columns=["spike_file"]).reset_index(drop=True).join(pd.DataFrame(values))
    frame.attrs = stored.attrs
    return frame


def _repeated(values: Sequence[str], rows: NDArray[np.int64]) -> pa.DictionaryArray:
    distinct = pa.array(values).dictionary_encode()
    codes = distinct.indices.to_numpy()[rows]
    return pa.DictionaryArray.from_arrays(codes, distinct.dictionary)


def _tasks(path: str | Path, stored: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    stored = stored_points(path) if stored is None else stored
    if stored.empty:
        raise RunError(f'{path}: no spikes are stored (ask for them with spikes = "sample" or "all" under [record])')
    return [_task(stored, row) for row in range(len(stored))]


def _task(stored: pd.DataFrame, row: int) -> dict[str, Any]:
    run, line = run_of(stored), stored.iloc[row]
    duration = line.get("duration")  # summaries of before the duration could be swept do not have it
    return {
        "file": line["spike_file"],
        "point_id": line["point_id"],
        "simulator": str(line["simulator"]),
        "configuration": str(line["configuration"]),
        "populations": run.populations,
        "duration": float(run.metadata["simulation"]["duration"] if pd.isna(duration) else duration),
        "sample": run.metadata.get("spikes") == "sample",
        "swept": {axis.key: line[axis.key] for axis in run.axes},
    }


def _apply(
    function: Callable[[PointSpikes], Mapping[str, float] | float], task: dict[str, Any], name: str
) -> dict[str, float]:
    try:
        value = function(_read_point(task))
    except Exception as error:
        raise RunError(f"{name} failed on the spikes of point {task['point_id']}: {error!r}") from error
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _read_point(task: dict[str, Any]) -> PointSpikes:
    table = _read_table(task)
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    population = table["population"].cast(pa.string()).to_numpy(zero_copy_only=False)
    sender, time = table["sender"].to_numpy(), table["time"].to_numpy()
    chosen = {name: population == name for name in task["populations"]}
    sizes = {name: int(metadata[f"n_neurons_{name}"]) for name in chosen}
    return PointSpikes(
        task["point_id"],
        task["simulator"],
        {name: time[rows] for name, rows in chosen.items()},
        {name: sender[rows] for name, rows in chosen.items()},
        sizes,
        {name: recorded_neurons(size, task["sample"]) for name, size in sizes.items()},
        task["duration"],
        task["swept"],
    )


def _read_table(task: dict[str, Any], populations: Sequence[str] | None = None) -> pa.Table:
    chosen = None if populations is None else [("population", "in", list(populations))]
    try:
        return pq.read_table(task["file"], partitioning=None, filters=chosen)
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{task['file']}: is not a readable file of spikes: {error}") from error
