"""Jobs on an HTCondor pool, one DAG per submit."""

from __future__ import annotations

import contextlib
import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.executor import (
    Conditions,
    ExecutorError,
    InFlight,
    JobFailure,
    JobInFlight,
    Placement,
    Progress,
    Submission,
)
from jobs.htcondor_executor import schedd
from jobs.htcondor_executor.descriptions.archive import worker_archive, write_worker_archive
from jobs.htcondor_executor.descriptions.dag import Dag, DagError, dag_text
from jobs.htcondor_executor.descriptions.images import exact_image, image_of, is_pinned
from jobs.htcondor_executor.descriptions.reserved import refusals
from jobs.htcondor_executor.descriptions.submit_description import PLACEHOLDER, Site, accounting_commands
from jobs.htcondor_executor.descriptions.sweep_dag import COLLECT, make_dag
from jobs.htcondor_executor.logs.event_log import MachineState, NodeState
from jobs.htcondor_executor.logs.growing_log import GrowingLog
from jobs.htcondor_executor.logs.holds import Hold, explain
from jobs.htcondor_executor.logs.progress import (
    FORGIVEN,
    bad_machines,
    complaint,
    describe_machine,
    failures,
    in_flight,
    jobs_in_queue,
    seconds_left,
    why_no_end,
)
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
from jobs.htcondor_executor.schedd import UnreachableError, read_events, why_unavailable
from jobs.plan import PlannedJob
from simulators.backends.simulator import Setting
from simulators.records.atomic_file import replacing
from simulators.records.broken_transfers import start_attempts
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import start_summary

__all__ = ["SETTINGS", "cancel", "check", "look_up", "n_slots", "preview", "problems", "run_jobs", "why_unavailable"]

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
    "accounting_group_user": Setting("", "who is charged within the group, where it is not the submitter"),
    "retries": Setting(3, "how often a job that failed runs again", minimum=0),
    "elsewhere_seconds": Setting(
        600, "how long a job waits for another machine than those that failed it, before it goes there again", minimum=0
    ),
    "vacate_seconds": Setting(120, "how long a job that must leave may take to write what is finished", minimum=1),
    "time_limit": Setting(
        0.0, "how many times its expected time (ten minutes at least) a job may run before it is held; 0: any", 0
    ),
    "collect": Setting(
        "local",
        "the universe of the DAG's last node, which draws the maps: local on the access point, vanilla where there is "
        "a slot (with a shared file system), none if nobody does",
        choices=("local", "vanilla", "none"),
    ),
    "submit": Setting({}, "further lines of the submit descriptions"),
}
PACKAGES: tuple[str, ...] = ("htcondor",)
ON_THIS_MACHINE = False

_WRITERS = 16  # threads that write files
# Event logs that were read, which only grow
_logs: dict[Path, GrowingLog] = {}
_LEAVE = 30.0  # s, beyond what a job has to leave, for which `cancel` waits

log = logging.getLogger(__name__)


def n_slots() -> int | None:
    """Return None: how many slots a pool gives us shows only when it does."""
    return None


def problems(settings: Mapping[str, Any], placement: Mapping[str, Placement]) -> dict[str, str]:
    """Return the rules that settings break (see `jobs.executor.ExecutorModule.problems`)."""
    found = {f"htcondor.submit.{key}": rule for key, rule in refusals(settings["submit"]).items()}
    for name, placed in placement.items():
        found |= {f"{name}.submit.{key}": rule for key, rule in refusals(placed.submit).items()}
    if settings["collect"] == "vanilla" and not settings["shared_filesystem"]:
        found["htcondor.collect"] = "vanilla needs shared_filesystem = true: the last node works in the run's folder"
    return found


def check(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> None:
    """Refuse what DAGMan cannot run or a DAG cannot say (see `jobs.executor.ExecutorModule.check`)."""
    run = RunDirectory(run.root.resolve())
    if run.root.is_relative_to("/tmp"):
        raise ExecutorError(f"{run.root}: DAGMan runs nothing below /tmp; name another folder with --results")
    if "$" in str(run.root):  # a macro in the name of the DAG's event log, too, which then is not where DAGMan looks
        raise ExecutorError(f"{run.root}: DAGMan takes no folder with $ in its name; name another one with --results")
    _dag_of(planned, run, worker_archive(run.dag), conditions, ())


def run_jobs(
    planned: Sequence[PlannedJob],
    run: RunDirectory,
    report: Callable[[Progress], None],
    conditions: Conditions,
) -> Submission:
    """Submit jobs as a DAG and return (see `jobs.executor.ExecutorModule.run_jobs`)."""
    run = RunDirectory(run.root.resolve())
    earlier = list(_dags(run))
    dag, text = _dag_of(planned, run, worker_archive(run.dag), conditions, earlier)
    _warn_of_images(planned, conditions)
    folder = run.dag_folder(max((int(path.name) for path in run.dag_folders()), default=0) + 1)
    folder.mkdir(parents=True)
    run.logs.mkdir(exist_ok=True)
    # Every file waits for the disk; many waiting at once are served together
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda one: _start(one, run), planned))
    (run.summaries / PLACEHOLDER).touch()
    write_worker_archive(run.dag)
    with replacing(dag_file(folder)) as temporary:
        temporary.write_text(text, encoding="utf-8")
    # Before the submit: should we die right after it, the event log of the DAG's job says what became of it
    recorded = {
        one.job.name: RecordedJob(one.job.simulator, len(one.job.points), round(one.seconds, 1)) for one in planned
    }
    record = DagRecord(recorded, schedd.local_name(), platform.node(), throttles=dag.throttles)
    write_record(record, folder)
    cluster, global_id = schedd.submit_dag(
        dag_file(folder), run.root, conditions.name, accounting_commands(conditions.settings)
    )
    write_record(replace(record, global_id=global_id), folder)
    report(Progress(0, 0, len(planned)))
    said = f"HTCondor has {len(planned)} jobs as DAG {cluster}, batch name {conditions.name}"
    if dag.final is None:
        said += f"; figures are left to: python -m gridsearch report {run.root}"
    return Submission(said, ("condor_q",))


