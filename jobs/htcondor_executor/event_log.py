"""From the events of a DAG's log to the state of each of its nodes. Pure: HTCondor is not needed to fold events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from jobs.htcondor_executor.holds import Hold

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
        Of a termination; None if a signal ended the job.
    """

    kind: Kind
    cluster: int
    time: float
    node: str = ""
    hold: Hold | None = None
    exit_code: int | None = None


@dataclass(frozen=True)
class NodeState:
    """How a node is.

    Parameters
    ----------
    phase : str
        Waiting: not in the queue, yet or until its next attempt. Failed: its last attempt failed; while its DAG
        lives there may be another.
    since : float
        s since the epoch.
    attempts : int
        Submits so far.
    hold : Hold, optional
        Of a held one.
    exit_code : int, optional
        Of the last attempt that ended.
    seconds : float
        s it ran, of the attempt that ended.
    """

    phase: Phase
    since: float
    attempts: int = 0
    hold: Hold | None = None
    exit_code: int | None = None
    seconds: float = 0.0


def fold_events(events: Iterable[Event]) -> dict[str, NodeState]:
    """Return the state of each node that was ever in the queue.

    Parameters
    ----------
    events : iterable of Event
        In the order of the log. Events of clusters whose submit names no node are left out, and so are those of a
        cluster that its node has left behind.
    """
    states: dict[str, NodeState] = {}
    node_of: dict[int, str] = {}
    current: dict[str, int] = {}
    for event in events:
        if event.kind == "submit":
            if event.node:
                node_of[event.cluster] = event.node
                current[event.node] = event.cluster
                attempts = states[event.node].attempts + 1 if event.node in states else 1
                states[event.node] = NodeState("idle", event.time, attempts)
            continue
        node = node_of.get(event.cluster)
        if node is not None and current[node] == event.cluster:
            states[node] = _after(states[node], event)
    return states


def _after(state: NodeState, event: Event) -> NodeState:
    ran = event.time - state.since if state.phase == "running" else 0.0
    if event.kind == "terminate":
        phase: Phase = "done" if event.exit_code == 0 else "failed"
        return replace(state, phase=phase, since=event.time, hold=None, exit_code=event.exit_code, seconds=ran)
    if event.kind == "remove":
        return replace(state, phase="failed", since=event.time, hold=None, exit_code=None, seconds=ran)
    if event.kind == "hold":
        return replace(state, phase="held", since=event.time, hold=event.hold)
    if event.kind == "execute":
        return replace(state, phase="running", since=event.time, hold=None)
    return replace(state, phase="idle", since=event.time, hold=None)
