"""The graphics processor that a job may use."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class GraphicsProcessor:
    """A graphics processor.

    Parameters
    ----------
    name : str
        As its vendor calls it.
    free_memory : float
        B; infinite where it is not known.
    """

    name: str
    free_memory: float


def visible_gpu() -> GraphicsProcessor | None:
    """Return the graphics processor that CUDA would take, or None if it sees none.

    ``CUDA_VISIBLE_DEVICES`` decides, as HTCondor sets it: an index, or the beginning of a UUID.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if visible in {"", "-1"} or shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.free,name", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return None
    found = [[field.strip() for field in line.split(",", 3)] for line in answer.stdout.splitlines() if line.strip()]
    for index, uuid, free, name in found:
        if visible == index or (not visible.isdecimal() and uuid.startswith(visible)):
            return GraphicsProcessor(name, float(free) * 2**20 if free.isdecimal() else float("inf"))
    if found and visible.startswith("MIG-"):
        # A part of a processor has a UUID of its own that this list does not hold, nor its memory
        return GraphicsProcessor(found[0][3], float("inf"))
    return None
