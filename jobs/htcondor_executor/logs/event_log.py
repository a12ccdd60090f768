"""From the events of a DAG's log to the state of its nodes and machines. Pure: HTCondor is not needed for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from jobs.htcondor_executor.logs.holds import Hold, is_of_machine
from simulators.worker.exit_codes import UNUSABLE

Kind = Literal["submit", "execute", "requeue", "hold", "release", "terminate", "remove"]
Phase = Literal["waiting", "idle", "running", "held", "done", "failed"]


@dataclass(frozen=True)
class Event:
    """One event of a job.

    Parameters
    ----------
    kind : str
        What happened.
    cluster : int
        To which job.
    time : float
        s since the epoch.
    node : str
        Of a submit: the DAG's node; empty if it says none.
    hold : Hold, optional
        Of a hold.
    exit_code : int, optional
        Of an end, after which the job may be requeued; None if a signal ended it, or if it did not end by itself.
    machine : str
        Of an execution, where.
    ended : bool
        Of a requeue: whether the job ended by itself, in failure; else it was evicted.
    """

    kind: Kind
    cluster: int
    time: float
    node: str = ""
    hold: Hold | None = None
    exit_code: int | None = None
    machine: str = ""
    ended: bool = False


@dataclass(frozen=True)
class NodeState:
    """How a node is.

    Parameters
    ----------
    phase : str
        Waiting: not in the queue yet. Failed: it is given up.
    since : float
        s since the epoch.
    attempts : int
        Times it ended by itself, or was held for memory or by a machine.
    hold : Hold, optional
        Of a held one.
    exit_code : int, optional
        Of the last attempt that ended.
    seconds : float
        s it ran, of the attempt that ended.
    machines : tuple of str
        Where it was tried, the last one last.
    """

    phase: Phase
    since: float
    attempts: int = 0
    hold: Hold | None = None
    exit_code: int | None = None
    seconds: float = 0.0
    machines: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineState:
    """How a machine has served, since it last served well.

    Parameters
    ----------
    failed : tuple of str
        Nodes that failed there, one after the other.
    last : float
        s since the epoch, of the last failure.
    reason : str
        Of the last failure.
    """

    failed: tuple[str, ...] = ()
    last: float = 0.0
    reason: str = ""


class Fold:
    """The states of nodes and machines as events come, in the order of the log.

    Events of clusters whose submit names no node are left out, and so are those of a cluster that its node has left
    behind.

    Attributes
    ----------
    states : dict of str to NodeState
        Of each node that was ever in the queue.
    machines : dict of str to MachineState
        Of each machine that failed the last one.
    """

    def __init__(self) -> None:
        self.states: dict[str, NodeState] = {}
        self.machines: dict[str, MachineState] = {}
        self._node_of: dict[int, str] = {}
        self._current: dict[str, int] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Take the events that follow."""
        for event in events:
            if event.kind == "submit":
                if event.node:
                    self._node_of[event.cluster] = event.node
                    self._current[event.node] = event.cluster
                    self.states[event.node] = NodeState("idle", event.time)
                continue
            node = self._node_of.get(event.cluster)
            if node is not None and self._current[node] == event.cluster:
                _note_machine(self.machines, node, self.states[node], event)
                self.states[node] = _after(self.states[node], event)


def _after(state: NodeState, event: Event) -> NodeState:
    ran = event.time - state.since if state.phase == "running" else 0.0
    if event.kind == "terminate":
        phase: Phase = "done" if event.exit_code == 0 else "failed"
        attempts = state.attempts + 1
        return replace(
            state, phase=phase, since=event.time, attempts=attempts, hold=None, exit_code=event.exit_code, seconds=ran
        )
    if event.kind == "remove":
        return replace(state, phase="failed", since=event.time, hold=None, exit_code=None, seconds=ran)
    if event.kind == "hold":
        tried = state.phase == "running"
        seconds = ran if tried else state.seconds
        return replace(
            state, phase="held", since=event.time, attempts=state.attempts + tried, hold=event.hold, seconds=seconds
        )
    if event.kind == "execute":
        machines = state.machines if event.machine in ("", *state.machines[-1:]) else (*state.machines, event.machine)
        return replace(state, phase="running", since=event.time, hold=None, machines=machines)
    if event.ended:
        state = replace(state, attempts=state.attempts + 1, exit_code=event.exit_code, seconds=ran)
    return replace(state, phase="idle", since=event.time, hold=None)


def _note_machine(machines: dict[str, MachineState], node: str, state: NodeState, event: Event) -> None:
    machine = state.machines[-1] if state.machines else ""
    reason = ""
    if event.kind == "hold" and event.hold is not None and is_of_machine(event.hold):
        machine, reason = event.hold.machine or machine, " ".join(event.hold.reason.split())
    elif event.exit_code == UNUSABLE:
        return
    elif (event.kind == "terminate" and event.exit_code != 0) or (event.kind == "requeue" and event.ended):
        reason = "ended by a signal" if event.exit_code is None else f"exit code {event.exit_code}"
    elif event.kind != "terminate":
        return
    if not reason:
        machines.pop(machine, None)
    elif machine:
        before = machines.get(machine, MachineState())
        failed = before.failed if node in before.failed else (*before.failed, node)
        machines[machine] = MachineState(failed, event.time, reason)
