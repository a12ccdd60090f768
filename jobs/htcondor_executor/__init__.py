"""Jobs on an HTCondor pool, one DAG per submit.

The only module that imports HTCondor's bindings, and only when used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.executor import (
    Conditions,
    ExecutorError,
    InFlight,
    JobFailure,
    JobInFlight,
    Progress,
    Submission,
    last_words,
)
from jobs.htcondor_executor.archive import worker_archive, write_worker_archive
from jobs.htcondor_executor.dag import Dag, DagError, dag_text
from jobs.htcondor_executor.event_log import Event, Kind, NodeState, fold_events
from jobs.htcondor_executor.holds import Hold, explain
from jobs.htcondor_executor.record import (
    DagRecord,
    RecordedJob,
    dag_file,
    dagman_log,
    dagman_output,
    node_log,
    read_record,
    write_record,
)
from jobs.htcondor_executor.submit_description import Site
from jobs.htcondor_executor.sweep_dag import make_dag
from jobs.plan import PlannedJob
from simulators.backends.simulator import Setting
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory
from simulators.records.summary import start_summary
from simulators.worker.exit_codes import UNUSABLE

SETTINGS: Mapping[str, Setting] = {
    "universe": Setting(
        "docker",
        "how jobs are run: in a Docker or any other container, or bare",
        choices=("docker", "container", "vanilla"),
    ),
    "python": Setting("python3", "the Python of the image, or of the machines where there is none"),
    "shared_filesystem": Setting(
        False, "whether the run's folder is the same on every machine: no files are sent then"
    ),
    "accounting_group": Setting("", "whom the pool charges"),
    "retries": Setting(3, "how often a job that failed runs again", minimum=0),
    "vacate_seconds": Setting(120, "how long a job that must leave may take to write what is finished", minimum=1),
    "submit": Setting({}, "further lines of the submit descriptions"),
}
PACKAGES: tuple[str, ...] = ("htcondor",)
ON_THIS_MACHINE = False

_KINDS: Mapping[str, Kind] = {
    "SUBMIT": "submit",
    "EXECUTE": "execute",
    "JOB_EVICTED": "requeue",
    "SHADOW_EXCEPTION": "requeue",
    "JOB_RECONNECT_FAILED": "requeue",
    "JOB_HELD": "hold",
    "JOB_RELEASED": "release",
    "JOB_TERMINATED": "terminate",
    "JOB_ABORTED": "remove",
}
_WRITERS = 16  # threads that write files
_COMPLAINT = re.compile(r"\b(Warning|ERROR): .*")
_NODE = re.compile(r"DAG Node: (\S+)")

log = logging.getLogger(__name__)


def why_unavailable() -> str | None:
    """Say why jobs cannot be submitted from here, or return None if they can."""
    if os.geteuid() == 0:
        return "HTCondor runs no jobs of root; submit as an ordinary user"
    try:
        import htcondor2
    except ImportError:
        return "the Python package htcondor is not installed (pip install 'gridsearch[htcondor]')"
    try:
        htcondor2.Schedd().query(constraint="false", projection=["ClusterId"])
    except htcondor2.HTCondorException as error:
        return f"no schedd answers on this machine ({error})"
    return None


def n_slots() -> int | None:
    """Return None: how many slots a pool gives us shows only when it does."""
    return None


def run_jobs(
    planned: Sequence[PlannedJob],
    run: RunDirectory,
    report: Callable[[Progress], None],
    conditions: Conditions,
) -> Submission:
    """Submit jobs as a DAG and return (see `jobs.executor.ExecutorModule.run_jobs`)."""
    import htcondor2

    run = RunDirectory(run.root.resolve())
    if run.root.is_relative_to("/tmp"):
        raise ExecutorError(f"{run.root}: DAGMan runs nothing below /tmp; name another folder with --results")
    folder = run.dag_folder(max((int(path.name) for path in run.dag_folders()), default=0) + 1)
    folder.mkdir(parents=True)
    run.logs.mkdir(exist_ok=True)
    # Every file waits for the disk; many waiting at once are served together
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda one: start_summary(one.job, run), planned))
    archive = write_worker_archive(run.dag)
    dag, text = _dag_of(planned, run, archive, conditions)
    with replacing(dag_file(folder)) as temporary:
        temporary.write_text(text, encoding="utf-8")
    # Before the submit: should we die right after it, the event log of the DAG's job says what became of it
    recorded = {
        one.job.name: RecordedJob(one.job.simulator, len(one.job.points), round(one.seconds, 1)) for one in planned
    }
    write_record(DagRecord(dag.retries, dag.fatal_code, recorded), folder)
    try:
        submit = htcondor2.Submit.from_dag(str(dag_file(folder)), {"batch-name": conditions.name})
        submit["initialdir"] = str(run.root)
        cluster = htcondor2.Schedd().submit(submit).cluster()
    except htcondor2.HTCondorException as error:
        raise ExecutorError(f"HTCondor does not take the DAG {dag_file(folder)}: {error}") from error
    report(Progress(0, 0, len(planned)))
    return Submission(f"HTCondor has {len(planned)} jobs as DAG {cluster}, batch name {conditions.name}", ("condor_q",))


def preview(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> str:
    """Return the text of the DAG (see `jobs.executor.ExecutorModule.preview`)."""
    run = RunDirectory(run.root.resolve())
    return _dag_of(planned, run, worker_archive(run.dag), conditions)[1]


def _dag_of(planned: Sequence[PlannedJob], run: RunDirectory, archive: Path, conditions: Conditions) -> tuple[Dag, str]:
    # All jobs of a submit run the same model on the same data
    files = planned[0].job.files() if planned else ()
    site = Site(str(run.root), archive.relative_to(run.root).as_posix(), conditions.settings, files)
    try:
        dag = make_dag(planned, conditions, site)
        return dag, dag_text(dag)
    except DagError as error:
        raise ExecutorError(str(error)) from error


def look_up(run: RunDirectory) -> InFlight:
    """Say what the pool has in flight, from the event logs (see `jobs.executor.ExecutorModule.look_up`)."""
    descriptions: list[str] = []
    in_flight: list[JobInFlight] = []
    failures: list[JobFailure] = []
    seconds = []
    for folder, record in _records(run):
        cluster, dag_hold = _living_dag(folder)
        states = fold_events(_events(node_log(folder)))
        failed: dict[str, NodeState] = {}
        phases: dict[str, NodeState] = {}
        for name in record.jobs:
            state = states.get(name, NodeState("waiting", 0.0))
            if state.phase == "failed":
                if cluster is not None and record.may_return(state.attempts, state.exit_code):
                    state = replace(state, phase="waiting")
                else:
                    failed[name] = state
            phases[name] = state
        # Of the newest DAG only: a later submit has taken up what an earlier one left. A job that ends the DAG has the
        # others removed, so it comes first.
        causes_first = sorted(failed.items(), key=lambda item: item[1].exit_code is None)
        failures = [JobFailure(name, _how(state, run.stderr(name))) for name, state in causes_first]
        if cluster is None and not states and (complaint := _complaint(dagman_output(folder))):
            failures = [JobFailure(name, f"did not run: {complaint}") for name in record.jobs]
        if cluster is None:
            continue
        descriptions.append(f"DAG {cluster} of HTCondor{'' if dag_hold is None else f', {explain(dag_hold)}'}")
        mine = [_in_flight(name, record.jobs[name], state, run) for name, state in phases.items()]
        in_flight += [job for job in mine if job is not None]
        seconds.append(_seconds_left(record, phases))
    left = [estimate for estimate in seconds if estimate is not None]
    return InFlight(" and ".join(descriptions), tuple(in_flight), max(left, default=None), tuple(failures))


def cancel(run: RunDirectory) -> str | None:
    """Remove what the pool has in flight (see `jobs.executor.ExecutorModule.cancel`)."""
    clusters = [cluster for folder, _ in _records(run) if (cluster := _living_dag(folder)[0]) is not None]
    if not clusters:
        return None
    import htcondor2

    try:
        for cluster in clusters:
            htcondor2.Schedd().act(htcondor2.JobAction.Remove, f"ClusterId == {cluster}", "cancelled")
    except htcondor2.HTCondorException as error:
        raise ExecutorError(f"HTCondor does not remove DAG {', '.join(map(str, clusters))}: {error}") from error
    return f"removed DAG {', '.join(map(str, clusters))}; the rows of finished jobs are kept"


def _records(run: RunDirectory) -> Iterator[tuple[Path, DagRecord]]:
    folders = run.dag_folders()
    if folders and importlib.util.find_spec("htcondor2") is None:
        log.warning("%s: jobs a pool may have in flight cannot be seen without the Python package htcondor", run.root)
        return
    for folder in folders:
        record = read_record(folder)
        if record is not None:
            yield folder, record


def _living_dag(folder: Path) -> tuple[int | None, Hold | None]:
    """Return the cluster of a DAG that has not ended, and why it is held if it is."""
    cluster, ended, hold = None, False, None
    for event in _events(dagman_log(folder)):
        cluster = event.cluster
        ended = event.kind in ("terminate", "remove")
        hold = event.hold if event.kind == "hold" else None
    if cluster is None or ended or _is_gone(cluster):
        return None, None
    return cluster, hold


def _complaint(output: Path) -> str | None:
    """Return why a DAG ended at once, in DAGMan's words, or None if it did not complain."""
    try:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    said = [found.group() for line in lines if (found := _COMPLAINT.search(line))]
    return f"{' '.join(said[-2:])} (see {output})" if said else None


