"""One submit at a time in a run's folder; and who it is, on whichever machine."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gridsearch.submitting.lock_file import held, holder
from gridsearch.submitting.owner import Busy, Owner, owner_of, this_process
from simulators.records.run_directory import RunDirectory

_LOOKS = 5.0  # s, for which others may look in turn

# What file systems answer that know no locks; Lustre says that there is no such call unless it is mounted with them
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Hold the run's folder, so that a second submit cannot come between.

    Where the file system knows no locks, a file says who holds it (see `gridsearch.submitting.lock_file`).

    Raises
    ------
    Busy
        If another process holds it.
    OSError
        If the folder cannot be written.
    """
    run.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            _take(descriptor, run)
        except BlockingIOError as error:
            raise Busy(f"{run.root}: another submit is at work ({lock_owner(run) or 'unknown'})") from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise OSError(error.errno, error.strerror, str(run.lock)) from error
            stack.enter_context(held(run.lock_file))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, this_process().text().encode())
        yield
        os.ftruncate(descriptor, 0)


def _take(descriptor: int, run: RunDirectory) -> None:
    """Take the lock, though somebody may be looking who holds it, for which that one takes it for a moment, too."""
    until = time.monotonic() + _LOOKS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if lock_owner(run) is not None or time.monotonic() > until:
                raise
        time.sleep(0.002)


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
            return owner_of(lock.read())
        except OSError as error:
            return holder(run.lock_file) if error.errno in _NO_LOCKS else None
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
