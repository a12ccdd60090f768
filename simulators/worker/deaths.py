"""What a worker makes of those that died before it: who runs together with whom, and who is given up."""

from __future__ import annotations

from simulators.records.job import Point
from simulators.records.phases import PhaseClock
from simulators.worker.job_summary import JobSummary
from simulators.worker.points.deadline import Deadline

MAX_DEATHS = 3
"""A point that was in flight at this many deaths of its worker is given up, so that those behind it can run."""

SHRINKING = 6
"""By which batches shrink after the death of a worker that built a network for one; the third builds for one point."""

_PARTS = 4  # into which points go that were in flight at a first death: one may be to blame, but need not be


def is_suspect(summary: JobSummary, point: Point) -> bool:
    """Whether a point was in flight at a death that is not one of loading a network for many points."""
    return summary.deaths(point) > summary.deaths_in_loading


def most_together(summary: JobSummary, point: Point, most: int) -> int:
    """Return how many points may run together at most, a given one among them.

    Those that were in flight when a worker died run in smaller batches, so that one death costs little; those of a
    second death run alone, so that the third is that of one point.

    Parameters
    ----------
    summary : JobSummary
        Knows the deaths.
    point : Point
        The point.
    most : int
        How many may run together where nobody has died.
    """
    if summary.deaths_in_loading:  # however few points were left for a batch
        some = -(-summary.n_most_deaths // SHRINKING) if summary.deaths_in_loading < MAX_DEATHS - 1 else 1
        most = max(1, min(most, some))
    if not is_suspect(summary, point):
        return most
    return 1 if summary.deaths(point) >= MAX_DEATHS - 1 else -(-most // _PARTS)


def give_up_late(summary: JobSummary, deadline: Deadline, clock: PhaseClock) -> None:
    """Write the rows of points that the last worker was too long at, before anything can happen to this one."""
    late = [point for point in summary.pending if point.point_id in deadline.late]
    for point in late:
        summary.add(point, deadline.too_late, clock.take())
    if late:
        summary.write()
    deadline.forget()
