"""The files of a run on disk: the one place that knows their names.

It stands on the lowest floor because both those who write a run (gridsearch, jobs) and those who read it (analysis)
need it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PARQUET = ".parquet"
_CORRUPT = ".corrupt"
_JOB = ".json"


@dataclass(frozen=True)
class RunDirectory:
    """A run's folder, ``results/<name>/``.

    Parameters
    ----------
    root : Path
        The folder.
    """

    root: Path

    @property
    def sweep(self) -> Path:
        """The sweep as it was submitted."""
        return self.root / "sweep.toml"

    @property
    def points(self) -> Path:
        """Every point of the sweep with every resolved parameter; its metadata says what was asked."""
        return self.root / "points.parquet"

    @property
    def provenance(self) -> Path:
        """Code, versions and machine of every submit."""
        return self.root / "provenance.json"

    @property
    def lock(self) -> Path:
        """Held by the submit that is at work."""
        return self.root / ".lock"

    @property
    def lock_file(self) -> Path:
        """Says who is at work where the file system knows no locks."""
        return self.root / ".at-work"

    @property
    def forecast(self) -> Path:
        """When the submit at work expects to end."""
        return self.root / ".forecast.json"

    @property
    def jobs(self) -> Path:
        """Folder of the job files."""
        return self.root / "jobs"

    @property
    def summaries(self) -> Path:
        """Folder of the summary files."""
        return self.root / "summaries"

    @property
    def summary_cache(self) -> Path:
        """Rows of summaries that have not changed, in one file; may be deleted at any time."""
        return self.root / f".summaries{_PARQUET}"

    @property
    def guests(self) -> Path:
        """Folder of the users' code that jobs run, by its content."""
        return self.root / "guests"

    @property
    def data(self) -> Path:
        """Folder of links to the users' data, by their content."""
        return self.root / "data"

    @property
    def dag(self) -> Path:
        """Folder of the DAG files and the event log."""
        return self.root / "dag"

    @property
    def logs(self) -> Path:
        """Folder of the workers' output."""
        return self.root / "logs"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.root / "figures"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    def job(self, name: str) -> Path:
        """The job file of a job."""
        return self.jobs / f"{name}{_JOB}"

    def summary(self, job: str) -> Path:
        """The summary file of a job."""
        return self.summaries / f"{job}{_PARQUET}"

    def stdout(self, job: str) -> Path:
        """What a job's worker wrote to standard output."""
        return self.logs / f"{job}.out"

    def stderr(self, job: str) -> Path:
        """What a job's worker wrote to standard error."""
        return self.logs / f"{job}.err"

    def spikes(self, job: str) -> Path:
        """Folder of the spikes of a job's points."""
        return self.root / "spikes" / job

    def spike_file(self, job: str, point_id: str) -> Path:
        """The spikes of one point."""
        return self.spikes(job) / spike_file_name(point_id)

    def attempts(self, job: str) -> Path:
        """Folder of what attempts of a job on a pool brought back (see `simulators.records.attempts`)."""
        return self.root / "attempts" / job

    def dag_folder(self, number: int) -> Path:
        """Folder of one submit's DAG."""
        return self.dag / f"{number:03d}"

    def dag_folders(self) -> list[Path]:
        """The folders of submits there are, the oldest first."""
        return sorted((path for path in self.dag.glob("[0-9]*") if path.is_dir()), key=lambda path: int(path.name))

    def summary_files(self) -> list[Path]:
        """The summary files there are, by name."""
        return sorted(path for path in self.summaries.glob(f"*{_PARQUET}") if not path.name.startswith("."))

    def job_names(self) -> set[str]:
        """Jobs that have a file."""
        try:
            return {entry.name.removesuffix(_JOB) for entry in os.scandir(self.jobs) if entry.name.endswith(_JOB)}
        except OSError:
            return set()

    def corrupt_files(self) -> list[Path]:
        """Summary files that were set aside as unreadable."""
        return sorted(self.summaries.glob(f"*{_CORRUPT}"))

    def set_aside(self, summary: Path) -> Path:
        """Take an unreadable file out of the way, without deleting it, and return its new path."""
        for number in self._numbers():
            aside = summary.with_name(f"{summary.name}{number}{_CORRUPT}")
            if not aside.exists():
                return summary.rename(aside)
        raise AssertionError("numbers do not end")

    @staticmethod
    def _numbers() -> Iterator[str]:
        yield ""
        number = 2
        while True:
            yield f".{number}"
            number += 1


def spike_file_name(point_id: str) -> str:
    """Name of a point's spike file within its job's folder."""
    return f"{point_id}{_PARQUET}"
