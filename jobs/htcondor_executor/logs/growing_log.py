"""The event log of a DAG while it grows: ten thousand jobs write many megabytes, and `status --watch` asks often."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jobs.htcondor_executor.logs.event_log import Fold, MachineState, NodeState
from jobs.htcondor_executor.schedd import EventReader


class GrowingLog:
    """An event log, of which only what was added since is read when it is asked again.

    Parameters
    ----------
    path : Path
        The log; it need not be there yet.

    Attributes
    ----------
    n_read : int
        Events that were read so far.
    """

    def __init__(self, path: Path) -> None:
        self.n_read = 0
        self._path = path
        self._fold = Fold()
        self._reader: EventReader | None = None
        self._file = self._size = 0

    def read(self) -> tuple[Mapping[str, NodeState], Mapping[str, MachineState]]:
        """Return what it says by now; from its begin if it is another file than before, or could not be read."""
        try:
            found = self._path.stat()
        except OSError:  # not there yet
            return {}, {}
        if self._reader is None or found.st_ino != self._file or found.st_size < self._size or self._reader.has_failed:
            if self._reader is not None:
                self._reader.close()
            self._reader, self._fold = EventReader(self._path), Fold()
        self._file, self._size = found.st_ino, found.st_size
        before = self._reader.n_read
        self._fold.add(self._reader.new_events())
        self.n_read += self._reader.n_read - before
        return dict(self._fold.states), dict(self._fold.machines)
