"""A run's DAGs: what was noted of them, what their logs say, and whether a schedd still has them or their jobs.

What cannot be known is held to be at work: a job that is submitted again while it runs is done twice, and both write
the same files. So no bindings, no log or no schedd that answers is no reason to take a DAG for ended.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.htcondor_executor import schedd
from jobs.htcondor_executor.descriptions.sweep_dag import COLLECT, WATCH
from jobs.htcondor_executor.logs.event_log import MachineState, NodeState
from jobs.htcondor_executor.logs.growing_log import GrowingLog
from jobs.htcondor_executor.logs.holds import Hold
from jobs.htcondor_executor.logs.own_log import OwnLog, has_ended, read_own_log
from jobs.htcondor_executor.logs.progress import FORGIVEN, bad_machines, jobs_in_queue
from jobs.htcondor_executor.record import (
    DagRecord,
    cluster_in,
    dag_file,
    dagman_log,
    dagman_output,
    node_log,
    read_record,
)
from jobs.htcondor_executor.schedd import UnreachableError
from simulators.records.run_directory import RunDirectory

_IN_QUEUE = ("idle", "running", "held")
_MISSING = "the Python package htcondor is not installed here (pip install 'gridsearch[htcondor]')"
# Event logs that were read, which only grow
_logs: dict[Path, GrowingLog] = {}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SubmittedDag:
    """A DAG that was written for a run, and what is known of it.

    Parameters
    ----------
    folder : Path
        Of its files.
    record : DagRecord
        What was noted at the submit.
    cluster : int, optional
        Of DAGMan's own job; None if no schedd ever took it.
    is_alive : bool
        Whether DAGMan's job has not ended, as far as anybody can tell.
    leaving : collection of str
        Jobs that are in the queue although their DAG has ended or was cancelled.
    hold : Hold, optional
        Why DAGMan's job is held, if it is.
    states : mapping of str to NodeState
        Of all its jobs.
    machines : mapping of str to MachineState
        Of machines that failed the last one.
    last : NodeState, optional
        Of the last node, once it is in the queue.
    watch : NodeState, optional
        Of the node that tells the others of bad machines, once it is in the queue.
    """

    folder: Path
    record: DagRecord
    cluster: int | None
    is_alive: bool
    leaving: Collection[str]
    hold: Hold | None
    states: Mapping[str, NodeState]
    machines: Mapping[str, MachineState]
    last: NodeState | None
    watch: NodeState | None = None

    @property
    def name(self) -> str:
        """How it is called in what we say."""
        return f"DAG {self.cluster or self.folder.name} of HTCondor"

    @property
    def is_new(self) -> bool:
        """Whether none of its nodes was ever in the queue."""
        return all(state.phase == "waiting" for state in self.states.values())

    @property
    def is_watched(self) -> bool:
        """Whether its jobs are told of bad machines while they wait."""
        return self.is_alive and self.watch is not None and self.watch.phase == "running"

    @property
    def written(self) -> float:
        """When it was, as s since the epoch, to the second as in event logs."""
        return float(_changed(dag_file(self.folder)) // 10**9)

    def in_flight(self) -> dict[str, NodeState]:
        """Return the jobs that may still bring something, or begin."""
        if self.is_alive and not self.record.cancelled:
            return dict(self.states)
        return {
            name: state if state.phase in _IN_QUEUE else NodeState("running", state.since)
            for name, state in self.states.items()
            if name in self.leaving
        }

    def bad_machines(self) -> dict[str, MachineState]:
        """Return the machines that fail one job after the other."""
        return bad_machines(self.states, self.machines, time.time())

    def jobs_in_queue(self) -> dict[str, int]:
        """Return how many jobs of each simulator it may have in the queue at a time."""
        return jobs_in_queue(self.record, self.in_flight().items())


def read_dags(run: RunDirectory, must_answer: bool = False) -> Iterator[SubmittedDag]:
    """Read what is known of a run's DAGs, the oldest first.

    Raises
    ------
    ExecutorError
        If the files of one that may be at work are damaged; if `must_answer` and one that has not ended cannot be
        asked for from here.
    """
    folders = run.dag_folders()
    for folder in folders:
        record = read_record(folder)
        if record is None:
            continue
        if not schedd.bindings_are_installed():
            yield from _unseen(folder, record, must_answer)
            continue
        own = read_own_log(dagman_log(folder))
        cluster, is_alive = _living(folder, record, own, must_answer)
        if not is_alive and folder != folders[-1] and _is_past(node_log(folder), folders[-1]):
            continue
        states, machines = _logs.setdefault(node_log(folder), GrowingLog(node_log(folder))).read()
        nodes = {name: states.get(name, NodeState("waiting", 0.0)) for name in record.jobs}
        leaving: Collection[str] = ()
        if cluster is not None and (record.cancelled or not is_alive):
            leaving = _leaving(record, cluster, nodes, own.was_removed or record.cancelled)
        ours = (states.get(COLLECT), states.get(WATCH))
        yield SubmittedDag(folder, record, cluster, is_alive, leaving, own.hold, nodes, machines, *ours)


def _unseen(folder: Path, record: DagRecord, must_answer: bool) -> Iterator[SubmittedDag]:
    """Yield a DAG as it is known without HTCondor's bindings, unless its log says it has ended."""
    if not _was_submitted(folder, record) or has_ended(dagman_log(folder)):
        return
    cluster = cluster_in(record.global_id)
    nodes = {name: NodeState("waiting", 0.0) for name in record.jobs}
    leaving = tuple(nodes) if record.cancelled else ()
    dag = SubmittedDag(folder, record, cluster, not record.cancelled, leaving, None, nodes, {}, None)
    if must_answer:
        raise UnreachableError(f"{dag.name} has not ended, and cannot be asked for or removed: {_MISSING}")
    log.warning(
        "%s has not ended, as far as its log tells, and cannot be asked for: %s. Its jobs are taken to be in flight; "
        "if it is gone, remove %s",
        *(dag.name, _MISSING, folder),
    )
    yield dag


