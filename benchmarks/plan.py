"""Planning 100,000 points of the clustered network: seconds and memory of the real command, against a tenth of them.

The claim: ``python -m gridsearch plan`` of 100,000 points takes at most 10 s and 1 GB, and grows no faster than the
number of points. What a submit writes before the first job starts (points, provenance, job files) is timed as well,
against the plan that comes before it.

    python benchmarks/plan.py [--points 100000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gridsearch.planning import make_plan
from gridsearch.submission import write_plan

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


def time_writing(sweep: Path) -> tuple[float, float]:
    """Plan within this process and write down what a submit does; return the seconds of both."""
    start = time.perf_counter()
    plan = make_plan(sweep, sweep.parent / "results")
    planned = time.perf_counter()
    write_plan(plan, replace_sweep=False)
    return planned - start, time.perf_counter() - planned


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
        planning, writing = time_writing(many)
    print(f"start-up (40 points): {start_seconds:.2f} s ({start_cpu:.2f} s CPU), {start_memory / 1e9:.2f} GB")
    print(
        f"plan of {arguments.points // 10} points: {few_seconds:.2f} s ({few_cpu:.2f} s CPU), {few_memory / 1e9:.2f} GB"
    )
    print(f"plan of {arguments.points} points: {seconds:.2f} s ({cpu:.2f} s CPU), {memory / 1e9:.2f} GB")
    print(f"ten times the points take {cpu / few_cpu:.1f} times the CPU time, start-up included")
    print(f"writing what a submit needs: {writing:.2f} s, {writing / planning:.2f} × planning it")


if __name__ == "__main__":
    main()
