"""Keeps a worker going on a pool's machine: runs it again where it died, passes on a request to stop.

``python -m simulators.worker.supervisor job.json …`` takes the arguments of `simulators.worker` and ends with its exit
code.
A worker that was killed starts again in the same place, where its rows and its note of the points in flight are; so a
point that kills its worker is given up after a few deaths instead of taking the job with it. A death for lack of memory
is no point's fault: the pool gives the job more, as long as it may.
"""

from __future__ import annotations

if __name__ == "__main__":
    from simulators.working_directory import keep_it_off_the_path

    keep_it_off_the_path()

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from simulators.records import machine
from simulators.records.attempts import NoRowsError, begin_attempt, end_attempt
from simulators.worker.exit_codes import DONE, OUT_OF_MEMORY, STOPPED, TRANSIENT, UNUSABLE

# Deaths without a new row in between; the worker gives up a point that kills it before that.
MAX_DEATHS = 4
# Holds of the job after which a pool gives it no more memory.
MAX_HOLDS = 3

_PAUSE = 1.0  # s between a death and the next start
_HOLDS = re.compile(r"^NumHolds = (\d+)$", re.MULTILINE)
_WAS_CUT = re.compile(r"^LastHoldReasonCode = 12$", re.MULTILINE)  # its files did not come back
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")


def main(arguments: Sequence[str]) -> int:
    """Run a worker to its end and return the exit code that the pool shall see.

    That of a worker which was stopped is `TRANSIENT`: to a pool, `STOPPED` would mean a checkpoint after which the
    job goes on in the same slot.

    Parameters
    ----------
    arguments : sequence of str
        Those of `simulators.worker`; ``--summary`` must be among them. ``--image`` may be: the container image that
        the rows are to name; and ``--attempts``: the folder of what earlier attempts finished.
    """
    image, arguments = _taken("--image", arguments)
    if image is not None:
        os.environ[machine.IMAGE_VARIABLE] = image
    attempts, arguments = _taken("--attempts", arguments)
    if attempts is None:
        return _keep_going(arguments)
    said, arguments = _taken("--summary", arguments)
    summary = Path(said or "")
    try:
        mine = begin_attempt(Path(attempts), summary, _count_holds(), bool(_WAS_CUT.search(_job_ad())))
    except (NoRowsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return TRANSIENT
    code = _keep_going([*arguments, "--summary", str(mine)])
    if code == DONE:
        end_attempt(mine, summary)
    return code


def _taken(option: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of an option, and the arguments without it."""
    if option not in arguments:
        return None, list(arguments)
    at = arguments.index(option)
    return arguments[at + 1], [*arguments[:at], *arguments[at + 2 :]]


def _keep_going(arguments: Sequence[str]) -> int:
    summary = Path(arguments[arguments.index("--summary") + 1])
    if "--spikes" in arguments:
        # HTCondor holds a job that leaves without one of its output folders
        Path(arguments[arguments.index("--spikes") + 1]).mkdir(parents=True, exist_ok=True)
    keeper = _Keeper([sys.executable, "-P", "-m", "simulators.worker", *arguments, "--stop-at-eof"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, keeper.stop)
    deaths, kills, written = 0, 0, _last_write(summary)
    before = _kills_for_memory()
    while True:
        code = keeper.run()
        if code in (DONE, TRANSIENT, UNUSABLE):
            return code
        has_new_rows = _last_write(summary) != written
        written = _last_write(summary)
        deaths = 1 if has_new_rows else deaths + 1
        kills = (kills + 1 if not has_new_rows else 1) if code == -signal.SIGKILL else 0
        if keeper.stopping.is_set() or code == STOPPED:
            return TRANSIENT
        # Where the kernel does not tell why it killed, twice in the same place is taken for lack of memory
        for_memory = code == OUT_OF_MEMORY or (kills and (_kills_for_memory() > before or kills > 1))
        if for_memory and _more_memory_can_be_had():
            return OUT_OF_MEMORY
        if deaths >= MAX_DEATHS:
            return code if code > 0 else 128 - code  # a signal's number, as shells write it
        time.sleep(_PAUSE)


class _Keeper:
    """Runs a command, and ends it on a signal."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._worker: subprocess.Popen[bytes] | None = None
        self.stopping = threading.Event()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        del number, frame
        self.stopping.set()
        if self._worker is not None:
            self._worker.terminate()

    def run(self) -> int:
        """Run the command to its end and return its exit code, negative for a signal."""
        if self.stopping.is_set():
            return STOPPED
        # A pipe that nobody writes to, so that the worker notices when the supervisor dies
        self._worker = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        if self.stopping.is_set():  # the signal came while the worker was being started
            self._worker.terminate()
        return self._worker.wait()


def _last_write(summary: Path) -> int | None:
    try:
        return summary.stat().st_mtime_ns
    except OSError:
        return None


def _kills_for_memory() -> int:
    """How many processes of this control group the kernel has killed for their memory; 0 where it does not say."""
    found = _KILLS.search(_text(_MEMORY_EVENTS))
    return int(found.group(1)) if found else 0


def _more_memory_can_be_had() -> bool:
    """Whether this is a pool's job that has not been given all the memory that it may ask for.

    HTCondor tells a job of itself in the file that ``_CONDOR_JOB_AD`` names.
    """
    return "_CONDOR_JOB_AD" in os.environ and _count_holds() < MAX_HOLDS


def _count_holds() -> int:
    held = _HOLDS.search(_job_ad())
    return int(held.group(1)) if held else 0


def _job_ad() -> str:
    return _text(Path(os.environ.get("_CONDOR_JOB_AD", os.devnull)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
