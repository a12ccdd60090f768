"""A process that finishes points for a worker: it decodes their spikes, computes their statistics, keeps their spikes.

It is told what to do in lines of JSON on its standard input, and answers in such lines on its standard output; spikes
lie in memory that it shares with the worker. It ends with its worker, however that ends.

Told: ``["job", text, root, spikes, path]`` · ``["memory", bytes]`` · ``["open", {instance: populations}, summed]`` ·
``["add", begin, end, slot, {population: [offset, shape]}]`` · ``["add_sums", slot, {sum: [offset, shape]}]`` ·
``["finish", {instance: point}, seconds]``.
Answered: ``["added", slot, {instance: [status, reason]}]`` · ``["begun", point]`` ·
``["done", point, values, bytes]`` · ``["machine", kind, message]``.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from simulators.backends.accumulated import SumCollector, open_collector
from simulators.backends.recorded import BitCollector, Recorded
from simulators.records.job import Job, parse_job
from simulators.statistics import Statistic
from simulators.statistics.measures.accumulated import AccumulatedTrains
from simulators.statistics.references import find_statistics
from simulators.statistics.spike_trains import SpikeTrains
from simulators.worker.exit_codes import OUT_OF_MEMORY
from simulators.worker.job_summary import peak_memory
from simulators.worker.points.deadline import Deadline
from simulators.worker.points.point_values import keep_spikes, needs_without_trains, point_values
from simulators.worker.points.watch import Watch

_Places = Mapping[str, tuple[int, list[int]]]
_FAILED = 70  # what is not foreseen; 1 is `simulators.worker.points.deadline.LATE`
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def main(memory: int) -> int:
    """Finish points until the input ends; `memory` is the descriptor of what is shared."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker decides, also where a whole group is told to stop
    _end_with_parent()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what statistics of one's own print is no answer
    finisher = _Finisher(memory, answers)
    try:
        for line in sys.stdin:
            what, *told = json.loads(line)
            getattr(finisher, what)(*told)
    except MemoryError:
        traceback.print_exc()
        return OUT_OF_MEMORY
    except BaseException:  # SystemExit among it: its code would say something else
        traceback.print_exc()
        return _FAILED
    return 0


class _Finisher:
    def __init__(self, memory: int, answers: TextIO) -> None:
        self._descriptor = memory
        self._answers = answers
        self._shared: mmap.mmap | None = None
        self._job: Job
        self._statistics: list[Statistic]
        self._spikes: Path
        self._deadline: Deadline
        self._collector: BitCollector | SumCollector

    def job(self, text: str, root: str, spikes: str, path: Sequence[str]) -> None:
        """Take the job, without its points."""
        sys.path[:] = path
        self._job = parse_job(text, Path("the worker's job"))
        self._statistics = find_statistics(self._job.statistics, Path(root))
        self._deadline = Deadline(Watch(self._job.timeout))
        self._spikes = Path(spikes)

    def memory(self, n_bytes: int) -> None:
        """Map the shared memory, which has grown."""
        self._shared = mmap.mmap(self._descriptor, n_bytes, prot=mmap.PROT_READ)

    def open(self, points: Mapping[str, Sequence[Sequence[Any]]], summed: bool) -> None:
        """Begin with points that run side by side, forgetting others that have not been finished."""
        populations = {int(instance): [Recorded(*one) for one in given] for instance, given in points.items()}
        needs = needs_without_trains(self._job, self._statistics) if summed else None
        self._collector = open_collector(self._job.simulation, populations, needs)

    def add(self, begin: int, end: int, slot: int, places: _Places) -> None:
        """Decode what lies in the shared memory."""
        known = set(self._collector.failures)
        self._collector.add(self._words(places), begin, end)
        failures = {k: [one.status, one.reason] for k, one in self._collector.failures.items() if k not in known}
        self._answer("added", slot, failures)

    def add_sums(self, slot: int, places: _Places) -> None:
        """Take the sums that lie in the shared memory."""
        self._collector.add_sums(self._words(places))
        self._answer("added", slot, {})

    def finish(self, points: Mapping[str, str], seconds: float | None) -> None:
        """Compute the statistics of points, each in so many s at most, and keep their spikes."""
        for instance, point_id in points.items():
            self._answer("begun", point_id)
            try:
                spikes = self._collector.take(int(instance))
                values = self._values(point_id, spikes, seconds)
                if values["status"] != "timeout":
                    keep_spikes(point_id, spikes, self._job, self._spikes)
            except (ImportError, OSError) as error:
                self._answer("machine", "ImportError" if isinstance(error, ImportError) else "OSError", str(error))
                return
            self._answer("done", point_id, values, peak_memory())

    def _values(
        self,
        point_id: str,
        spikes: Mapping[str, SpikeTrains] | Mapping[str, AccumulatedTrains],
        seconds: float | None,
    ) -> dict[str, Any]:
        return self._deadline.statistics_of(
            point_id, seconds, lambda: point_values(point_id, spikes, self._job, self._statistics)
        )

    def _words(self, places: _Places) -> dict[str, NDArray[np.uint32]]:
        assert self._shared is not None, "memory comes first"
        return {
            name: np.frombuffer(self._shared, np.uint32, int(np.prod(shape)), offset).reshape(shape)
            for name, (offset, shape) in places.items()
        }

    def _answer(self, *answer: object) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, even while it computes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
