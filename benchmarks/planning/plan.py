"""Planning 100,000 points of the clustered network: seconds and memory of the real command, against a tenth of them.

The claim: ``python -m gridsearch plan`` of 100,000 points takes at most 10 s and 1 GB, and grows no faster than the
number of points; planning again when all is done takes at most 5 s, and ``status`` 2 s. Of a million: 60 s and 4 GB.
Seen on two idle cores (load 1): a plan 4.6 s and 0.23 GB, again with all done 4.1 s (8.4 s and 0.74 GB the first time,
when 100,000 rows are held against their jobs and put into one file), status 1.2 s. A million points: a plan 42 s and
1.0 GB, again with all done 35 s (76 s and 1.9 GB the first time), status 5.6 s.
What a submit writes before the first job starts (points, provenance, job files) is timed as well, against the plan that
comes before it, and what HTCondor would get. The summaries' rows are kept in one file: how often the commands open
summaries is counted. On a machine that others use the time of the processor says more than that of the clock; both are
printed, with the load.

    python benchmarks/planning/plan.py [--points 100000]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from opens import Opens

from gridsearch.planning.plan import Plan, make_plan
from gridsearch.submitting.submission import write_plan
from simulators.records.summaries.summary import schema_of, write_summary
from simulators.records.summaries.summary_cache import SETTLED

ROOT = Path(__file__).resolve().parents[2]

_SWEEP = """\
name = "benchmark"
model = "clustered"
simulators = ["nest"]
[parameters]
N_E = 4000
N_I = 1000
[axes]
I_th_E = {{ start = 0.95, stop = 2.5, num = {side} }}
I_th_I = {{ start = 0.70, stop = 1.7, num = {side} }}
"p[0,1]" = {{ start = 0.3, stop = 0.6, num = {structures} }}
[jobs]
executor = "local"
[jobs.htcondor]
universe = "vanilla"
python = "/usr/bin/python3"
"""

# Connection probabilities, so that points differ in structure as well.
STRUCTURES = 10


def write_sweep(folder: Path, n_points: int) -> Path:
    """Write a sweep of about `n_points` points, each a combination of its own: nothing is shared between seeds."""
    path = folder / f"sweep-{n_points}.toml"
    side = round((n_points / STRUCTURES) ** 0.5)
    path.write_text(_SWEEP.format(side=side, structures=STRUCTURES), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Used:
    """What a command used: s by the clock, s of processors, and peak memory in B."""

    seconds: float
    cpu: float
    memory: float
    output: str = ""

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.cpu:.2f} s CPU), {self.memory / 1e9:.2f} GB"


def run_command(*arguments: str) -> Used:
    """Run ``python -m gridsearch`` with arguments and say what it used."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "gridsearch", *arguments], cwd=ROOT, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with exit code {process.returncode}")
        memory = usage.ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
        output.seek(0, io.SEEK_SET)
        return Used(seconds, usage.ru_utime + usage.ru_stime, memory, output.read().decode())


def plan_of(sweep: Path, *more: str) -> Used:
    """Run ``plan``."""
    return run_command("plan", str(sweep), "--results", str(sweep.parent / "results"), *more)


def finish(plan: Plan) -> None:
    """Write a good row for every point of a plan, job by job, as its workers would."""
    sweep = plan.sweep
    fingerprint = sweep.guests.fingerprint(sweep.statistics, sweep.statistics_settings, sweep.windows)
    made, content = json.dumps(fingerprint, sort_keys=True), json.dumps(plan.grid.content, sort_keys=True)
    jobs = [planned.job for planned in plan.jobs]
    schema = schema_of(jobs[0], plan.run.root)
    measured = [field.name for field in schema if pa.types.is_floating(field.type)]
    for job in jobs:
        rows = [
            {
                **dict.fromkeys(measured, 1.0),
                "point_id": point.point_id,
                "setting_id": point.setting_id,
                "content": content,
                "simulator": "nest",
                "backend": "",
                "threads": job.settings["threads"],
                "seed": point.seed,
                "network_seed": point.network_seed,
                **point.swept,
                "status": "ok",
                "duration": job.simulation.duration,
                "statistics": made,
                "spikes": "none",
                "job": job.name,
            }
            for point in job.points
        ]
        write_summary(rows, schema, plan.run.summary(job.name))
        past = time.time() - 2 * SETTLED  # as of a run that is over
        os.utime(plan.run.summary(job.name), (past, past))


def time_writing(sweep: Path) -> tuple[Plan, float, float]:
    """Plan within this process and write down what a submit does; return the plan, and the seconds of both."""
    start = time.perf_counter()
    plan = make_plan(sweep, sweep.parent / "results")
    planned = time.perf_counter()
    write_plan(plan, replace_sweep=False)
    return plan, planned - start, time.perf_counter() - planned


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    arguments = parser.parse_args()
    points = arguments.points
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = (write_sweep(folder, n_points) for n_points in (points // 10, points))
        print(f"start-up (40 points): {plan_of(write_sweep(folder, 4 * STRUCTURES))}", flush=True)
        tenth = plan_of(few)
        print(f"plan of {points // 10} points: {tenth}", flush=True)
        whole = plan_of(many)
        print(f"plan of {points} points: {whole}")
        print(
            f"ten times the points take {whole.cpu / tenth.cpu:.1f} times the CPU time, start-up included", flush=True
        )
        dag = plan_of(many, "--preview", "--executor", "htcondor")
        n_jobs, size = dag.output.count("\nJOB "), len(dag.output) / 1e6
        print(f"as a DAG: {n_jobs} jobs in {size:.1f} MB, {dag}", flush=True)
        plan, planning, writing = time_writing(many)
        print(f"writing what a submit needs: {writing:.2f} s, {writing / planning:.2f} × planning it", flush=True)
        finish(plan)
        run = plan.run
        for title, arguments_of in (
            ("again, all done", ("plan", str(many), "--results", str(folder / "results"))),
            ("and again", ("plan", str(many), "--results", str(folder / "results"))),
            ("status", ("status", str(run.root))),
        ):
            with Opens(run.summaries) as opens:
                used = run_command(*arguments_of)
            n_opened = opens.counts[run.summaries.name]
            print(f"{title}: {used}; of {len(run.summary_files())} summaries opened: {n_opened}", flush=True)
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
