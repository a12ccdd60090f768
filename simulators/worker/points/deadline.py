"""Ends what takes too long where nobody looks at the clock: statistics, and builds that hang.

A statistic is interrupted between two instructions of Python. What Python cannot interrupt, code in C that does not
return, ends the process some time later; a note beside the job's summary then says which points it was at, so that the
next worker gives these up alone.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from simulators.worker.points.watch import TimedOut, Watch

LATE = 1
"""Exit code of a process that was ended so, which `faulthandler` chooses."""

_LOOK = 0.25  # s between two looks at the clock during statistics
_PATIENCE = 30.0  # s that code which cannot be interrupted gets beyond its time
# What a build takes is no point's alone, so it may take longer than one; but not for ever.
_LONGEST_BUILD = 3600.0  # s, at least
_BUILD_SHARE = 20.0  # of the time of its points

log = logging.getLogger(__name__)


class Deadline:
    """Ends what takes too long.

    Parameters
    ----------
    watch : Watch
        Says what is too long.
    note : Path, optional
        File for what is running; without one it is told to standard error, and nobody knows afterwards.

    Attributes
    ----------
    late : frozenset of str
        Points that the last worker of this job was at when it was ended so.
    """

    def __init__(self, watch: Watch, note: Path | None = None) -> None:
        self._watch = watch
        self._note = note
        self._file: TextIO | None = None
        self._looks = False
        self.late = frozenset(self._read() if watch.timeout is not None else ())

    def statistics_of(
        self, point_id: str, seconds: float | None, compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Compute statistics of a point, in so many s at most.

        Returns
        -------
        dict of str to value
            What `compute` returns, or status and error of a point that takes too long.

        Raises
        ------
        Terminated
            If the worker is to stop.
        """
        self._watch.start_rest(seconds)
        try:
            with self._ending([point_id], None if seconds is None else seconds + _PATIENCE), self._looking():
                return compute()
        except TimedOut as error:
            return {"status": "timeout", "error": str(error)}

    @contextmanager
    def build_of(self, point_ids: Sequence[str]) -> Iterator[None]:
        """Have a build for some points, and their run, end some time."""
        timeout = self._watch.timeout
        longest = None if timeout is None else max(_LONGEST_BUILD, _BUILD_SHARE * timeout * len(point_ids))
        with self._ending(point_ids, longest):
            yield

    @property
    def too_late(self) -> dict[str, str]:
        """Status and error of a point that took longer than it may and ended its process."""
        error = f"took longer than {self._watch.timeout:g} s, and could not be interrupted"
        return {"status": "timeout", "error": error}

    def forget(self) -> None:
        """Remove what the last worker of this job left: rows say it now."""
        if self._note is not None and self._file is None:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove what this worker noted."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.forget()

    @contextmanager
    def _ending(self, point_ids: Sequence[str], seconds: float | None) -> Iterator[None]:
        """End the process after so many s."""
        if seconds is None:
            yield
            return
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._noting(point_ids))
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _noting(self, point_ids: Sequence[str]) -> TextIO:
        """Note what begins; whatever stands below is written when it is ended."""
        if self._note is None:
            return sys.stderr
        if self._file is None:
            self._note.unlink(missing_ok=True)  # never through a link that somebody laid there
            self._note.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._note, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(list(point_ids)) + "\n")
        self._file.flush()
        return self._file

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """Ask the watch every now and then, whatever runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGALRM, self._look)
        signal.siginterrupt(signal.SIGALRM, False)
        self._looks = True
        signal.setitimer(signal.ITIMER_REAL, _LOOK, _LOOK)
        try:
            try:
                yield
            finally:
                self._looks = False
        finally:
            self._looks = False  # a look may have come before the line above
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _look(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._looks:
            self._watch.check()

    def _read(self) -> list[str]:
        """Return the points that a note says were ended, and log where."""
        if self._note is None:
            return []
        try:
            first, _, where = self._note.read_text(encoding="utf-8").partition("\n")
            points = [str(one) for one in json.loads(first)] if where else []
        except (OSError, ValueError, TypeError):
            return []
        if points:
            log.warning("the last worker was ended, late with points %s:\n%s", points, where)
        return points