def _is_gone(cluster: int) -> bool:
    """Say whether the schedd knows nothing of a job that its log has alive: its queue was lost, say."""
    import htcondor2

    try:
        return not htcondor2.Schedd().query(constraint=f"ClusterId == {cluster}", projection=["ClusterId"])
    except htcondor2.HTCondorException as error:
        log.warning("the schedd does not answer (%s); what follows is from the event log", error)
        return False


def _events(path: Path) -> Iterator[Event]:
    """Read an event log; one that is not there yet has no events."""
    import htcondor2

    if not path.exists():
        return
    with contextlib.closing(htcondor2.JobEventLog(str(path))) as reader:
        try:
            for event in reader.events(0):
                kind = _KINDS.get(event.type.name)
                if kind is not None:
                    yield _event(kind, event)
        except htcondor2.HTCondorException as error:
            log.warning("%s cannot be read to its end: %s", path, error)


def _event(kind: Kind, event: Any) -> Event:
    node = _NODE.search(str(event.get("LogNotes", "")))
    hold = None
    if kind == "hold":
        hold = Hold(
            int(event.get("HoldReasonCode", 0)),
            int(event.get("HoldReasonSubCode", 0)),
            str(event.get("HoldReason", "no reason given")),
        )
    exit_code = event.get("ReturnValue") if event.get("TerminatedNormally") else None
    return Event(
        kind,
        event.cluster,
        float(event.timestamp),
        "" if node is None else node.group(1),
        hold,
        None if exit_code is None else int(exit_code),
    )


