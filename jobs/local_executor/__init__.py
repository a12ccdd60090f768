"""Jobs as processes of this machine, as many as cores and memory allow."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

import simulators
from jobs.executor import Conditions, InFlight, JobFailure, Placement, Progress, last_words
from jobs.local_executor.forecast import Course, Forecast, read_end, write_end
from jobs.plan import PlannedJob
from simulators.backends.simulator import Setting
from simulators.records import machine
from simulators.records.run_directory import RunDirectory
from simulators.worker.exit_codes import DONE, OUT_OF_MEMORY, STOPPED, TRANSIENT, UNUSABLE

SETTINGS: Mapping[str, Setting] = {
    "max_running": Setting(0, "jobs at a time; 0: as many as cores and memory allow", minimum=0),
}
PACKAGES: tuple[str, ...] = ()
ON_THIS_MACHINE = True

_POLL = 0.1  # s between two looks at the processes
_REPORT = 0.5  # s between two looks at their summaries
_GRACE = 20.0  # s a worker gets to write its rows after a stop
_MEMORY_SHARE = 0.9  # of what is free at the start
_MAX_ATTEMPTS = 4  # without a new row in between; the worker gives up a point that kills it before that
_PAUSE = 5.0  # s before a job with a passing trouble, of memory too, is tried again

log = logging.getLogger(__name__)


def why_unavailable() -> str | None:
    """Return None: processes can be started anywhere."""
    return None


def problems(settings: Mapping[str, Any], placement: Mapping[str, Placement]) -> dict[str, str]:
    """Return nothing: types say it all."""
    del settings, placement
    return {}


def n_slots() -> int | None:
    """Return the number of cores."""
    return machine.n_cores()


@dataclass
class _Attempt:
    """A job and how it has fared."""

    planned: PlannedJob
    course: Course
    n_rows: int = 0
    rows_at_start: int = 0
    stamp: tuple[int, int] | None = None
    fruitless: int = 0
    not_before: float = 0.0
    process: subprocess.Popen[bytes] | None = None


def preview(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> str:
    """Return the commands of the workers, a line each (see `jobs.executor.ExecutorModule.preview`)."""
    return "".join(f"{shlex.join(_command(one, run))}\n" for one in planned)


def look_up(run: RunDirectory) -> InFlight:
    """Say when `run_jobs` expects to end; nothing is in flight, as its jobs end before it does."""
    end = read_end(run)
    return InFlight(seconds_left=None if end is None else max(0.0, end - time.time()))


def cancel(run: RunDirectory) -> str | None:
    """Return None: there is nothing to take back."""
    del run
    return None


def check(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> None:
    """Accept everything: any worker can be started."""
    del planned, run, conditions


def run_jobs(
    planned: Sequence[PlannedJob],
    run: RunDirectory,
    report: Callable[[Progress], None],
    conditions: Conditions | None = None,
) -> list[JobFailure]:
    """Run jobs to their end (see `jobs.executor.ExecutorModule.run_jobs`).

    Of the conditions only ``max_running`` matters here: a process needs no image, and takes what it finds.

    An exception (the KeyboardInterrupt of Ctrl-C, say) stops the workers before it passes on; what they finished is
    on disk.
    """
    limit = int(conditions.settings.get("max_running", 0)) if conditions else 0
    waiting = [_Attempt(job, Course(job)) for job in planned]
    forecast = Forecast([attempt.course for attempt in waiting])
    before = sum(_count_rows(run, attempt) for attempt in waiting)
    running: list[_Attempt] = []
    n_ended = 0  # rows of jobs that have ended: their summaries change no more
    failures: list[JobFailure] = []
    cores = machine.n_cores()
    free = machine.available_memory()
    memory = float("inf") if free is None else free * _MEMORY_SHARE
    next_report = 0.0
    try:
        while waiting or running:
            _start_what_fits(waiting, running, run, cores, memory, limit)
            time.sleep(_POLL)
            for attempt in [one for one in running if one.process is not None and one.process.poll() is not None]:
                running.remove(attempt)
                failure = _settle(attempt, run)
                if failure is not None:
                    failures.append(failure)
                if attempt.process is None:
                    waiting.append(attempt)
                else:
                    n_ended += _count_rows(run, attempt)
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + _REPORT
                done = sum(_count_rows(run, one) for one in running) + sum(one.n_rows for one in waiting)
                report(Progress(n_ended + done - before, len(running), len(waiting)))
                write_end(run, forecast.end(time.time(), len(running)))
    finally:
        write_end(run, None)
        _stop([attempt.process for attempt in running if attempt.process is not None])
    report(Progress(n_ended - before, 0, 0))
    return failures


def _start_what_fits(
    waiting: list[_Attempt], running: list[_Attempt], run: RunDirectory, cores: int, memory: float, limit: int
) -> None:
    for attempt in list(waiting):
        if limit and len(running) >= limit:
            return
        busy = sum(one.planned.cores for one in running)
        taken = sum(one.planned.memory for one in running)
        fits = busy + attempt.planned.cores <= cores and taken + attempt.planned.memory <= memory
        # CUDA takes the first graphics processor it sees, whoever is at work there
        fits &= not attempt.planned.gpus or not any(one.planned.gpus for one in running)
        # A job that is larger than the machine still runs, alone
        if (fits or not running) and time.monotonic() >= attempt.not_before:
            attempt.rows_at_start = attempt.n_rows
            attempt.process = _start(attempt.planned, run)
            attempt.course.start(time.time(), attempt.n_rows)
            waiting.remove(attempt)
            running.append(attempt)


def _command(planned: PlannedJob, run: RunDirectory) -> list[str]:
    name = planned.job.name
    return [
        *(sys.executable, "-P", "-m", "simulators.worker", str(run.job(name)), "--stop-at-eof"),
        *("--summary", str(run.summary(name)), "--spikes", str(run.spikes(name))),
    ]


def _start(planned: PlannedJob, run: RunDirectory) -> subprocess.Popen[bytes]:
    job = planned.job
    run.logs.mkdir(parents=True, exist_ok=True)
    with _appending(run.stdout(job.name)) as stdout, _appending(run.stderr(job.name)) as stderr:
        # A session of its own, so that Ctrl-C reaches the workers through us; a pipe that nobody writes to, so that
        # a worker notices when we die.
        return subprocess.Popen(
            _command(planned, run),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=_environment(int(job.settings.get("threads", 1))),
            start_new_session=True,
        )


def _appending(log: Path) -> IO[bytes]:
    """Open a file to append to, but not through a symbolic link that somebody laid in a shared folder."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(log, flags, 0o666), "ab")


