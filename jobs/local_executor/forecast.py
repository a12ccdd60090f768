"""When the jobs of this machine will have ended, from the plan and how rows have come so far."""

from __future__ import annotations

import heapq
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress

from jobs.plan import PlannedJob
from simulators.records.run_directory import RunDirectory

_STALE = 60.0  # s after which a forecast is of a process that is no more
_LEAST = 1e-6  # s


class Course:
    """How a job went so far, beside what was planned. Times are s since the epoch.

    Parameters
    ----------
    planned : PlannedJob
        The job.
    """

    def __init__(self, planned: PlannedJob) -> None:
        self.simulator = planned.job.simulator
        self.n_points = len(planned.job.points)
        self.once = planned.once
        self.each = max(planned.seconds - planned.once, _LEAST) / self.n_points
        self.n_rows = 0
        self._n_before = 0  # rows of earlier attempts
        self._started: float | None = None
        self._first: tuple[float, int] | None = None  # of this attempt, when, and how many rows there were
        self._latest = 0.0

    def start(self, now: float, n_rows: int) -> None:
        """Note that an attempt begins."""
        self._started, self._first = now, None
        self._n_before = self.n_rows = n_rows
        self._latest = now

    def see(self, written: float, n_rows: int) -> None:
        """Note how many rows there are, and when the last was written."""
        self.n_rows = n_rows
        if self._started is None or n_rows <= self._n_before:
            return
        self._first = self._first or (written, n_rows)
        self._latest = written

    @property
    def points_seen(self) -> tuple[float, float]:
        """What points took from the first row to the latest, and were planned to."""
        if self._first is None:
            return 0.0, 0.0
        return self._latest - self._first[0], (self.n_rows - self._first[1]) * self.each

    def once_seen(self, pace: float) -> tuple[float, float]:
        """What came before the points took, at their pace, and was planned to."""
        if self._first is None or self._started is None:
            return 0.0, 0.0
        points = (self._first[1] - self._n_before) * self.each * pace
        return max(self._first[0] - self._started - points, 0.0), self.once

    def seconds_left(self, now: float, pace: float, pace_once: float) -> float:
        """Estimate what is left of it."""
        left = (self.n_points - self.n_rows) * self.each * pace
        if self._first is None:
            left += self.once * pace_once
        if self._started is None:
            return left
        # What goes on now has begun with the start or the latest row; it takes as long as it takes
        begun = max(now - self._latest, 0.0)  # a file system may have a clock of its own
        under_way = self.each * pace + (self.once * pace_once if self._first is None else 0.0)
        return left - min(begun, under_way) if self.n_rows < self.n_points else 0.0

    @property
    def is_running(self) -> bool:
        """Whether it was started and lacks rows."""
        return self._started is not None and self.n_rows < self.n_points


class Forecast:
    """When some jobs will have ended.

    Parameters
    ----------
    courses : sequence of Course
        In the order in which they start.
    """

    def __init__(self, courses: Sequence[Course]) -> None:
        self._courses = courses

    def end(self, now: float, n_running: int) -> float:
        """Return the time at which the last job will have ended if as many run at once as do now."""
        paces = {name: self._paces(name) for name in {course.simulator for course in self._courses}}
        free = [now] * max(1, n_running)
        for course in sorted(self._courses, key=lambda one: not one.is_running):
            if course.n_rows < course.n_points:
                begin = heapq.heappop(free)
                heapq.heappush(free, begin + course.seconds_left(now, *paces[course.simulator]))
        return max(free)

    def _paces(self, simulator: str) -> tuple[float, float]:
        own = [course for course in self._courses if course.simulator == simulator]
        points = [course.points_seen for course in own]
        pace = _ratio(sum(took for took, _ in points), sum(planned for _, planned in points))
        once = [course.once_seen(pace) for course in own]
        return pace, _ratio(sum(took for took, _ in once), sum(planned for _, planned in once))


def _ratio(took: float, planned: float) -> float:
    return took / planned if planned > 0.0 and took > 0.0 else 1.0


def write_end(run: RunDirectory, end: float | None) -> None:
    """Leave word of the end for `status`, in s since the epoch; None takes it away. Without it nothing is lost."""
    path = run.forecast
    with suppress(OSError):
        if end is None:
            path.unlink(missing_ok=True)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o666), "w") as file:
            json.dump({"end": round(end, 1)}, file)


def read_end(run: RunDirectory) -> float | None:
    """Return when the jobs at work will have ended; None if none are, or nothing is known."""
    try:
        if time.time() - run.forecast.stat().st_mtime > _STALE:
            return None
        return float(json.loads(run.forecast.read_text(encoding="utf-8"))["end"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
