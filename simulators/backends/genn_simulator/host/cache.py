"""Compiled GeNN models, kept on disk and shared by all workers of a machine.

A model is an entry of a cache (see `simulators.records.code_cache`); of two workers that compile the same one, the
first to finish keeps it. The key is a hash of the text that is compiled and of what compiles it. Seeds and values are
no part of it: they are handed to the compiled model. Whoever adds a model removes those that were not used for longest,
beyond a number.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from simulators.backends.genn_simulator.host.compilers import cxx_command, versions
from simulators.backends.genn_simulator.host.held_folders import held_folder, left_behind, sweep
from simulators.backends.genn_simulator.host.output import output_to
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.records import code_cache

MAX_MODELS = 200  # of some 1 MB each

_KIND = "genn"

# Processes that ended while they compiled a model, after which that is taken for the machine's doing
_MAX_ENDS = 2

_LOG = "build.log"

log = logging.getLogger(__name__)


def cache_folder(setting: str) -> Path:
    """Folder of compiled models: the setting, else that of the user's cache (see `simulators.records.code_cache`)."""
    return code_cache.cache_folder(setting, _KIND)


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
    return code_cache.short_key(hashlib.sha256(content.encode()).hexdigest())


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
        If it does not compile; the message ends with what the compiler said. Or if the process has ended time and again
        while GeNN compiled this model, as it does where a compiler or driver fails.
    NotOwnError
        If somebody else may have put something into the cache: a library that is loaded can do anything.
    """
    folder = code_cache.claimed(folder, _KIND)
    final = folder / key
    if code_cache.is_there(final):
        return final
    prefix = f".{key}-"
    _check_ends(folder, prefix)
    with held_folder(folder, prefix) as private:
        _compile_quietly(private, compile_into)
        for path in (private, *private.rglob("*")):  # whatever the umask
            path.chmod(path.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))
        private.chmod(0o755)
        try:
            private.rename(final)
        except OSError:
            if not code_cache.is_there(final):
                raise
    sweep(folder, prefix)
    code_cache.prune(folder, _KIND, MAX_MODELS)
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
