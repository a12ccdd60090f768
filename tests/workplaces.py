"""A folder with a job, in which tests run workers as the command that they are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from required import default_settings, require_simulator

from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.summaries.summary import read_summary

ROOT = Path(__file__).resolve().parent.parent
STATISTICS = ("rate", "cv_isi", "fano_factor")


@dataclass
class Workplace:
    """A folder with a job in which workers run."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def summary(self) -> Path:
        return self.folder / "summaries" / "job.parquet"

    @property
    def marker(self) -> Path:
        return self.summary.with_name(".job.parquet.in-flight")

    def write(self, job: Job) -> None:
        write_job(job, self.folder / "job.json")

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "simulators.worker", str(self.folder / "job.json")]
        environment = {**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{ROOT}"}
        process = subprocess.Popen(
            [*command, "--summary", str(self.summary), "--spikes", str(self.folder / "spikes"), *options],
            cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, *options: str, timeout: float = 60.0) -> tuple[int, str]:
        """Run a worker to its end; return exit code and log."""
        process = self.start(*options)
        _, log = process.communicate(timeout=timeout)
        return process.returncode, log

    def rows(self) -> list[dict[str, Any]]:
        return read_summary(self.summary).to_pylist() if self.summary.exists() else []


def small_job(
    small: Mapping[str, Any], swept: Sequence[Mapping[str, Any]] | int = 4, simulator: str = "poisson",
    simulation: Simulation | None = None, **changes: Any,
) -> Job:  # fmt: skip
    """Return a job of the small network; some points, or the values of each."""
    require_simulator(simulator, default_settings(simulator))
    values = [{"I_th_E": 0.8 + 0.2 * k} for k in range(swept)] if isinstance(swept, int) else swept
    settings = {**default_settings(simulator), **changes.pop("settings", {})}
    job = Job(
        name="job", model="clustered", simulator=simulator, settings=settings,
        simulation=simulation or Simulation(0.1, 100.0, 900.0), statistics=STATISTICS, parameters=small,
        points=tuple(Point(f"p{k}", 1, 7, one) for k, one in enumerate(values)), populations=("E", "I"),
    )  # fmt: skip
    return replace(job, **changes)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
