"""What HTCondor is told to run, and which lines a sweep may add to it. Without a pool."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from workplaces import ROOT

from gridsearch.inputs.guest_files import GuestFiles
from jobs.executor import Placement
from jobs.htcondor_executor import SETTINGS, problems
from jobs.htcondor_executor.descriptions.dag import DagError
from jobs.htcondor_executor.descriptions.images import ExactImage, exact_image, image_commands, image_of, is_pinned
from jobs.htcondor_executor.descriptions.reserved import refusals
from jobs.htcondor_executor.descriptions.submit_description import Site, worker_commands
from simulators.backends.simulator import SimulatorModule, find_simulator, image_for, simulator_names
from simulators.records.run_directory import RunDirectory

DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}
CONTAINERS = ROOT / "containers"


def commands(placement: Placement | None = None, **settings: Any) -> dict[str, str]:
    return worker_commands("nest", placement or Placement(), False, Site("/r", "c.zip", DEFAULTS | settings))


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


def test_a_file_is_known_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nest.sif"
    path.write_bytes(b"an image")
    known = exact_image(str(path))
    assert known.runs == str(path) and known.says.startswith(f"{path}#sha256:")
    assert exact_image("nest.sif", str(tmp_path)) == known, "relative to the sweep"
    assert exact_image("/dev/zero").says == "/dev/zero#content-not-known", "it has no end"
    spaced = exact_image("/my images/nest.sif")
    assert spaced == ExactImage("/my images/nest.sif", "/my%20images/nest.sif#content-not-known")
    assert exact_image("/nowhere/nest.sif") == ExactImage("/nowhere/nest.sif", "/nowhere/nest.sif#content-not-known")
    whole = "lab/nest@sha256:" + 64 * "0"
    assert exact_image(whole) == ExactImage(whole, whole)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert exact_image("~/nest.sif") == known
    with pytest.raises(DagError, match="relative to the sweep's folder"):
        exact_image("other.sif", str(tmp_path))
    for image in ("~nobody-of-this-name/nest.sif", "./" + 300 * "x"):
        with pytest.raises(DagError, match=r"^image = "):
            exact_image(image, str(tmp_path))


_DOCKER = """#!/bin/sh
case $6 in
    *unknown*) exit 1 ;;
    *built*) echo ;;
    *) printf '%s\\n' "mirror.lab/other@sha256:{other}" "{repository}@sha256:{digest}" ;;
