"""Whether rows are those of their job: a node may bring back anything, also under the name of another job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from simulators.records.job import UnreadableJobError
from simulators.statistics import STATISTICS, Window
from simulators.statistics import columns as statistics_columns

_COUNTS = ("n_spikes", "n_neurons")
CHECKED = ("point_id", "simulator", "job", "content", "seed", "network_seed", "setting_id", "duration", *_COUNTS)
"""Columns, beside swept ones, that are compared with the job's."""

_OF_POINTS: Mapping[str, pa.DataType] = {"seed": pa.int64(), "network_seed": pa.int64(), "setting_id": pa.string()}
_SIGNED = ("correlation", "synchrony", "rate_change")  # with what follows it: all other statistics of ours are positive
_RECOMPUTED = re.compile(r"(.+)-recomputed-[0-9a-f]{10}")
_DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RecursionError),
    pa.ArrowException,
)
_MOST_SPIKES = 10.0  # of a neuron in a step: a source may send several

_Test = Callable[[pa.DataType], bool]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and _is_number(kind.value_type))


_KINDS: Mapping[str, tuple[str, _Test]] = {
    "float": ("a number", _is_number),
    "integer": ("a whole number", pa.types.is_integer),
    "floats": ("a list of numbers", _is_list),
    "integers": ("a list of whole numbers", lambda kind: _is_list(kind) and pa.types.is_integer(kind.value_type)),
    "truth": ("true or false", pa.types.is_boolean),
    "text": ("text", lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind)),
    "list": ("a list", pa.types.is_list),
    "any": ("a number or a list of numbers", lambda kind: _is_number(kind) or _is_list(kind)),
}


@dataclass(frozen=True)
class JobRows:
    """What the rows of a job hold.

    Parameters
    ----------
    ids : pyarrow.Array
        Of the points.
    columns : mapping of str to pyarrow.Array
        Of each of them: seeds, the setting and swept parameters.
    same : mapping of str to value
        What all rows have in common.
    content : mapping of str to str
        Hashes of what the points were made of; empty where the job does not say it.
    jobs : frozenset of str
        Jobs that rows may name: its own, or those whose spikes it has statistics of.
    kinds : mapping of str to str
        What stands in swept columns and in those of our statistics.
    steps : float
        Of a recording; 0: not known.
    measured : frozenset of str
        Columns of our statistics.
    """

    ids: pa.Array
    columns: Mapping[str, pa.Array]
    same: Mapping[str, Any]
    content: Mapping[str, str]
    jobs: frozenset[str]
    kinds: Mapping[str, str]
    steps: float = 0.0
    measured: frozenset[str] = frozenset()

    @property
    def limits(self) -> dict[str, float]:
        """Smallest value of columns of our statistics."""
        positive = {name for name in self.measured if not name.startswith(_SIGNED)}
        return {name: 0.0 for name, kind in self.kinds.items() if kind in _LIMITED and name in positive}

    def schema_fault(self, schema: pa.Schema, known: Iterable[str]) -> str | None:
        """Say which column is of a type that a job's rows cannot have, or return None.

        Parameters
        ----------
        schema : pyarrow.Schema
            Of the rows.
        known : iterable of str
            Columns that any summary has; what is neither known nor the job's is a user's statistic.
        """
        others = set(known)
        for field in schema:
            if field.name in others or pa.types.is_null(field.type):
                continue
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            said, test = _KINDS[self.kinds.get(field.name, "any")]
            if not test(kind):
                return f"column {field.name} is of type {kind}, not {said}"
        return None

    def fault(self, table: pa.Table) -> str | None:
        """Say which row is none of the job's, or return None; columns that the rows lack are not looked at."""
        table = table.select([name for name in table.column_names if name in self.columns or name in CHECKED])
        return self._wrong_points(table) or self._wrong_job(table) or self._implausible(table)

    def _wrong_points(self, table: pa.Table) -> str | None:
        """Say which point is none of the job's, or has other seeds or swept values."""
        found = table["point_id"].combine_chunks()
        columns = self.columns
        if not found.equals(self.ids):
            places = pc.index_in(found, self.ids)
            if places.null_count:
                other = found.filter(pc.is_null(places))[0].as_py()
                return f"point {other[:40]!r} is none of the job's"
            columns = {name: column.take(places) for name, column in columns.items()}
        for name, expected in columns.items():
            if name in table.column_names and not _equal(table[name], expected):
                return f"{name} of a point is not what it is in the job"
        return None

    def _wrong_job(self, table: pa.Table) -> str | None:
        """Say what of all rows of the job is another one's."""
        for name, value in self.same.items():
            for other in _distinct(table, name):
                if other != value:
                    return f"{name} is {other!r}, not {value!r} as in the job"
        for name in _distinct(table, "job"):
            if name not in self.jobs:
                return f"its rows are of job {name!r}"
        for text in _distinct(table, "content") if self.content else ():
            if json.loads(text) != self.content:
                return "its points were made of another model or other data"
        return None

    def _implausible(self, table: pa.Table) -> str | None:
        """Say that a network has more spikes than its neurons can send."""
        if not self.steps or not set(_COUNTS) <= set(table.column_names):
            return None
        most = pc.multiply(table["n_neurons"].cast(pa.float64()), self.steps * _MOST_SPIKES)
        if pc.any(pc.greater(table["n_spikes"].cast(pa.float64()), most)).as_py():
            return "n_spikes is more than the neurons can send"
        return None


