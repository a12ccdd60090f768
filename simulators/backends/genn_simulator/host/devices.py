"""The graphics processor that a job may use, as CUDA or HIP themselves see it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from simulators.backends.genn_simulator.host import gpu_question
from simulators.backends.simulator import SimulatorUnavailableError

_ANSWER_TIME = 60.0  # s; starting the driver of many processors takes some

# What decides which processor is the first that is visible, and which library answers
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
)

# Values of these with which somebody hides all processors: HTCondor and container runtimes have words of their own
_HIDING = {"", "-1", "10000", "none", "void", "NoDevFiles"}

# Files of processors, by which a machine has one whatever its driver says
_FILES = ("nvidia[0-9]*", "dxg", "kfd")


@dataclass(frozen=True)
class GraphicsProcessor:
    """A graphics processor, or that part of one which a job may use.

    Parameters
    ----------
    name : str
        As its driver calls it; that of a part says so (``… MIG 1g.10gb``).
    architecture : str
        As its compiler takes it: ``sm_90``, ``gfx90a``.
    free_memory, memory : float
        B, and of these a process that takes hold of it has had its share already.
    """

    name: str
    architecture: str
    free_memory: float
    memory: float


# GB/s of the memory of graphics processors, from their vendors' data sheets; the first part of a name that fits
_BANDWIDTHS = {
    "H200": 4800,
    "H100 PCIe": 2000,
    "H100 NVL": 3900,
    "H100": 3350,
    "H20": 4000,
    "GH200": 4000,
    "B200": 8000,
    "GB200": 8000,
    "B300": 8000,
    "GB300": 8000,
    "A100-SXM4-80GB": 2039,
    "A100 80GB PCIe": 1935,
    "A100": 1555,
    "A40": 696,
    "A30": 933,
    "A10": 600,
    "A10G": 600,
    "L40S": 864,
    "L40": 864,
    "L4": 300,
    "V100": 900,
    "P100": 732,
    "T4": 320,
    "RTX PRO 6000 Blackwell Server Edition": 1597,
    "RTX PRO 6000": 1792,
    "RTX 6000 Ada": 960,
    "RTX A6000": 768,
    "RTX A5000": 768,
    "RTX 5090": 1792,
    "RTX 4090": 1008,
    "RTX 4080": 717,
    "RTX 3090": 936,
    "RTX 3080": 760,
    "RTX 2080 Ti": 616,
    "MI300X": 5300,
    "MI250": 3277,
    "MI210": 1638,
    "MI100": 1229,
}


# Eighths of the memory of a processor, and with it of the bandwidth, that parts of so many sevenths of it have
_PARTS = {1: 1, 2: 2, 3: 4, 4: 4, 7: 8}


def bandwidth_of(name: str) -> float | None:
    """Return the bandwidth of a graphics processor's memory by its name, B/s; None where it is not known.

    That of a part of one (MIG) is its share.
    """
    found = next((speed for part, speed in _BANDWIDTHS.items() if re.search(rf"\b{re.escape(part)}\b", name)), None)
    if found is None or "Laptop" in name:  # of the same names as faster ones
        return None
    if not re.search(r"\bMIG\b", name):
        return found * 1e9
    part = re.search(r"\bMIG (\d+)g\.", name)
    eighths = _PARTS.get(int(part.group(1))) if part else None
    return None if eighths is None else found * 1e9 * eighths / 8.0


def gpu_here(backend: str) -> GraphicsProcessor | str:
    """Return the processor that a backend of GeNN takes, or why there is none that it can use.

    It is the first that is visible, as CUDA or HIP understand ``CUDA_VISIBLE_DEVICES`` and its like. They are asked in
    a process of their own, and once: GeNN ends the process where a call fails, and a driver may hang.

    CUDA numbers processors as ``nvidia-smi`` lists them, so that an index means what it says there; a
    ``CUDA_DEVICE_ORDER`` of the user's is kept, and the processor named is the one that is taken in either case.

    Parameters
    ----------
    backend : str
        ``cuda`` or ``hip``.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    library = _library(backend)
    if library is None:
        return f"this PyGeNN was built without the backend {backend!r}"
    return _asked(library, tuple(os.environ.get(name, "") for name in _VARIABLES))


def free_memory(backend: str) -> float:
    """Return what is free of a processor's memory, B, beside what CUDA itself takes in this process.

    Raises
    ------
    SimulatorUnavailableError
        If it cannot be used any more.
    """
    library = _library(backend)
    answer = {"problem": "PyGeNN is gone"} if library is None else gpu_question.ask(str(library))
    if "problem" in answer:
        raise SimulatorUnavailableError(f"the graphics processor cannot be used any more: {answer['problem']}")
    return float(answer["free"])


def is_there() -> bool:
    """Whether the machine seems to have a processor that nobody has hidden from this process."""
    given = {os.environ.get(name, "0").strip() for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")}
    return not given & _HIDING and any(found for name in _FILES for found in Path("/dev").glob(name))


def is_built(backend: str) -> bool:
    """Whether PyGeNN was built with a backend for graphics processors, be it that it cannot be loaded here."""
    return _library(backend) is not None


def _library(backend: str) -> Path | None:
    """PyGeNN's module of a backend, which is found without loading it."""
    found = importlib.util.find_spec("pygenn")
    folders = (found and found.submodule_search_locations) or ()
    return next((path for folder in folders for path in Path(folder).glob(f"{backend}_backend*.so")), None)


@cache
def _asked(library: Path, environment: tuple[str, ...]) -> GraphicsProcessor | str:
    del environment
    answer = _ask_apart(library)
    if "problem" in answer:
        return str(answer["problem"])
    return GraphicsProcessor(
        str(answer["name"]), str(answer["architecture"]), float(answer["free"]), float(answer["total"])
    )


def _ask_apart(library: Path) -> Mapping[str, Any]:
    """Ask in a process of its own (see `gpu_question`)."""
    process = subprocess.Popen(
        [sys.executable, "-I", gpu_question.__file__, str(library)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    try:
        answer, said = process.communicate(timeout=_ANSWER_TIME)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # a driver may keep it from ending
            process.wait(1.0)
        return {"problem": f"its driver does not answer within {_ANSWER_TIME:g} s"}
    with suppress(IndexError, ValueError):
        found = json.loads(answer.splitlines()[-1])
        if isinstance(found, dict):
            return found
    last = said.strip().splitlines()[-1:] or ["without a word"]
    return {"problem": f"asking for it ended a process with exit code {process.returncode} ({last[0]})"}
