"""What submitting costs beyond the work itself: the same sweep under the local executor and on an HTCondor pool.

Orchestration time is the time from the start of ``submit`` to the last result on this side, less the time in which
workers worked. The sweep's points take a fixed time and no processor, and its jobs fill all cores equally often, so
the workers' share is the sum of all phases of all rows over the number of cores. For HTCondor the stages of a job
are read from the event logs (to the second), beside the pool's intervals that they wait for: what a job waits between
its submit and its start is the pool's, not ours. Runs where jobs can be submitted, on a pool with as many free cores
as this machine has; on the pool of ``containers/``:

    docker exec --user sweeper gridsearch-pool python /opt/gridsearch/benchmarks/planning/overhead.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from jobs.executor import find_executor
from jobs.htcondor_executor.record import dagman_log, node_log
from simulators.records.machine import n_cores
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import PHASES

_SWEEP = """\
name = "overhead"
model = "clustered"
simulators = ["poisson"]
[parameters]
N_E = 80
N_I = 20
Q = 4
[axes]
I_th_E = {{ start = 1.0, step = 0.01, num = {n_jobs} }}
[simulation]
warmup = 0.0
duration = 100.0
[jobs]
minutes_per_job = 0.01
[jobs.poisson]
seconds_per_point = {seconds}
image = "gridsearch-nest:3.10.0"
"""
_INTERVALS = (
    "NEGOTIATOR_INTERVAL",
    "NEGOTIATOR_CYCLE_DELAY",
    "SCHEDD_INTERVAL",
    "DAGMAN_SUBMIT_DELAY",
    "DAGMAN_USER_LOG_SCAN_INTERVAL",
)
_ROUNDS = 4  # jobs per core


@dataclass(frozen=True)
class Measured:
    """Seconds of one run: from submit to the last result, those of the workers, and of the stages between."""

    total: float
    worker: float
    stages: Mapping[str, float]

    @property
    def orchestration(self) -> float:
        """What is not work."""
        return self.total - self.worker


def measure(executor: str, cores: int, seconds: float, folder: Path) -> Measured:
    """Run the sweep once, in a new folder."""
    folder.mkdir()
    sweep = folder / "sweep.toml"
    sweep.write_text(_SWEEP.format(n_jobs=_ROUNDS * cores, seconds=seconds), encoding="utf-8")
    run = RunDirectory(folder / "overhead")
    command = [sys.executable, "-m", "gridsearch", "submit", str(sweep), "--results", str(folder)]
    start = time.time()
    subprocess.run([*command, "--executor", executor], check=True, capture_output=True)
    submitted = time.time() - start
    while find_executor(executor).look_up(run).description:
        time.sleep(2.0)
    files = run.summary_files()
    rows = [row for file in files for row in pq.read_table(file, columns=list(PHASES)).to_pylist()]
    if len(rows) != _ROUNDS * cores:
        raise RuntimeError(f"{len(rows)} rows, not {_ROUNDS * cores}: see {run.logs}")
    worker = sum(value or 0.0 for row in rows for value in row.values())
    total = max(file.stat().st_mtime for file in files) - start
    stages = {"submit command": submitted} | _stages(run, cores, worker / len(rows)) if run.dag_folders() else {}
    return Measured(total, worker / cores, stages)


def _stages(run: RunDirectory, cores: int, worker: float) -> dict[str, float]:
    """Read from the event logs how long the stages of a run took."""
    (folder,) = run.dag_folders()
    dag = _times(dagman_log(folder))
    jobs = _times(node_log(folder))
    _, *mine, collect = (jobs[cluster] for cluster in sorted(jobs))  # first the node that watches, last the last one
    (dagman,) = dag.values()
    started = sorted(job["EXECUTE"] for job in mine)
    ended = sorted(job["JOB_TERMINATED"] for job in mine)
    first = [job for job in mine if job["EXECUTE"] in started[:cores]]
    return {
        "DAGMan: in the queue → its first job in the queue": min(job["SUBMIT"] for job in mine) - dagman["SUBMIT"],
        "pool: first jobs in the queue → started": max(job["EXECUTE"] - job["SUBMIT"] for job in first),
        "per job: started → ended, less the worker (container, files)": median(
            job["JOB_TERMINATED"] - job["EXECUTE"] - worker for job in mine
        ),
        "per job: ended → the next one started on its core": median(
            start - end for end, start in zip(ended, started[cores:], strict=False)
        ),
        "after the last result: last node, end of the DAG": dagman["JOB_TERMINATED"] - ended[-1],
        "of this the last node: figures": collect["JOB_TERMINATED"] - collect["EXECUTE"],
    }


def _times(log: Path) -> dict[int, dict[str, float]]:
    """Return when what happened to each cluster, in s."""
    import htcondor2

    times: dict[int, dict[str, float]] = {}
    for event in htcondor2.JobEventLog(str(log)).events(0):
        times.setdefault(event.cluster, {})[event.type.name] = float(event.timestamp)
    return times


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a point takes, and so a job")
    arguments = parser.parse_args()
    cores = n_cores()
    print(
        f"{_ROUNDS * cores} jobs of {arguments.seconds:g} s on {cores} cores, medians of {arguments.repeats} runs, in s"
    )
    medians = {}
    for executor in ("local", "htcondor"):
        reason = find_executor(executor).why_unavailable()
        if reason is not None:
            print(f"{executor}: {reason}")
            continue
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            runs = [measure(executor, cores, arguments.seconds, Path(name) / str(i)) for i in range(arguments.repeats)]
        medians[executor] = median(run.orchestration for run in runs)
        print(
            f"{executor}: submit to last result {median(run.total for run in runs):.1f}, "
            f"workers {median(run.worker for run in runs):.1f}, orchestration {medians[executor]:.1f}, "
            f"{medians[executor] / _ROUNDS:.1f} per job and core"
        )
        for stage in runs[0].stages:
            print(f"    {stage}: {median(run.stages[stage] for run in runs):.1f}")
    if len(medians) == 2:
        said = subprocess.run(["condor_config_val", *_INTERVALS], capture_output=True, text=True, check=True)
        intervals = zip(_INTERVALS, said.stdout.split(), strict=True)
        print("the pool's intervals: " + ", ".join(f"{name} {value}" for name, value in intervals))
        print(f"orchestration of HTCondor over local: {medians['htcondor'] / medians['local']:.1f}")


if __name__ == "__main__":
    main()
