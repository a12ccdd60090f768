"""What HTCondor is told to do with jobs that fail, evaluated by its own ClassAds.

Without a pool: the same rules at work are in `test_htcondor_faults`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from workplaces import ROOT

from jobs.executor import Conditions, Placement
from jobs.htcondor_executor import SETTINGS, problems
from jobs.htcondor_executor.descriptions.dag import DagError
from jobs.htcondor_executor.descriptions.images import exact_image, image_commands, image_of, is_pinned
from jobs.htcondor_executor.descriptions.policy import elsewhere
from jobs.htcondor_executor.descriptions.reserved import refusals
from jobs.htcondor_executor.descriptions.submit_description import (
    Site,
    accounting_commands,
    collect_commands,
    worker_commands,
)
from jobs.htcondor_executor.descriptions.sweep_dag import make_dag
from jobs.htcondor_executor.logs.event_log import NodeState
from jobs.htcondor_executor.logs.progress import jobs_in_queue
from jobs.htcondor_executor.record import DagRecord, RecordedJob
from jobs.plan import PlannedJob
from simulators.backends.simulator import SimulatorModule, find_simulator, image_for, simulator_names
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
    images = {(name, image_for(find_simulator(name), gpus)) for name in simulator_names() for gpus in (0, 1)}
    assert ("genn", "gridsearch-genn-cuda:5.4.0") in images
    for simulator, image in ((name, image) for name, image in images if image is not None):
        folder = image.removeprefix("gridsearch-").partition(":")[0]
        text = (CONTAINERS / folder / "Dockerfile").read_text()
        version = re.search(rf"^ARG {simulator.upper()}_VERSION=(\S+)", text, re.MULTILINE)
        assert version is not None
        assert image == f"gridsearch-{folder}:{version.group(1)}"
        assert is_pinned(image)


@pytest.mark.parametrize(
    ("simulator", "placement", "image"),
    [
        ("genn", Placement(), "gridsearch-genn:5.4.0"),
        ("genn", Placement(gpus=1), "gridsearch-genn-cuda:5.4.0"),
        ("genn", Placement(gpus=1, image="lab/genn:1"), "lab/genn:1"),
        ("nest", Placement(gpus=1), find_simulator("nest").IMAGE),
    ],
)
def test_jobs_that_ask_for_a_graphics_processor_have_an_image_of_their_own(
    simulator: str, placement: Placement, image: str
) -> None:
    assert image_of(simulator, placement) == image


def test_a_simulator_of_somebody_else_needs_one_image_alone() -> None:
    stranger = SimpleNamespace(IMAGE="lab/brian:2")
    assert {image_for(cast(SimulatorModule, stranger), gpus) for gpus in (0, 1)} == {"lab/brian:2"}


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
