"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it into place when the block ends well.

    The content is flushed to the disk before the move, so that a crash leaves the old file or the new one.
    A block that raises leaves neither a change nor the temporary file.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder is made if it is missing.

    Yields
    ------
    Path
        Where to write; the name starts with a dot and carries the process id, so writers never meet.

    Raises
    ------
    OSError
        If the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
