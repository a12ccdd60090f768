"""kill -9 at random moments: nothing is lost, there twice, half written or different.

A sweep with all spikes kept is run undisturbed. Then it is run again and again with ``submit``, and at random moments
a worker (which is then started again), the submitting process or the whole tree is killed, and every submit goes on
from what the last one left; now and then, between submits and while one is at work, the clock of what is on disk is set
back, or a summary is cut short or filled with garbage. Half of the rounds begin without compiled code, so that
compiling is hit too. In the end every point must have exactly one good row (and one more for each whose summary was
damaged), no temporary file may be left, and statistics and spikes must be those of the undisturbed run, to the bit.

    python benchmarks/attacks/kills.py [--kills 200] [--simulators nest genn native] [--seed 1]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyarrow as pa

from analysis import open_run
from gridsearch.commands import cli
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import read_spikes
from simulators.records.summaries.summary import CorruptSummaryError, read_summary

ROOT = Path(__file__).resolve().parents[2]

_SWEEP = """\
name = "attacked"
model = "clustered"
simulators = [{simulators}]
[parameters]
N_E = 80
N_I = 20
Q = 4
[axes]
I_th_E = {{ start = 1.0, step = 0.01, num = {points} }}
[simulation]
warmup = 100.0
duration = {duration}
[record]
statistics = ["rate", "cv_isi"]
spikes = "all"
[jobs]
executor = "local"
minutes_per_job = {minutes}
"""
# Compiled code lies in a folder of the attack's own
_SETTINGS = {
    "genn": '[jobs.genn]\nbackend = "single_threaded_cpu"\nbatch = 1\ncache = "{cache}"\n',
    "native": '[jobs.native]\ncache = "{cache}"\n',
}
# Of the workers' time, the part in which a kill falls: small enough for many kills to a round
SHARE = 0.5
_CACHE = "compiled"
# What differs between two runs of the same point: when, where and how quickly
_PASSING = ("t_", "expected_", "job", "started", "finished", "host", "peak_memory", "realtime_factor")


def write_sweep(folder: Path, simulators: list[str], points: int, duration: float, more: str = "") -> Path:
    """Write the sweep that is attacked."""
    listed = ", ".join(f'"{name}"' for name in simulators)
    path = folder / "sweep.toml"
    text = _SWEEP.format(simulators=listed, points=points, duration=duration, minutes=30)
    text += "".join(_SETTINGS.get(name, "").format(cache=folder / _CACHE) for name in simulators)
    path.write_text(text + more, encoding="utf-8")
    return path


def start(folder: Path, results: str) -> Submit:
    """Start a submit in a session of its own.

    It is forked from a process that has all modules loaded: the same submit as by hand, but for the seconds of imports.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gridsearch.commands.cli"])
    process = context.Process(target=_submit, args=(folder, results))
    process.start()
    return Submit(process)


