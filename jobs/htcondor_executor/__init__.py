"""Jobs on an HTCondor pool, one DAG per submit."""

from __future__ import annotations

import contextlib
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from jobs.htcondor_executor.dags import SubmittedDag, read_dags
from jobs.htcondor_executor.descriptions.archive import worker_archive, write_worker_archive
from jobs.htcondor_executor.descriptions.dag import Dag, DagError, dag_text
from jobs.htcondor_executor.descriptions.images import ExactImage, exact_image, image_of, is_pinned
from jobs.htcondor_executor.descriptions.reserved import not_one_line, refusals
from jobs.htcondor_executor.descriptions.submit_description import PLACEHOLDER, Site, accounting_commands
from jobs.htcondor_executor.descriptions.sweep_dag import OURS, OlderDag, make_dag
from jobs.htcondor_executor.logs.holds import explain
from jobs.htcondor_executor.logs.progress import (
    complaint,
    describe_machine,
    failures,
    in_flight,
    seconds_left,
    why_no_end,
)
from jobs.htcondor_executor.record import (
    DagRecord,
    RecordedJob,
    dag_file,
    dagman_log,
    dagman_output,
    write_record,
)
from jobs.htcondor_executor.schedd import UnreachableError, why_unavailable
from jobs.plan import PlannedJob
from simulators.backends.simulator import Setting
from simulators.records.atomic_file import leave_empty, replacing
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
_LEAVE = 30.0  # s, beyond what a job has to leave, for which `cancel` waits

log = logging.getLogger(__name__)


def n_slots() -> int | None:
    """Return None: how many slots a pool gives us shows only when it does."""
    return None


def problems(settings: Mapping[str, Any], placement: Mapping[str, Placement]) -> dict[str, str]:
    """Return the rules that settings break (see `jobs.executor.ExecutorModule.problems`)."""
    lines = {f"htcondor.{key}": str(settings[key]) for key in ("python", "accounting_group", "accounting_group_user")}
    lines |= {f"{name}.image": placed.image for name, placed in placement.items() if placed.image is not None}
    found = {key: rule for key, text in lines.items() if (rule := not_one_line(text))}
    found |= {f"htcondor.submit.{key}": rule for key, rule in refusals(settings["submit"]).items()}
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
    earlier = list(read_dags(run))
    dag, text = _dag_of(planned, run, worker_archive(run.dag), conditions, earlier)
    _warn_of_images(planned, conditions)
    folder = _next_folder(run)
    folder.mkdir(parents=True)
    run.logs.mkdir(exist_ok=True)
    # Every file waits for the disk; many waiting at once are served together
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda one: _start(one, run), planned))
    leave_empty(run.summaries / PLACEHOLDER)
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
    if dag.gated:
        said += f"; {len(dag.gated)} of them wait for the end of earlier ones: max_running is the sweep's"
    if dag.final is None:
        said += f"; figures are left to: python -m gridsearch report {run.root}"
    return Submission(said, ("condor_q",))


def _next_folder(run: RunDirectory) -> Path:
    """Return the folder of the DAG that is submitted next."""
    return run.dag_folder(max((int(path.name) for path in run.dag_folders()), default=0) + 1)


def _start(planned: PlannedJob, run: RunDirectory) -> None:
    """Make the files that a job's attempts find and replace."""
    start_summary(planned.job, run)
    start_attempts(planned.job, run)
    if planned.job.spikes != "none":
        folder = run.spikes(planned.job.name)
        folder.mkdir(parents=True, exist_ok=True)
        leave_empty(folder / PLACEHOLDER)


def preview(planned: Sequence[PlannedJob], run: RunDirectory, conditions: Conditions) -> str:
    """Return the text of the DAG (see `jobs.executor.ExecutorModule.preview`)."""
    run = RunDirectory(run.root.resolve())
    text = _dag_of(planned, run, worker_archive(run.dag), conditions, ())[1]
    _warn_of_images(planned, conditions)
    return text


def _dag_of(
    planned: Sequence[PlannedJob],
    run: RunDirectory,
    archive: Path,
    conditions: Conditions,
    earlier: Sequence[SubmittedDag],
) -> tuple[Dag, str]:
    bad = {name for one in earlier for name in one.bad_machines()}
    queues = [(one, one.jobs_in_queue()) for one in earlier]
    older = [OlderDag(dagman_log(one.folder).relative_to(run.root).as_posix(), queue) for one, queue in queues if queue]
    try:
        site = Site(
            str(run.root),
            archive.relative_to(run.root).as_posix(),
            conditions.settings,
            tuple(sorted(bad)),
            _images(planned, conditions),
            # All jobs of a submit run the same model on the same data
            planned[0].job.files() if planned else (),
            _next_folder(run).relative_to(run.root).as_posix(),
        )
        dag = make_dag(planned, conditions, site, older)
        return dag, dag_text(dag)
    except DagError as error:
        raise ExecutorError(str(error)) from error


