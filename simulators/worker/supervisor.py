"""Keeps a worker going on a pool's machine: runs it again where it died, passes on a request to stop.

``python -m simulators.worker.supervisor job.json …`` takes the arguments of `simulators.worker` and ends with its exit
code.
A worker that was killed starts again in the same place, where its rows and its note of the points in flight are; so a
point that kills its worker is given up after a few deaths instead of taking the job with it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from simulators.worker.exit_codes import DONE, STOPPED, TRANSIENT, UNUSABLE

# Deaths without a new row in between; the worker gives up a point that kills it before that.
MAX_DEATHS = 4

_PAUSE = 1.0  # s between a death and the next start


def main(arguments: Sequence[str]) -> int:
    """Run a worker to its end and return the exit code that the pool shall see.

    That of a worker which was stopped is `TRANSIENT`: to a pool, `STOPPED` would mean a checkpoint after which the
    job goes on in the same slot.

    Parameters
    ----------
    arguments : sequence of str
        Those of `simulators.worker`; ``--summary`` must be among them.
    """
    summary = Path(arguments[arguments.index("--summary") + 1])
    if "--spikes" in arguments:
        # HTCondor holds a job that leaves without one of its output folders
        Path(arguments[arguments.index("--spikes") + 1]).mkdir(parents=True, exist_ok=True)
    keeper = _Keeper([sys.executable, "-m", "simulators.worker", *arguments, "--stop-at-eof"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, keeper.stop)
    deaths, written = 0, _last_write(summary)
    while True:
        code = keeper.run()
        if code in (DONE, TRANSIENT, UNUSABLE):
            return code
        deaths = 1 if _last_write(summary) != written else deaths + 1
        written = _last_write(summary)
        if keeper.stopping.is_set() or code == STOPPED:
            return TRANSIENT
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
