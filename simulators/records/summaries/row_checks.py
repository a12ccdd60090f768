"""Whether rows can be those of a worker: what comes back from a pool is not taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

REQUIRED = ("point_id", "simulator", "status")
"""Columns without which a file is no summary."""

STATUSES = ("ok", "failed", "timeout", "diverged")

_TEXTS = (*REQUIRED, "setting_id", "content", "backend", "error", "job", "host", "cpu", "gpu", "versions")
_MAPPINGS = ("content", "statistics", "versions")  # JSON
_TIMES = ("t_load", "t_compile", "t_build", "t_reset", "t_simulate", "t_record", "t_statistics", "t_write")
# Smallest value of a number
_NUMBERS: Mapping[str, int] = {
    **dict.fromkeys((*_TIMES, "realtime_factor", "duration", "expected_build", "expected_point"), 0),
    **dict.fromkeys(("seed", "network_seed", "n_neurons", "n_synapses", "n_spikes", "peak_memory"), 0),
    **dict.fromkeys(("threads", "revision"), 1),
}
_FLOATS = (*_TIMES, "realtime_factor", "duration", "expected_build", "expected_point")
# Beyond any machine's
_LARGEST: Mapping[str, float] = {
    **dict.fromkeys((*_TIMES, "duration"), 1e12),
    "n_neurons": 1e12,
    "n_synapses": 1e16,
    "n_spikes": 1e15,
    "peak_memory": 1e16,
    "threads": 1e6,
}
_KEPT = ("none", "sample", "all")
_JOB = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")  # it is part of paths

KNOWN = frozenset((*_TEXTS, *_NUMBERS, "statistics", "spikes", "exact", "started", "finished"))
"""Columns that any summary may have."""


NO_LIMITS: Mapping[str, float] = {}


def schema_fault(schema: pa.Schema) -> str | None:
    """Say why columns cannot be those of a summary, or return None."""
    missing = set(REQUIRED) - set(schema.names)
    if missing:
        return f"columns {sorted(missing)} are missing"
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_null(kind) and field.name not in REQUIRED:
            continue
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if field.name in (*_TEXTS, "statistics", "spikes") and not text:
            return f"column {field.name} is of type {kind}, not text"
        if field.name in _NUMBERS:
            number = pa.types.is_integer(kind) or (pa.types.is_floating(kind) and field.name in _FLOATS)
            if not number:
                return (
                    f"column {field.name} is of type {kind}, not {'a' if field.name in _FLOATS else 'a whole'} number"
                )
        if field.name == "exact" and not pa.types.is_boolean(kind):
            return f"column exact is of type {kind}, not true or false"
        if field.name in ("started", "finished") and not pa.types.is_timestamp(kind):
            return f"column {field.name} is of type {kind}, not a time"
    return None


def value_fault(table: pa.Table, limits: Mapping[str, float] = NO_LIMITS) -> str | None:
    """Say why values cannot be those of a summary, or return None; the columns must be sound (`schema_fault`).

    Parameters
    ----------
    table : pyarrow.Table
        Rows, of several files perhaps.
    limits : mapping of str to float
        Smallest value of further columns (see `simulators.records.summaries.job_rows`).
    """
    table = table.unify_dictionaries()
    return next(chain(_lacking(table), _beyond(table, limits), _malformed(table)), None)


def _lacking(table: pa.Table) -> Iterator[str]:
    for name in REQUIRED:
        if table[name].null_count:
            yield f"column {name} lacks values"
    for status in sorted(set(_distinct(table, "status")) - set(STATUSES)):
        yield f"status {status!r} is none of {', '.join(STATUSES)}"


def _beyond(table: pa.Table, limits: Mapping[str, float]) -> Iterator[str]:
    """Numbers that are none of a measurement."""
    there = set(table.column_names)
    for name, least in {**limits, **_NUMBERS}.items():
        if name in there and not pa.types.is_null(table.schema.field(name).type):
            ends = pc.min_max(table[name]).as_py()
            if ends["min"] is not None and ends["min"] < least:
                yield f"{name} = {ends['min']} is {'negative' if least == 0 else f'below {least}'}"
            if ends["max"] == float("inf"):
                yield f"{name} is infinite"
            elif ends["max"] is not None and ends["max"] > _LARGEST.get(name, float("inf")):
                yield f"{name} = {ends['max']} is beyond any machine"


def _malformed(table: pa.Table) -> Iterator[str]:
    """Texts that must have a form."""
    for name in _MAPPINGS:
        for text in _distinct(table, name):
            if not _is_mapping(text):
                yield f"{name} = {text[:40]!r} is not a JSON object of texts"
    for kept in sorted(set(_distinct(table, "spikes")) - set(_KEPT)):
        yield f"spikes = {kept[:40]!r} is none of {', '.join(_KEPT)}"
    for job in _distinct(table, "job"):
        if not _JOB.fullmatch(job):
            yield f"job {job[:40]!r} cannot be the name of one"


def _distinct(table: pa.Table, name: str) -> list[str]:
    """Distinct texts of a column; none where there is no such column."""
    found = pc.unique(table[name]).to_pylist() if name in table.column_names else []
    return [text for text in found if text is not None]


def fault(table: pa.Table) -> str | None:
    """Say why rows of one file cannot be those of a summary, or return None."""
    return schema_fault(table.schema) or value_fault(table) or repeat_fault(table)


def repeat_fault(table: pa.Table) -> str | None:
    """Say that a point has several rows in one file, or return None; the columns must be sound (`schema_fault`)."""
    if pc.count_distinct(table["point_id"]).as_py() < table.num_rows:
        keys = [name for name in ("point_id", "simulator", "backend", "threads") if name in table.column_names]
        if table.group_by(keys).aggregate([]).num_rows < table.num_rows:
            return "a point has several rows"
    return None


def _is_mapping(text: str) -> bool:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and all(isinstance(value, str) for value in content.values())
