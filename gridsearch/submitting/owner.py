"""Which process is at work in a run's folder, on whichever machine."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

_STARTED = 19  # of the fields of /proc/PID/stat after the command: the start, in ticks since the machine's


class Busy(Exception):
    """Another submit is at work in the same folder."""


@dataclass(frozen=True)
class Owner:
    """The process that is at work in a run's folder.

    Parameters
    ----------
    process : int
        Its id, on its machine.
    host : str
        Its machine.
    started : str
        When it started, as its machine counts; with the id it is known from one that got the same id later.
    """

    process: int
    host: str = ""
    started: str = ""

    def is_here(self) -> bool:
        """Say whether it runs on this machine and is the one that took the lock."""
        return self.host == platform.node() and _start_of(self.process) == self.started

    def has_ended(self) -> bool:
        """Say whether it is known to have ended: it was on this machine, and can be seen from here if it lives."""
        boot, _, rest = self.started.partition(" ")
        if self.host != platform.node() or not boot or not _boot():
            return False
        if boot != _boot():
            return True  # the machine has started since
        if rest.partition(" ")[0] != _namespace():  # in another container
            return False
        return not self.is_here() and not _is_hidden(self.process)

    def text(self) -> str:
        """Write it as `owner_of` reads it."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        return f"process {self.process} on {self.host or 'an unknown machine'}"


def this_process() -> Owner:
    """Return the owner that this process is."""
    return Owner(os.getpid(), platform.node(), _start_of(os.getpid()))


def owner_of(text: str) -> Owner | None:
    """Read an owner; None if it is none."""
    try:
        content = json.loads(text)
        return Owner(int(content["process"]), str(content["host"]), str(content["started"]))
    except (ValueError, TypeError, KeyError):
        return None


def _start_of(process: int) -> str:
    """When a process of this machine started, and by whose count; empty if there is none."""
    try:
        # The fields after the command, which is in parentheses and may hold anything
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"{_boot()} {_namespace()} {fields[_STARTED]}"
    except (OSError, IndexError):
        return ""


def _is_hidden(process: int) -> bool:
    """Whether a process is there though nothing is said of it, as of other users' where they are hidden."""
    if Path(f"/proc/{process}").exists():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    """Which processes can be seen from here."""
    return str(Path("/proc/self/ns/pid").readlink())
