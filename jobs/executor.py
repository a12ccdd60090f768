"""What an executor is: a module or folder ``jobs/<name>_executor``, found by its name.

An installed package brings one by an entry point of the group ``gridsearch.executors`` that names such a module.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import jobs
from jobs.plan import PlannedJob
from simulators.backends.simulator import Setting
from simulators.guests.installed import installed, load_reference
from simulators.records.run_directory import RunDirectory

_SUFFIX = "_executor"
_PARTICULARS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ |\(see [^()]*\)$")


@dataclass(frozen=True)
class Progress:
    """How far the jobs are.

    Parameters
    ----------
    n_done : int
        Rows that are written, of this submit's jobs.
    n_running, n_waiting : int
        Jobs.
    """

    n_done: int
    n_running: int
    n_waiting: int


class ExecutorError(RuntimeError):
    """An executor cannot do what it was asked for; the message says why."""


@dataclass(frozen=True)
class JobFailure:
    """A job that ended without a row for each of its points.

    Parameters
    ----------
    job : str
        Its name.
    reason : str
        How it ended, and the last it said.
    """

    job: str
    reason: str

    @property
    def gist(self) -> str:
        """The reason without what differs between jobs that fail alike: times, and where more is to be read."""
        return _PARTICULARS.sub("", self.reason).strip()


@dataclass(frozen=True)
class Placement:
    """What a simulator's jobs need beyond the simulator's own settings.

    Parameters
    ----------
    image : str, optional
        Container image, where jobs run in containers.
    gpus : int
        GPUs per job.
    max_running : int, optional
        How many of them may be in the queue at a time.
    submit : mapping of str to value
        What else the executor is to be told of them.
    """

    image: str | None = None
    gpus: int = 0
    max_running: int | None = None
    submit: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conditions:
    """Under which conditions jobs run.

    Parameters
    ----------
    name : str
        Of the sweep.
    settings : mapping of str to value
        ``[jobs.<executor>]``, complete.
    placement : mapping of str to Placement
        By simulator.
    collect : sequence of str
        Command that concludes the run, in the run's folder, for executors whose jobs outlive the submit. The executor
        adds how the jobs fared (0: well) and how many failed.
    environment : mapping of str to str
        For that command.
    folder : str
        Of the sweep: relative names of files in settings start there.
    """

    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    placement: Mapping[str, Placement] = field(default_factory=dict)
    collect: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


@dataclass(frozen=True)
class Submission:
    """Jobs that were handed over and go on without us.

    Parameters
    ----------
    description : str
        To whom, and under what name.
    watch : tuple of str
        Commands that show how they fare.
    """

    description: str
    watch: tuple[str, ...]


@dataclass(frozen=True)
class JobInFlight:
    """A job that was handed over and has not ended.

    Parameters
    ----------
    job, simulator : str
        Names.
    n_points : int
        Its points without a row on this side.
    phase : {'waiting', 'idle', 'running', 'held'}
        Waiting: not yet in the queue.
    reason : str
        Why it is held, and what can be done.
    """

    job: str
    simulator: str
    n_points: int
    phase: Literal["waiting", "idle", "running", "held"]
    reason: str = ""


@dataclass(frozen=True)
class InFlight:
    """What an executor has in flight for a run.

    Parameters
    ----------
    description : str
        Who has it; empty if nobody has.
    jobs : tuple of JobInFlight
        Those that have not ended.
    seconds_left : float, optional
        s, estimated until all have ended.
    failures : tuple of JobFailure
        Jobs that ended without success.
    machines : tuple of str
        Lines about machines that fail what others can do.
    """

    description: str = ""
    jobs: tuple[JobInFlight, ...] = ()
    seconds_left: float | None = None
    failures: tuple[JobFailure, ...] = ()
    machines: tuple[str, ...] = ()


class ExecutorModule(Protocol):
    """What a module ``jobs/<name>_executor.py`` holds.

    Attributes
    ----------
    SETTINGS : mapping of str to Setting
        Keys of ``[jobs.<name>]``.
    PACKAGES : tuple of str
        Python packages whose versions the provenance says.
    ON_THIS_MACHINE : bool
        Whether jobs run where they are submitted, so that what they need must be there.
    """

    SETTINGS: Mapping[str, Setting]
    PACKAGES: tuple[str, ...]
    ON_THIS_MACHINE: bool

    def why_unavailable(self) -> str | None:
        """Say why jobs cannot be run this way here, or return None if they can."""
        ...

    def n_slots(self) -> int | None:
        """How many single-core jobs run at once, or None if that is not known."""
        ...

    def problems(self, settings: Mapping[str, Any], placement: Mapping[str, Placement]) -> dict[str, str]:
        """Return the rules that settings break which their types cannot express.

        Parameters
        ----------
        settings : mapping of str to value
            ``[jobs.<name>]``, complete.
        placement : mapping of str to Placement
            By simulator.

        Returns
        -------
        dict of str to str
            By dotted key below ``[jobs]``; empty if all is well.
        """
        ...

    def check(self, planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> None:
        """Make sure that `run_jobs` would not refuse the jobs, before anything of them is written. Writes nothing.

        Raises
        ------
        ExecutorError
            With what it would refuse and why.
        """
        ...

    def run_jobs(
        self,
        planned: Sequence[PlannedJob],
        run: RunDirectory,
        report: Callable[[Progress], None],
        conditions: Conditions,
    ) -> list[JobFailure] | Submission:
        """Run jobs to their end and return those that failed, or hand them over and say so.

        Raises
        ------
        ExecutorError
            If they cannot be handed over.
        """
        ...

    def preview(self, planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> str:
        """Return what `run_jobs` would run or hand over, as text, and write nothing.

        Raises
        ------
        ExecutorError
            If it cannot be expressed.
        """
        ...

    def look_up(self, run: RunDirectory) -> InFlight:
        """Say what was handed over for a run and has not ended; nothing where `run_jobs` waits for the end."""
        ...

    def cancel(self, run: RunDirectory) -> str | None:
        """Take back what was handed over, and say what was done, or return None if there was nothing.

        Raises
        ------
        ExecutorError
            If it cannot be taken back.
        """
        ...


def last_words(stderr: Path) -> str:
    """Return the last line that a job's worker wrote to standard error, and where the others are."""
    try:
        lines = stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return f"see {stderr}"
    return f"{lines[-1]} (see {stderr})" if lines else f"see {stderr}"


def executor_names() -> list[str]:
    """Names of the executors there are."""
    return sorted({*_ours(), *installed("executors")})


def find_executor(name: str) -> ExecutorModule:
    """Return the module of an executor.

    Raises
    ------
    LookupError
        If there is none of that name.
    """
    if name not in executor_names():
        raise LookupError(f"no executor {name!r}: there are {', '.join(executor_names())}")
    if name in _ours():
        return cast(ExecutorModule, importlib.import_module(f"jobs.{name}{_SUFFIX}"))
    return cast(ExecutorModule, load_reference(installed("executors")[name].value))


def _ours() -> set[str]:
    modules = (module.name for module in pkgutil.iter_modules(jobs.__path__))
    return {name.removesuffix(_SUFFIX) for name in modules if name.endswith(_SUFFIX)}