def _was_submitted(folder: Path, record: DagRecord) -> bool:
    """Say whether a schedd took a DAG: then it wrote a log at once, and DAGMan its own."""
    traces = (dagman_log(folder), dagman_output(folder), node_log(folder))
    return bool(record.global_id) or any(path.exists() for path in traces)


def _living(folder: Path, record: DagRecord, own: OwnLog, must_answer: bool) -> tuple[int | None, bool]:
    """Return the cluster of a DAG and whether it has not ended.

    Its log may have alive what the schedd lost, or be lost itself: then the schedd says. Where the schedd that took it
    does not answer, it is held alive: it is not ours to submit its jobs again.
    """
    cluster = cluster_in(record.global_id) or own.cluster
    if (own.has_ended and own.cluster == cluster) or not _was_submitted(folder, record):
        return cluster, False
    try:
        if cluster is None:
            cluster = schedd.find_dag(record.schedd, dagman_log(folder))
            return cluster, cluster is not None
        return cluster, schedd.is_there(record.schedd, cluster, record.global_id, dagman_log(folder))
    except UnreachableError as error:
        if must_answer:
            here = record.host in ("", platform.node())
            where, then = ("here", "try again when it answers") if here else (f"on {record.host}", "cancel it there")
            name = cluster or f"of {folder}"
            raise UnreachableError(f"DAG {name} was submitted {where}, and {error}; {then}") from error
        log.warning("%s; what follows is from the event log", error)
        return cluster, True


def _leaving(record: DagRecord, cluster: int, nodes: Mapping[str, NodeState], removed: bool) -> Collection[str]:
    """Return the jobs of a DAG that has ended, or was cancelled, which are still in the queue."""
    logged = {name for name, state in nodes.items() if state.phase in _IN_QUEUE}
    if not removed and not logged:
        return ()
    try:
        return schedd.nodes_in_queue(record.schedd, cluster) & nodes.keys()
    except UnreachableError as error:
        if logged:
            log.warning("%s; what follows is from the event log", error)
        return logged


def _is_past(log: Path, newest: Path) -> bool:
    """Whether nothing that the log of an ended DAG says is of interest: its machines are forgiven, its jobs redone."""
    changed = _changed(log)
    return changed < (time.time() - FORGIVEN) * 1e9 and changed < _changed(dag_file(newest))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
