"""One submit at a time in a run's folder; and who it is, on whichever machine."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from simulators.records.run_directory import RunDirectory

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

    def __str__(self) -> str:
        return f"process {self.process} on {self.host or 'an unknown machine'}"


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Hold the run's folder, so that a second submit cannot come between.

    Raises
    ------
    Busy
        If another process holds it.
    OSError
        If the folder cannot be written.
    """
    run.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{run.root}: another submit is at work ({lock_owner(run) or 'unknown'})") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
            # a file system without locks: go on without
        os.ftruncate(descriptor, 0)
        me = Owner(os.getpid(), platform.node(), _start_of(os.getpid()))
        os.write(descriptor, json.dumps(asdict(me)).encode())
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def lock_owner(run: RunDirectory) -> Owner | None:
    """Return the process that is at work in a run's folder, or None if there is none."""
    try:
        descriptor = os.open(run.lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "r", encoding="utf-8", errors="replace") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _owner(lock.read())
        except OSError:
            return None
    return None


def stop_owner(owner: Owner) -> str:
    """Ask the process at work to stop, and say so.

    Raises
    ------
    Busy
        If it is on another machine, or cannot be told from others here.
    """
    if not owner.is_here():
        raise Busy(
            f"{owner} is at work in this folder, and this is {platform.node()}: cancel it there, or stop it with Ctrl-C"
        )
    # The id may pass to another process between the look and the signal, not if the process is held open
    descriptor = os.pidfd_open(owner.process)
    try:
        if not owner.is_here():
            return f"{owner} has just ended"
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    finally:
        os.close(descriptor)
    return f"asked {owner} to stop; finished points are kept"


def _owner(text: str) -> Owner | None:
    try:
        content = json.loads(text)
        return Owner(int(content["process"]), str(content["host"]), str(content["started"]))
    except (ValueError, TypeError, KeyError):
        return None


def _start_of(process: int) -> str:
    try:
        # The fields after the command, which is in parentheses and may hold anything
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {fields[_STARTED]}"
    except (OSError, IndexError):
        return ""
