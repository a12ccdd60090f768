"""Stand-in for nvcc: makes C++ of CUDA's few words beyond it, and calls the C++ compiler.

A change to the generated code, as a test asks for it (`CHANGE`), is made before it is compiled.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

MACHINE = Path(os.environ["CUDA_EMULATION"])
"""Folder of the emulation, with the library and headers."""

CHANGE = "CUDA_EMULATION_CHANGE"
"""Variable: a pattern, a line break and what replaces it, wherever it is found."""

COUNT = MACHINE / "changes"
"""File to which a line is added for each change that was made."""

UNKNOWN = "CUDA_EMULATION_UNKNOWN"
"""Variable: the architecture that this compiler does not know."""

BROKEN = "CUDA_EMULATION_BROKEN"
"""Variable: an argument with which it fails."""

# Without contraction into fused operations, and in the order that is written: as the reference on the CPU
CXX = ["g++", "-std=c++17", "-O1", "-fPIC", "-w", "-ffp-contract=off"]


def main(arguments: list[str]) -> int:
    """Do what nvcc is asked for by its arguments; return the exit status."""
    if "--version" in arguments:
        sys.stdout.write(f"emulation of CUDA, {os.environ.get(CHANGE, '')!r}\n")
        return 0
    if os.environ.get(UNKNOWN) in arguments:
        sys.stderr.write(f"nvcc fatal   : Unsupported gpu architecture '{os.environ[UNKNOWN]}'\n")
        return 1
    if os.environ.get(BROKEN) in arguments:
        sys.stderr.write("the emulated compiler fails\n")
        return 1
    sources = [Path(a) for a in arguments if a.endswith((".cc", ".cu"))]
    output = Path(arguments[arguments.index("-o") + 1]) if "-o" in arguments else None
    if "-M" in arguments:
        sys.stdout.write(f"{sources[0].stem}.o: {sources[0]}\n")
        return 0
    if "--shared" in arguments:
        objects = [a for a in arguments if a.endswith(".o")]
        return run([*CXX, "-shared", "-o", str(output), *objects, str(MACHINE / "lib" / "libcudart.so")])
    text = sources[0].read_text()
    if "-cubin" in arguments:
        assert output is not None
        names = re.findall(r"__global__ void (\w+)\(", text)
        output.write_text("\n" + "".join(f"{name}\n" for name in names))
        return 0
    made = sources[0].with_suffix(".emulated.cpp")
    made.write_text(in_cpp(changed(text)))
    includes = [f"-I{MACHINE}", f"-I{MACHINE / 'include'}", f"-I{sources[0].parent or '.'}"]
    return run([*CXX, *includes, "-c", str(made), "-o", str(output or sources[0].with_suffix(".o").name)])


def in_cpp(text: str) -> str:
    """C++ of CUDA: launches, and sums in shared memory, which threads can get in the way of each other with."""
    text = re.sub(r"(\w+)<<<(.+?)>>>\((.*)\);", r"::emulation::launch(\2, [=]() { \1(\3); });", text)
    return re.sub(r"(shOutPost\[[^\]]+\]) \+= (.+);", r"::emulation::add_in_shared(\1, \2);", text)


def changed(text: str) -> str:
    """Make the change that a test asks for."""
    if not os.environ.get(CHANGE):
        return text
    pattern, replacement = os.environ[CHANGE].split("\n")
    text, n_changes = re.subn(pattern, replacement, text)
    with COUNT.open("a") as file:
        file.write("changed\n" * n_changes)
    return text


def run(command: list[str]) -> int:
    """Run a command; return its exit status."""
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