def _in_flight(name: str, job: RecordedJob, state: NodeState, run: RunDirectory) -> JobInFlight | None:
    if state.phase == "done" or state.phase == "failed":
        return None
    reason = "" if state.hold is None else explain(state.hold)
    return JobInFlight(name, job.simulator, job.n_points - _count_rows(run.summary(name)), state.phase, reason)


def _count_rows(summary: Path) -> int:
    try:
        return int(pq.read_metadata(summary).num_rows)
    except (OSError, pa.ArrowException):
        return 0  # on its way back from a machine just now


def _how(state: NodeState, stderr: Path) -> str:
    if state.exit_code is None:
        return f"was removed or killed at attempt {state.attempts}: {last_words(stderr)}"
    if state.exit_code == UNUSABLE:
        return f"cannot be carried out, and took the DAG with it: {last_words(stderr)}"
    return f"failed at attempt {state.attempts} with exit code {state.exit_code}: {last_words(stderr)}"


def _seconds_left(record: DagRecord, states: Mapping[str, NodeState]) -> float | None:
    """Estimate from the plan, corrected by how long finished jobs took, at as many at once as run now."""
    done = [name for name, state in states.items() if state.phase == "done" and state.seconds > 0.0]
    running = [name for name, state in states.items() if state.phase == "running"]
    open_ = [name for name, state in states.items() if state.phase in ("waiting", "idle", "running")]
    planned = sum(record.jobs[name].seconds for name in done)
    pace = sum(states[name].seconds for name in done) / planned if planned else 1.0
    if not running:
        return None
    now = time.time()
    # One that runs longer than that says so too
    pace = max([pace, *((now - states[name].since) / max(record.jobs[name].seconds, 1.0) for name in running)])
    left = sum(record.jobs[name].seconds for name in open_) * pace
    left -= sum(min(now - states[name].since, record.jobs[name].seconds * pace) for name in running)
    return left / len(running)
