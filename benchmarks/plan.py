"""Planning 100,000 points of the clustered network: seconds and memory of the real command, against a tenth of them.

The claim: ``python -m gridsearch plan`` of 100,000 points takes at most 10 s and 1 GB, and grows no faster than the
number of points; planning again when all is done takes at most 5 s, and ``status`` 2 s. What a submit writes before
the first job starts (points, provenance, job files) is timed as well, against the plan that comes before it.

    python benchmarks/plan.py [--points 100000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gridsearch.planning.plan import Plan, make_plan
from gridsearch.submitting.submission import write_plan
from simulators.records.summary import PHASES, schema_of, write_summary

ROOT = Path(__file__).resolve().parent.parent

_SWEEP = """\
name = "benchmark"
model = "clustered"
simulators = ["nest"]
[axes]
I_th_E = {{ start = 0.95, stop = 2.5, num = {side} }}
I_th_I = {{ start = 0.70, stop = 1.7, num = {side} }}
"p[0,1]" = {{ start = 0.3, stop = 0.6, num = {structures} }}
[jobs]
executor = "local"
"""

# Connection probabilities, so that points differ in structure as well.
STRUCTURES = 10


def write_sweep(folder: Path, n_points: int) -> Path:
    """Write a sweep of about `n_points` points, each a combination of its own: nothing is shared between seeds."""
    path = folder / f"sweep-{n_points}.toml"
    side = round((n_points / STRUCTURES) ** 0.5)
    path.write_text(_SWEEP.format(side=side, structures=STRUCTURES), encoding="utf-8")
    return path


def run_plan_command(sweep: Path) -> tuple[float, float, float]:
    """Run ``python -m gridsearch plan`` and return its seconds, seconds of CPU time and peak memory in bytes."""
    command = [sys.executable, "-m", "gridsearch", "plan", str(sweep), "--results", str(sweep.parent / "results")]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
    memory = usage.ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
    return seconds, usage.ru_utime + usage.ru_stime, memory


def run_status_command(run: Path) -> tuple[float, float]:
    """Run ``python -m gridsearch status`` and return its seconds and seconds of CPU time."""
    command = [sys.executable, "-m", "gridsearch", "status", str(run)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def finish(plan: Plan, rows_per_file: int = 1000) -> None:
    """Write a good row for every point of a plan, as its workers would."""
    jobs = [planned.job for planned in plan.jobs]
    sweep = plan.sweep
    fingerprint = sweep.guests.fingerprint(sweep.statistics, sweep.statistics_settings, sweep.windows)
    made, content = json.dumps(fingerprint, sort_keys=True), json.dumps(plan.grid.content, sort_keys=True)
    points = [point for job in jobs for point in job.points]
    schema = schema_of(jobs[0], plan.run.root)
    for start in range(0, len(points), rows_per_file):
        name = f"nest-{start}"
        rows = [
            {
                "point_id": point.point_id,
                "setting_id": point.setting_id,
                "content": content,
                "simulator": "nest",
                "backend": "",
                "threads": jobs[0].settings["threads"],
                "seed": point.seed,
                **point.swept,
                "status": "ok",
                "statistics": made,
                "spikes": "none",
                "job": name,
                **dict.fromkeys(PHASES, 1.0),
            }
            for point in points[start : start + rows_per_file]
        ]
        write_summary(rows, schema, plan.run.summary(name))


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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = (write_sweep(folder, n_points) for n_points in (arguments.points // 10, arguments.points))
        start_seconds, start_cpu, start_memory = run_plan_command(write_sweep(folder, 4 * STRUCTURES))
        few_seconds, few_cpu, few_memory = run_plan_command(few)
        seconds, cpu, memory = run_plan_command(many)
        plan, planning, writing = time_writing(many)
        finish(plan)
        done_seconds, done_cpu, done_memory = run_plan_command(many)
        status_seconds, status_cpu = run_status_command(plan.run.root)
    print(f"start-up (40 points): {start_seconds:.2f} s ({start_cpu:.2f} s CPU), {start_memory / 1e9:.2f} GB")
    print(
        f"plan of {arguments.points // 10} points: {few_seconds:.2f} s ({few_cpu:.2f} s CPU), {few_memory / 1e9:.2f} GB"
    )
    print(f"plan of {arguments.points} points: {seconds:.2f} s ({cpu:.2f} s CPU), {memory / 1e9:.2f} GB")
    print(f"ten times the points take {cpu / few_cpu:.1f} times the CPU time, start-up included")
    print(f"again, all done: {done_seconds:.2f} s ({done_cpu:.2f} s CPU), {done_memory / 1e9:.2f} GB")
    print(f"status: {status_seconds:.2f} s ({status_cpu:.2f} s CPU)")
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")
    print(f"writing what a submit needs: {writing:.2f} s, {writing / planning:.2f} × planning it")


if __name__ == "__main__":
    main()
