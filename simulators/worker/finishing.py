"""Points that other processes finish while the worker runs the next: their spikes are decoded and summarised there.

A graphics processor records spikes faster than one core decodes them. So the worker hands the bits of a batch over as
they come, in memory that it shares with a few processes (`simulators.worker.finisher`), each of which has some points
of the batch; when the batch has run it tells them to finish, and runs the next. What is handed over lies in a few
slots: the worker waits where they are full, so that no more than that and the spikes of one batch are held.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.recorded import Recorded
from simulators.backends.simulator import PointFailure
from simulators.records.job import Job, job_text
from simulators.statistics.measures.needs import Needs
from simulators.worker.finisher_process import Answers, FinisherProcess, SharedMemory

_PATIENCE = 0.1  # s between two looks at whether to stop

Check = Callable[[], None]


class FinisherDied(BaseException):
    """A process that finished points has ended.

    Parameters
    ----------
    code : int
        Its exit code, negative for a signal.
    point_id : str, optional
        The point whose statistics it was computing.
    """

    def __init__(self, code: int, point_id: str | None) -> None:
        super().__init__(f"a process that finishes points ended with {code}")
        self.code = code
        self.point_id = point_id


class Finishing:
    """The processes that finish a worker's points, started when the first are handed over.

    Parameters
    ----------
    job : Job
        The job.
    root, spikes : Path
        The folder that users' files are relative to, and that of the spikes.
    n_processes : int
        How many.
    waiting : callable, optional
        Makes a context in which they are waited for: with the points before, mostly, which is not to count as time of
        those that run.

    Attributes
    ----------
    memory : int
        B, peaks of the processes.
    """

    def __init__(
        self,
        job: Job,
        root: Path,
        spikes: Path,
        n_processes: int,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._told = ["job", job_text(replace(job, points=())), str(root), str(spikes), sys.path]
        self._shared = SharedMemory()
        self._processes: list[FinisherProcess] = []
        self._n_processes = n_processes
        self._answers: Answers = queue.SimpleQueue()
        self._batches: list[list[str]] = []  # points of each that is not taken yet
        self._done: dict[str, dict[str, Any]] = {}
        self._busy: list[set[int]] = []  # who still reads a slot
        self._begun: dict[int, str] = {}
        self._memory: dict[int, int] = {}
        self._check: Check = lambda: None
        self._waiting = waiting
        # Copying takes as long as some steps, and lets the worker launch them meanwhile
        self._copier = ThreadPoolExecutor(1)
        self._copying: Future[None] | None = None
        self.failures: dict[int, PointFailure] = {}

    @property
    def memory(self) -> int:
        """Peak memory of the processes in B, and what is shared."""
        return sum(self._memory.values()) + self._shared.size

    def open(self, points: Mapping[int, Sequence[Recorded]], check: Check, needs: Needs | None = None) -> Finishing:
        """Begin with points that run side by side; what was handed over and not told to finish is forgotten.

        `needs` is what is accumulated of them, in place of spikes: what the job's statistics need.
        """
        while len(self._processes) < self._n_processes:
            self._processes.append(FinisherProcess(len(self._processes), self._shared.descriptor, self._answers))
            self._tell(len(self._processes) - 1, self._told)
        self._check = check
        self.settle()  # else what is said of points that were given up would be taken for these
        self.failures = {}
        for process in range(self._n_processes):
            own = {k: [astuple(one) for one in given] for k, given in points.items() if self._of(k) == process}
            self._tell(process, ["open", own, needs is not None])
        return self

    def add(self, words: Mapping[str, NDArray[np.uint32]], begin: int, end: int) -> None:
        """Hand bits over (see `simulators.backends.recorded.Collector.add`)."""
        self._hand_over({name: array[: end - begin] for name, array in words.items()}, ["add", begin, end])

    def add_sums(self, sums: Mapping[str, NDArray[np.uint32]]) -> None:
        """Hand sums over (see `simulators.backends.recorded.Collector.add_sums`)."""
        for name, array in sums.items():  # one at a time, as large slots would be few
            self._hand_over({name: array}, ["add_sums"])

    def _hand_over(self, words: Mapping[str, NDArray[np.uint32]], told: Sequence[Any]) -> None:
        """Copy arrays to where others read them, and tell them."""
        self.release()
        needed = max(4, sum(array.nbytes for array in words.values()))
        if needed > self._shared.slot:
            self._wait(lambda: not any(self._busy))
            self._shared.grow(needed)
            self._busy = [set() for _ in range(self._shared.n_slots)]
            for process in range(self._n_processes):
                self._tell(process, ["memory", self._shared.size])
        self._wait(lambda: not all(self._busy))
        slot = next(k for k, busy in enumerate(self._busy) if not busy)
        self._busy[slot] = set(range(self._n_processes))
        self._copying = self._copier.submit(self._copy, slot, words, told)

    def release(self) -> None:
        """Wait until what was added is copied (see `simulators.backends.recorded.Collector.release`)."""
        if self._copying is not None:
            copying, self._copying = self._copying, None
            copying.result()

    def _copy(self, slot: int, words: Mapping[str, NDArray[np.uint32]], told: Sequence[Any]) -> None:
        places = self._shared.put(slot, words)
        for process in range(self._n_processes):
            self._tell(process, [*told, slot, places])

    def finish(self, points: Mapping[int, str], seconds: float | None = None) -> None:
        """Have points finished: their ids by instance; each in so many s at most."""
        self.release()
        self._batches.append(list(points.values()))
        for process in range(self._n_processes):
            self._tell(process, ["finish", {k: name for k, name in points.items() if self._of(k) == process}, seconds])

    def settle(self) -> None:
        """Wait until all that was handed over is decoded: then `failures` are known."""
        self.release()
        self._wait(lambda: not any(self._busy))

    def take(self) -> dict[str, dict[str, Any]]:
        """Return the values of points by id, of batches that are finished, and forget them."""
        self._hear(0.0)
        found: dict[str, dict[str, Any]] = {}
        while self._batches and self._done.keys() >= set(self._batches[0]):
            found |= {point_id: self._done.pop(point_id) for point_id in self._batches.pop(0)}
        return found

    def wait(self, check: Check) -> None:
        """Wait until all points are finished."""
        self._check = check
        self._wait(lambda: all(point_id in self._done for batch in self._batches for point_id in batch))

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.end()
        self._processes.clear()
        self._copier.shutdown()
        self._shared.close()

    def _of(self, instance: int) -> int:
        return instance % self._n_processes

    def _tell(self, process: int, told: Sequence[Any]) -> None:
        try:
            self._processes[process].tell(told)
        except OSError:
            self._die(process)

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._waiting():
            while not condition():
                self._check()
                self._hear(_PATIENCE)

    def _hear(self, patience: float) -> None:
        """Take all answers there are; wait for the first so many s."""
        try:
            while True:
                process, answer = self._answers.get(timeout=patience) if patience else self._answers.get_nowait()
                patience = 0.0
                if answer is None:
                    self._die(process)
                    return
                self._note(process, *answer)
        except queue.Empty:
            return

    def _note(self, process: int, what: str, *told: Any) -> None:
        if what == "added":
            slot, failures = told
            self._busy[slot].discard(process)
            self.failures |= {int(k): PointFailure(status, reason) for k, (status, reason) in failures.items()}
        elif what == "begun":
            self._begun[process] = told[0]
        elif what == "done":
            point_id, values, self._memory[process] = told
            del self._begun[process]
            self._done[point_id] = values
        else:
            kind, message = told
            raise ImportError(message) if kind == "ImportError" else OSError(message)

    def _die(self, process: int) -> None:
        raise FinisherDied(self._processes[process].code(), self._begun.get(process))
