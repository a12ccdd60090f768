"""How often the files of a folder are opened while something runs, by whichever process: as inotify of Linux counts."""

from __future__ import annotations

import ctypes
import os
import struct
from collections import Counter
from pathlib import Path
from types import TracebackType

_OPENED = 0x20
_IS_FOLDER = 0x40000000
_OVERFLOW = 0x4000
_EVENT = struct.Struct("iIII")  # watch, what happened, cookie, length of the name that follows


class Opens:
    """Count opens while the block runs.

    Parameters
    ----------
    folders : Path
        Whose files to count, not those of folders within.

    Attributes
    ----------
    counts : Counter of str
        Opens by folder, after the block.
    """

    def __init__(self, *folders: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._folders = folders
        self._watched: dict[int, str] = {}
        self._descriptor = -1

    def __enter__(self) -> Opens:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder in self._folders:
            watch = libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _OPENED)
            if watch < 0:
                raise OSError(ctypes.get_errno(), "cannot be watched", str(folder))
            self._watched[watch] = folder.name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            while True:
                self._count(os.read(self._descriptor, 1 << 20))
        except BlockingIOError:
            pass
        finally:
            os.close(self._descriptor)

    def _count(self, events: bytes) -> None:
        place = 0
        while place < len(events):
            watch, what, _, length = _EVENT.unpack_from(events, place)
            place += _EVENT.size + length
            if what & _OVERFLOW:
                raise RuntimeError("more opens than the kernel keeps: see /proc/sys/fs/inotify/max_queued_events")
            if not what & _IS_FOLDER:
                self.counts[self._watched[watch]] += 1
