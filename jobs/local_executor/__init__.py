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
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

import simulators
from jobs.executor import Conditions, InFlight, JobFailure, Progress, last_words
from jobs.plan import PlannedJob
from simulators.backends.simulator import Setting
from simulators.records import machine
from simulators.records.run_directory import RunDirectory
from simulators.worker.exit_codes import DONE, STOPPED, TRANSIENT, UNUSABLE

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
_PAUSE = 5.0  # s before a job with a passing trouble is tried again

log = logging.getLogger(__name__)


def why_unavailable() -> str | None:
    """Return None: processes can be started anywhere."""
    return None


def n_slots() -> int | None:
    """Return the number of cores."""
    return machine.n_cores()


@dataclass
class _Attempt:
    """A job and how it has fared."""

    planned: PlannedJob
    n_rows: int = 0
    fruitless: int = 0
    not_before: float = 0.0
    process: subprocess.Popen[bytes] | None = None


def preview(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> str:
    """Return the commands of the workers, a line each (see `jobs.executor.ExecutorModule.preview`)."""
    return "".join(f"{shlex.join(_command(one, run))}\n" for one in planned)


def look_up(run: RunDirectory) -> InFlight:
    """Return nothing: jobs end before `run_jobs` does."""
    del run
    return InFlight()


def cancel(run: RunDirectory) -> str | None:
    """Return None: there is nothing to take back."""
    del run
    return None


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
    waiting = [_Attempt(job, _count_rows(run, job)) for job in planned]
    before = sum(attempt.n_rows for attempt in waiting)
    running: list[_Attempt] = []
    ended: list[_Attempt] = []
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
                (waiting if attempt.process is None else ended).append(attempt)
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + _REPORT
                done = sum(_count_rows(run, one.planned) for one in (*waiting, *running, *ended))
                report(Progress(done - before, len(running), len(waiting)))
    finally:
        _stop([attempt.process for attempt in running if attempt.process is not None])
    report(Progress(sum(_count_rows(run, one) for one in planned) - before, 0, 0))
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
            attempt.process = _start(attempt.planned, run)
            waiting.remove(attempt)
            running.append(attempt)


def _command(planned: PlannedJob, run: RunDirectory) -> list[str]:
    name = planned.job.name
    return [
        *(sys.executable, "-m", "simulators.worker", str(run.job(name)), "--stop-at-eof"),
        *("--summary", str(run.summary(name)), "--spikes", str(run.spikes(name))),
    ]


def _start(planned: PlannedJob, run: RunDirectory) -> subprocess.Popen[bytes]:
    job = planned.job
    run.logs.mkdir(parents=True, exist_ok=True)
    with run.stdout(job.name).open("ab") as stdout, run.stderr(job.name).open("ab") as stderr:
        # A session of its own, so that Ctrl-C reaches the workers through us; a pipe that nobody writes to, so that
        # a worker notices when we die.
        return subprocess.Popen(
            _command(planned, run),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=_environment(planned.cores),
            start_new_session=True,
        )


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
    n_rows = _count_rows(run, attempt.planned)
    attempt.fruitless = 0 if n_rows > attempt.n_rows else attempt.fruitless + 1
    attempt.n_rows = n_rows
    if code == UNUSABLE or attempt.fruitless >= _MAX_ATTEMPTS:
        return JobFailure(job.name, f"{_how(code)}: {last_words(run.stderr(job.name))}")
    log.warning("job %s %s; trying again", job.name, _how(code))
    attempt.not_before = time.monotonic() + (_PAUSE if code == TRANSIENT else 0.0)
    attempt.process = None
    return None


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    if code == STOPPED:
        return "was stopped"
    return f"ended with exit code {code}"


def _count_rows(run: RunDirectory, planned: PlannedJob) -> int:
    try:
        return int(pq.read_metadata(run.summary(planned.job.name)).num_rows)
    except (OSError, pa.ArrowException):
        return 0


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
