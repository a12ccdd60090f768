"""Runs made of formulas instead of simulations: folders as `submit` leaves them, for tests of the analysis."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulators.records.atomic_file import replacing
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import PHASES, summary_schema, write_summary

STATISTICS = ("rate", "cv_isi")
POPULATIONS = ("E", "I")
START = datetime(2026, 1, 1, tzinfo=UTC)


def axis(key: str, values: Sequence[Any], unit: str = "1", doc: str = "", **more: Any) -> dict[str, Any]:
    return {"key": key, "unit": unit, "doc": doc, "values": list(values), "zip": None, "log": False, **more}


BACKGROUND = (
    axis("I_th_E", [1.0, 1.2, 1.4, 1.6, 1.8], doc="background current to E, in units of the rheobase current"),
    axis("I_th_I", [0.7, 0.9, 1.1, 1.3], doc="background current to I, in units of the rheobase current"),
)


def behave(swept: Mapping[str, Any], seed: int, simulator: str) -> dict[str, Any]:
    """Rates that rise with the drive of E and fall with that of I, with a little noise of the seed."""
    noise = 0.1 * np.sin(seed * 12.9898 + 78.233 * swept["I_th_E"] + 3.7 * swept["I_th_I"]) + 0.01 * (
        simulator == "genn"
    )
    rate = max(0.0, 10.0 * (swept["I_th_E"] - 0.6 * swept["I_th_I"] - 0.5) + noise)
    silent = rate == 0.0
    return {
        "rate_E": rate,
        "rate_I": 1.4 * rate,
        "cv_isi_E": None if silent else 0.6 + 0.4 * swept["I_th_I"] + noise,
        "cv_isi_I": None if silent else 0.5 + 0.4 * swept["I_th_I"] + noise,
        "status": "ok",
        "n_spikes": int(1000 * rate),
    }


def write_run(
    root: Path,
    axes: Sequence[Mapping[str, Any]] = BACKGROUND,
    seeds: Sequence[int] = (1, 2, 3),
    simulators: Sequence[Mapping[str, Any]] = ({"simulator": "nest", "threads": 1},),
    targets: Mapping[str, Mapping[str, Any]] | None = None,
    behaviour: Callable[[Mapping[str, Any], int, str], dict[str, Any] | None] = behave,
    statistics: Sequence[str] = STATISTICS,
    points_per_job: int = 20,
    spikes: str = "none",
) -> RunDirectory:
    """Write a run; where `behaviour` returns None the point has no row yet."""
    directory = RunDirectory(root)
    grid = [dict(zip([item["key"] for item in axes], values, strict=True)) for values in _product(axes)]
    points = [
        {"point_id": f"p{number:08d}", "seed": seed, "network_seed": seed, "swept": swept}
        for number, (swept, seed) in enumerate(itertools.product(grid, seeds))
    ]
    write_points(directory, axes, seeds, simulators, targets or {}, statistics, points, spikes)
    schema = summary_schema(statistics, POPULATIONS, {key: grid[0][key] for key in grid[0] if key != "duration"})
    jobs = []
    for _, group in itertools.groupby(sorted(points, key=_duration), key=_duration):  # a job has one duration
        alike = list(group)
        jobs += [alike[start : start + points_per_job] for start in range(0, len(alike), points_per_job)]
    for entry in simulators:
        for number, own in enumerate(jobs):
            job = f"{entry['simulator']}-{number:05d}"
            rows = []
            for point in own:
                values = behaviour(point["swept"], point["seed"], entry["simulator"])
                if values is not None:
                    rows.append(summary_row(point, entry, job, values))
            write_job_of(directory, job, entry["simulator"], own, statistics)
            if rows:
                write_summary(rows, schema, directory.summary(job))
    return directory


def write_job_of(
    directory: RunDirectory, name: str, simulator: str, points: Sequence[Mapping[str, Any]], statistics: Sequence[str]
) -> None:
    """Write the file of a job; its points as dictionaries."""
    job = Job(
        name=name, model="clustered", simulator=simulator, settings={},
        simulation=Simulation(0.1, 0.0, _duration(points[0])),
        statistics=tuple(one for one in statistics if ":" not in one), parameters={}, populations=POPULATIONS,
        points=tuple(Point(**{"setting_id": "", **point, "swept": _own(point)}) for point in points),
    )  # fmt: skip
    write_job(job, directory.job(name))


def _duration(point: Mapping[str, Any]) -> float:
    return float(point["swept"].get("duration", 9000.0))


def _own(point: Mapping[str, Any]) -> dict[str, Any]:
    """What is swept, without the duration, which is the job's."""
    return {key: value for key, value in point["swept"].items() if key != "duration"}


def write_points(
    directory: RunDirectory,
    axes: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    simulators: Sequence[Mapping[str, Any]],
    targets: Mapping[str, Mapping[str, Any]],
    statistics: Sequence[str],
    points: Sequence[Mapping[str, Any]],
    spikes: str = "none",
) -> None:
    empty = {"min": None, "max": None, "value": None, "tolerance": None, "weight": 1.0}
    metadata = {
        "name": directory.root.name,
        "model": "clustered",
        "description": "a run made of formulas",
        "simulators": [dict(entry) for entry in simulators],
        "axes": [dict(item) for item in axes],
        "seeds": list(seeds),
        "draws": "shared",
        "simulation": {"dt": 0.1, "warmup": 1000.0, "duration": 9000.0, "max_rate": 200.0},
        "statistics": list(statistics),
        "statistics_settings": {},
        "populations": list(POPULATIONS),
        "spikes": spikes,
        "targets": {name: {**empty, **target} for name, target in targets.items()},
    }
    rows = [
        {"point_id": p["point_id"], "seed": p["seed"], "network_seed": p["network_seed"], "N_E": 4000, **p["swept"]}
        for p in points
    ]
    table = pa.Table.from_pylist(rows).replace_schema_metadata({b"gridsearch": json.dumps(metadata).encode()})
    with replacing(directory.points) as temporary:
        pq.write_table(table, temporary)
    with replacing(directory.provenance) as temporary:
        temporary.write_text(json.dumps([{"command": "made by tests/analysis_runs.py"}]), encoding="utf-8")


def summary_row(
    point: Mapping[str, Any], entry: Mapping[str, Any], job: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    phases = dict.fromkeys(PHASES, 0.01) | {"t_simulate": 2.0, "t_build": 0.5}
    counts = {f"n_neurons_{name}": 100 for name in ("cv_isi_E", "cv_isi_I")}
    return {
        "point_id": point["point_id"],
        "seed": point["seed"],
        "network_seed": point["network_seed"],
        **point["swept"],
        "simulator": entry["simulator"],
        "backend": entry.get("backend") or "cpu",
        "threads": entry.get("threads", 1),
        **phases,
        **counts,
        "realtime_factor": 0.2,
        "n_neurons": 5000,
        "n_synapses": 7_700_000,
        "peak_memory": 200_000_000,
        "job": job,
        "host": "laptop",
        "cpu": "a processor",
        "gpu": "",
        "versions": "{}",
        "error": "",
        "started": START,
        "finished": START + timedelta(seconds=2),
        **values,
    }


def _product(axes: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in axes:
        groups.setdefault(item["zip"] or item["key"], []).append(item)
    steps = [list(zip(*(item["values"] for item in group), strict=True)) for group in groups.values()]
    keys = [item["key"] for group in groups.values() for item in group]
    order = [keys.index(item["key"]) for item in axes]
    flat = [tuple(itertools.chain(*combination)) for combination in itertools.product(*steps)]
    return [tuple(values[index] for index in order) for values in flat]
