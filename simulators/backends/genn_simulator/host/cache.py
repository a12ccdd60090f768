"""Compiled GeNN models, kept on disk and shared by all workers of a machine.

A model is compiled in a folder of its own and renamed into place when it is whole, so workers never see half a
model; of two that compile the same one, the first to finish keeps it. The name of a folder is a hash of the text that
is compiled and of what compiles it. Seeds and values are no part of it: they are handed to the compiled model. Whoever
adds a model removes those that were not used for longest, beyond a number (`prune`).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulators.backends.genn_simulator.host.compilers import cxx_command, versions
from simulators.backends.genn_simulator.host.held_folders import held_folder, left_behind, sweep
from simulators.backends.genn_simulator.host.output import output_to
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.records.user_cache import user_cache

MAX_MODELS = 200  # of some 1 MB each

_IN_USE = 3600.0  # s; a model that was asked for so lately may not be loaded yet, one in the making not be whole

# Processes that ended while they compiled a model, after which that is taken for the machine's doing
_MAX_ENDS = 2

_LOG = "build.log"

log = logging.getLogger(__name__)


def cache_folder(setting: str) -> Path:
    """Folder of compiled models: the setting, else ``genn`` in the user's cache (`user_cache`)."""
    return Path(setting) if setting else user_cache("genn")


def cache_key(generated: str, backend: str, pygenn_version: str, device: str) -> str:
    """Hash of all that the compiled code depends on.

    Parameters
    ----------
    generated : str
        All that is handed to GeNN to be compiled: code, and the names, types, sizes and numbers around it.
    backend, pygenn_version : str
        What makes it a program.
    device : str
        Name of the graphics processor it is compiled for, empty without one.
    """
    compilers = [cxx_command(), versions(backend), platform.machine()]
    content = "\0".join([generated, backend, pygenn_version, device, *compilers])
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def compiled(folder: Path, key: str, compile_into: Callable[[Path], None]) -> Path:
    """Return the folder of a compiled model, compiling it if it is not there.

    Parameters
    ----------
    folder : Path
        The cache.
    key : str
        From `cache_key`.
    compile_into : callable
        Generates and compiles the code in a folder.

    Raises
    ------
    SimulatorUnavailableError
        If it does not compile; the message ends with what the compiler said. Or if somebody else may have put
        something into the cache: a library that is loaded can do anything. Or if the process has ended time and again
        while GeNN compiled this model, as it does where a compiler or driver fails.
    """
    final = folder / key
    if _found(final):
        _check_rights(folder, final, *final.rglob("*"))
        return final
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    _check_rights(folder)
    prefix = f".{key}-"
    _check_ends(folder, prefix)
    with held_folder(folder, prefix) as private:
        _compile_quietly(private, compile_into)
        for path in (private, *private.rglob("*")):  # whatever the umask: see `_check_rights`
            path.chmod(path.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))
        private.chmod(0o755)
        try:
            private.rename(final)
        except OSError:
            if not _found(final):
                raise
    sweep(folder, prefix)
    prune(folder, MAX_MODELS)
    return final


def _compile_quietly(private: Path, compile_into: Callable[[Path], None]) -> None:
    """Compile, with what make and the compiler say in a file."""
    log_file = os.open(private / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with output_to(log_file), _environment("CXX", cxx_command()):
            compile_into(private)
    except (subprocess.CalledProcessError, RuntimeError) as error:
        raise SimulatorUnavailableError(
            f"the network does not compile ({error}); what GeNN and the compiler said:\n{_said(private)}"
        ) from error
    finally:
        os.close(log_file)


def _check_ends(folder: Path, prefix: str) -> None:
    """Look for what processes have left that ended while they compiled the same model.

    A kill may have ended them. But GeNN also ends the process itself where a compiler or CUDA fails, and says why in
    the log alone.
    """
    left = left_behind(folder, prefix)
    if not left:
        return
    said = _said(left[-1])
    if len(left) < _MAX_ENDS:
        log.warning("a worker ended while it compiled this network; what GeNN and the compiler said last:\n%s", said)
        return
    sweep(folder, prefix)
    raise SimulatorUnavailableError(
        f"the network does not compile here: {len(left)} workers ended while GeNN was at it; what it and the compiler "
        f"said last:\n{said}"
    )


def _said(folder: Path) -> str:
    try:
        return "\n".join((folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
    except OSError:
        return ""


def prune(folder: Path, n_models: int) -> None:
    """Remove the models that were not used for longest, and what killed workers left half made.

    Nothing is touched that was used, or begun, within the last hour, so no worker loses a model it is about to load.

    Parameters
    ----------
    folder : Path
        The cache.
    n_models : int
        How many to keep; more stay if more are in use.
    """
    doomed = []
    with _locked(folder):
        used = {path: _last_use(path) for path in folder.iterdir()}
        models = sorted((path for path in used if not path.name.startswith(".")), key=used.__getitem__)
        left = [path for path in used if path.name.startswith(".")]
        for path in (*models[: max(0, len(models) - n_models)], *left):
            if used[path] < time.time() - _IN_USE:
                removed = folder / f".removed-{uuid.uuid4().hex}"
                with suppress(OSError):  # another user's
                    path.rename(removed)  # gone at once; what a worker has loaded stays loaded
                    doomed.append(removed)
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)


def _check_rights(*paths: Path) -> None:
    """Make sure that nobody but this user, and root, owns or may write to files and folders."""
    for path in paths:
        found = path.lstat()
        mine = found.st_uid in (os.getuid(), 0)
        if not mine or (not stat.S_ISLNK(found.st_mode) and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise SimulatorUnavailableError(
                f"{path}: others may write there, and compiled models are code: name another folder with "
                "[jobs.genn] cache, or take the right to write from others (chmod -R go-w)"
            )


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")  # a worker has just made it whole


def _found(model: Path) -> bool:
    """Whether a model is there; note that it is in use."""
    if not model.exists():
        return False
    try:
        with _locked(model.parent):
            os.utime(model)
    except FileNotFoundError:
        return False  # removed since
    except PermissionError:
        pass  # another user's, who alone removes any
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep others from removing models; without effect on file systems that know no locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
