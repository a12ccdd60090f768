"""What we note of a DAG beside its file.

Which jobs it has, so that its event log can be read as points; and which job of which schedd it is itself, so that it
is found again from another access point, and not mistaken for somebody's.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from jobs.executor import ExecutorError
from simulators.records.atomic_file import replacing

_FILE = "submission.json"
# Lines of a DAG file (see `jobs.htcondor_executor.descriptions.dag`)
_NODE = re.compile(r"^JOB (\S+-\S+) (\S+)$", re.MULTILINE)
_VARIABLES = re.compile(r"^VARS (\S+) (.*)$", re.MULTILINE)
_VALUE = re.compile(r'(\w+)="(\d+)"')

log = logging.getLogger(__name__)


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


_EMPTY = DagRecord({})


def write_record(record: DagRecord, folder: Path) -> None:
    """Write the record of a DAG into its folder, whole or not at all."""
    with replacing(folder / _FILE) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> DagRecord | None:
    """Read the record of a DAG, or return None where there is none: its submit did not get that far.

    Where it is damaged, the DAG file, which was there first, says which jobs there are.

    Raises
    ------
    ExecutorError
        If that is damaged too.
    """
    try:
        text = (folder / _FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ExecutorError(f"{folder / _FILE} cannot be read, which says what is in flight: {error}") from error
    try:
        return _record(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _recovered(folder)


def _record(content: Any) -> DagRecord:
    jobs = {name: RecordedJob(**job) for name, job in content["jobs"].items()}
    known = {one.name: type(getattr(_EMPTY, one.name)) for one in fields(DagRecord) if one.name != "jobs"}
    rest = {key: value for key, value in content.items() if key in known}
    numbers = all(type(job.n_points) is int and isinstance(job.seconds, float | int) for job in jobs.values())
    if not numbers or any(not isinstance(value, known[key]) for key, value in rest.items()):
        raise ValueError("a value of another type")
    return DagRecord(jobs, **rest)


def _recovered(folder: Path) -> DagRecord:
    """Read from a DAG file which jobs the DAG has; who took it is not known then."""
    try:
        text = dag_file(folder).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    simulators = dict(_NODE.findall(text))
    jobs = {}
    for name, values in _VARIABLES.findall(text):
        said = dict(_VALUE.findall(values))
        if name in simulators and said.keys() >= {"points", "expected_seconds"}:
            jobs[name] = RecordedJob(simulators[name], int(said["points"]), float(said["expected_seconds"]))
    if not jobs:
        raise ExecutorError(
            f"{folder / _FILE} is damaged, and so is {dag_file(folder).name} beside it: what this DAG has in flight "
            "cannot be told. When condor_q shows no job of it any more, remove that folder"
        )
    log.warning("%s is damaged; the jobs of this DAG are read from %s", folder / _FILE, dag_file(folder).name)
    return DagRecord(jobs)


def cluster_in(global_id: str) -> int | None:
    """Return the cluster that a GlobalJobId names, ``schedd#cluster.proc#time``; None if it names none."""
    found = re.search(r"#(\d+)\.\d+#\d+$", global_id)
    return int(found.group(1)) if found else None


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