def _start(planned: PlannedJob, run: RunDirectory) -> None:
    """Make the files that a job's attempts find and replace."""
    start_summary(planned.job, run)
    start_attempts(planned.job, run)
    if planned.job.spikes != "none":
        folder = run.spikes(planned.job.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PLACEHOLDER).touch()


def preview(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> str:
    """Return the text of the DAG (see `jobs.executor.ExecutorModule.preview`)."""
    run = RunDirectory(run.root.resolve())
    text = _dag_of(planned, run, worker_archive(run.dag), conditions, ())[1]
    _warn_of_images(planned, conditions)
    return text


def _dag_of(
    planned: Sequence[PlannedJob], run: RunDirectory, archive: Path, conditions: Conditions, earlier: Sequence[_Dag]
) -> tuple[Dag, str]:
    bad = {name for one in earlier for name in one.bad_machines()}
    in_queue: dict[str, int] = {}
    for one in earlier:
        for simulator, n in one.jobs_in_queue().items():
            in_queue[simulator] = in_queue.get(simulator, 0) + n
    try:
        site = Site(
            str(run.root),
            archive.relative_to(run.root).as_posix(),
            conditions.settings,
            tuple(sorted(bad)),
            _images(planned, conditions),
            # All jobs of a submit run the same model on the same data
            planned[0].job.files() if planned else (),
        )
        dag = make_dag(planned, conditions, site, in_queue)
        return dag, dag_text(dag)
    except DagError as error:
        raise ExecutorError(str(error)) from error


def _images(planned: Sequence[PlannedJob], conditions: Conditions) -> dict[str, str]:
    if conditions.settings["universe"] == "vanilla":
        return {}
    images = {}
    for simulator in dict.fromkeys(one.job.simulator for one in planned):
        images[simulator] = exact_image(image_of(simulator, conditions.placement.get(simulator, Placement())))
    return images


def _warn_of_images(planned: Sequence[PlannedJob], conditions: Conditions) -> None:
    if conditions.settings["universe"] == "vanilla":
        return
    for simulator in dict.fromkeys(one.job.simulator for one in planned):
        image = image_of(simulator, conditions.placement.get(simulator, Placement()))
        if not is_pinned(image):
            log.warning("[jobs.%s] image = %r may be another one tomorrow: give it a tag or a digest", simulator, image)


@dataclass(frozen=True)
class _Dag:
    """A DAG that was written for a run, and what its event logs say of it."""

    folder: Path
    record: DagRecord
    cluster: int | None
    hold: Hold | None
    states: Mapping[str, NodeState]
    machines: Mapping[str, MachineState]
    last: NodeState | None

    @property
    def is_new(self) -> bool:
        """Whether none of its nodes was ever in the queue."""
        return all(state.phase == "waiting" for state in self.states.values())

    @property
    def written(self) -> float:
        """When it was, as s since the epoch, to the second as in event logs."""
        try:
            return float(int(dag_file(self.folder).stat().st_mtime))
        except OSError:
            return 0.0

    def bad_machines(self) -> dict[str, MachineState]:
        return bad_machines(self.states, self.machines, time.time())

    def jobs_in_queue(self) -> dict[str, int]:
        if self.cluster is None or self.record.cancelled:
            return {}
        return jobs_in_queue(self.record, self.states.items())


def look_up(run: RunDirectory) -> InFlight:
    """Say what the pool has in flight, from the event logs (see `jobs.executor.ExecutorModule.look_up`)."""
    descriptions: list[str] = []
    jobs: list[JobInFlight] = []
    ended: list[JobFailure] = []
    seconds = []
    machines: dict[str, str] = {}
    dags = list(_dags(run))
    for dag in dags:
        machines |= {name: describe_machine(name, state) for name, state in dag.bad_machines().items()}
        # A later submit has taken up what an earlier one had left by then
        left = {name: state for name, state in dag.states.items() if dag is dags[-1] or state.since >= dags[-1].written}
        ended += failures(left, run, dag.record.cancelled)
        if dag is dags[-1] and dag.cluster is None and dag.is_new and (words := complaint(dagman_output(dag.folder))):
            ended += [JobFailure(name, f"did not run: {words}") for name in dag.record.jobs]
        if dag.cluster is None:
            continue
        where = "" if dag.record.host in ("", platform.node()) else f", submitted on {dag.record.host}"
        state = ", cancelled" if dag.record.cancelled else "" if dag.hold is None else f", {explain(dag.hold)}"
        descriptions.append(f"DAG {dag.cluster} of HTCondor{where}{state}{why_no_end(dag.last, time.time())}")
        if dag.record.cancelled:
            continue
        mine = [in_flight(name, dag.record.jobs[name], node, run) for name, node in dag.states.items()]
        jobs += [job for job in mine if job is not None]
        seconds.append(seconds_left(dag.record, dag.states))
    estimates = [estimate for estimate in seconds if estimate is not None]
    return InFlight(
        " and ".join(descriptions), tuple(jobs), max(estimates, default=None), tuple(ended), tuple(machines.values())
    )


def cancel(run: RunDirectory) -> str | None:
    """Remove what the pool has in flight (see `jobs.executor.ExecutorModule.cancel`).

    Jobs that run write what is finished and bring it back, for which this waits; what they have not begun is free for
    the next submit at once.
    """
    dags = [dag for dag in _dags(run, must_answer=True) if dag.cluster is not None]
    if not dags:
        return None
    said = []
    for dag in dags:
        assert dag.cluster is not None
        schedd.remove(dag.record.schedd, dag.cluster, dag.record.global_id)
        write_record(replace(dag.record, cancelled=True), dag.folder)
    for dag in dags:
        assert dag.cluster is not None
        n_left = _wait_for_nodes(dag.record.schedd, dag.cluster)
        rest = f" ({n_left} jobs have not left yet)" if n_left else ""
        said.append(f"{dag.cluster}{rest}")
    return f"removed DAG {', '.join(said)}; finished points are kept"


def _wait_for_nodes(name: str, cluster: int) -> int:
    """Wait until the jobs of a removed DAG have left, and return how many have not in their time."""
    until = time.monotonic() + schedd.longest_leave(name, cluster) + _LEAVE
    n_left = 0
    with contextlib.suppress(UnreachableError):
        while (n_left := schedd.count_nodes(name, cluster, but=COLLECT)) and time.monotonic() < until:
            time.sleep(1.0)
    return n_left


def _dags(run: RunDirectory, must_answer: bool = False) -> Iterator[_Dag]:
    """Read what is known of a run's DAGs, the oldest first.

    Raises
    ------
    UnreachableError
        If `must_answer` and the schedd of one that has not ended cannot be asked from here.
    """
    folders = run.dag_folders()
    if folders and not schedd.bindings_are_installed():
        log.warning("%s: jobs a pool may have in flight cannot be seen without the Python package htcondor", run.root)
        return
    for folder in folders:
        record = read_record(folder)
        if record is None:
            continue
        cluster, hold = _living(folder, record, must_answer)
        if cluster is None and folder != folders[-1] and _is_past(node_log(folder), folders[-1]):
            continue
        states, machines = _folded(node_log(folder))
        nodes = {name: states.get(name, NodeState("waiting", 0.0)) for name in record.jobs}
        yield _Dag(folder, record, cluster, hold, nodes, machines, states.get(COLLECT))


def _is_past(log: Path, newest: Path) -> bool:
    """Whether nothing that the log of an ended DAG says is of interest: its machines are forgiven, its jobs redone."""
    changed = _stamp(log)[1] * 1e-9
    return changed < time.time() - FORGIVEN and changed < _stamp(dag_file(newest))[1] * 1e-9


def _folded(log: Path) -> tuple[Mapping[str, NodeState], Mapping[str, MachineState]]:
    return _logs.setdefault(log, GrowingLog(log)).read()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _living(folder: Path, record: DagRecord, must_answer: bool) -> tuple[int | None, Hold | None]:
    """Return the cluster of a DAG that has not ended, and why it is held if it is.

    Its log may have alive what the schedd lost. Where the schedd that took it does not answer, it is held alive: it is
    not ours to submit its jobs again.
    """
    cluster, ended, hold = None, False, None
    for event in read_events(dagman_log(folder)):
        cluster = event.cluster
        ended = event.kind in ("terminate", "remove")
        hold = event.hold if event.kind == "hold" else None
    if cluster is None or ended:
        return None, None
    try:
        if not schedd.is_there(record.schedd, cluster, record.global_id, dagman_log(folder)):
            return None, None
    except UnreachableError as error:
        if must_answer:
            here = record.host in ("", platform.node())
            where, then = ("here", "try again when it answers") if here else (f"on {record.host}", "cancel it there")
            raise UnreachableError(f"DAG {cluster} was submitted {where}, and {error}; {then}") from error
        log.warning("%s; what follows is from the event log", error)
    return cluster, hold
