"""What crosses the wire: the job a worker gets, and the summary rows it gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from simulators.atomic_file import replacing
from simulators.statistics import columns as statistics_columns

SpikeRecording = Literal["none", "sample", "all"]

# Wall-clock phases of a row, in the order in which they happen; seconds.
PHASES: Mapping[str, str] = {
    "t_load": "starting the worker: imports, reading the job, opening the simulator",
    "t_compile": "generating and compiling code",
    "t_build": "creating neurons and synapses",
    "t_reset": "setting state, parameters and weights of the point",
    "t_simulate": "propagating warm-up and recording",
    "t_record": "fetching the spikes",
    "t_statistics": "computing the statistics",
    "t_write": "writing the row and the spikes",
}


# Columns without which a file is no summary, and those with few distinct values in many rows.
REQUIRED = ("point_id", "simulator", "status")
REPETITIVE = ("simulator", "backend", "status", "error", "job", "host", "cpu", "gpu", "versions")
# What pyarrow raises at a file that it cannot read.
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


class JobError(ValueError):
    """A job file that cannot be carried out."""


@dataclass(frozen=True)
class Simulation:
    """How long and how finely to simulate.

    Parameters
    ----------
    dt : float
        ms, time step.
    warmup, duration : float
        ms, excluded from and included in the statistics.
    max_rate : float
        Hz; a point in which any population fires above it on average has diverged, and is given up.
    """

    dt: float
    warmup: float
    duration: float
    max_rate: float = 200.0

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up."""
        return round(self.warmup / self.dt)

    @property
    def n_steps(self) -> int:
        """Steps of the recording."""
        return round(self.duration / self.dt)


@dataclass(frozen=True)
class Point:
    """One point of the grid with one seed.

    Parameters
    ----------
    point_id : str
        Hash of everything the result depends on but the simulator.
    seed : int
        The replicate's seed, as the user counts it.
    network_seed : int
        Seed of connectivity and initial state; equal to `seed` where all points share a draw.
    swept : mapping of str to value
        The values that differ between points, by name or by element (``p[0,1]``).
    """

    point_id: str
    seed: int
    network_seed: int
    swept: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A chunk of points for one worker; complete, so that it can be replayed by hand.

    Parameters
    ----------
    name : str
        Names the job's files.
    model, simulator : str
        Modules ``simulators.models.<model>`` and ``simulators.<simulator>_simulator``.
    settings : mapping of str to value
        The simulator's own settings (threads, backend …).
    simulation : Simulation
        Step, warm-up and duration.
    statistics : tuple of str
        Names from `simulators.statistics.STATISTICS`.
    parameters : mapping of str to value
        Every parameter of the model, before what a point sweeps.
    points : tuple of Point
        In the order in which they run: points of one structure are neighbours.
    populations : tuple of str
        Populations that get statistics.
    statistics_settings : mapping of str to float
        Constants of the statistics that differ from their defaults.
    spikes : {'none', 'sample', 'all'}
        Which spikes to keep.
    timeout : float, optional
        s of wall time a point may take.
    """

    name: str
    model: str
    simulator: str
    settings: Mapping[str, Any]
    simulation: Simulation
    statistics: tuple[str, ...]
    parameters: Mapping[str, Any]
    points: tuple[Point, ...]
    populations: tuple[str, ...]
    statistics_settings: Mapping[str, float] = field(default_factory=dict)
    spikes: SpikeRecording = "none"
    timeout: float | None = None


def write_job(job: Job, path: Path) -> None:
    """Write a job file, whole or not at all: one line for each field and each point."""
    content = {one.name: getattr(job, one.name) for one in fields(job)} | {"simulation": asdict(job.simulation)}
    points = ",\n  ".join(_json(vars(point)) for point in content.pop("points"))
    lines = [f'"{key}": {_json(value)}' for key, value in content.items()] + [f'"points": [\n  {points}\n ]']
    with replacing(path) as temporary:
        temporary.write_text("{\n " + ",\n ".join(lines) + "\n}\n", encoding="utf-8")


def read_job(path: Path) -> Job:
    """Read a job file.

    Raises
    ------
    JobError
        If the file is missing, is not JSON, or lacks or misnames a field; the message names file and field.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JobError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise JobError(f"{path}: is not JSON: {error}") from error
    try:
        return Job(
            **{
                **content,
                "simulation": Simulation(**content["simulation"]),
                "statistics": tuple(content["statistics"]),
                "points": tuple(Point(**point) for point in content["points"]),
                "populations": tuple(content["populations"]),
            }
        )
    except KeyError as error:
        raise JobError(f"{path}: field {error} is missing") from error
    except TypeError as error:
        raise JobError(f"{path}: {str(error).replace('__init__() ', '')}") from error


