"""What HTCondor is told to do with jobs that fail, evaluated by its own ClassAds; and what is read from its events.

Without a pool: the same rules at work are in `test_htcondor_faults`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.executor import Conditions, JobFailure, Placement
from jobs.htcondor_executor import SETTINGS, problems
from jobs.htcondor_executor.dag import DagError
from jobs.htcondor_executor.event_log import Event, NodeState, fold_events
from jobs.htcondor_executor.holds import MACHINE_CODES, Hold, explain
from jobs.htcondor_executor.images import exact_image, image_commands, is_pinned
from jobs.htcondor_executor.policy import _MACHINE_HOLDS, MAX_MACHINES, elsewhere
from jobs.htcondor_executor.progress import bad_machines, jobs_in_queue, why_no_end
from jobs.htcondor_executor.record import DagRecord, RecordedJob
from jobs.htcondor_executor.reserved import refusals
from jobs.htcondor_executor.submit_description import Site, accounting_commands, collect_commands, worker_commands
from jobs.htcondor_executor.sweep_dag import make_dag
from jobs.plan import PlannedJob
from simulators.backends.simulator import find_simulator, simulator_names
from simulators.records.job import Job, Point, Simulation

DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}
CONTAINERS = Path(__file__).parent.parent / "containers"


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
    ],
)
def test_memory_grows_with_every_hold_for_it(counts: dict[str, int] | None, memory: int, disk: int) -> None:
    job = {} if counts is None else {"NumHoldsByReason": counts}
    assert evaluated(commands()["request_memory"].replace("$(memory)", "100"), job) == memory
    assert evaluated(commands()["request_disk"].replace("$(disk)", "50"), job) == disk


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
    ],
)
def test_which_holds_are_released(job: dict[str, Any], released: bool) -> None:
    assert evaluated(commands()["periodic_release"], job) is released


def test_a_job_avoids_machines_that_failed_it_as_long_as_there_may_be_others() -> None:
    rule = elsewhere(600, ["black-hole"])
    new = {"EnteredCurrentStatus": 2_000_000_000}
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
    assert make_dag([planned("nest-a", "nest")], conditions, site).throttles == {"nest": 6}
    assert make_dag([planned("nest-a", "nest")], conditions, site, {"nest": 4}).throttles == {"nest": 2}
    assert make_dag([planned("nest-a", "nest")], conditions, site, {"nest": 8}).throttles == {"nest": 1}


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


@pytest.mark.parametrize(
    ("universe", "image", "key", "value"),
    [
        ("docker", "lab/nest:3", "docker_image", "lab/nest:3"),
        ("docker", "registry.lab:5000/neuro/nest:3", "docker_image", "registry.lab:5000/neuro/nest:3"),
        ("docker", "docker://lab/nest:3", "docker_image", "lab/nest:3"),
        ("docker", None, "docker_image", find_simulator("nest").IMAGE),
        ("container", "nest:3", "container_image", "docker://nest:3"),
        ("container", "lab/nest:3", "container_image", "docker://lab/nest:3"),
        ("container", "registry.lab:5000/neuro/nest:3", "container_image", "docker://registry.lab:5000/neuro/nest:3"),
        ("container", "docker://lab/nest:3", "container_image", "docker://lab/nest:3"),
        ("container", "oras://lab/nest:3", "container_image", "oras://lab/nest:3"),
        ("container", "osdf:///lab/nest.sif", "container_image", "osdf:///lab/nest.sif"),
        ("container", "nest.sif", "container_image", "nest.sif"),
        ("container", "images/nest.sif", "container_image", "images/nest.sif"),
        ("container", "/cvmfs/lab/nest:3", "container_image", "/cvmfs/lab/nest:3"),
        ("container", "./nest/", "container_image", "./nest/"),
        ("vanilla", "lab/nest:3", "universe", "vanilla"),
    ],
)
def test_images_by_the_manuals_rules(universe: str, image: str | None, key: str, value: str) -> None:
    made = image_commands("nest", Placement(image=image), DEFAULTS | {"universe": universe})
    assert made == {"universe": universe, key: value}


def test_apptainer_finds_python_on_the_path_of_the_image() -> None:
    made = commands(universe="container")
    assert made["executable"] == "/usr/bin/env"
    assert made["arguments"].startswith('"python3 c.zip jobs/$(job_name).json ')
    whole = commands(universe="container", python="/opt/venv/bin/python3")
    assert whole["executable"] == "/opt/venv/bin/python3"
    assert commands()["executable"] == "python3"


@pytest.mark.parametrize(
    ("simulator", "image", "rule"),
    [
        ("nest", "nest.sif", 'set universe = "container"'),
        ("nest", "oras://lab/nest", 'set universe = "container"'),
        ("poisson", None, "image is missing"),
    ],
)
def test_images_that_cannot_be_run(simulator: str, image: str | None, rule: str) -> None:
    with pytest.raises(DagError, match=re.escape(rule)):
        image_commands(simulator, Placement(image=image), DEFAULTS)


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("lab/nest:3.10", True),
        ("lab/nest", False),
        ("lab/nest:latest", False),
        ("registry.lab:5000/nest", False),
        ("registry.lab:5000/nest:2", True),
        ("docker://lab/nest", False),
        ("lab/nest@sha256:" + 64 * "0", True),
        ("lab/nest.sif", True),
    ],
)
def test_an_image_is_pinned_or_not(image: str, pinned: bool) -> None:
    assert is_pinned(image) is pinned


def test_our_images_are_pinned_to_what_is_built() -> None:
    images = {name: find_simulator(name).IMAGE for name in simulator_names()}
    for simulator, image in ((name, image) for name, image in images.items() if image is not None):
        text = (CONTAINERS / simulator / "Dockerfile").read_text()
        version = re.search(rf"^ARG {simulator.upper()}_VERSION=(\S+)", text, re.MULTILINE)
        assert version is not None
        assert image == f"gridsearch-{simulator}:{version.group(1)}"
        assert is_pinned(image)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "nest.sif"
    path.write_bytes(b"an image")
    assert exact_image(str(path)).startswith(f"{path}#sha256:")
    assert exact_image("/nowhere/nest.sif") == "/nowhere/nest.sif"
    whole = "lab/nest@sha256:" + 64 * "0"
    assert exact_image(whole) == whole


RESERVED = [
    *("universe", "executable", "Executable", "arguments", "args", "log", "output", "error", "stdout", "initialdir"),
    *("transfer_input_files", "transfer_output_files", "transfer_executable", "transfer_output_remaps"),
    *("transfer_checkpoint_files", "should_transfer_files", "when_to_transfer_output", "transfer_plugins"),
    *(
        "queue",
        "Queue",
        "docker_image",
        "container_image",
        "input",
        "+Cmd",
        "+Args",
        "My.Arguments",
        "+Out",
        "+UserLog",
    ),
    *("+TransferInput", "+TransferOutput", "My.SpoolOnEvict", "+PreCmd", "+PostCmd", "+JobUniverse", "include", "if"),
    *("use", "hook_keyword", "+HookKeyword", "bad key", "key\nqueue 100", "a = b", "", "}", "@x"),
]
FREE = [
    *("request_memory", "request_disk", "request_cpus", "request_gpus", "requirements", "rank", "accounting_group"),
    *(
        "+Project",
        "My.Project",
        "gpus_minimum_memory",
        "concurrency_limits",
        "environment",
        "priority",
        "hold",
        "notification",
    ),
    *("max_transfer_output_mb", "periodic_hold", "docker_network_type", "nice_user", "+WantFlocking"),
]


@pytest.mark.parametrize("key", RESERVED)
def test_what_is_run_and_sent_is_not_the_sweeps(key: str) -> None:
    assert list(refusals({key: "x"})) == [key]


@pytest.mark.parametrize("key", FREE)
def test_all_else_is(key: str) -> None:
    assert refusals({key: "x"}) == {}


@pytest.mark.parametrize("value", ["1\nqueue 1000", "1\rx", "1\x0bx", "1\u2028x", "a \\", "a \\ ", "\\", "\n}", "\x00"])
def test_a_value_is_one_line_of_its_own(value: str) -> None:
    assert list(refusals({"rank": value})) == ["rank"]


def test_a_folder_that_looks_like_a_macro_is_none() -> None:
    made = worker_commands("nest", Placement(), False, Site("/home/$(HOME)/$ENV(X)", "c.zip", DEFAULTS))
    assert made["initialdir"] == "/home/$(DOLLAR)(HOME)/$(DOLLAR)ENV(X)"


# HTCondor manual, "Hold Reason Codes", and src/condor_utils/condor_holdcodes.h: all that a job of ours can meet
CODES = [*range(1, 2), *range(3, 17), 18, 19, *range(21, 25), 26, 27, 32, 33, 34, 35, 36, 45, 46, 47, 48]


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
