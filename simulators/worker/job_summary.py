"""The summary file of a job while its worker fills it: whole on disk after every point."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.backends.simulator import Simulator, find_simulator
from simulators.records import machine
from simulators.records.atomic_file import replacing
from simulators.records.job import Job, Point
from simulators.records.summaries.summary import PHASES, read_summary, schema_of, write_summary
from simulators.statistics.references import fingerprint_of

_PACKAGES = ("numpy", "pyarrow")


class JobSummary:
    """Rows of a job, and which points were in flight when a worker died.

    Parameters
    ----------
    job : Job
        The job.
    path : Path
        The summary file; rows that are there already are kept.
    root : Path
        The folder that the job's files are relative to.
    simulator : Simulator
        The one that is open.

    Attributes
    ----------
    deaths_in_loading : int
        Workers of this job that died while they built a network for many points at once.
    begun : datetime
        When the points that were noted last were begun.
    memory_beside : int
        B, peaks of processes that help the worker.

    Raises
    ------
    CorruptSummaryError
        If the file is there and cannot be read.
    """

    def __init__(self, job: Job, path: Path, root: Path, simulator: Simulator) -> None:
        self._job = job
        self._path = path
        self._marker = path.with_name(f".{path.name}.in-flight")
        self._rows: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._rows = {row["point_id"]: row for row in read_summary(path).to_pylist()}
        self._schema = schema_of(job, root)
        made = fingerprint_of(job.statistics, root, job.statistics_settings, job.windows)
        self._constant = {
            "simulator": job.simulator,
            "backend": simulator.backend,
            "gpu": simulator.gpu,
            "exact": simulator.exact,
            "duration": job.simulation.duration,
            "job": job.name,
            "host": machine.host_name(),
            "cpu": machine.processor(),
            "threads": job.settings.get("threads", 1),
            "content": json.dumps(job.content, sort_keys=True),
            "statistics": json.dumps(made, sort_keys=True),
            "spikes": job.spikes,
            "versions": json.dumps(
                machine.package_versions((*_PACKAGES, *find_simulator(job.simulator).PACKAGES))
                | {"code": machine.code_hash()}
                | machine.image()
            ),
        }
        self._deaths, self.deaths_in_loading = self._read_marker()
        self._in_flight = self._deaths, self.deaths_in_loading
        self.begun = datetime.now(UTC)
        self.memory_beside = 0

    @property
    def pending(self) -> list[Point]:
        """Points without a row, in the order of the job."""
        return [point for point in self._job.points if point.point_id not in self._rows]

    def deaths(self, point: Point) -> int:
        """How many workers died while they ran a point."""
        return self._deaths.get(point.point_id, 0)

    @property
    def n_most_deaths(self) -> int:
        """How many points have been in flight at as many deaths as any has."""
        counts = list(self._deaths.values())
        return counts.count(max(counts)) if counts else 0

    def begin(self, points: Sequence[Point], loads_many: bool = False) -> None:
        """Note on disk that these points are in flight, and whether a network for many of them is being built."""
        self.begun = datetime.now(UTC)
        self._in_flight = self._with_deaths(points), self.deaths_in_loading + loads_many
        self._mark(*self._in_flight)

    def note_compiling(self, begins: bool) -> None:
        """Note that a network is being compiled, or not any more: of what ends a compiler no point is to blame."""
        self._mark(*((self._deaths, self.deaths_in_loading) if begins else self._in_flight))

    def end(self, still: Sequence[Point] = ()) -> None:
        """Note that nothing is in flight but the points given; that batches are too large is kept in mind."""
        if self.deaths_in_loading or still:
            self._mark(self._with_deaths(still), self.deaths_in_loading)
        else:
            self.forget()

    def forget(self) -> None:
        """Remove the note: the job is done."""
        self._marker.unlink(missing_ok=True)

    def add(
        self, point: Point, values: Mapping[str, Any], phases: Mapping[str, float], begun: datetime | None = None
    ) -> None:
        """Add the row of a point; it reaches the disk with the next `write`.

        Parameters
        ----------
        point : Point
            The point.
        values : mapping of str to value
            Statistics, counts, status and error.
        phases : mapping of str to float
            s, by phase; those that are missing took no time.
        begun : datetime, optional
            When it was begun; None: with those that were noted last.
        """
        biology = (self._job.simulation.warmup + self._job.simulation.duration) * 1e-3
        self._rows[point.point_id] = {
            "point_id": point.point_id,
            "setting_id": point.setting_id,
            "seed": point.seed,
            "network_seed": point.network_seed,
            **point.swept,
            **self._constant,
            **values,
            **{name: phases.get(name, 0.0) for name in PHASES},
            "realtime_factor": phases.get("t_simulate", 0.0) / biology if values["status"] == "ok" else None,
            "peak_memory": peak_memory() + self.memory_beside,
            "started": begun or self.begun,
            "finished": datetime.now(UTC),
        }

    def charge(self, point: Point, phase: str, seconds: float) -> None:
        """Add time to a phase of a row that is there; it reaches the disk with the next write."""
        self._rows[point.point_id][phase] += seconds

    def write(self) -> None:
        """Write the file."""
        write_summary(list(self._rows.values()), self._schema, self._path)

    def _with_deaths(self, points: Sequence[Point]) -> dict[str, int]:
        """Count a death for each of these points: it is one if no more is heard of them."""
        return self._deaths | {point.point_id: self.deaths(point) + 1 for point in points}

    def _mark(self, deaths: Mapping[str, int], in_loading: int) -> None:
        with replacing(self._marker) as temporary:
            temporary.write_text(json.dumps({"deaths": deaths, "deaths_in_loading": in_loading}), encoding="utf-8")

    def _read_marker(self) -> tuple[dict[str, int], int]:
        try:
            content = json.loads(self._marker.read_text(encoding="utf-8"))
            deaths = {str(key): int(value) for key, value in content["deaths"].items()}
            return deaths, int(content["deaths_in_loading"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}, 0


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
