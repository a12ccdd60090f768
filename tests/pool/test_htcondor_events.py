"""What is read from HTCondor's holds and events: reasons, remedies, states of jobs and machines. Without a pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from jobs.executor import JobFailure
from jobs.htcondor_executor.descriptions.policy import _MACHINE_HOLDS, MAX_MACHINES
from jobs.htcondor_executor.logs.event_log import Event, Fold, MachineState, NodeState
from jobs.htcondor_executor.logs.holds import MACHINE_CODES, Hold, explain
from jobs.htcondor_executor.logs.progress import bad_machines, why_no_end

CODES = [*range(1, 2), *range(3, 17), 18, 19, *range(21, 25), 26, 27, 32, 33, 34, 35, 36, 45, 46, 47, 48, 49]


def fold_events(events: Iterable[Event]) -> tuple[dict[str, NodeState], dict[str, MachineState]]:
    fold = Fold()
    fold.add(events)
    return fold.states, fold.machines


@pytest.mark.parametrize("code", CODES)
def test_every_hold_has_its_remedy(code: int) -> None:
    assert "manual" not in explain(Hold(code, 0, "why"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (5, "undefined"),
        (15, "on hold"),
        (22, "event log"),
        (26, "SYSTEM_PERIODIC_HOLD"),
        (33, "MAX_TRANSFER_OUTPUT_MB"),
        (34, "memory"),
        (35, "image"),
        (47, "time_limit"),
        (47, "condor_release"),
        (49, "primary group"),
    ],
)
def test_remedies_say_what_the_manual_says(code: int, said: str) -> None:
    assert said in explain(Hold(code, 0, "why")).partition("Remedy:")[2]


def test_hold_says_code_reason_and_remedy() -> None:
    text = explain(Hold(35, 2, "Error from slot1_2@node7.lab: Unable to find image 'x'\n locally."))
    assert text.startswith("held with code 35, subcode 2: on node7.lab: Unable to find image 'x' locally. Remedy: ")
    assert "[jobs.<simulator>] image" in text
    assert "manual" in explain(Hold(4711, 0, "?"))
    assert "memory" in explain(Hold(3, 34, "The worker was killed")).partition("Remedy:")[2]


def test_holds_of_machines_are_the_same_everywhere() -> None:
    assert tuple(_MACHINE_HOLDS) == MACHINE_CODES


def test_events_are_folded_to_states() -> None:
    hold = Hold(35, 0, "Unable to find image")
    events = [
        Event("submit", 7, 0.0, "a"),
        Event("submit", 8, 0.0, "b"),
        Event("submit", 9, 0.0, "c"),
        Event("submit", 11, 0.0),
        Event("execute", 11, 1.0),
        Event("execute", 7, 10.0, machine="m1"),
        Event("execute", 8, 10.0, machine="m1"),
        Event("requeue", 8, 20.0),
        Event("hold", 9, 30.0, hold=hold),
        Event("requeue", 7, 40.0, exit_code=75, ended=True),
        Event("execute", 7, 60.0, machine="m2"),
        Event("terminate", 7, 90.0, exit_code=0),
    ]
    states, _ = fold_events(events)
    assert set(states) == {"a", "b", "c"}
    assert (states["a"].phase, states["a"].attempts, states["a"].seconds) == ("done", 2, 30.0)
    assert states["a"].machines == ("m1", "m2")
    assert (states["b"].phase, states["b"].since, states["b"].attempts) == ("idle", 20.0, 0)
    assert (states["c"].phase, states["c"].hold) == ("held", hold)
    again, _ = fold_events(events[:10])
    assert (again["a"].phase, again["a"].exit_code, again["a"].attempts) == ("idle", 75, 1)
    released, _ = fold_events([*events, Event("release", 9, 95.0)])
    assert released["c"] == replace(states["c"], phase="idle", since=95.0, hold=None)
    assert fold_events([*events, Event("remove", 8, 95.0)])[0]["b"].phase == "failed"
    left_behind, _ = fold_events([*events, Event("submit", 12, 96.0, "a"), Event("requeue", 7, 97.0)])
    assert left_behind["a"] == NodeState("idle", 96.0)


def history(machine: str, ends: list[tuple[str, int]], first: int = 0) -> list[Event]:
    """Jobs that end on a machine, with their exit codes; 75 leaves them in the queue."""
    events = []
    for i, (node, code) in enumerate(ends, first):
        events += [Event("submit", i, float(i), node), Event("execute", i, i + 0.2, machine=machine)]
        kind = "terminate" if code == 0 else "requeue"
        events.append(Event(kind, i, i + 0.4, exit_code=code, ended=code != 0))  # type: ignore[arg-type]
    return events


def test_a_machine_that_fails_what_others_can_do_is_bad() -> None:
    fails = history("m1", [("a", 75), ("b", 75), ("c", 75)])
    states, machines = fold_events(fails)
    assert machines["m1"].failed == ("a", "b", "c")
    assert bad_machines(states, machines, 10.0) == {}, "the jobs may be to blame: none ran elsewhere"
    retried = [Event("execute", 0, 5.0, machine="m2"), Event("terminate", 0, 6.0, exit_code=0)]
    states, machines = fold_events([*fails, *retried])
    assert list(bad_machines(states, machines, 10.0)) == ["m1"]
    assert "exit code 75" in machines["m1"].reason
    assert bad_machines(states, machines, 10.0 + 2 * 86400.0) == {}, "a day later it is forgiven"
    states, machines = fold_events([*fails, *retried, *history("m1", [("d", 0)], 20)])
    assert bad_machines(states, machines, 30.0) == {}, "it serves again"
    evicted = [Event("submit", 50, 1.0, "e"), Event("execute", 50, 2.0, machine="m3"), Event("requeue", 50, 3.0)]
    assert "m3" not in fold_events(evicted)[1], "an eviction is no failure"
    wrong = [Event("submit", 51, 1.0, "e"), Event("execute", 51, 2.0, machine="m3")]
    assert "m3" not in fold_events([*wrong, Event("terminate", 51, 3.0, exit_code=78)])[1], "nor is wrong content"


@pytest.mark.parametrize(("seconds", "bad"), [(100.0, []), (130.0, ["m1"])])
def test_who_runs_elsewhere_for_long_is_not_to_blame(seconds: float, bad: list[str]) -> None:
    """Where jobs take hours, a machine fails hundreds before the first has ended elsewhere."""
    fails = history("m1", [("a", 75), ("b", 75), ("c", 75)])
    for machine in ("m1", "m2"):
        states, machines = fold_events([*fails, Event("execute", 1, 10.0, machine=machine)])
        assert list(bad_machines(states, machines, 10.0 + seconds)) == (bad if machine == "m2" else [])
    slow = [replace(event, time=event.time + 70.0) if event.ended else event for event in fails]
    states, machines = fold_events([*slow, Event("execute", 1, 100.0, machine="m2")])
    assert bad_machines(states, machines, 230.0) == {}, "here they failed after 70 s, and it is not twice as long"


def test_a_job_that_was_held_after_hours_must_run_longer_elsewhere() -> None:
    events = []
    for i, node in enumerate("abc"):
        events += [Event("submit", i, 0.0, node), Event("execute", i, 0.0, machine="m1")]
        events += [Event("hold", i, 18000.0, hold=Hold(45, 0, "Error from slot1@m1: no")), Event("requeue", i, 18001.0)]
    events.append(Event("execute", 0, 18010.0, machine="m2"))
    states, machines = fold_events(events)
    assert bad_machines(states, machines, 18300.0) == {}
    assert list(bad_machines(states, machines, 18010.0 + 36001.0)) == ["m1"]


@pytest.mark.parametrize("code", [12, 13])
def test_files_that_did_not_get_through_make_no_machine_bad(code: int) -> None:
    events = []
    for i, node in enumerate("abc"):
        events += [Event("submit", i, 0.0, node), Event("execute", i, 0.5, machine="m1")]
        events += [Event("hold", i, 1.0, hold=Hold(code, 0, "Error from slot1@m1: no")), Event("requeue", i, 1.5)]
        events += [Event("execute", i, 2.0, machine="m2"), Event("terminate", i, 3.0, exit_code=0)]
    assert bad_machines(*fold_events(events), 5.0) == {}


def test_holds_of_machines_count_as_their_failures() -> None:
    reason = "Error from slot1@m1: Unable to find image"
    events = []
    for i, node in enumerate("abc"):
        events += [Event("submit", i, 0.0, node), Event("hold", i, 1.0, hold=Hold(35, 0, reason))]
        events += [Event("execute", i, 2.0, machine="m2"), Event("terminate", i, 3.0, exit_code=0)]
    states, machines = fold_events(events)
    assert bad_machines(states, machines, 5.0)["m1"].reason == reason


def test_failures_that_are_alike_have_one_gist() -> None:
    words = ["2026-11-21 10:00:0{},123 ERROR NEST cannot be imported here (no libgsl) (see /r/logs/nest-{}.err)"]
    alike = {JobFailure("j", "failed: " + words[0].format(i, i)).gist for i in range(5)}
    assert alike == {"failed: ERROR NEST cannot be imported here (no libgsl)"}


def test_a_dag_that_cannot_end_says_why() -> None:
    assert why_no_end(None, 1000.0) == ""
    assert why_no_end(NodeState("idle", 900.0), 1000.0) == ""
    assert why_no_end(NodeState("running", 0.0), 1000.0) == ""
    assert "START_LOCAL_UNIVERSE" in why_no_end(NodeState("idle", 0.0), 1000.0)
    assert "code 7" in why_no_end(NodeState("held", 0.0, hold=Hold(7, 13, "no")), 1000.0)


def test_three_machines_at_most() -> None:
    assert MAX_MACHINES == 3
