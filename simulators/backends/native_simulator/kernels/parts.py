"""How the functions are compiled that only other machine code calls."""

from __future__ import annotations

from numba import njit

part = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Decorator: no entry is made for Python to call, which would take as long to compile as a small function itself."""

within = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)
"""Decorator: the same, and put into the code of whoever calls it."""
