"""Opening a run of a million summary rows and drawing a map of it, against drawing alone.

The run is made of random numbers, in the format that workers write: 500 × 500 points with 4 seeds, in files of
10,000 rows. The claim: a map of one statistic takes at most a few times as long as drawing it from memory (at most
1 s on a laptop).

Small files cost more to open than to read: a run of many is opened, and its history read, with and without the cache
of their rows.

    python benchmarks/reading/open_run.py [--rows 1000000] [--files 100] [--small 1000]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import analysis
from analysis.plots.parts.style import new_figure
from jobs.history import read_history
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import PHASES, summary_schema
from simulators.records.summaries.summary_cache import SETTLED

SEEDS = 4
ROWS_PER_SMALL_FILE = 25
_TOLD = ("point_id", "seed", "network_seed", "I_th_E", "I_th_I")  # of a point
STATISTICS = ("rate", "cv_isi", "lv", "fano_factor")


def write_run(directory: RunDirectory, n_rows: int, n_files: int) -> None:
    """Write a run of about `n_rows` rows in `n_files` summary files."""
    side = round((n_rows / SEEDS) ** 0.5)
    values = np.arange(side) * 0.01
    first, second, seed = (part.ravel() for part in np.meshgrid(values, values, [1, 2, 3, 4], indexing="ij"))
    n_rows = len(seed)
    ids = pa.array([f"{number:032x}" for number in range(n_rows)])
    described = {
        "name": "benchmark",
        "model": "clustered",
        "description": "",
        "simulators": [{"simulator": "nest", "threads": 1}],
        "axes": [
            {"key": key, "unit": "1", "doc": "", "values": values.tolist(), "zip": None, "log": False}
            for key in ("I_th_E", "I_th_I")
        ],
        "seeds": [1, 2, 3, 4],
        "statistics": list(STATISTICS),
        "populations": ["E", "I"],
        "targets": {},
    }
    points = pa.table({"point_id": ids, "seed": seed, "network_seed": seed, "I_th_E": first, "I_th_I": second})
    directory.summaries.mkdir(parents=True)
    pq.write_table(points.replace_schema_metadata({b"gridsearch": json.dumps(described).encode()}), directory.points)
    schema = summary_schema(STATISTICS, ("E", "I"), {"I_th_E": 1.0, "I_th_I": 1.0})
    random = np.random.default_rng(1)
    for number, rows in enumerate(np.array_split(np.arange(n_rows), n_files)):
        known = {
            "point_id": ids.take(pa.array(rows)),
            "seed": seed[rows],
            "network_seed": seed[rows],
            "I_th_E": first[rows],
            "I_th_I": second[rows],
        }
        columns = [
            pa.array(known[field.name], field.type)
            if field.name in known
            else _column(field, len(rows), number, random)
            for field in schema
        ]
        name = f"job{number:06d}"
        pq.write_table(pa.table(columns, schema=schema), directory.summary(name))
        points = tuple(
            Point(point_id, seed_of, network_seed, {"I_th_E": one, "I_th_I": other})
            for point_id, seed_of, network_seed, one, other in zip(*(known[key].tolist() for key in _TOLD), strict=True)
        )
        simulation = Simulation(0.1, 1000.0, 9000.0)
        job = Job(name, "clustered", "nest", {}, simulation, STATISTICS, {}, points, ("E", "I"))
        write_job(job, directory.job(name))


def _column(field: pa.Field, size: int, job: int, random: np.random.Generator) -> pa.Array:
    texts = {
        "simulator": "nest",
        "status": "ok",
        "backend": "cpu",
        "job": f"job{job:06d}",
        "error": "",
        "spikes": "none",
    }
    texts |= dict.fromkeys(("content", "statistics", "versions"), '{"what": "a fairly long text, as of versions"}')
    if pa.types.is_string(field.type):
        return pa.array([texts.get(field.name, "a fairly long text, as of versions")] * size)
    if pa.types.is_timestamp(field.type):
        return pa.array([datetime.now(UTC)] * size, field.type)
    if pa.types.is_boolean(field.type):
        return pa.array([True] * size)
    if field.name == "n_neurons":
        return pa.array(np.full(size, 5000))
    if field.name == "duration":
        return pa.array(np.full(size, 9000.0))
    if field.name in ("threads", "revision"):
        return pa.array(np.ones(size), pa.int64())
    if pa.types.is_list(field.type):
        n_bins = len(json.loads(field.metadata[b"bins"])) - 1
        return pa.array(list(random.poisson(3.0, (size, n_bins))), field.type)
    scale = 0.1 if field.name in PHASES else 10.0
    return pa.array(random.gamma(2.0, scale, size).astype(np.int64 if pa.types.is_integer(field.type) else float))


def open_and_draw(path: Path, columns: Sequence[str] | None) -> None:
    """Open a run and draw a map of it into memory."""
    draw(analysis.open_run(path, columns=columns))


def draw(table: pd.DataFrame) -> None:
    """Draw a map of a table into memory."""
    figure = new_figure(5.0, 4.0)
    analysis.draw_map(table, "rate_E", figure.subplots())
    figure.savefig(io.BytesIO(), format="png")


def read_bytes(path: Path) -> None:
    """Read every file of a run."""
    for file in [RunDirectory(path).points, *RunDirectory(path).summary_files()]:
        file.read_bytes()


def median_time(work: Callable[[], None], repeats: int = 5) -> float:
    """Return the median time of calls, after a first one."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def time_small_files(path: Path, n_files: int) -> None:
    """Print how long a run of small files takes with and without the cache."""
    run = RunDirectory(path)
    write_run(run, n_files * ROWS_PER_SMALL_FILE, n_files)
    n_files = len(run.summary_files())
    print(f"{n_files} files of {ROWS_PER_SMALL_FILE} rows")
    for name, work in (("opening", lambda: analysis.open_run(path)), ("history", lambda: read_history(run))):
        seconds = []
        for age in (0.0, 2 * SETTLED, 2 * SETTLED):  # too new to be kept; kept from now on; read from the cache
            if age == 0.0:
                run.summary_cache.unlink(missing_ok=True)
            if age == 0.0 or not run.summary_cache.exists():
                changed = time.time() - age
                for file in run.summary_files():
                    os.utime(file, (changed, changed))
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        without, first, cached = seconds
        print(
            f"{name}: {without:.2f} s without the cache, {first:.2f} s the first time, {cached:.3f} s with it: "
            f"{without / cached:.0f} times as fast"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--small", type=int, default=1000, help="small files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        time_small_files(Path(folder) / "small", arguments.small)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark"
        write_run(RunDirectory(path), arguments.rows, arguments.files)
        times = {
            "reading the bytes of all files": median_time(lambda: read_bytes(path)),
            "opening and drawing a map of one statistic": median_time(
                lambda: open_and_draw(path, ["rate_E", "rate_I"])
            ),
            "opening all columns and drawing a map": median_time(lambda: open_and_draw(path, None)),
            "drawing alone": median_time(partial(draw, analysis.open_run(path, columns=["rate_E"]))),
        }
    print(f"{arguments.rows} rows in {arguments.files} files")
    for name, seconds in times.items():
        print(f"{name}: {seconds:.2f} s, {seconds / times['drawing alone']:.1f} × drawing alone")


if __name__ == "__main__":
    main()
