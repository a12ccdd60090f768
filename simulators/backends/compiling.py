"""Simulators that compile a network before they run it, in the worker's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Compiles(Protocol):
    """A simulator whose builds may begin with a compiler, which no point is to blame for."""

    def when_compiling(self, tell: Callable[[bool], None]) -> None:
        """Have it tell, within `build`, when compiling begins (True) and when it has ended well (False)."""
        ...
