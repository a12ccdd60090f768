"""The compilers that GeNN's generated code needs: which they are, how they are called, and whether they work."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

# Where GeNN looks for a toolkit, and its compiler, by backend
_TOOLKITS = {"cuda": ("CUDA_PATH", "/usr/local/cuda", "nvcc"), "hip": ("HIP_PATH", "/opt/rocm", "hipcc")}

# GeNN's own code begins like this
_PROBES = {
    "cuda": "#include <curand_kernel.h>\n__global__ void probe(float *x) { x[threadIdx.x] = 1.0f; }\n",
    "hip": "#include <hip/hip_runtime.h>\n__global__ void probe(float *x) { x[threadIdx.x] = 1.0f; }\n",
}

# As GeNN calls it for the code of a network, for an architecture
_FLAGS = {
    "cuda": (
        *("-x", "cu", "-std=c++11", "--compiler-options", "-fPIC -Wno-return-type-c-linkage"),
        *("-Xcudafe", "--diag_suppress=extern_entity_treated_as_static", "-O3", "-use_fast_math"),
    ),
    "hip": ("-fPIC", "-std=c++11", "-O3"),
}

_PROBE_TIME = 120.0  # s


def cxx_compiler() -> str | None:
    """The C++ compiler that GeNN's makefile will use, or None if it or make is missing."""
    command = os.environ.get("CXX", "g++")
    return command if shutil.which(command.split()[0]) and shutil.which("make") else None


def cxx_command() -> str:
    """The compiler with the flags that make the generated loops fast.

    The instruction set is a common one (AVX2 with fused multiply-add) rather than that of this processor, so
    that all machines of a pool compute the same bits; where it is missing, the compiler's default is used.
    """
    command = os.environ.get("CXX", "g++")
    flags = ["-funroll-loops"]
    if platform.machine() == "x86_64" and {"avx2", "fma", "bmi2"} <= _processor_flags():
        flags.append("-march=x86-64-v3")
    if "clang" not in version_of(command):
        # The arrays of a population may overlap for all the compiler knows; it gives up on vector instructions
        # beyond ten run-time checks that they do not.
        flags.append("--param=vect-max-version-for-alias-checks=200")
    return " ".join([command, *flags])


def gpu_compiler(backend: str) -> Path | None:
    """The compiler of a backend's toolkit, where GeNN looks for it; None for a backend on the CPU."""
    if backend not in _TOOLKITS:
        return None
    variable, default, name = _TOOLKITS[backend]
    return Path(os.environ.get(variable) or default) / "bin" / name


def gpu_compiler_problem(backend: str, architecture: str = "") -> str:
    """Say why the compiler of a backend's toolkit does not work; empty if it does, or if the backend needs none.

    GeNN runs it in a thread, where a failure ends the process without a word. So it is called here as it is there:
    toolkits know neither processors that are newer than they are nor very old ones.

    Parameters
    ----------
    backend : str
        Of GeNN.
    architecture : str
        That of the processor, as compilers take it; empty where it is not known.
    """
    compiler = gpu_compiler(backend)
    if compiler is None:
        return ""
    variable, default, name = _TOOLKITS[backend]
    if not os.environ.get(variable):
        return f"{variable} does not name the toolkit that has {name} (often {default})"
    if not os.access(compiler, os.X_OK):
        return f"there is no {name} at {compiler}, where {variable} says it is"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / ("probe.cu" if backend == "cuda" else "probe.hip.cpp")
        source.write_text(_PROBES[backend], encoding="utf-8")
        flags = [*_FLAGS[backend], *_for_architecture(backend, architecture)]
        command = [str(compiler), *flags, "-c", str(source), "-o", str(source.with_suffix(".o"))]
        try:
            tried = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=_PROBE_TIME
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{compiler} does not run: {error}"
    if tried.returncode == 0:
        return ""
    said = " / ".join((tried.stderr or tried.stdout).strip().splitlines()[-3:])
    what = f"two lines of code for {architecture}" if architecture else "two lines of code"
    return f"{compiler} does not compile {what}: {said or f'it ends with exit code {tried.returncode}'}"


def _for_architecture(backend: str, architecture: str) -> list[str]:
    if not architecture:
        return []
    # HIP runs on processors of either vendor
    amd = backend == "hip" and not architecture.startswith("sm_")
    return [f"--offload-arch={architecture}"] if amd else ["-arch", architecture]


def versions(backend: str) -> str:
    """What the compilers of a backend say of themselves."""
    toolkit = gpu_compiler(backend)
    found = [version_of(cxx_command().split()[0])]
    return "\n".join(found if toolkit is None else [*found, version_of(str(toolkit))])


def version_of(command: str) -> str:
    """What a compiler answers to ``--version``; empty if nothing."""
    try:
        answer = subprocess.run([*command.split(), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


@cache
def _processor_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return frozenset(flags)
