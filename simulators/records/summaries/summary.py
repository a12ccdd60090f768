"""What a worker gives back: the summary file, a row for each point."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulators.description.parameters import element, split_key, with_overrides
from simulators.records.atomic_file import replacing
from simulators.records.job import Job, UnreadableJobError
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.job_rows import JobRows, read_job_rows
from simulators.records.summaries.row_checks import KNOWN, NO_LIMITS, REQUIRED, repeat_fault, schema_fault, value_fault
from simulators.statistics import Column, Statistic, Window
from simulators.statistics import columns as statistics_columns
from simulators.statistics.references import find_statistics

# Wall-clock phases of a row, in the order in which they happen; seconds.
PHASES: Mapping[str, str] = {
    "t_load": "starting the worker: imports, reading the job, opening the simulator",
    "t_compile": "generating and compiling code",
    "t_build": "creating neurons and synapses",
    "t_reset": "setting state, parameters and weights of the point",
    "t_simulate": "propagating warm-up and recording",
    "t_record": "fetching the spikes",
    "t_statistics": "computing the statistics; where others do it beside the next points, waiting for them",
    "t_write": "writing the row and the spikes",
}

# What planning expected of a row on the machine that it compares others with; seconds. Rows correct it by the ratio.
EXPECTED: Mapping[str, str] = {
    "expected_build": "estimate of t_build where this row made a build, else 0",
    "expected_point": "estimate of t_reset to t_write",
}


# Columns with few distinct values in many rows.
REPETITIVE = (
    *("simulator", "backend", "status", "error", "job", "host", "cpu", "gpu", "versions"),
    *("content", "statistics", "spikes"),
)
# How the columns of statistics lie in the file; a histogram counts neurons or pairs of one population.
_TYPES = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "floats": pa.list_(pa.float64()),
    "integers": pa.list_(pa.int32()),
}
# Columns that were found sound, and of what jobs: most files of a run share theirs.
_SOUND: deque[tuple[pa.Schema, Mapping[str, str]]] = deque(maxlen=4)
# What pyarrow raises at a file that it cannot read.
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


class CorruptSummaryError(ValueError):
    """A summary file that cannot be read."""


class UnknownSummaryError(CorruptSummaryError):
    """A summary file of a job that nobody knows: its rows do not count, and nothing is wrong with the file itself."""


def summary_schema(
    statistics: Sequence[str | Statistic],
    populations: Sequence[str],
    swept: Mapping[str, Any],
    windows: Mapping[str, Window] | None = None,
) -> pa.Schema:
    """Columns of a summary file, each with its unit and meaning in the field metadata.

    The metadata of a list also has the borders of its bins (``bins``, JSON) and their unit (``bins_unit``).

    Parameters
    ----------
    statistics : sequence of str or Statistic
        What is computed.
    populations : sequence of str
        Of whom.
    swept : mapping of str to value
        The swept parameters with a value each, which gives their types.
    windows : mapping of str to Window, optional
        Parts of the recording that have statistics of their own.

    Returns
    -------
    pyarrow.Schema
    """
    fields = [
        _field("point_id", pa.string(), "", "hash of model, parameters, seed and simulation"),
        _field("setting_id", pa.string(), "", "hash of the same without the content of model and data"),
        _field("content", pa.string(), "", "hashes of model, neuron models and data by content, JSON"),
        _field("simulator", pa.string(), "", "simulator"),
        _field("backend", pa.string(), "", "backend of the simulator"),
        _field("seed", pa.int64(), "", "replicate"),
        _field("network_seed", pa.int64(), "", "seed of connectivity and initial state"),
        *(_field(name, _swept_type(value), "", "swept parameter") for name, value in swept.items()),
        _field("status", pa.string(), "", "ok, failed, timeout or diverged"),
        _field("error", pa.string(), "", "why the point is not ok"),
    ]
    described = statistics_columns(statistics, populations, windows or {})
    fields += [column_field(name, column) for name, column in described.items()]
    fields += [_field(name, pa.float64(), "s", doc) for name, doc in PHASES.items()]
    fields += [
        *(_field(name, pa.float64(), "s", doc) for name, doc in EXPECTED.items()),
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
        _field("exact", pa.bool_(), "", "whether the point run again there has the same spikes to the bit"),
        _field("threads", pa.int64(), "1", "threads of the simulator"),
        _field("revision", pa.int64(), "", "of our part of the simulator, raised where that gives other spikes"),
        _field("versions", pa.string(), "", "package versions and hash of the code, JSON"),
        _field("statistics", pa.string(), "", "version and settings of the statistics, JSON"),
        _field("spikes", pa.string(), "", "which spikes were kept: none, sample or all"),
        _field("started", pa.timestamp("us", tz="UTC"), "", "start of the point"),
        _field("finished", pa.timestamp("us", tz="UTC"), "", "end of the point"),
    ]
    return pa.schema(fields)


def write_summary(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, path: Path) -> None:
    """Write a summary file, whole or not at all; a value that a row lacks is null."""
    write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), path)


def write_table(table: pa.Table, path: Path) -> None:
    """Write the rows of a summary file, whole or not at all."""
    with replacing(path) as temporary:
        # Hundreds of columns of few rows: statistics of each would be a fifth of the file, and half of the time
        repetitive = [name for name in REPETITIVE if name in table.column_names]
        pq.write_table(table, temporary, write_statistics=False, use_dictionary=repetitive)


def column_field(name: str, column: Column) -> pa.Field:
    """Field of a statistic's column, with its unit and meaning; of a list also the borders of its bins."""
    metadata = {"unit": column.unit, "doc": column.doc}
    if column.is_list:
        metadata |= {"bins": json.dumps(column.bins), "bins_unit": column.bins_unit}
    return pa.field(name, _TYPES[column.kind], metadata=metadata)


