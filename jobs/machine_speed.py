"""How fast this machine is, compared with the one whose times the simulators' estimates are.

It is measured in a second with what a simulator does, in NumPy: moving the neurons of a population that caches hold,
adding to places of an array that they hold, and reading a table that none holds, as spikes do with synapses. The answer
is kept where the system keeps caches, for this host, processor and NumPy. Rows of points that ran here say more
(`jobs.history.History.pace`); this is for a machine that has none.
"""

from __future__ import annotations

import json
import math
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulators.records import machine
from simulators.records.atomic_file import replacing
from simulators.records.user_cache import is_own, make_own, user_cache

# s that each kernel takes on the machine of the estimates. Those of one core of a virtual EPYC (Zen 4), where points of
# the published network took 0.6 of what was estimated for them, on average over the simulators: over 0.6
REFERENCE: Mapping[str, float] = {"update": 0.0195, "add": 0.0155, "read": 0.092}

_VERSION = 1  # of the kernels
_REPEATS = 5
_SLOWEST = 100.0  # what is further off is no measurement


def slowness() -> float:
    """Return how many times as long as on the machine of the estimates things take here; measured once a machine."""
    key = "|".join([machine.host_name(), machine.processor(), np.__version__, str(_VERSION)])
    try:
        path = user_cache("speed.json")
    except OSError:
        return measure()
    known = _read(path)
    found = known.get(key)
    if isinstance(found, float) and 1.0 / _SLOWEST < found < _SLOWEST:
        return found
    measured = measure()
    _write(path, known | {key: round(measured, 3)})
    return measured


def measure() -> float:
    """Compare this machine with that of the estimates: the mean ratio of some kernels, of processor time at best."""
    times = time_kernels()
    return math.exp(sum(math.log(times[name] / REFERENCE[name]) for name in REFERENCE) / len(REFERENCE))


def time_kernels() -> dict[str, float]:
    """Return the shortest processor time of each kernel in s."""
    rng = np.random.default_rng(1)
    state, current = rng.random(25_000), rng.random(25_000)
    targets, weights = rng.integers(0, 25_000, 1_000_000), rng.random(1_000_000)
    table, places = rng.random(4_000_000), rng.integers(0, 4_000_000, 1_000_000)

    def update() -> None:
        for _ in range(200):
            np.multiply(state, 0.99, out=state)
            np.add(state, current, out=state)
            np.flatnonzero(state > 1e9)

    kernels: dict[str, Callable[[], Any]] = {
        "update": update,
        "add": lambda: np.bincount(targets, weights, 25_000),
        "read": lambda: table[places].sum(),
    }
    return {name: min(_seconds(kernel) for _ in range(_REPEATS)) for name, kernel in kernels.items()}


def _seconds(kernel: Callable[[], Any]) -> float:
    begin = time.process_time()
    for _ in range(5):
        kernel()
    return max(time.process_time() - begin, 1e-9)


def _read(path: Path) -> dict[str, Any]:
    """Return what is known, or nothing if there is no file, or somebody else may have written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not is_own(found):
            return {}
        try:
            content = json.loads(file.read(100_000))
        except (OSError, ValueError):
            return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, known: Mapping[str, Any]) -> None:
    """Keep what is known, in a folder that is this user's alone; without one it is measured again."""
    try:
        make_own(path.parent)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(known, indent=1), encoding="utf-8")
            temporary.chmod(0o600)
    except OSError:
        return
