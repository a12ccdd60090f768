"""``points.parquet``: every point with every resolved parameter, and in its metadata what was asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gridsearch.inputs.input_files import InputError, Problem
from gridsearch.planning.grid import Grid
from gridsearch.planning.wanted import wanted_of
from gridsearch.sweeps.sweep import Sweep
from simulators.backends.simulator import find_simulator
from simulators.description.parameters import split_key, with_overrides
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory

METADATA_KEY = b"gridsearch"


def write_points(sweep: Sweep, grid: Grid, run: RunDirectory) -> None:
    """Write the points of a sweep, whole or not at all; those that stand there already are left alone."""
    table = _table(sweep, grid)
    if _stands_there(table, run):
        return
    with replacing(run.points) as temporary:
        pq.write_table(table, temporary)


def _stands_there(table: pa.Table, run: RunDirectory) -> bool:
    try:
        found = pq.read_table(run.points, partitioning=None)
    except (pa.ArrowException, OSError):
        return False
    described = (found.schema.metadata or {}).get(METADATA_KEY) == table.schema.metadata[METADATA_KEY]
    return described and bool(found.equals(table))


def read_setting_ids(run: RunDirectory) -> set[str]:
    """Return what was asked of a run's points, whatever model and data held; one empty text from an older version.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    try:
        if "setting_id" not in pq.read_schema(run.points).names:
            return {""}
        return set(pq.read_table(run.points, columns=["setting_id"], partitioning=None)["setting_id"].to_pylist())
    except (pa.ArrowException, OSError) as error:
        rule = f"cannot be read, so whose points these were is not known: --replace writes it anew ({error})"
        raise InputError([Problem(run.points, "", None, rule)]) from error


def describe_run(sweep: Sweep, grid: Grid) -> dict[str, Any]:
    """Return what was asked, in plain values: the metadata that analysis reads."""
    return {
        "name": sweep.name,
        "model": sweep.model,
        "description": sweep.defaults.description,
        "simulators": [
            {"simulator": name, **find_simulator(name).identity(settings)}
            for name, settings in sweep.simulators.items()
        ],
        "axes": [{**asdict(axis), "of_network": axis.of_network} for axis in sweep.axes],
        "seeds": list(sweep.seeds),
        "draws": sweep.draws,
        "simulation": asdict(sweep.simulation),
        "statistics": [statistic.name for statistic in sweep.guests.found_statistics],
        "statistics_settings": dict(sweep.statistics_settings),
        "populations": list(grid.populations),
        "content": grid.content,
        "wanted": asdict(wanted_of(sweep, grid.populations)),
        "windows": {name: asdict(window) for name, window in sweep.windows.items()},
        "spikes": sweep.spikes,
        "targets": {column: target.model_dump() for column, target in sweep.targets.items()},
    }


def _table(sweep: Sweep, grid: Grid) -> pa.Table:
    names = [axis.key for axis in sweep.axes]
    swept: dict[str, Sequence[Any]] = {
        axis.key: [point.swept[axis.key] for point in grid.points]
        if axis.of_network
        else [getattr(simulation, axis.key) for simulation in grid.simulations]
        for axis in sweep.axes
    }
    columns: dict[str, Any] = {
        "point_id": [point.point_id for point in grid.points],
        "setting_id": [point.setting_id for point in grid.points],
        "seed": [point.seed for point in grid.points],
        "network_seed": [point.network_seed for point in grid.points],
    }
    for name, value in grid.parameters.items():
        keys = [key for key in names if split_key(key)[0] == name]
        columns[name] = swept[name] if keys == [name] else _resolved(grid, name, value, keys)
    columns |= {key: values for key, values in swept.items() if key not in columns}
    fields = []
    arrays = []
    for name, values in columns.items():
        array = pa.array(values) if not isinstance(values, pa.Array) else values
        metadata = {}
        parameter = sweep.defaults.of_axis(split_key(name)[0])
        if parameter is not None:
            metadata = {"unit": parameter.unit, "doc": parameter.doc}
        fields.append(pa.field(name, array.type, metadata=metadata))
        arrays.append(array)
    description = json.dumps(describe_run(sweep, grid), ensure_ascii=False)
    return pa.table(arrays, schema=pa.schema(fields, metadata={METADATA_KEY: description.encode()}))


def _resolved(grid: Grid, name: str, value: Any, keys: Sequence[str]) -> Any:
    if not keys:
        constant = pa.array([value]) if value != [] else pa.array([[]], pa.list_(pa.float64()))
        return constant.take(pa.array([0] * len(grid.points)))
    base = {name: value}
    return [with_overrides(base, {key: point.swept[key] for key in keys})[name] for point in grid.points]
