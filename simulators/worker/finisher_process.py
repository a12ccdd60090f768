"""A process that finishes points, from outside, and the memory that is shared with it."""

from __future__ import annotations

import json
import mmap
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import simulators
from simulators.backends.recorded import slots_of

FINISHER = "--finisher"
"""First argument of a worker's command that makes it such a process; the second is the memory's descriptor."""

Answers = queue.SimpleQueue[tuple[int, list[Any] | None]]
"""Number of a process and what it answered; None at its end."""


class FinisherProcess:
    """A process that runs `simulators.worker.finisher`.

    Parameters
    ----------
    number : int
        Its own, which comes with its answers.
    memory : int
        Descriptor of the memory that is shared.
    answers : Answers
        Where its answers go.
    """

    def __init__(self, number: int, memory: int, answers: Answers) -> None:
        root = str(Path(simulators.__file__).parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "simulators.worker", FINISHER, str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=[memory],
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=self._listen, args=(number, answers), daemon=True).start()

    def tell(self, told: Sequence[Any]) -> None:
        """Tell it something.

        Raises
        ------
        OSError
            If it has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()

    def code(self) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        return self._process.wait()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _listen(self, number: int, answers: Answers) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answers.put((number, json.loads(line)))
        answers.put((number, None))


class SharedMemory:
    """Memory without a name, which ends with the last process that holds it, however that ends.

    Attributes
    ----------
    descriptor : int
        By which another process maps it.
    slot : int
        B, size of a slot.
    n_slots : int
        Into how many equal parts it is cut.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("gridsearch-spikes")
        self.slot = 0
        self.n_slots = 0
        self._mapped: mmap.mmap | None = None

    @property
    def size(self) -> int:
        """Of all slots, B."""
        return self.n_slots * self.slot

    def grow(self, slot: int) -> None:
        """Make slots larger; what they hold is lost."""
        self.slot, self.n_slots = slot, slots_of(slot)
        os.ftruncate(self.descriptor, self.size)
        if self._mapped is not None:
            self._mapped.close()
        self._mapped = mmap.mmap(self.descriptor, self.size)

    def put(self, slot: int, words: Mapping[str, NDArray[np.uint32]]) -> dict[str, tuple[int, list[int]]]:
        """Copy arrays into a slot; return offset (B) and shape of each."""
        assert self._mapped is not None
        offset, places = slot * self.slot, {}
        for name, array in words.items():
            np.frombuffer(self._mapped, np.uint32, array.size, offset).reshape(array.shape)[:] = array
            places[name] = (offset, list(array.shape))
            offset += array.nbytes
        return places

    def close(self) -> None:
        """Let it go."""
        if self._mapped is not None:
            self._mapped.close()
        os.close(self.descriptor)
