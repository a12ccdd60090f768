"""What HTCondor is told to do with jobs that fail, evaluated by its own ClassAds.

Without a pool: the same rules at work are in `test_htcondor_faults`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from workplaces import ROOT

from jobs.executor import Conditions, Placement
from jobs.htcondor_executor import SETTINGS, problems
from jobs.htcondor_executor.descriptions.policy import AVOIDED, AVOIDED_UNTIL, avoid_commands, elsewhere
from jobs.htcondor_executor.descriptions.submit_description import (
    Site,
    accounting_commands,
    collect_commands,
    worker_commands,
)
from jobs.htcondor_executor.descriptions.sweep_dag import OlderDag, make_dag
from jobs.htcondor_executor.logs.event_log import NodeState
from jobs.htcondor_executor.logs.progress import jobs_in_queue
from jobs.htcondor_executor.record import DagRecord, RecordedJob
from jobs.plan import PlannedJob
from simulators.records.job import Job, Point, Simulation

DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}
CONTAINERS = ROOT / "containers"


def commands(placement: Placement | None = None, **settings: Any) -> dict[str, str]:
    return worker_commands("nest", placement or Placement(), False, Site("/r", "c.zip", DEFAULTS | settings))


def evaluated(expression: str, job: Mapping[str, Any], machine: Mapping[str, Any] | None = None) -> Any:
    """Value of an expression in a job's ad, against a machine's if it is a requirement."""
    classad2 = pytest.importorskip("classad2")
    pytest.importorskip("htcondor2")  # sets ClassAds up as the daemons have them, with MY and TARGET
    mine = classad2.ClassAd({key: value for key, value in job.items() if not isinstance(value, dict)})
    for key, value in job.items():
        if isinstance(value, dict):
            mine[key] = classad2.ClassAd(value)
    mine["Expression"] = classad2.ExprTree(expression)
    if machine is None:
        return mine.eval("Expression")
    mine["Requirements"] = classad2.ExprTree(expression)
    return mine.symmetricMatch(classad2.ClassAd({**machine, "Requirements": True}))


def ended(code: int, completions: int, **more: Any) -> dict[str, Any]:
    return {"ExitBySignal": False, "ExitCode": code, "NumJobCompletions": completions, **more}


@pytest.mark.parametrize(
    ("job", "leaves"),
    [
        (ended(0, 1), True),
        (ended(78, 1), True),
        (ended(75, 1), False),
        (ended(75, 2), False),
        (ended(75, 3), True),
        (ended(1, 3), False),
        (ended(1, 4), True),
        (ended(1, 4, NumHoldsByReason={"JobPolicy": 1}), False),
        ({"ExitBySignal": True, "ExitSignal": 11, "NumJobCompletions": 1}, False),
        ({"ExitBySignal": True, "ExitSignal": 11, "NumJobCompletions": 4}, True),
    ],
)
def test_who_leaves_the_queue(job: dict[str, Any], leaves: bool) -> None:
    assert evaluated(commands()["on_exit_remove"], job) is leaves


def test_retries_are_the_sweeps_but_a_machines_trouble_is_tried_on_three() -> None:
    none = commands(retries=0)["on_exit_remove"]
    assert evaluated(none, ended(1, 1)) is True
    assert evaluated(none, ended(75, 1)) is False


@pytest.mark.parametrize(
    ("job", "holds"),
    [
        (ended(76, 1), True),
        (ended(137, 1), True),
        ({"ExitBySignal": True, "ExitSignal": 9, "NumJobCompletions": 1}, True),
        ({"ExitBySignal": True, "ExitSignal": 11, "NumJobCompletions": 1}, False),
        (ended(75, 1), False),
        (ended(0, 1), False),
        (ended(137, 4, NumHoldsByReason={"JobPolicy": 3}), False),
        (ended(137, 4, NumHoldsByReason={"JobPolicy": 1, "JobOutOfResources": 2}), False),
    ],
)
def test_who_was_killed_is_held_for_memory_a_few_times(job: dict[str, Any], holds: bool) -> None:
    assert evaluated(commands()["on_exit_hold"], job) is holds


@pytest.mark.parametrize(
    ("counts", "memory", "disk"),
    [
        (None, 100, 50 * 1024),
        ({}, 100, 50 * 1024),
        ({"JobOutOfResources": 1}, 200, 100 * 1024),
        ({"JobPolicy": 1}, 200, 100 * 1024),
        ({"StartdHeldJob": 2}, 400, 200 * 1024),
        ({"StartdHeldJob": 2, "JobOutOfResources": 2}, 800, 400 * 1024),
        ({"TransferInputError": 2, "UserRequest": 1, "InvalidDockerImage": 1}, 100, 50 * 1024),
    ],
)
def test_memory_grows_with_every_hold_for_it(counts: dict[str, int] | None, memory: int, disk: int) -> None:
    job = {} if counts is None else {"NumHoldsByReason": counts}
    assert evaluated(commands()["request_memory"].replace("$(memory)", "100"), job) == memory
    assert evaluated(commands()["request_disk"].replace("$(disk)", "50"), job) == disk


@pytest.mark.parametrize(
    ("last", "memory"),
    [
        ({"LastHoldReasonCode": 21, "LastHoldReason": "Memory usage above limit"}, 400),
        ({"LastHoldReasonCode": 21, "LastHoldReason": "the machine's owner is back"}, 200),
        ({"LastHoldReasonCode": 3, "LastHoldReasonSubCode": 34}, 400),
        ({"LastHoldReasonCode": 3, "LastHoldReasonSubCode": 0}, 200),
        ({"LastHoldReasonCode": 12}, 400),
    ],
)
def test_a_hold_for_something_else_does_not_double_the_memory(last: dict[str, Any], memory: int) -> None:
    job = {"NumHoldsByReason": {"StartdHeldJob": 1, "JobPolicy": 1}, **last}
    assert evaluated(commands()["request_memory"].replace("$(memory)", "100"), job) == memory


def held(code: int, reason: str = "", subcode: int = 0, **counts: int) -> dict[str, Any]:
    return {
        "HoldReasonCode": code,
        "HoldReasonSubCode": subcode,
        "HoldReason": reason,
        "NumHoldsByReason": counts,
    }


@pytest.mark.parametrize(
    ("job", "released"),
    [
        (held(34, subcode=102, JobOutOfResources=1), True),
        (held(34, subcode=102, JobOutOfResources=3), True),
        (held(34, subcode=102, JobOutOfResources=4), False),
        (held(21, "memory usage exceeded request_memory", StartdHeldJob=1), True),
        (held(21, "ResidentSetSize above limit", StartdHeldJob=1), True),
        (held(21, "ran out of the machine's patience", StartdHeldJob=1), False),
        (held(3, "The worker was killed", 34, JobPolicy=1), True),
        (held(3, "the user's own periodic_hold", 0, JobPolicy=1), False),
        (held(35, InvalidDockerImage=1), True),
        (held(35, InvalidDockerImage=2), True),
        (held(35, InvalidDockerImage=3), False),
        (held(35, InvalidDockerImage=2, FailedToCreateProcess=1), False),
        (held(12, TransferOutputError=1), True),
        (held(12, DownloadFileError=3), False),
        (held(1, UserRequest=1), False),
        (held(15, SubmittedOnHold=1), False),
        (held(26, SystemPolicy=1), False),
        (held(47, JobExecuteExceeded=1), False),
        (held(49, CannotSwitchPrimaryGroup=1), True),
    ],
)
def test_which_holds_are_released(job: dict[str, Any], released: bool) -> None:
    assert evaluated(commands()["periodic_release"], job) is released


def test_a_job_avoids_machines_that_failed_it_as_long_as_there_may_be_others() -> None:
    rule = elsewhere(600)
    assert avoid_commands("nest", ["black-hole", "x"])[f"My.{AVOIDED}"] == '"black-hole,x"'
    assert evaluated(rule, {"EnteredCurrentStatus": 2_000_000_000}, {"Machine": "a"}), "nobody told it of any"
    new = {"EnteredCurrentStatus": 2_000_000_000, AVOIDED: "x,Black-Hole", AVOIDED_UNTIL: 0}
    tried = new | {"NumJobCompletions": 2, "MachineAttrMachine0": "b", "MachineAttrMachine1": "b"}
    tried["MachineAttrMachine2"] = "a"
    node = {name: {"Machine": name} for name in ("a", "b", "c", "black-hole")}
    assert [evaluated(rule, new, node[name]) for name in node] == [True, True, True, False]
    assert [evaluated(rule, tried, node[name]) for name in node] == [False, False, True, False]
    evicted = {**tried, "NumJobCompletions": 0}
    assert evaluated(rule, evicted, node["b"]), "an eviction is no fault of the machine"
    no_image = {**evicted, "NumHoldsByReason": {"InvalidDockerImage": 1}}
    assert not evaluated(rule, no_image, node["b"])
    not_sent = {**evicted, "NumHoldsByReason": {"TransferOutputError": 1}}
    assert evaluated(rule, not_sent, node["b"]), "nor are files that did not get through"
    waited = {**tried, "EnteredCurrentStatus": 1_000_000_000}
    assert all(evaluated(rule, waited, machine) for machine in node.values()), "there may be no elsewhere"
    told = waited | {AVOIDED_UNTIL: 2_000_000_000}
    assert [evaluated(rule, told, node[name]) for name in node] == [True, True, True, False], (
        "others are known to serve"
    )


def test_requirements_of_the_user_and_of_a_simulator_both_hold() -> None:
    placed = Placement(submit={"Requirements": "TARGET.Memory > 9 || false", "rank": "TARGET.Mips"})
    made = commands(placed, submit={"requirements": 'TARGET.OpSys == "LINUX"', "rank": "TARGET.KFlops"})
    assert made["requirements"].startswith('(TARGET.OpSys == "LINUX") && (TARGET.Memory > 9 || false) && (')
    assert made["rank"] == "TARGET.Mips"
    job = {"EnteredCurrentStatus": 2_000_000_000}
    assert evaluated(made["requirements"], job, {"Machine": "a", "OpSys": "LINUX", "Memory": 10})
    assert not evaluated(made["requirements"], job, {"Machine": "a", "OpSys": "LINUX", "Memory": 1})
    assert not evaluated(made["requirements"], job, {"Machine": "a", "OpSys": "WINDOWS", "Memory": 10})


def test_the_folders_that_come_back_are_there_from_the_start() -> None:
    made = worker_commands("nest", Placement(), True, Site("/r", "c.zip", DEFAULTS))
    sent = made["transfer_input_files"].split(", ")
    for folder in made["transfer_output_files"].split(", "):
        assert any(path == folder or path == f"{folder}/.started" for path in sent), folder


def test_rows_of_those_who_must_leave_come_back() -> None:
    made = commands()
    assert made["when_to_transfer_output"] == "ON_EXIT_OR_EVICT"
    assert (made["My.SpoolOnEvict"], made["want_graceful_removal"]) == ("false", "true")


def test_the_dags_own_job_and_the_last_node_are_charged_as_the_others() -> None:
    settings = DEFAULTS | {"accounting_group": "neuro", "accounting_group_user": "anna"}
    wanted = {"accounting_group": "neuro", "accounting_group_user": "anna"}
    assert accounting_commands(settings) == wanted
    made = worker_commands("nest", Placement(), False, Site("/r", "c.zip", settings))
    last = collect_commands(["python"], {}, Site("/r", "c.zip", settings))
    assert wanted.items() <= made.items() and wanted.items() <= last.items()
    assert accounting_commands(DEFAULTS) == {}


def planned(name: str, simulator: str, seconds: float = 60.0) -> PlannedJob:
    job = Job(name, "clustered", simulator, {}, Simulation(0.1, 0.0, 1.0), ("rate",), {}, (Point("p", 1, 1, {}),), ())
    return PlannedJob(job, 1, seconds, 0.0)


def test_a_limit_of_time_is_in_proportion_to_what_is_expected() -> None:
    assert "allowed_execute_duration" not in commands()
    settings = DEFAULTS | {"time_limit": 3.0}
    dag = make_dag(
        [planned("nest-1", "nest", 1800.2), planned("nest-2", "nest", 1.0)],
        Conditions("s", settings),
        Site("/r", "c.zip", settings),
    )
    assert dag.descriptions["nest"]["allowed_execute_duration"] == "$(allowed_seconds)"
    assert [one.variables["allowed_seconds"] for one in dag.nodes] == ["5401", "600"]
    assert [one.variables["expected_seconds"] for one in dag.nodes] == ["1801", "1"]


def test_a_throttle_is_the_sweeps() -> None:
    record = DagRecord({f"nest-{i}": RecordedJob("nest", 1, 1.0) for i in range(9)}, throttles={"nest": 4})
    states = [(f"nest-{i}", NodeState("done" if i < 2 else "idle", 0.0)) for i in range(9)]
    assert jobs_in_queue(record, states) == {"nest": 4}
    assert jobs_in_queue(record, states[:4]) == {"nest": 2}
    assert jobs_in_queue(record, states[:2]) == {}
    conditions = Conditions("s", DEFAULTS, {"nest": Placement(max_running=6)})
    site = Site("/r", "c.zip", DEFAULTS)
    jobs = [planned(f"nest-{i}", "nest") for i in range(9)]

    def gated(*queues: dict[str, int]) -> int:
        older = [OlderDag(f"dag/{i:03d}/log", queue) for i, queue in enumerate(queues, 1)]
        dag = make_dag(jobs, conditions, site, older)
        assert dag.throttles == {"nest": 6}, "all of it, once the older ones have ended"
        assert [gate.script.split()[-1] for gate in dag.gates] == ([one.log for one in older] if dag.gated else [])
        return len(dag.gated)

    assert gated() == 0
    assert gated({"nest": 4}) == 7, "two at once"
    assert gated({"nest": 4}, {"nest": 6}) == 9
    assert gated({"genn": 4}) == 0
    free = make_dag(jobs, Conditions("s", DEFAULTS), site, [OlderDag("log", {"nest": 9})])
    assert (free.throttles, len(free.gates)) == ({}, 0), "no max_running, nothing to wait for"


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("000 (007.000.000) 2026-11-21 12:34:09 Job submitted from host: <x>\n...\n", 1),
        ("005 (007.000.000) 2026-11-21 12:34:09 Job terminated.\n\t(0) Abnormal\n...\n", 0),
        ("009 (007.000.000) 2026-11-21 12:34:09 Job was aborted.\n...\n", 0),
        ('<c><a n="MyType"><s>JobTerminatedEvent</s></a></c>', 0),
        ("", 1),
        (None, 2),
    ],
)
def test_a_gate_opens_when_the_older_dag_has_ended(tmp_path: Path, log: str | None, code: int) -> None:
    if log is not None:
        (tmp_path / "log").write_text(log)
    conditions = Conditions("s", DEFAULTS, {"nest": Placement(max_running=1)})
    older = [OlderDag("log", {"nest": 1})]
    (gate,) = make_dag([planned("nest-a", "nest")], conditions, Site("/r", "c.zip", DEFAULTS), older).gates
    assert subprocess.run(gate.script.split(), cwd=tmp_path, check=False).returncode == code


@pytest.mark.parametrize(
    ("settings", "every"),
    [
        ({}, "30 600"),
        ({"elsewhere_seconds": 100}, "5 100"),
        ({"elsewhere_seconds": 3}, "1 3"),
        ({"elsewhere_seconds": 0}, None),
        ({"collect": "none"}, None),
        ({"collect": "vanilla", "shared_filesystem": True}, None),
    ],
)
def test_who_watches_the_dag_at_work(settings: dict[str, Any], every: str | None) -> None:
    """Nobody where the access point runs nothing of ours, or where no job waits for another machine."""
    site = Site("/r", "c.zip", DEFAULTS | settings, ("m1", "m2"), folder="dag/003")
    conditions = Conditions("s", site.settings, collect=("python",), environment={"PYTHONPATH": "/code"})
    dag = make_dag([planned("nest-1", "nest")], conditions, site)
    assert dag.descriptions["nest"][f"My.{AVOIDED}"] == '"m1,m2"', "as is known at the submit"
    assert (dag.service is None) == (every is None)
    if dag.service is not None:
        watch = dag.descriptions[dag.service.description]
        assert (watch["universe"], watch["executable"]) == ("local", sys.executable)
        module = "jobs.htcondor_executor.watch"
        assert watch["arguments"] == f'"-P -m {module} dag/003 $(DAGManJobId) {every} m1 m2"'
        assert watch["environment"] == '"PYTHONPATH=/code"' and "CONDOR_CONFIG" in watch["getenv"]
    assert make_dag([planned("nest-1", "nest")], Conditions("s", DEFAULTS), site).service is None


@pytest.mark.parametrize("collect", ["local", "vanilla", "none"])
def test_who_collects(collect: str) -> None:
    settings = DEFAULTS | {"collect": collect, "shared_filesystem": True}
    conditions = Conditions("s", settings, collect=("python", "-m", "gridsearch", "report", "."))
    dag = make_dag([planned("nest-1", "nest")], conditions, Site("/r", "c.zip", settings))
    assert (dag.final is None) == (collect == "none")
    if dag.final is not None:
        assert dag.descriptions[dag.final.description]["universe"] == collect
    assert problems(settings, {}) == {}
    assert problems(DEFAULTS | {"collect": collect}, {}).keys() == (
        {"htcondor.collect"} if collect == "vanilla" else set()
    )
