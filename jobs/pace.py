"""How the machines that run a sweep compare with the estimates: from rows, else from how fast this machine is."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from jobs.history import History, rows_of
from jobs.machine_speed import slowness
from jobs.plan import Pace
from simulators.records import machine
from simulators.records.run_directory import RunDirectory

_RUNS, _FILES = 5, 4  # other runs that are looked into, and files of each: the latest
_LARGEST = 1_000_000  # B, of such a file
_ALIKE = 4.0  # times as long a point may take to say something of another


def pace_here(run: RunDirectory, history: History, simulator: str, identity: Mapping[str, Any], each: float) -> Pace:
    """Return the pace of this machine.

    Parameters
    ----------
    run : RunDirectory
        The run, whose rows count first; then those of its neighbours, of networks that take about as long; all on
        machines with this one's processor.
    history : History
        Its rows.
    simulator, identity
        As for `History.outcome`.
    each : float
        s that a point of the run is estimated to take per ms of recording.
    """
    cpu = machine.processor()
    seen = history.pace(simulator, identity, cpu) or _of_neighbours(run, simulator, identity, cpu, each)
    if seen is not None:
        return seen
    times = slowness()
    return Pace(build=times, point=times)


def pace_elsewhere(history: History, simulator: str, identity: Mapping[str, Any], jobs: Collection[str]) -> Pace:
    """Return the pace of a pool's machines: that of the jobs that ran there, else that of the estimates."""
    return history.pace(simulator, identity, jobs=jobs) or Pace()


def jobs_of(run: RunDirectory, executor: str) -> set[str]:
    """Return the jobs that were given to an executor, as far as ``provenance.json`` can be read."""
    try:
        submits = json.loads(run.provenance.read_bytes())["submits"]
        return {str(job) for submit in submits if submit["executor"] == executor for job in submit["jobs"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _of_neighbours(
    run: RunDirectory, simulator: str, identity: Mapping[str, Any], cpu: str, each: float
) -> Pace | None:
    for path in _latest(run.root.parent, "*/summaries", _RUNS):
        if path.parent == run.root:
            continue
        files = [file for file in _latest(path, "*.parquet", _FILES) if file.stat().st_size <= _LARGEST]
        rows = rows_of(files)
        per_time = pc.divide(rows["expected_point"], rows["duration"])
        alike = pc.and_(pc.greater(per_time, each / _ALIKE), pc.less(per_time, each * _ALIKE))
        seen = History(rows.filter(alike), ()).pace(simulator, identity, cpu)
        if seen is not None:
            return replace(seen, memory=0.0, elsewhere=path.parent.name)
    return None


def _latest(folder: Path, pattern: str, count: int) -> list[Path]:
    """Return the paths that changed last."""
    return sorted(_there(folder, pattern), key=lambda path: path.stat().st_mtime, reverse=True)[:count]


def _there(folder: Path, pattern: str) -> Iterator[Path]:
    for path in folder.glob(pattern):
        if not path.name.startswith(".") and path.exists():
            yield path
