"""What we note of a DAG beside its file.

Which jobs it has, so that its event log can be read as points; and which job of which schedd it is itself, so that it
is found again from another access point, and not mistaken for somebody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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
    jobs : mapping of str to RecordedJob
        Its nodes, by name.
    schedd : str
        Name of the schedd that has it; empty in records of old.
    host : str
        Access point it was submitted from.
    global_id : str
        GlobalJobId of its own job; empty until the schedd has taken it.
    throttles : mapping of str to int
        How many jobs of a simulator it may have in the queue.
    cancelled : bool
        Whether it was taken back: what it has not begun is nobody's.
    """

    jobs: Mapping[str, RecordedJob]
    schedd: str = ""
    host: str = ""
    global_id: str = ""
    throttles: Mapping[str, int] = field(default_factory=dict)
    cancelled: bool = False


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
    known = {one.name for one in fields(DagRecord)} - {"jobs"}
    return DagRecord(jobs, **{key: value for key, value in content.items() if key in known})


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
