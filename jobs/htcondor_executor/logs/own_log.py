"""The event log of DAGMan's own job: whether it has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jobs.htcondor_executor.logs.holds import Hold
from jobs.htcondor_executor.schedd import read_events

# The head of an event (of 5, an end, and 9, a removal) in the text form of a log; its further lines are indented
_END = re.compile(rb"^(005|009) \(", re.MULTILINE)


@dataclass(frozen=True)
class OwnLog:
    """What the log says.

    Parameters
    ----------
    cluster : int, optional
        Of the job; None if the log is not there or says nothing that can be read.
    has_ended : bool
        Whether it has, by itself or not.
    was_removed : bool
        Whether somebody removed it.
    hold : Hold, optional
        Why it is held, if it is.
    """

    cluster: int | None = None
    has_ended: bool = False
    was_removed: bool = False
    hold: Hold | None = None


def read_own_log(path: Path) -> OwnLog:
    """Read the log, for which HTCondor's bindings are needed."""
    said = OwnLog()
    for event in read_events(path):
        ended = event.kind in ("terminate", "remove")
        said = OwnLog(event.cluster, ended, event.kind == "remove", event.hold if event.kind == "hold" else None)
    return said


def has_ended(path: Path) -> bool:
    """Say, without HTCondor's bindings, whether the log tells for certain that the job has ended."""
    try:
        return _END.search(path.read_bytes()) is not None
    except OSError:
        return False
