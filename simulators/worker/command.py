"""The worker: ``python -m simulators.worker job.json`` runs a job's points and writes their summary.

The same command runs under every executor and by hand. After every point the summary on disk is whole, so a worker
that dies loses only the point in flight; started again with the same job it goes on where it stopped.

Exit codes: 0 every point has a row · 75 not on this machine or not now (a simulator or package is missing, a file was
cut short or is not what the job was planned with, a disk is full), worth a try elsewhere · 76 out of memory, worth a
try with more · 78 the content of the job file is wrong, another try is pointless · 85 stopped by a signal, finished
points are written.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from simulators.backends.simulator import SimulatorUnavailableError, find_simulator
from simulators.guests.loading import GuestError
from simulators.models import find_model
from simulators.records import machine
from simulators.records.job import Job, JobError, UnreadableJobError, read_job
from simulators.records.phases import PhaseClock
from simulators.records.summaries.summary import CorruptSummaryError, schema_of
from simulators.worker.exit_codes import DONE, OUT_OF_MEMORY, STOPPED, TRANSIENT, UNUSABLE
from simulators.worker.finishing import FinisherDied
from simulators.worker.job_run import run_job
from simulators.worker.own_files import JobFiles, OtherFilesError, check_files
from simulators.worker.points.watch import Terminated, Watch

# What this machine lacks, or has otherwise than the job says
_NOT_HERE = (
    *(UnreadableJobError, OtherFilesError, SimulatorUnavailableError, CorruptSummaryError),
    *(ImportError, OSError),
)

log = logging.getLogger("worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of those of the process.
    """
    # As a command, the interpreter's start and the imports are part of what the job takes.
    clock = PhaseClock(machine.process_age() if arguments is None else 0.0)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    options = _parser().parse_args(arguments)
    try:
        job = read_job(options.job)
        watch = Watch(job.timeout)
        _stop_on_signals(watch)
        if options.stop_at_eof:
            _stop_at_eof(watch)
        root = options.job.resolve().parent.parent if options.root is None else options.root
        sys.path[:0] = [str(root / folder) for folder in job.python_path]
        check_files(job, root)
        _check_content(job, options.job, root)
        files = JobFiles(root, options.summary or Path(f"{job.name}.parquet"), options.spikes)
        run_job(job, files, watch, clock)
    except Terminated as stop:
        log.warning("%s; finished points are written", stop)
        return STOPPED
    except _NOT_HERE as error:
        log.error("%s", error)
        return TRANSIENT
    except MemoryError as error:
        log.error("out of memory: %s", error)
        return OUT_OF_MEMORY
    except GuestError as error:
        log.error("%s", error)
        # The file is the one that was submitted; what it imports or reads may be on another machine
        cause = error.__cause__
        return OUT_OF_MEMORY if isinstance(cause, MemoryError) else TRANSIENT if _is_machines(cause) else UNUSABLE
    except JobError as error:
        log.error("%s", error)
        return UNUSABLE
    except FinisherDied as death:
        log.error("%s", death)
        return _end_alike(death.code)
    return DONE


def _is_machines(cause: BaseException | None) -> bool:
    """Whether a user's file could not be loaded for something that another machine may have."""
    return isinstance(cause, (ImportError, OSError))


def _end_alike(code: int) -> int:
    """End as a part of the worker has ended, so that it is taken for the same: lack of memory, say."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code or 1


def _check_content(job: Job, path: Path, root: Path) -> None:
    """Raise `JobError` if a job names what does not exist; where it is about to run makes no difference to that."""
    try:
        find_simulator(job.simulator)
    except LookupError as error:  # ours travel with the job: it is one from a package
        raise SimulatorUnavailableError(f"{path}: {error}; if a package brings it, it is not installed here") from error
    try:
        find_model(job.model, root, {name: root / place for name, place in job.data.items()})
        if not job.points:
            raise ValueError("there are no points in it")
        schema_of(job, root)
    except (LookupError, TypeError, ValueError) as error:
        said = error if not isinstance(error, KeyError) else f"no parameter {error}"
        raise JobError(f"{path}: {said}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.worker", description="Run the points of one job.")
    parser.add_argument("job", type=Path, help="the job file")
    parser.add_argument("--summary", type=Path, help="the summary file to write (default: JOB.parquet, here)")
    parser.add_argument("--stop-at-eof", action="store_true", help="stop when standard input ends, as a parent's does")
    parser.add_argument("--root", type=Path, help="what users' files are relative to (default: that of jobs/JOB)")
    parser.add_argument("--spikes", type=Path, default=Path("spikes"), help="folder for recorded spikes")
    return parser


def _stop_on_signals(watch: Watch) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        watch.request_stop(f"stopped by {signal.Signals(number).name}")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _stop_at_eof(watch: Watch) -> None:
    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        watch.request_stop("the process that started this worker is gone")

    threading.Thread(target=wait, daemon=True).start()