class CorruptSummaryError(ValueError):
    """A summary file that cannot be read."""


def summary_schema(statistics: Sequence[str], populations: Sequence[str], swept: Mapping[str, Any]) -> pa.Schema:
    """Columns of a summary file, each with its unit and meaning in the field metadata.

    Parameters
    ----------
    statistics, populations : sequence of str
        What was asked for, of whom.
    swept : mapping of str to value
        The swept parameters with a value each, which gives their types.

    Returns
    -------
    pyarrow.Schema
    """
    fields = [
        _field("point_id", pa.string(), "", "hash of model, parameters, seed, simulation and statistics"),
        _field("simulator", pa.string(), "", "simulator"),
        _field("backend", pa.string(), "", "backend of the simulator"),
        _field("seed", pa.int64(), "", "replicate"),
        _field("network_seed", pa.int64(), "", "seed of connectivity and initial state"),
        *(_field(name, _swept_type(value), "", "swept parameter") for name, value in swept.items()),
        _field("status", pa.string(), "", "ok, failed, timeout or diverged"),
        _field("error", pa.string(), "", "why the point is not ok"),
    ]
    for name, column in statistics_columns(statistics, populations).items():
        fields.append(_field(name, pa.int64() if name.startswith("n_") else pa.float64(), column.unit, column.doc))
    fields += [_field(name, pa.float64(), "s", doc) for name, doc in PHASES.items()]
    fields += [
        _field("realtime_factor", pa.float64(), "1", "wall time per biological time of the propagation"),
        _field("duration", pa.float64(), "ms", "recorded biological time"),
        _field("n_neurons", pa.int64(), "1", "neurons"),
        _field("n_synapses", pa.int64(), "1", "synapses"),
        _field("n_spikes", pa.int64(), "1", "spikes after the warm-up"),
        _field("peak_memory", pa.int64(), "B", "peak resident memory of the worker so far"),
        _field("job", pa.string(), "", "job"),
        _field("host", pa.string(), "", "host name"),
        _field("cpu", pa.string(), "", "processor"),
        _field("gpu", pa.string(), "", "graphics processor"),
        _field("threads", pa.int64(), "1", "threads of the simulator"),
        _field("versions", pa.string(), "", "package versions and hash of the code, JSON"),
        _field("started", pa.timestamp("us", tz="UTC"), "", "start of the point"),
        _field("finished", pa.timestamp("us", tz="UTC"), "", "end of the point"),
    ]
    return pa.schema(fields)


def write_summary(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Write a summary file, whole or not at all; a value that a row lacks is null."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


@lru_cache(maxsize=8)
def empty_summary(schema: pa.Schema) -> bytes:
    """Return the content of a summary file without rows: the same for thousands of jobs of a sweep."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    return bytes(sink.getvalue())


def read_summary(path: Path) -> pa.Table:
    """Read a summary file.

    Raises
    ------
    CorruptSummaryError
        If it is not a summary; the message names the file.
    """
    try:
        with pq.ParquetFile(path) as file:  # opened once: a worker may put a new file in its place at any time
            table = file.read()
    except UNREADABLE as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise CorruptSummaryError(f"{path}: is not a readable parquet file: {error}") from error
    missing = set(REQUIRED) - set(table.column_names)
    if missing:
        raise CorruptSummaryError(f"{path}: is not a summary: columns {sorted(missing)} are missing")
    return table


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _field(name: str, kind: pa.DataType, unit: str, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "doc": doc})


def _swept_type(value: Any) -> pa.DataType:
    # bool before int: a bool is an int to Python
    for python_type, arrow_type in ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (str, pa.string())):
        if isinstance(value, python_type):
            return arrow_type
    return pa.list_(_swept_type(value[0])) if len(value) else pa.list_(pa.float64())
