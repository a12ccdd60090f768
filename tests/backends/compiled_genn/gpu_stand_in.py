"""Stand-ins for a machine with a graphics processor: a library that answers as CUDA or HIP do, nvcc, and PyGeNN."""

from __future__ import annotations

import subprocess
from pathlib import Path

# What is in the environment of who asks: GPU_ERROR, a number; GPU_FATE, "hangs" or "aborts"; GPU_COUNT; GPU_NAME;
# GPU_FREE and GPU_TOTAL, B. Without a name the processor is called as CUDA orders it.
LIBRARY = r"""
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAMED(name) JOIN(KIND, name)
static std::string given(const char *name, const char *otherwise) {
    const char *found = std::getenv(name);
    return found == nullptr ? otherwise : found;
}
static int error() {
    if(given("GPU_FATE", "") == "hangs") { sleep(1000); }
    if(given("GPU_FATE", "") == "aborts") { std::abort(); }
    return std::stoi(given("GPU_ERROR", "0"));
}
extern "C" {
int NAMED(GetDeviceCount)(int *count) { *count = std::stoi(given("GPU_COUNT", "1")); return error(); }
int NAMED(SetDevice)(int) { return 0; }
int NAMED(GetDeviceProperties)(char *properties, int) {
    std::strcpy(properties, given("GPU_NAME", given("CUDA_DEVICE_ORDER", "?").c_str()).c_str());
    std::strcpy(properties + 1160, "gfx90a:sramecc+:xnack-");
    return 0;
}
int NAMED(DeviceGetAttribute)(int *value, int which, int) { *value = which == 75 ? 7 : 0; return 0; }
int NAMED(MemGetInfo)(size_t *free, size_t *total) {
    *free = std::stoull(given("GPU_FREE", "1000"));
    *total = std::stoull(given("GPU_TOTAL", "2000"));
    return 0;
}
const char *NAMED(GetErrorString)(int code) {
    return code == 35 ? "CUDA driver version is insufficient for CUDA runtime version" : "some other trouble";
}
}
"""

NVCC = """#!/bin/sh
case "$*" in
  *--version*) echo "release 13.0";;
  *"-arch sm_70"*) echo "nvcc fatal   : Unsupported gpu architecture 'sm_70'" >&2; exit 1;;
esac
"""


def make_library(folder: Path, kind: str = "cuda") -> Path:
    """Compile the library that stands in for PyGeNN's module of a backend, with CUDA or HIP below it."""
    source, library = folder / f"{kind}.cc", folder / f"{kind}_backend.so"
    source.write_text(LIBRARY)
    subprocess.run(["g++", "-shared", "-fPIC", f"-DKIND={kind}", str(source), "-o", str(library)], check=True)
    return library


def make_pygenn(folder: Path, *backends: str) -> Path:
    """Make a package that is taken for PyGeNN with these backends beside that on a core; return where it lies."""
    package = folder / "pygenn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '5.4.0'\n")
    names = [*backends, "single_threaded_cpu"]
    (package / "genn_model.py").write_text(f"backend_modules = {dict.fromkeys(names)}\n")
    for backend in backends:
        make_library(package, backend)
    return folder


def make_toolkit(folder: Path) -> Path:
    """Make a toolkit whose compiler does not know an architecture."""
    compiler = folder / "bin" / "nvcc"
    compiler.parent.mkdir(parents=True)
    compiler.write_text(NVCC)
    compiler.chmod(0o755)
    return folder