def _images(planned: Sequence[PlannedJob], conditions: Conditions) -> dict[str, ExactImage]:
    if conditions.settings["universe"] == "vanilla":
        return {}
    images = {}
    for simulator in dict.fromkeys(one.job.simulator for one in planned):
        image = image_of(simulator, conditions.placement.get(simulator, Placement()))
        images[simulator] = exact_image(image, conditions.folder)
    return images


def _warn_of_images(planned: Sequence[PlannedJob], conditions: Conditions) -> None:
    if conditions.settings["universe"] == "vanilla":
        return
    for simulator in dict.fromkeys(one.job.simulator for one in planned):
        image = image_of(simulator, conditions.placement.get(simulator, Placement()))
        if not is_pinned(image):
            log.warning("[jobs.%s] image = %r may be another one tomorrow: give it a tag or a digest", simulator, image)


def look_up(run: RunDirectory) -> InFlight:
    """Say what the pool has in flight, from the event logs (see `jobs.executor.ExecutorModule.look_up`)."""
    descriptions: list[str] = []
    jobs: list[JobInFlight] = []
    ended: list[JobFailure] = []
    seconds = []
    machines: dict[str, str] = {}
    dags = list(read_dags(run))
    for dag in dags:
        machines |= {name: describe_machine(name, state, dag.is_watched) for name, state in dag.bad_machines().items()}
        # A later submit has taken up what an earlier one had left by then
        left = {name: state for name, state in dag.states.items() if dag is dags[-1] or state.since >= dags[-1].written}
        left = {name: state for name, state in left.items() if name not in dag.leaving}
        ended += failures(left, run, dag.record.cancelled)
        if dag is dags[-1] and not dag.is_alive and dag.is_new and (words := complaint(dagman_output(dag.folder))):
            ended += [JobFailure(name, f"did not run: {words}") for name in dag.record.jobs]
        if not dag.is_alive and not dag.leaving:
            continue
        where = "" if dag.record.host in ("", platform.node()) else f", submitted on {dag.record.host}"
        state = "" if dag.hold is None else f", {explain(dag.hold)}"
        state = ", cancelled" if dag.record.cancelled else state if dag.is_alive else ", removed"
        descriptions.append(f"{dag.name}{where}{state}{why_no_end(dag.last, time.time())}")
        mine = [in_flight(name, dag.record.jobs[name], node, run) for name, node in dag.in_flight().items()]
        jobs += [job for job in mine if job is not None]
        seconds.append(seconds_left(dag.record, dag.in_flight()))
    estimates = [estimate for estimate in seconds if estimate is not None]
    return InFlight(
        " and ".join(descriptions), tuple(jobs), max(estimates, default=None), tuple(ended), tuple(machines.values())
    )


def cancel(run: RunDirectory) -> str | None:
    """Remove what the pool has in flight (see `jobs.executor.ExecutorModule.cancel`).

    Jobs that run write what is finished and bring it back, for which this waits; what they have not begun is free for
    the next submit at once. A job that has not left by then stays in flight until it has.
    """
    dags = [dag for dag in read_dags(run, must_answer=True) if dag.is_alive or dag.leaving]
    if not dags:
        return None
    for dag in dags:
        if dag.is_alive and dag.cluster is not None:
            schedd.remove(dag.record.schedd, dag.cluster, dag.record.global_id)
            write_record(replace(dag.record, cancelled=True), dag.folder)
    said = []
    for dag in dags:
        n_left = 0 if dag.cluster is None else _wait_for_nodes(dag.record.schedd, dag.cluster)
        rest = f" ({n_left} jobs have not left yet, whose points are in flight until they have)" if n_left else ""
        said.append(f"{dag.cluster}{rest}")
    return f"removed DAG {', '.join(said)}; finished points are kept"


def _wait_for_nodes(name: str, cluster: int) -> int:
    """Wait until the jobs of a removed DAG have left, and return how many have not in their time."""
    n_left = 0
    with contextlib.suppress(UnreachableError):
        until = time.monotonic() + schedd.longest_leave(name, cluster) + _LEAVE
        while (n_left := len(schedd.nodes_in_queue(name, cluster) - OURS)) and time.monotonic() < until:
            time.sleep(1.0)
    return n_left