_LIMITED = ("float", "integer")


def read_job_rows(jobs: Path, name: str) -> JobRows:
    """Read what the rows of a job must hold.

    Parameters
    ----------
    jobs : Path
        Folder of the run's job files.
    name : str
        Of the job.

    Raises
    ------
    UnreadableJobError
        If there is no such job file, or it says nothing of points.
    """
    path = jobs / f"{name}.json"
    try:
        content = json.loads(path.read_bytes())
        if "recomputed" in content:
            return _of_several([read_job_rows(jobs, str(one)) for one in content["recomputed"]])
        return _job_rows(name, content)
    except OSError as error:
        others = _older(jobs, name)
        if others:
            return _of_several([read_job_rows(jobs, one) for one in others])
        raise UnreadableJobError(f"there is no job file {path} that can be read") from error
    except _DAMAGE as error:
        raise UnreadableJobError(f"the job file {path} is damaged: {type(error).__name__}: {error}") from error


def _older(jobs: Path, name: str) -> list[str]:
    """Return the jobs whose points may be in a summary of recomputed statistics, which once had no job file."""
    simulator = _RECOMPUTED.fullmatch(name)
    names = sorted(path.stem for path in jobs.glob(f"{simulator[1]}-*.json")) if simulator else []
    return [one for one in names if not _RECOMPUTED.fullmatch(one)]


def recomputed_text(jobs: Iterable[str]) -> str:
    """Return the content of the job file of a summary that holds points of others, with more statistics."""
    return json.dumps({"recomputed": sorted(jobs)}, indent=1) + "\n"


def _job_rows(name: str, content: Mapping[str, Any]) -> JobRows:
    points = content["points"]
    swept = {key: _typed([one["swept"][key] for one in points]) for key in points[0]["swept"]}
    told = {key: [one.get(key) for one in points] for key in _OF_POINTS}
    told["setting_id"] = [one or None for one in told["setting_id"]]
    windows = json.dumps(content.get("windows", {}), sort_keys=True)
    measured = _measured(tuple(content["statistics"]), tuple(content["populations"]), windows)
    return JobRows(
        ids=pa.array([one["point_id"] for one in points], pa.string()),
        columns={key: pa.array(values, _OF_POINTS[key]) for key, values in told.items() if None not in values} | swept,
        same={"simulator": content["simulator"], "duration": float(content["simulation"]["duration"])},
        content=content.get("content", {}),
        jobs=frozenset([name]),
        kinds=measured | {key: _swept_kind(column.type) for key, column in swept.items()},
        measured=frozenset(measured) - swept.keys(),
        steps=float(content["simulation"]["duration"]) / float(content["simulation"]["dt"]),
    )


def _of_several(parts: Sequence[JobRows]) -> JobRows:
    """Put jobs together; what their points sweep may differ."""
    shared = {name for name in _OF_POINTS if all(name in part.columns for part in parts)}
    return JobRows(
        ids=pa.concat_arrays([part.ids for part in parts]),
        columns={name: pa.concat_arrays([part.columns[name] for part in parts]) for name in shared},
        same={"simulator": parts[0].same["simulator"]},
        content={},
        jobs=frozenset().union(*(part.jobs for part in parts)),
        kinds={name: kind for part in parts for name, kind in part.kinds.items()},
        measured=frozenset().union(*(part.measured for part in parts)),
    )


def _typed(values: list[Any]) -> pa.Array:
    """Return values as an array; whole numbers among others are numbers like them."""
    try:
        return pa.array(values)
    except pa.ArrowInvalid:
        return pa.array([float(one) for one in values])


def _swept_kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "truth"
    return "text" if pa.types.is_string(kind) else "list" if pa.types.is_list(kind) else "float"


@cache
def _measured(statistics: tuple[str, ...], populations: tuple[str, ...], windows: str) -> dict[str, str]:
    """Kinds of the columns of our statistics; a user's are not imported for this."""
    ours = [name for name in statistics if name in STATISTICS]
    parts = {name: Window(**window) for name, window in json.loads(windows).items()}
    return {name: column.kind for name, column in statistics_columns(ours, populations, parts).items()}


def _equal(column: pa.ChunkedArray, expected: pa.Array) -> bool:
    if pa.types.is_null(column.type):
        return True
    found = column.combine_chunks()
    if pa.types.is_list(found.type):
        return bool(found.to_pylist() == expected.to_pylist())
    if found.type != expected.type:
        expected = expected.cast(found.type, safe=False)
    return bool(found.equals(expected)) or not pc.any(pc.not_equal(found, expected)).as_py()


def _distinct(table: pa.Table, name: str) -> list[Any]:
    found = pc.unique(table[name]).to_pylist() if name in table.column_names else []
    return [value for value in found if value is not None]
