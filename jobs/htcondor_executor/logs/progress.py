"""What a user wants to know of a DAG's nodes: what goes on, for how long, and what went wrong.

Pure but for the logs and summaries of the run's folder that it looks into.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.executor import JobFailure, JobInFlight, last_words
from jobs.htcondor_executor.logs.event_log import MachineState, NodeState
from jobs.htcondor_executor.logs.holds import explain
from jobs.htcondor_executor.record import DagRecord, RecordedJob
from simulators.records.run_directory import RunDirectory
from simulators.worker.exit_codes import TRANSIENT, UNUSABLE

# Jobs that a machine fails in a row before it is left out
_IN_A_ROW = 3
_HOLDS_OUT = 120.0  # s at least that one of them runs elsewhere, which says that it can
_PATIENCE = 300.0  # s that the last node of a DAG may wait for its start
FORGIVEN = 24 * 3600.0  # s after its last failure

_COMPLAINT = re.compile(r"\b(Warning|ERROR): .*")
_MACHINE_NAME = re.compile(r"[A-Za-z0-9._-]+")


def in_flight(name: str, job: RecordedJob, state: NodeState, run: RunDirectory) -> JobInFlight | None:
    """Return a job that has not ended, or None."""
    if state.phase == "done" or state.phase == "failed":
        return None
    reason = "" if state.hold is None else explain(state.hold)
    return JobInFlight(name, job.simulator, job.n_points - _count_rows(run.summary(name)), state.phase, reason)


def failures(states: Mapping[str, NodeState], run: RunDirectory, cancelled: bool) -> list[JobFailure]:
    """Return the jobs that are given up; those that ended by themselves come first, alone if the DAG was cancelled."""
    failed = [(name, state) for name, state in states.items() if state.phase == "failed"]
    failed = [(name, state) for name, state in failed if state.exit_code is not None or not cancelled]
    failed.sort(key=lambda item: item[1].exit_code is None)
    return [JobFailure(name, _how(state, run.stderr(name))) for name, state in failed]


def bad_machines(
    states: Mapping[str, NodeState], machines: Mapping[str, MachineState], now: float
) -> dict[str, MachineState]:
    """Return the machines that fail one job after the other, where the jobs are not to blame: they run elsewhere.

    One of them has ended well elsewhere, or runs there for much longer than it took to fail: where jobs take hours, a
    machine can fail hundreds before the first has ended.

    Parameters
    ----------
    states, machines : mapping
        Of nodes and of machines, from an `event_log.Fold`.
    now : float
        s since the epoch; what is a day old is forgiven.
    """
    bad = {}
    for name, machine in machines.items():
        elsewhere = any(_fares_better(states[node], name, now) for node in machine.failed if node in states)
        recent = now - machine.last < FORGIVEN
        if len(machine.failed) >= _IN_A_ROW and elsewhere and recent and _MACHINE_NAME.fullmatch(name):
            bad[name] = machine
    return bad


def _fares_better(state: NodeState, failed_on: str, now: float) -> bool:
    if state.phase == "done":
        return True
    is_away = state.phase == "running" and state.machines[-1:] != (failed_on,)
    return is_away and now - state.since > max(_HOLDS_OUT, 2.0 * state.seconds)


def describe_machine(name: str, machine: MachineState, watched: bool) -> str:
    """Say of a machine what it did and who avoids it, in one line; `watched`: whether jobs that wait are told."""
    who = "Jobs that wait" if watched else "Jobs it failed"
    return (
        f"machine {name} failed {len(machine.failed)} jobs in a row that others could run, the last with: "
        f"{machine.reason}. {who} avoid it, as will those of the next submit; tell the pool's administrator"
    )


def why_no_end(last: NodeState | None, now: float) -> str:
    """Say why the last node of a DAG, and so the DAG, does not end; nothing if all is well.

    Parameters
    ----------
    last : NodeState, optional
        Of the last node, once it is in the queue.
    now : float
        s since the epoch.
    """
    if last is not None and last.phase == "held" and last.hold is not None:
        return f", whose last node is {explain(last.hold)}"
    if last is not None and last.phase == "idle" and now - last.since > _PATIENCE:
        return (
            f", whose last node has waited for {(now - last.since) / 60.0:.0f} min to collect the results: may users "
            'run the local universe here (START_LOCAL_UNIVERSE)? cancel it, and submit with collect = "none" in '
            "[jobs.htcondor] next time"
        )
    return ""


def complaint(output: Path) -> str | None:
    """Return why a DAG ended at once, in DAGMan's words, or None if it did not complain."""
    try:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    said = [found.group() for line in lines if (found := _COMPLAINT.search(line))]
    return f"{' '.join(said[-2:])} (see {output})" if said else None


def seconds_left(record: DagRecord, states: Mapping[str, NodeState]) -> float | None:
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


def jobs_in_queue(record: DagRecord, states: Iterable[tuple[str, NodeState]]) -> dict[str, int]:
    """Return how many jobs of each simulator a DAG may still have in the queue at a time."""
    count: dict[str, int] = {}
    for name, state in states:
        if state.phase not in ("done", "failed"):
            simulator = record.jobs[name].simulator
            count[simulator] = count.get(simulator, 0) + 1
    return {simulator: min(n, record.throttles.get(simulator, n)) for simulator, n in count.items()}


def _count_rows(summary: Path) -> int:
    try:
        return int(pq.read_metadata(summary).num_rows)
    except (OSError, pa.ArrowException):
        return 0  # on its way back from a machine just now


def _how(state: NodeState, stderr: Path) -> str:
    if state.exit_code is None:
        return f"was removed or killed after {state.attempts} attempts: {last_words(stderr)}"
    if state.exit_code == UNUSABLE:
        return f"cannot be carried out anywhere: {last_words(stderr)}"
    if state.exit_code == TRANSIENT:
        where = f" on {', '.join(sorted(set(state.machines)))}" if state.machines else ""
        return f"could not be carried out at {state.attempts} attempts{where}: {last_words(stderr)}"
    return f"failed at attempt {state.attempts} with exit code {state.exit_code}: {last_words(stderr)}"