def _environment(cores: int) -> dict[str, str]:
    root = str(Path(simulators.__path__[0]).parent)
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": root if not path else f"{root}{os.pathsep}{path}",
        "OMP_NUM_THREADS": str(cores),
        "OPENBLAS_NUM_THREADS": str(cores),
    }


def _settle(attempt: _Attempt, run: RunDirectory) -> JobFailure | None:
    """Decide what follows from the end of a worker: a job to be tried again has no process."""
    assert attempt.process is not None
    code = attempt.process.returncode
    _close(attempt.process.stdin)
    job = attempt.planned.job
    if code == DONE:
        return None
    attempt.fruitless = 0 if _count_rows(run, attempt) > attempt.rows_at_start else attempt.fruitless + 1
    if code == UNUSABLE or attempt.fruitless >= _MAX_ATTEMPTS:
        return JobFailure(job.name, f"{_how(code)}: {last_words(run.stderr(job.name))}")
    log.warning("job %s %s; trying again", job.name, _how(code))
    attempt.not_before = time.monotonic() + (_PAUSE if code in (TRANSIENT, OUT_OF_MEMORY) else 0.0)
    attempt.process = None
    return None


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    if code == STOPPED:
        return "was stopped"
    if code == OUT_OF_MEMORY:
        return "was refused memory"
    return f"ended with exit code {code}"


def _count_rows(run: RunDirectory, attempt: _Attempt) -> int:
    """Count the rows of a job; its summary is opened only if it has changed since the last time."""
    path = run.summary(attempt.planned.job.name)
    try:
        found = path.stat()
        stamp = (found.st_ino, found.st_mtime_ns)  # a new file takes its place with every row
        if stamp != attempt.stamp:
            attempt.n_rows, attempt.stamp = int(pq.read_metadata(path).num_rows), stamp
            attempt.course.see(found.st_mtime, attempt.n_rows)
    except (OSError, pa.ArrowException):
        attempt.n_rows, attempt.stamp = 0, None
    return attempt.n_rows


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + _GRACE
    try:
        for process in processes:
            process.wait(max(0.1, until - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass  # out of patience: what is finished is on disk already
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            _close(process.stdin)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()
