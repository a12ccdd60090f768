"""The graphics processor that a job may use."""

from __future__ import annotations

import os
import shutil
import subprocess


def gpu_name() -> str:
    """Name of the graphics processor that CUDA would take, empty if it sees none.

    ``CUDA_VISIBLE_DEVICES`` decides, as HTCondor sets it: an index, or the beginning of a UUID.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if visible in {"", "-1"} or shutil.which("nvidia-smi") is None:
        return ""
    query = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return ""
    found = [[field.strip() for field in line.split(",", 2)] for line in answer.stdout.splitlines() if line.strip()]
    for index, uuid, name in found:
        if visible == index or (not visible.isdecimal() and uuid.startswith(visible)):
            return name
    # A part of a processor (MIG) has a UUID of its own that this list does not hold.
    return found[0][2] if found and visible.startswith("MIG-") else ""
