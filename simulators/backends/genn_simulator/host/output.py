"""Where what libraries and programs write goes: they have the descriptors, so Python's streams do not do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def output_to(descriptor: int) -> Iterator[None]:
    """Send standard output and errors of this process, and of those it starts, to a file that is open."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for opened in kept:
            os.close(opened)
