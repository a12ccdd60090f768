"""What an executor is: a module ``jobs/<name>_executor.py``, found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import jobs
from jobs.plan import PlannedJob
from simulators.run_directory import RunDirectory

_SUFFIX = "_executor"


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


class ExecutorModule(Protocol):
    """What a module ``jobs/<name>_executor.py`` holds."""

    def why_unavailable(self) -> str | None:
        """Say why jobs cannot be run this way here, or return None if they can."""
        ...

    def n_slots(self) -> int | None:
        """How many single-core jobs run at once, or None if that is not known."""
        ...

    def run_jobs(
        self, planned: Sequence[PlannedJob], run: RunDirectory, report: Callable[[Progress], None]
    ) -> list[JobFailure]:
        """Run jobs to their end and return those that failed."""
        ...


def executor_names() -> list[str]:
    """Names of the executors there are."""
    return sorted(
        module.name.removesuffix(_SUFFIX)
        for module in pkgutil.iter_modules(jobs.__path__)
        if module.name.endswith(_SUFFIX)
    )


def find_executor(name: str) -> ExecutorModule:
    """Return the module of an executor.

    Raises
    ------
    LookupError
        If there is none of that name.
    """
    if name not in executor_names():
        raise LookupError(f"no executor {name!r}: there are {', '.join(executor_names())}")
    return cast(ExecutorModule, importlib.import_module(f"jobs.{name}{_SUFFIX}"))
