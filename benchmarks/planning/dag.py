"""How long it takes to write the DAG of 2,000 and of 20,000 jobs, and how that compares with writing them down."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from jobs.executor import Conditions
from jobs.htcondor_executor import SETTINGS
from jobs.htcondor_executor.descriptions.dag import dag_text
from jobs.htcondor_executor.descriptions.submit_description import Site
from jobs.htcondor_executor.descriptions.sweep_dag import make_dag
from jobs.plan import PlannedJob
from simulators.records.job import Job, Point, Simulation, write_job

_POINTS = tuple(Point(f"{i:020x}", 1, 1, {"I_th_E": 1.0, "I_th_I": 0.7}) for i in range(100))


def main() -> None:
    """Print times and their ratio."""
    template = Job(
        "", "clustered", "nest", {"threads": 1}, Simulation(0.1, 1e3, 9e3), ("rate",), {}, _POINTS, ("E", "I")
    )
    settings = {name: setting.default for name, setting in SETTINGS.items()}
    conditions = Conditions("sweep", settings, {}, ("/usr/bin/python3", "-m", "gridsearch", "report", "/r"))
    site = Site("/r", "dag/code.zip", settings)
    for n_jobs in (2_000, 20_000):
        jobs = [PlannedJob(template, 1, 1800.0, 2e9) for _ in range(n_jobs)]
        named = [PlannedJob(_named(one.job, i), one.cores, one.seconds, one.memory) for i, one in enumerate(jobs)]
        start = time.perf_counter()
        text = dag_text(make_dag(named, conditions, site))
        seconds = time.perf_counter() - start
        assert text.count("\nJOB ") == n_jobs, "a job is missing"
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            for one in named[:200]:
                write_job(one.job, Path(folder) / f"{one.job.name}.json")
            writing = (time.perf_counter() - start) * n_jobs / 200
        print(
            f"{n_jobs:6d} jobs of {len(_POINTS)} points: DAG of {len(text) / 1e6:.1f} MB in {seconds:.3f} s, "
            f"{100 * seconds / writing:.1f} % of the time it takes to write their job files"
        )


def _named(job: Job, index: int) -> Job:
    return Job(**{**vars(job), "name": f"nest-{index:06d}"})


if __name__ == "__main__":
    main()
