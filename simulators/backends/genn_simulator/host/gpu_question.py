"""What CUDA or HIP say of the first graphics processor that they see, asked through the library that GeNN calls.

As a program of its own it prints the answer: a driver that hangs, or ends whoever calls it, does so to that process
alone (see `simulators.backends.genn_simulator.host.devices`). It needs nothing but Python.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

_MAJOR, _MINOR = 75, 76  # cudaDevAttrComputeCapabilityMajor, …Minor
_ROOM = 1 << 16  # B, more than the properties of a processor take in any version; all begin with its name
_NAME = 256
_AMD_ARCHITECTURE = re.compile(rb"gfx[0-9a-f]+(?::[a-z]+[+-])*")  # as the properties hold it, somewhere


class _RefusedError(Exception):
    """A call has failed; the message is the library's own."""


def ask(library: str) -> Mapping[str, Any]:
    """Ask for the first processor that is visible.

    Parameters
    ----------
    library : str
        Path of a library that calls CUDA or HIP, so that what answers is what will run.

    Returns
    -------
    mapping of str to value
        ``name``; ``architecture``, as compilers take it; ``free`` and ``total``, B of its memory, of which the first
        is without what a process of CUDA takes for itself. Or ``problem``, why there is none.
    """
    try:
        loaded = ctypes.CDLL(library)
        return _answer(loaded, "hip" if hasattr(loaded, "hipGetDeviceCount") else "cuda")
    except (OSError, AttributeError, _RefusedError) as error:
        return {"problem": str(error)}


def _answer(library: ctypes.CDLL, kind: str) -> Mapping[str, Any]:
    def call(name: str, *given: Any) -> None:
        code = getattr(library, kind + name)(*given)
        if code:
            explain = getattr(library, f"{kind}GetErrorString")
            explain.restype = ctypes.c_char_p
            said = (explain(code) or b"").decode(errors="replace")
            raise _RefusedError(f"{kind.upper()} says: {said} (error {code})")

    count, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    properties = ctypes.create_string_buffer(_ROOM)
    call("GetDeviceCount", ctypes.byref(count))
    if not count.value:
        raise _RefusedError(f"{kind.upper()} sees none")
    call("SetDevice", 0)
    call("GetDeviceProperties", properties, 0)
    if kind == "cuda":
        call("DeviceGetAttribute", ctypes.byref(major), _MAJOR, 0)
        call("DeviceGetAttribute", ctypes.byref(minor), _MINOR, 0)
        architecture = f"sm_{major.value}{minor.value}"
    else:
        found = _AMD_ARCHITECTURE.search(properties.raw)
        architecture = found.group().decode() if found else ""
    call("MemGetInfo", ctypes.byref(free), ctypes.byref(total))  # which is what takes hold of the processor
    name = properties.raw[:_NAME].partition(b"\0")[0].decode(errors="replace")
    return {"name": name, "architecture": architecture, "free": free.value, "total": total.value}


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(ask(sys.argv[1]))}\n")
