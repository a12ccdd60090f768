"""A machine with a graphics processor, emulated: a toolkit, a runtime and a driver."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "machine"

# The reference on the CPU is compiled without the freedoms that a compiler is given otherwise: as many roundings, in
# the same order, as the code says
STRICT_CXX = '#!/bin/sh\nexec g++ "$@" -fno-fast-math -ffp-contract=off\n'


class NoEmulationError(Exception):
    """What the emulation needs is missing."""


@dataclass(frozen=True)
class Machine:
    """The emulation, running in this process.

    Parameters
    ----------
    folder : Path
        What was made for it.
    runtime : CDLL
        The runtime.
    """

    folder: Path
    runtime: ctypes.CDLL

    @contextmanager
    def running(self, order: int = 0, exact: bool = False, deferred: bool = False) -> Iterator[None]:
        """Run kernels in some order.

        Parameters
        ----------
        order : int
            0: blocks and threads one after another; else a seed they are shuffled with.
        exact : bool
            Sums do not depend on the order of what is added.
        deferred : bool
            They run when something waits for them, not when they are launched.
        """
        self._set("order", order)
        self._set("exact", int(exact))
        self._set("deferred", int(deferred))
        try:
            yield
        finally:
            self._set("order", 0)
            self._set("exact", 0)
            self._set("deferred", 0)

    @contextmanager
    def with_change(self, pattern: str, replacement: str) -> Iterator[list[int]]:
        """Change the generated code wherever a pattern is found, before it is compiled; tell how often."""
        found: list[int] = []
        log = self.folder / "changes"
        log.unlink(missing_ok=True)
        os.environ["CUDA_EMULATION_CHANGE"] = f"{pattern}\n{replacement}"
        try:
            yield found
        finally:
            del os.environ["CUDA_EMULATION_CHANGE"]
            found.append(len(log.read_text().splitlines()) if log.exists() else 0)

    def _set(self, name: str, value: int) -> None:
        ctypes.c_uint.in_dll(self.runtime, f"emulation_{name}").value = value


def start(folder: Path, environment: pytest.MonkeyPatch) -> Machine:
    """Make the emulation in a folder, and load it before PyGeNN loads what it stands in for.

    Raises
    ------
    NoEmulationError
        If a part that is not the project's is missing.
    """
    include = Path(os.environ.get("CUDA_PATH", "/usr/local/cuda")) / "include"
    header = include / "cuda_runtime_api.h"
    if not header.exists():
        raise NoEmulationError(
            f"there is no {header}: CUDA_PATH must name the CUDA toolkit that PyGeNN was built with; it does not need "
            "a graphics processor, and may be that of the wheels nvidia-cuda-nvcc and nvidia-cuda-runtime"
        )
    if shutil.which("g++") is None or shutil.which("make") is None:
        raise NoEmulationError("g++ or make is missing")
    if "pygenn" in sys.modules:
        raise NoEmulationError("PyGeNN was loaded before the emulation: run its tests on their own")
    found = re.search(r"#define\s+CUDART_VERSION\s+(\d+)", header.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise NoEmulationError(f"{header} does not say its version")
    major = int(found.group(1)) // 1000
    runtime = folder / "lib" / ("libcudart.so." + (f"{major}.0" if major < 12 else f"{major}"))
    driver = folder / "lib" / "libcuda.so.1"
    for name in ("bin", "include", "lib"):
        (folder / name).mkdir(parents=True)
    for source in SOURCES.glob("*.h"):
        shutil.copy(source, folder)
    (folder / "include").rmdir()
    (folder / "include").symlink_to(include)
    shared = ["g++", "-std=c++17", "-O2", "-w", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", f"-I{folder}", f"-I{include}"]
    subprocess.run([*shared, str(SOURCES / "runtime.cc"), f"-Wl,-soname,{runtime.name}", "-o", runtime], check=True)
    subprocess.run([*shared, "-x", "c++", "/dev/null", f"-Wl,-soname,{driver.name}", "-o", driver], check=True)
    (folder / "lib" / "libcudart.so").symlink_to(runtime.name)
    _write(folder / "bin" / "nvcc", f'#!/bin/sh\nexec "{sys.executable}" "{SOURCES / "nvcc.py"}" "$@"\n')
    _write(folder / "bin" / "strict-g++", STRICT_CXX)
    environment.setenv("CUDA_PATH", str(folder))
    environment.setenv("CUDA_EMULATION", str(folder))
    environment.setenv("CUDA_VISIBLE_DEVICES", "0")
    environment.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    environment.setenv("CXX", "strict-g++")
    # For other processes, which ask what there is, or are workers
    others = os.environ.get("LD_LIBRARY_PATH")
    environment.setenv("LD_LIBRARY_PATH", f"{folder / 'lib'}{os.pathsep}{others}" if others else str(folder / "lib"))
    # A library that is loaded is taken for any of the same name that is asked for later
    loaded = ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(driver), mode=ctypes.RTLD_GLOBAL)
    return Machine(folder, loaded)


def _write(path: Path, script: str) -> None:
    path.write_text(script, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
