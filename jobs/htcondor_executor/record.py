"""What we note of a DAG beside its file: which jobs it has, so that its event log can be read as points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from simulators.records.atomic_file import replacing

_FILE = "submission.json"


@dataclass(frozen=True)
class RecordedJob:
    """A job of a DAG.

    Parameters
    ----------
    simulator : str
        Its name.
    n_points : int
        Points.
    seconds : float
        s of wall time, as planned.
    """

    simulator: str
    n_points: int
    seconds: float


@dataclass(frozen=True)
class DagRecord:
    """A DAG that was written for a submit.

    Parameters
    ----------
    retries : int
        How often a failed node is run again.
    fatal_code : int
        Exit code after which it is not.
    jobs : mapping of str to RecordedJob
        Its nodes, by name.
    """

    retries: int
    fatal_code: int
    jobs: Mapping[str, RecordedJob]

    def may_return(self, attempts: int, exit_code: int | None) -> bool:
        """Say whether a node that failed gets another attempt while its DAG lives."""
        return exit_code != self.fatal_code and attempts <= self.retries


def write_record(record: DagRecord, folder: Path) -> None:
    """Write the record of a DAG into its folder, whole or not at all."""
    with replacing(folder / _FILE) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> DagRecord | None:
    """Read the record of a DAG, or return None where there is none: its submit did not get that far."""
    try:
        content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    jobs = {name: RecordedJob(**job) for name, job in content["jobs"].items()}
    return DagRecord(content["retries"], content["fatal_code"], jobs)


def dag_file(folder: Path) -> Path:
    """The DAG file."""
    return folder / "sweep.dag"


def node_log(folder: Path) -> Path:
    """The event log of the nodes, as DAGMan names it."""
    return folder / "sweep.dag.nodes.log"


def dagman_output(folder: Path) -> Path:
    """What DAGMan says of its doings, as it names the file."""
    return folder / "sweep.dag.dagman.out"


def dagman_log(folder: Path) -> Path:
    """The event log of the DAG's own job, as DAGMan names it."""
    return folder / "sweep.dag.dagman.log"
