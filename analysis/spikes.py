"""Spikes of the points that were stored, read lazily, and new statistics computed from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.results import open_run
from analysis.run import RunError, run_of
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import recorded_neurons

if TYPE_CHECKING:
    import dask.dataframe as dd


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
    return _read_point(_task(found, 0))


def open_spikes(path: str | Path) -> dd.DataFrame:
    """Open all stored spikes of a run lazily, a partition per point.

    Parameters
    ----------
    path : str or Path
        Folder of the run.

    Returns
    -------
    dask.dataframe.DataFrame
        Columns ``point_id``, ``simulator``, ``population``, ``sender`` and ``time`` (ms).

    Raises
    ------
    RunError
        If no spikes are stored.
    """
    import dask.dataframe as dd

    tasks = _tasks(path)
    meta = pd.DataFrame(
        {
            "point_id": pd.Series(dtype="str"),
            "simulator": pd.Series(dtype="str"),
            "population": pd.Series(dtype="str"),
            "sender": pd.Series(dtype="int32"),
            "time": pd.Series(dtype="float64"),
        }
    )
    frame: dd.DataFrame = dd.from_map(_read_frame, tasks, meta=meta)  # type: ignore[no-untyped-call]
    return frame


def map_spikes(
    path: str | Path, function: Callable[[PointSpikes], Mapping[str, float] | float], scheduler: str | None = None
) -> pd.DataFrame:
    """Compute a new statistic from the stored spikes of every point, in parallel.

    Parameters
    ----------
    path : str or Path
        Folder of the run.
    function : callable
        Takes the `PointSpikes` of a point and returns a number, or several by name. A point for which it raises
        stops the computation, with the point's id in the message.
    scheduler : str, optional
        Of dask: ``"threads"`` by default, ``"processes"`` for a function of pure Python, ``"synchronous"`` to debug.

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
    from dask.base import compute
    from dask.delayed import delayed

    stored = stored_points(path)
    tasks = _tasks(path, stored)
    name = getattr(function, "__name__", "value")
    work = [delayed(_apply, pure=False)(function, task, name) for task in tasks]
    values = compute(*work, scheduler=scheduler or "threads")  # type: ignore[no-untyped-call]
    frame = stored.drop(columns=["spike_file"]).reset_index(drop=True).join(pd.DataFrame(list(values)))
    frame.attrs = stored.attrs
    return frame


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


def _read_frame(task: dict[str, Any]) -> pd.DataFrame:
    frame: pd.DataFrame = _read_table(task).to_pandas()[["population", "sender", "time"]]
    frame["population"] = frame["population"].astype("str")
    frame.insert(0, "point_id", pd.Series([task["point_id"]] * len(frame), dtype="str"))
    frame.insert(1, "simulator", pd.Series([task["simulator"]] * len(frame), dtype="str"))
    return frame


def _read_table(task: dict[str, Any]) -> pa.Table:
    try:
        return pq.read_table(task["file"], partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{task['file']}: is not a readable file of spikes: {error}") from error