esac
"""


@pytest.mark.parametrize(
    ("image", "repository", "runs", "says"),
    [
        ("lab/nest:3.10", "lab/nest", "lab/nest@{}", "lab/nest:3.10@{}"),
        ("docker://lab/nest:3.10", "lab/nest", "docker://lab/nest@{}", "docker://lab/nest:3.10@{}"),
        ("docker.io/library/nest:3", "nest", "docker.io/library/nest@{}", "docker.io/library/nest:3@{}"),
        ("r.lab:5000/nest", "r.lab:5000/nest", "r.lab:5000/nest@{}", "r.lab:5000/nest@{}"),
        ("lab/nest:3.11", "mirror/nest", "lab/nest:3.11", "lab/nest:3.11#digest-not-known"),
        ("built:1", "built", "built:1", "built:1#digest-not-known"),
        ("unknown:1", "", "unknown:1", "unknown:1#digest-not-known"),
        ("oras://lab/nest:1", "", "oras://lab/nest:1", "oras://lab/nest:1#digest-not-known"),
    ],
)
def test_an_image_runs_by_the_digest_of_its_own_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, repository: str, runs: str, says: str
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(_DOCKER.format(repository=repository, digest=64 * "a", other=64 * "b"))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    exact_image.cache_clear()
    digest = "sha256:" + 64 * "a"
    assert exact_image(image) == ExactImage(runs.format(digest), says.format(digest))
    exact_image.cache_clear()


def test_jobs_run_the_image_that_their_rows_name() -> None:
    image = ExactImage("lab/nest@sha256:" + 64 * "a", "lab/nest:3@sha256:" + 64 * "a")
    for universe, key, name in (
        ("docker", "docker_image", image.runs),
        ("container", "container_image", f"docker://{image.runs}"),
    ):
        settings = DEFAULTS | {"universe": universe}
        site = Site("/r", "c.zip", settings, images={"nest": image})
        made = worker_commands("nest", Placement(image="lab/nest:3"), False, site)
        assert made[key] == name and f"--image {image.says}" in made["arguments"]
    unknown = ExactImage("lab/nest:3", "lab/nest:3#digest-not-known")
    made = worker_commands("nest", Placement(), False, Site("/r", "c.zip", DEFAULTS, images={"nest": unknown}))
    assert "--image lab/nest:3#digest-not-known" in made["arguments"]


# What is run and what beside it, as whom, with which environment; where files go and which are sent; our own macros,
# and what tells HTCondor and us how a job fares
_RESERVED = """
universe executable Executable arguments args log output error stdout initialdir transfer_input_files
transfer_output_files transfer_executable transfer_output_remaps transfer_checkpoint_files
should_transfer_files when_to_transfer_output transfer_plugins queue Queue docker_image container_image input
+Cmd +Args My.Arguments +Out +UserLog +TransferInput +TransferOutput My.SpoolOnEvict +PreCmd +PostCmd
+JobUniverse include if use hook_keyword +HookKeyword
shell +Shell noop_job tool_daemon_cmd +ToolDaemonCmd docker_override_entrypoint skip_if_dataflow java_vm_args
jar_files manifest fetch_files +MY.Cmd +my.cmd MY.Environment +SingularityImage environment env getenv
max_retries kill_sig load_profile job_machine_attrs batch_name
run_as_owner primary_unix_group use_oauth_services x509userproxy send_credential +Owner +NTDomain
transfer_error transfer_output remote_initialdir starter_log +UserLog dagman_log stream_output
mount_under_scratch checkpoint_destination output_directory +JobStarterLog dont_encrypt_input_files
job_name points cpus memory disk expected_seconds DOLLAR any_macro submit_event_notes +DAGNodeName
+DAGManJobId +AvoidedMachines +AvoidedUntil +SweepSimulator +NumJobCompletions +NumHoldsByReason +JobStatus
+MachineAttrMachine1
"""
NO_KEYS = ["bad key", "key\nqueue 100", "a = b", "", "}", "@x", "+", "+my.", "my.a.b"]
_FREE = """
request_memory request_disk request_cpus request_gpus requirements rank accounting_group +Project My.Project
gpus_minimum_memory concurrency_limits priority hold notification max_transfer_output_mb periodic_hold
docker_network_type nice_user +WantFlocking request_fpgas RequestMemory job_lease_duration on_exit_hold
notify_user +RequestFpgas +AcctGroup +JobFlavour +MaxRuntime +ProjectName +UNDESIRED_Sites
+JobDurationCategory +LongJob +is_resumable
"""


@pytest.mark.parametrize("key", [*_RESERVED.split(), *NO_KEYS])
def test_what_is_run_and_sent_is_not_the_sweeps(key: str) -> None:
    assert list(refusals({key: "x"})) == [key]


@pytest.mark.parametrize("key", ["python", "accounting_group", "accounting_group_user", "image"])
@pytest.mark.parametrize("value", ["x\nqueue 9", "x \\", "x\x85y"])
def test_what_stands_in_a_line_of_ours_is_one_line(key: str, value: str) -> None:
    if key == "image":
        assert list(problems(DEFAULTS, {"nest": Placement(image=value)})) == ["nest.image"]
    else:
        assert list(problems(DEFAULTS | {key: value}, {})) == [f"htcondor.{key}"]


@pytest.mark.parametrize("key", _FREE.split())
def test_all_else_is(key: str) -> None:
    assert refusals({key: "x"}) == {}


@pytest.mark.parametrize("value", ["1\nqueue 1000", "1\rx", "1\x0bx", "1\u2028x", "a \\", "a \\ ", "\\", "\n}", "\x00"])
def test_a_value_is_one_line_of_its_own(value: str) -> None:
    assert list(refusals({"rank": value})) == ["rank"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cells, v2.h5", "cells_ v2.h5"),
        ("c$(HOME).h5", "c__HOME_.h5"),
        (" $ENV(X)", "_ENV_X_"),
        ("zwölf=12.npz", "zwölf=12.npz"),
        ("a\nb", "a_b"),
        (" ", "_"),
    ],
)
def test_data_are_sent_under_names_that_separate_nothing(tmp_path: Path, name: str, plain: str) -> None:
    (tmp_path / name).write_text("1")
    guests = GuestFiles(tmp_path, "clustered", ("rate",), {"cells": tmp_path / name})
    assert guests.job_data["cells"].split("/")[2:] == [plain]
    run = RunDirectory(tmp_path / "run")
    guests.write(run)
    assert (run.root / guests.job_data["cells"]).read_text() == "1"


def test_a_folder_that_looks_like_a_macro_is_none() -> None:
    made = worker_commands("nest", Placement(), False, Site("/home/$(HOME)/$ENV(X)", "c.zip", DEFAULTS))
    assert made["initialdir"] == "/home/$(DOLLAR)(HOME)/$(DOLLAR)ENV(X)"
