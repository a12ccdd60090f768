"""Whether what a machine has is what the job was planned with: data, users' code, models, packages that travel.

It is asked once, before any of the users' code is imported. What differs was cut short on its way, is not there yet, or
is another version. None of this makes the job's content wrong: it may be right on another machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from simulators.backends.simulator import Simulator, SimulatorUnavailableError
from simulators.guests.content import data_digest, files_digest, guest_digest
from simulators.guests.loading import GuestError
from simulators.models import is_file, model_digest
from simulators.neurons import neuron_model_digest
from simulators.records.job import Job, JobError
from simulators.statistics import references

_BY_CONTENT = re.compile(r"guests/([0-9a-f]{16})")
_UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError, GuestError)


@dataclass(frozen=True)
class JobFiles:
    """Where a worker finds and puts things.

    Parameters
    ----------
    root : Path
        The folder that users' code and data are relative to: the run's, or what is like it on a pool's machine.
    summary : Path
        The summary file; rows that are there are kept.
    spikes : Path
        Folder for the spikes of the points, if the job keeps any.
    """

    root: Path
    summary: Path
    spikes: Path


class OtherFilesError(Exception):
    """Something is missing here, was cut short, or is not what the job was planned with."""


def check_files(job: Job, root: Path) -> None:
    """Compare what a job needs with the hashes that it carries.

    Parameters
    ----------
    job : Job
        The job.
    root : Path
        The folder that its files are relative to.

    Raises
    ------
    OtherFilesError
        If something is not what it was at the submit; the message names it.
    JobError
        If the job has data without their hash.
    """
    missing = [name for name in job.data if f"data.{name}" not in job.content]
    if missing:
        raise JobError(f"{job.name}: field 'content' has no hash of the data {', '.join(missing)}")
    for what, kind, name, expected in _needed(job):
        try:
            found = _digest(kind, name, root)
        except _UNREADABLE as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OtherFilesError(f"{job.name}: {what} is missing here or was cut short: {said}") from error
        except LookupError:  # a name that nobody knows is the job's mistake, and found as such
            continue
        if found != expected:
            raise OtherFilesError(
                f"{job.name}: {what} is not what it was at the submit: it was cut short on its way, or has changed; "
                "where it has, submit again"
            )


def _needed(job: Job) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is needed, in words, as a kind and by name, and its hash; nothing comes before what it stands on."""
    for name, place in job.data.items():
        yield f"data {name} = {place}", "data", place, job.content[f"data.{name}"]
    for folder in job.python_path:
        if named := _BY_CONTENT.fullmatch(folder):
            yield f"the package in {folder}", "package", folder, named[1]
    files = [job.model] if is_file(job.model) else []
    files += [references.file_of(one) for one in job.statistics if references.is_file(one)]
    for file in dict.fromkeys(files):
        if named := _BY_CONTENT.fullmatch(str(PurePosixPath(file).parent)):
            yield file, "guest", file, named[1]
    for key, expected in job.content.items():
        kind, _, name = key.partition(".")
        if kind == "model":
            yield f"model {job.model}", kind, job.model, expected
        elif kind == "neuron":
            yield f"neuron model {name}", kind, name, expected


def _digest(kind: str, name: str, root: Path) -> str:
    if kind == "data":
        return data_digest(root / name)
    if kind == "guest":
        return guest_digest(root / name)
    if kind == "package":
        return files_digest(root / name, (root / name).rglob("*.py"))
    return model_digest(name, root) if kind == "model" else neuron_model_digest(name)


def check_gpu(job: Job, simulator: Simulator) -> None:
    """Make sure that there is a graphics processor where one was planned for or asked for.

    Raises
    ------
    SimulatorUnavailableError
        If the simulator that is open found none.
    """
    if job.gpus and not simulator.gpu:
        why = getattr(simulator, "why_no_gpu", "") or "none can be used here"
        raise SimulatorUnavailableError(f"{job.name} was planned for a graphics processor: {why}")
