"""Where what is kept between runs lies, for this user on this machine: compiled code, the machine's speed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def user_cache(name: str) -> Path:
    """Folder or file ``gridsearch/<name>`` where the system keeps caches; nothing is made.

    Where the home cannot be written to (a worker in a container, often) it is below the folder for temporary files.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    nearest = next(folder for folder in (base, *base.parents) if folder.exists())
    if not os.access(nearest, os.W_OK):
        base = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return base / "gridsearch" / name
