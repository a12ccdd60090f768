"""The graphics processor that a job may use."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any


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


# GB/s of the memory of graphics processors, from their vendors' data sheets; the first part of a name that fits
_BANDWIDTHS = {
    "H200": 4800,
    "H100 PCIe": 2000,
    "H100 NVL": 3900,
    "H100": 3350,
    "GH200": 4000,
    "B200": 8000,
    "A100-SXM4-80GB": 2039,
    "A100 80GB PCIe": 1935,
    "A100": 1555,
    "A40": 696,
    "A30": 933,
    "A10": 600,
    "L40S": 864,
    "L40": 864,
    "L4": 300,
    "V100": 900,
    "P100": 732,
    "T4": 320,
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


def bandwidth_of(name: str) -> float | None:
    """Return the bandwidth of a graphics processor's memory by its name, B/s; None where it is not known."""
    found = next((speed for part, speed in _BANDWIDTHS.items() if re.search(rf"\b{re.escape(part)}\b", name)), None)
    return None if found is None else found * 1e9


def set_device_order() -> None:
    """Let CUDA number processors as ``nvidia-smi`` does, before it is started.

    Its own order is that of their speed: on a machine of several kinds, what is known of one would be said of another.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def visible_gpu(backend: str = "") -> GraphicsProcessor | None:
    """Return the graphics processor that a backend would take, or None if it sees none.

    ``CUDA_VISIBLE_DEVICES`` decides, as HTCondor sets it: an index, or the beginning of a UUID. HIP runs on processors
    of either vendor; of AMD's, ``HIP_VISIBLE_DEVICES`` or ``ROCR_VISIBLE_DEVICES`` names an index.

    Parameters
    ----------
    backend : str
        ``cuda`` or ``hip``; empty for either.
    """
    found = None if backend == "cuda" else _visible_from_amd()
    return _visible_from_nvidia() if found is None else found


def _visible_from_nvidia() -> GraphicsProcessor | None:
    visible = _first_visible("CUDA_VISIBLE_DEVICES")
    if visible in {"", "-1"}:
        return None
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.free,name", "--format=csv,noheader,nounits"]
    found = [[field.strip() for field in line.split(",", 3)] for line in _answer(query).splitlines() if line.strip()]
    for index, uuid, free, name in found:
        if visible == index or (not visible.isdecimal() and uuid.startswith(visible)):
            return GraphicsProcessor(name, float(free) * 2**20 if free.isdecimal() else float("inf"))
    if found and visible.startswith("MIG-"):
        # A part of a processor has a UUID of its own that this list does not hold, nor its memory
        return GraphicsProcessor(found[0][3], float("inf"))
    return None


def _visible_from_amd() -> GraphicsProcessor | None:
    variables = ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
    visible = _first_visible(next((name for name in variables if name in os.environ), ""))
    if visible in {"", "-1"}:
        return None
    try:
        cards: dict[str, dict[str, Any]] = json.loads(
            _answer(["rocm-smi", "--showproductname", "--showuniqueid", "--showmeminfo", "vram", "--json"]) or "{}"
        )
    except json.JSONDecodeError:
        return None
    for index, card in enumerate(value for name, value in cards.items() if name.startswith("card")):
        unique = str(card.get("Unique ID", "")).removeprefix("0x")
        if visible == str(index) or (unique and visible.removeprefix("GPU-") == unique):
            name = card.get("Card Series") or card.get("Card series") or "AMD graphics processor"
            total, used = (card.get(f"VRAM Total {what}(B)") for what in ("Memory ", "Used Memory "))
            free = float(total) - float(used) if total is not None and used is not None else float("inf")
            return GraphicsProcessor(str(name), free)
    return None


def _first_visible(variable: str) -> str:
    """First processor that a variable of the environment names; the first of all where it is not set."""
    return os.environ.get(variable, "0").split(",")[0].strip()


def _answer(command: list[str]) -> str:
    """What a vendor's tool says; empty where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else ""
