"""What `plan` and `status` expect after ten points, against what it then takes, on NEST, GeNN and the native simulator.

The claim: both are within a fifth, whatever the first guess was, on a grid whose points differ in rate. A run is
interrupted after ten points and planned anew; the submit that goes on is asked for its end after ten more. What the
plan says in core seconds is held against the phases of the rows that follow, what the forecast says against the
last row. On a machine that others use, workers get more or less of the processors from one minute to the next, which
no estimate foresees: the share that they got is measured (their processor time over that of the clock), and what things
would have taken had it stayed as it was is given as well. Where nobody else is at work the two are the same.

Seen on two idle cores (load 1.3): `plan` of native +5 %, of GeNN +3 %, of NEST +2 %; `status` +6, +6 and +1 %. At a
load of 5.5, NEST: +8 % (−11 % had the share stayed) and −15 % (−22 %).

    python benchmarks/planning/hours.py [--points 40] [--simulators nest genn native]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pyarrow.parquet as pq

from gridsearch.planning.plan import make_plan
from jobs.local_executor.forecast import read_end
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import PHASES, UNREADABLE

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 10  # points
SIMULATORS = {
    # neurons and ms of biology for points of half a second or so
    "nest": (1000, 1500.0),
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
    with Shares(results.root) as shares:
        first = _submit(sweep, folder)
        _wait_for(results, ENOUGH, first)
        first.send_signal(signal.SIGINT)
        first.wait()
        before = list(_rows(results))
        share_before = shares.take()
        planned = _planned(sweep, folder)
        second = _submit(sweep, folder)
        _wait_for(results, len(before) + ENOUGH, second)
        time.sleep(1.0)  # the forecast is written twice a second
        asked = time.time()
        end = read_end(results)
        share_asked = shares.take()
        second.wait()
        took = max(path.stat().st_mtime for path in results.summary_files()) - asked  # figures come after the last row
        share_after = shares.take()
    after = list(_rows(results))
    spent = sum(after) - sum(before)
    share_second = 0.5 * (share_asked + share_after)
    print(
        f"{simulator}: {len(after)} points; first guess {guess:.1f} core s in all, took {sum(after):.1f}, "
        f"of which {sum(before) * share_before + spent * share_second:.1f} s of processor\n"
        f"    plan after {len(before)}: {planned:.1f} core s{_off(planned, spent, share_second / share_before)}\n"
        f"    status after {ENOUGH} of the second submit: "
        f"{'no forecast' if end is None else f'{end - asked:.1f} s'}"
        f"{'' if end is None else _off(end - asked, took, share_after / share_asked)}\n"
        f"    share of a processor {share_before:.2f}, {share_asked:.2f}, {share_after:.2f}; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        flush=True,
    )


def _off(expected: float, took: float, share: float) -> str:
    at_that_share = took * share
    return (
        f", took {took:.1f} ({100.0 * (expected / took - 1.0):+.0f} %), "
        f"{at_that_share:.1f} had the share stayed ({100.0 * (expected / at_that_share - 1.0):+.0f} %)"
    )


class Shares:
    """The share of a processor that the workers of a run get, each at work on one.

    Parameters
    ----------
    root : Path
        The run's folder, which their commands name.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._cpu = self._clock = 0.0

    def __enter__(self) -> Shares:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def take(self) -> float:
        """Return the share since the last time."""
        share = self._cpu / self._clock if self._clock else float("nan")
        self._cpu = self._clock = 0.0
        return share

    def _watch(self) -> None:
        known: dict[int, tuple[float, float]] = {}
        while not self._ended.wait(0.25):
            now = time.monotonic()
            seen = {process: (now, cpu) for process, cpu in self._workers().items()}
            for process, (_, cpu) in seen.items():
                if process in known:
                    self._clock += now - known[process][0]
                    self._cpu += cpu - known[process][1]
            known = seen

    def _workers(self) -> dict[int, float]:
        """Processor time of the workers; of each those that its supervisor started, not the supervisor."""
        times, parents = {}, set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._root not in (folder / "cmdline").read_bytes().decode(errors="replace"):
                    continue
                # After the command in parentheses: state, parent; user and system time are the 14th and 15th of all
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.add(int(fields[1]))
            times[int(folder.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return {process: cpu for process, cpu in times.items() if process not in parents}


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
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--simulators", nargs="+", default=list(SIMULATORS), choices=SIMULATORS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for simulator in arguments.simulators:
            run(simulator, arguments.points, Path(name))


if __name__ == "__main__":
    main()
