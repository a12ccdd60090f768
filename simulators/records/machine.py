"""What a result was made on and with: processor, memory, packages and code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import simulators

# Names the container image that a worker runs in, with its digest where the submitter knows it
IMAGE_VARIABLE = "GRIDSEARCH_IMAGE"


@cache
def processor() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def host_name() -> str:
    """Name of the machine."""
    return platform.node()


def n_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Memory that can still be taken without swapping in bytes, or None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in lines)
    return int(sizes["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in sizes else None


def process_age() -> float:
    """Time since this process started in s, or 0 where the system does not say."""
    try:
        # The fields after the command, which is in parentheses and may hold anything; the start is the 22nd of all
        started = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed, and of Python."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def image() -> dict[str, str]:
    """Container image that this process runs in, as ``image``; empty if nobody named one."""
    name = os.environ.get(IMAGE_VARIABLE)
    return {"image": name} if name else {}


@cache
def code_hash() -> str:
    """Hash of the source of the worker's package, to tell results of different code apart."""
    root = Path(simulators.__path__[0])
    return hash_of_files({path.relative_to(root).as_posix(): path for path in root.rglob("*.py")})


def hash_of_files(files: Mapping[str, Path]) -> str:
    """Return a short hash of some files' names and contents."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return digest.hexdigest()[:16]
