"""Compiled GeNN models, kept on disk and shared by all workers of a machine.

A model is an entry of a cache (see `simulators.records.code_cache`); of two workers that compile the same one, the
first to finish keeps it. The key is a hash of the text that is compiled and of what compiles it. Seeds and values are
no part of it: they are handed to the compiled model. Whoever adds a model removes those that were not used for longest,
beyond a number.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from simulators.backends.genn_simulator.host.compilers import cxx_command, versions
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.records import code_cache

MAX_MODELS = 200  # of some 1 MB each

_KIND = "genn"


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
        If it does not compile; the message ends with what the compiler said.
    NotOwnError
        If somebody else may have put something into the cache: a library that is loaded can do anything.
    """
    folder = code_cache.claimed(folder, _KIND)
    final = folder / key
    if code_cache.is_there(final):
        return final
    private = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))
    log = private / "build.log"
    try:
        with _quiet(log), _environment("CXX", cxx_command()):
            compile_into(private)
    except (subprocess.CalledProcessError, RuntimeError) as error:
        said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        shutil.rmtree(private, ignore_errors=True)
        raise SimulatorUnavailableError(
            f"the network does not compile ({error}); what GeNN and the compiler said:\n{said}"
        ) from error
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        raise
    for path in (private, *private.rglob("*")):  # whatever the umask
        path.chmod(path.stat().st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))
    private.chmod(0o755)
    try:
        private.rename(final)
    except OSError:
        shutil.rmtree(private, ignore_errors=True)
        if not code_cache.is_there(final):
            raise
    code_cache.prune(folder, _KIND, MAX_MODELS)
    return final


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


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send what make and the compiler write to a file: they inherit the descriptors, so Python's streams do not do."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for opened in (*kept, descriptor):
            os.close(opened)
