"""What `plan` and `status` expect after ten points, against what it then takes, on NEST, GeNN and the native simulator.

The claim: both are within a fifth, whatever the first guess was, on a grid whose points differ in rate. A run is
interrupted after ten points and planned anew; the submit that goes on is asked for its end after ten more. What the
plan says in core seconds is held against the phases of the rows that follow, what the forecast says against the end of
the submit. Machines that others use take longer or shorter from one minute to the next, which no estimate foresees: the
load is printed beside each number.

    python benchmarks/hours.py [--points 48] [--simulators nest genn native]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from gridsearch.planning.plan import make_plan
from jobs.local_executor.forecast import read_end
from simulators.records.run_directory import RunDirectory
from simulators.records.summary import PHASES, UNREADABLE

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 10  # points
SIMULATORS = {
    # neurons and ms of biology for points of half a second or so
    "nest": (1000, 3000.0),
    "genn": (5000, 4000.0),
    "native": (5000, 20000.0),
}
_SWEEP = """\
name = "{simulator}"
model = "clustered"
simulators = ["{simulator}"]
[parameters]
N_E = {n_e}
N_I = {n_i}
Q = 10
[axes]
I_th_E = {{ start = 1.2, stop = 2.4, num = {points} }}
I_th_I = {{ values = [0.9, 1.2] }}
[simulation]
warmup = 500.0
duration = {duration}
[record]
statistics = ["rate", "cv_isi"]
[jobs]
executor = "local"
{more}
"""


def run(simulator: str, n_points: int, folder: Path) -> None:
    """Run the sweep of a simulator, and print what was expected and what it took."""
    neurons, duration = SIMULATORS[simulator]
    sweep = folder / f"{simulator}.toml"
    more = '[jobs.genn]\nbackend = "single_threaded_cpu"' if simulator == "genn" else ""
    content = _SWEEP.format(
        simulator=simulator,
        n_e=neurons * 4 // 5,
        n_i=neurons // 5,
        points=n_points // 2,
        duration=duration,
        more=more,
    )
    sweep.write_text(content, encoding="utf-8")
    results = RunDirectory(folder / "results" / simulator)
    guess = _planned(sweep, folder)
    first = _submit(sweep, folder)
    _wait_for(results, ENOUGH, first)
    first.send_signal(signal.SIGINT)
    first.wait()
    before = list(_rows(results))
    planned = _planned(sweep, folder)
    second = _submit(sweep, folder)
    _wait_for(results, len(before) + ENOUGH, second)
    time.sleep(1.0)  # the forecast is written twice a second
    asked = time.time()
    end = read_end(results)
    load = os.getloadavg()[0]
    second.wait()
    took = time.time() - asked
    after = list(_rows(results))
    spent = sum(after) - sum(before)
    left = "no forecast" if end is None else f"{end - asked:.1f} s, {_off(end - asked, took)}"
    print(
        f"{simulator}: {len(after)} points; first guess {guess:.1f} core s in all, took {sum(after):.1f}\n"
        f"    plan after {len(before)}: {planned:.1f} core s, took {spent:.1f}: {_off(planned, spent)}\n"
        f"    status after {ENOUGH} of the second submit: {left}, took {took:.1f} s\n"
        f"    load {load:.1f} then, {os.getloadavg()[0]:.1f} at the end, on {os.cpu_count()} cores",
        flush=True,
    )


def _off(expected: float, took: float) -> str:
    return f"{100.0 * (expected / took - 1.0):+.0f} %"


def _planned(sweep: Path, folder: Path) -> float:
    plan = make_plan(sweep, folder / "results")
    return sum(share.hours for share in plan.simulators.values()) * 3600.0


def _submit(sweep: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gridsearch", "submit", str(sweep), "--results", str(folder / "results")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for(results: RunDirectory, n_points: int, process: subprocess.Popen[bytes]) -> None:
    while sum(1 for _ in _rows(results)) < n_points:
        if process.poll() is not None:
            raise RuntimeError(f"the submit ended with exit code {process.returncode}: see {results.logs}")
        time.sleep(0.2)


def _rows(results: RunDirectory) -> Iterator[float]:
    """Yield what every row took in s."""
    for path in results.summary_files():
        try:
            table = pq.read_table(path, columns=list(PHASES))
        except UNREADABLE:
            continue
        for row in table.to_pylist():
            yield sum(seconds or 0.0 for seconds in row.values())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=48)
    parser.add_argument("--simulators", nargs="+", default=list(SIMULATORS), choices=SIMULATORS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for simulator in arguments.simulators:
            run(simulator, arguments.points, Path(name))


if __name__ == "__main__":
    main()