def _submit(folder: Path, results: str) -> None:
    os.setsid()
    os.chdir(folder)
    said = os.open("said.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.environ["PYTHONPATH"] = str(ROOT)
    sys.exit(cli.main(["submit", "sweep.toml", "--results", results, "--retry-failed"]))


@dataclass(frozen=True)
class Submit:
    """A submit at work."""

    process: BaseProcess

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.process.exitcode

    def wait(self) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode


def workers_of(parent: int) -> list[int]:
    """Return the worker processes that a submit has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"simulators.worker" in command:
            found.append(int(path.name))
    return found


@dataclass(frozen=True)
class Course:
    """When things happen in an undisturbed submit, s.

    Parameters
    ----------
    first, last : float
        From its start to its first worker, and to the end of the last.
    """

    first: float
    last: float


def watch(process: Submit) -> Course:
    """Watch a submit to its end."""
    began = time.monotonic()
    seen: list[float] = []
    while process.poll() is None:
        if workers_of(process.pid):
            seen.append(time.monotonic() - began)
        time.sleep(0.1)
    if process.wait() != 0 or not seen:
        raise RuntimeError("the undisturbed run has failed")
    return Course(seen[0], seen[-1])


def strike(process: Submit, course: Course, chance: random.Random) -> str:
    """Wait for a random moment, kill a worker, the submit or the tree, and say what was hit.

    Returns
    -------
    str
        Empty if nothing was there any more to hit.
    """
    target = chance.choice(["worker", "worker", "submit", "tree"])
    if target == "worker":
        while process.poll() is None and not workers_of(process.pid):
            time.sleep(0.05)
        moment = chance.uniform(0.0, SHARE * (course.last - course.first))
    else:
        moment = chance.uniform(0.0, course.first + SHARE * (course.last - course.first))
    deadline = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if process.poll() is not None:
        return ""
    workers = workers_of(process.pid)
    doomed = {
        "worker": chance.sample(workers, min(1, len(workers))),
        "submit": [process.pid],
        "tree": [*workers, process.pid],
    }[target]
    hit = ""
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
            hit = target
        except ProcessLookupError:
            continue
    return hit


def damage(run: RunDirectory, chance: random.Random) -> set[str]:
    """Cut a summary short, fill it with garbage or set its clock back; return the rows lost by that."""
    files = run.summary_files()
    if not files:
        return set()
    path = chance.choice(files)
    kind = chance.choice(["cut", "garbage", "empty", "clock"])
    try:
        rows = {row["point_id"] + row["simulator"] for row in read_summary(path).to_pylist()}
    except CorruptSummaryError:  # damaged before, and nobody has looked since
        rows = set()
    content = path.read_bytes()
    if kind == "clock":
        os.utime(path, (1e9, 1e9))
        return set()
    path.write_bytes(
        {"cut": content[: len(content) // 2], "garbage": chance.randbytes(len(content)), "empty": b""}[kind]
    )
    return rows


def compare(undisturbed: RunDirectory, attacked: RunDirectory) -> tuple[int, int, int, int]:
    """Return how many results there are, and how many are lost, there twice, or different to the bit."""
    tables = [
        open_run(run.root).sort_values(["simulator", "point_id"], ignore_index=True) for run in (undisturbed, attacked)
    ]
    columns = [name for name in tables[0].columns if not name.startswith(_PASSING)]
    expected, found = (pa.Table.from_pandas(table[columns], preserve_index=False) for table in tables)
    n_lost = int((tables[1]["status"] != "ok").sum())
    rows = Counter(
        (row["point_id"], row["simulator"])
        for path in attacked.summary_files()
        for row in read_summary(path).to_pylist()
        if row["status"] == "ok"
    )
    n_different = (
        0
        if expected.equals(found)
        else sum(a != b for a, b in zip(expected.to_pylist(), found.to_pylist(), strict=True))
    )
    for one, other in zip(tables[0].itertuples(), tables[1].itertuples(), strict=True):
        if other.status == "ok":
            spikes = [
                read_spikes(run.spike_file(str(row.job), str(row.point_id)))
                for run, row in ((undisturbed, one), (attacked, other))
            ]
            same = all(
                (spikes[0][key].steps == spikes[1][key].steps).all()
                and (spikes[0][key].senders == spikes[1][key].senders).all()
                for key in spikes[0]
            )
            n_different += not same
    return len(tables[0]), n_lost, sum(n - 1 for n in rows.values()), n_different


def attack(
    folder: Path,
    simulators: list[str],
    kills: int,
    points: int,
    duration: float,
    start_of_chance: int,
    more: str = "",
    minutes: float = float("inf"),
    at_work: float = 0.3,
) -> dict[str, int]:
    """Run the attack; return the counts.

    Parameters
    ----------
    folder : Path
        Where to work.
    simulators : list of str
        Theirs.
    kills, points, start_of_chance : int
        Kills at least, points of a run, and the start of the random numbers.
    duration : float
        ms, of a point.
    more : str
        Further lines of the sweep.
    minutes : float
        After which no more is killed.
    at_work : float
        How often a summary is damaged after a worker was killed, while the submit goes on.
    """
    chance = random.Random(start_of_chance)
    write_sweep(folder, simulators, points, duration, more)
    began = time.monotonic()
    courses = [watch(start(folder, results)) for results in ("undisturbed", "again")]
    undisturbed = RunDirectory(folder / "undisturbed" / "attacked")
    counts: Counter[str] = Counter()
    n_round = 0

    def goes_on() -> bool:
        return counts["kills"] < kills and time.monotonic() - began < minutes * 60.0

    while goes_on():
        n_round += 1
        attacked = RunDirectory(folder / f"attacked-{n_round}" / "attacked")
        compiles = n_round % 2 == 0
        if compiles:
            shutil.rmtree(folder / _CACHE, ignore_errors=True)
        n_damaged = 0
        while True:
            process = start(folder, f"attacked-{n_round}")
            while goes_on() and process.poll() is None:
                hit = strike(process, courses[0 if compiles else 1], chance)
                counts["kills"] += bool(hit)
                counts[f"kills of {hit or 'nobody'}"] += 1
                if hit in ("submit", "tree"):
                    break
                if hit and chance.random() < at_work:
                    n_damaged += len(damage(attacked, chance))
                    counts["damaged at work"] += 1
            if process.wait() == 0:
                break
            while strays(folder):
                time.sleep(0.05)
            if chance.random() < 0.1:
                n_damaged += len(damage(attacked, chance))
        start(folder, f"attacked-{n_round}").wait()  # nothing to do but to sweep what killed workers left
        n_results, lost, twice, different = compare(undisturbed, attacked)
        counts["results"] += n_results
        counts["rows damaged on purpose"] += n_damaged
        counts["lost"] += lost
        counts["twice"] += twice
        counts["different"] += different
        counts["half written"] += sum(
            # a figure's may be those of a report at work: they are left alone for an hour
            path.parent != attacked.figures
            for path in attacked.root.rglob(".*.tmp")
        )
    counts["rounds"] = n_round
    return dict(counts)


def strays(folder: Path) -> list[int]:
    """Return workers of this attack that outlive their submit; they end when they notice."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"simulators.worker" in (path / "cmdline").read_bytes() and (path / "cwd").resolve() == folder.resolve():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def main() -> int:
    """Run the attack and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--points", type=int, default=150)
    parser.add_argument("--duration", type=float, default=200.0)
    parser.add_argument("--simulators", nargs="+", default=["nest"])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="kill no more after that")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        counts = attack(
            folder,
            options.simulators,
            options.kills,
            options.points,
            options.duration,
            options.seed,
            minutes=options.minutes,
        )
    took = (time.monotonic() - began) / 60
    print(f"{', '.join(options.simulators)}, {took:.1f} min, load {os.getloadavg()[0]:.0f}:")
    for key, count in sorted(counts.items()):
        print(f"  {key}: {count}")
    return int(any(counts[key] for key in ("lost", "twice", "different", "half written")))


if __name__ == "__main__":
    sys.exit(main())