@cache
def empty_summary() -> bytes:
    """Return the content of a summary file without rows: columns that every summary has, and no meanings.

    There is one for each of thousands of jobs, and the first row replaces it.
    """
    sink = pa.BufferOutputStream()
    names = dict.fromkeys(("point_id", *REQUIRED, *REPETITIVE))
    pq.write_table(pa.schema([(name, pa.string()) for name in names]).empty_table(), sink)
    return bytes(sink.getvalue())


def read_summary(path: Path, jobs: Path | None = None) -> pa.Table:
    """Read a summary file.

    Parameters
    ----------
    path : Path
        The file.
    jobs : Path, optional
        Folder of the run's job files, with which the rows are compared.

    Raises
    ------
    CorruptSummaryError
        If it is not a summary, or not that of its job; the message names the file.
    UnknownSummaryError
        If nothing is known of its job.
    """
    try:
        with pq.ParquetFile(path) as file:  # opened once: a worker may put a new file in its place at any time
            table = file.read()
    except UNREADABLE as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise CorruptSummaryError(f"{path}: is not a readable parquet file: {error}") from error
    check_summary(table, path, jobs)
    return table


def check_summary(table: pa.Table, path: Path, jobs: Path | None = None) -> None:
    """Make sure that rows are those of a summary (see `read_summary`)."""
    wrong = schema_fault(table.schema)
    if wrong is None:
        job = job_of(path, jobs) if table.num_rows else None
        wrong = type_fault(table.schema, job) or value_fault(table, NO_LIMITS if job is None else job.limits)
        wrong = wrong or repeat_fault(table) or (None if job is None else job.fault(table))
    if wrong is not None:
        raise CorruptSummaryError(f"{path}: is not a summary: {wrong}")


def job_of(path: Path, jobs: Path | None) -> JobRows | None:
    """Return what the rows of a summary must hold; None if nobody wants to know.

    Raises
    ------
    UnknownSummaryError
        If its job is not known.
    """
    try:
        return None if jobs is None else read_job_rows(jobs, path.stem)
    except UnreadableJobError as error:
        raise UnknownSummaryError(f"{path}: its rows do not count: {error}") from error


def type_fault(schema: pa.Schema, job: JobRows | None) -> str | None:
    """Say which column is of a type that a summary, or that of a job, cannot have, or return None."""
    kinds = {} if job is None else job.kinds
    if any(known == kinds and schema.equals(sound) for sound, known in tuple(_SOUND)):
        return None
    wrong = schema_fault(schema) or (None if job is None else job.schema_fault(schema, KNOWN))
    if wrong is None:
        _SOUND.append((schema, kinds))
    return wrong


def _field(name: str, kind: pa.DataType, unit: str, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "doc": doc})


def _swept_type(value: Any) -> pa.DataType:
    # bool before int: a bool is an int to Python
    for python_type, arrow_type in ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (str, pa.string())):
        if isinstance(value, python_type):
            return arrow_type
    return pa.list_(_swept_type(value[0])) if len(value) else pa.list_(pa.float64())


def start_summary(job: Job, run: RunDirectory) -> None:
    """Write the summary of a job that has no rows yet, unless there is one."""
    path = run.summary(job.name)
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_bytes(empty_summary())


def schema_of(job: Job, root: Path) -> pa.Schema:
    """Columns of the summary of a job (see `summary_schema`), whose files are relative to `root`."""
    statistics = find_statistics(job.statistics, root)
    return summary_schema(statistics, job.populations, _swept_examples(job), job.windows)


def _swept_examples(job: Job) -> dict[str, Any]:
    """Return the swept parameters of a job with a value each."""
    parameters = with_overrides(job.parameters, job.points[0].swept)
    return {key: element(parameters[split_key(key)[0]], split_key(key)[1]) for key in job.points[0].swept}
