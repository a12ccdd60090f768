"""The DAG of a submit and what it says of the jobs, without a pool; and the archive that the jobs run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workplaces import ROOT

from gridsearch.commands.cli import main
from gridsearch.planning.grid import expand
from gridsearch.planning.plan import make_plan
from gridsearch.submitting.submission import write_plan
from gridsearch.sweeps.sweep import read_sweep
from jobs.executor import Conditions, Placement
from jobs.htcondor_executor import SETTINGS
from jobs.htcondor_executor.descriptions.archive import write_worker_archive
from jobs.htcondor_executor.descriptions.dag import Dag, DagError, Gate, Node, dag_text
from jobs.htcondor_executor.descriptions.submit_description import Site, quoted_arguments, worker_commands
from jobs.htcondor_executor.descriptions.sweep_dag import make_dag
from jobs.plan import PlannedJob
from simulators.backends.simulator import find_simulator
from simulators.records import machine
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import start_summary
from simulators.worker.exit_codes import TRANSIENT, UNUSABLE

SWEEP = ROOT / "examples" / "demo.toml"
DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}


def a_job(
    name: str, n_points: int = 3, simulator: str = "poisson", duration: float = 1000.0, spikes: str = "none"
) -> Job:
    """A job that can run: the poisson simulator on a small clustered network."""
    sweep = read_sweep(SWEEP)
    grid = expand(sweep)
    points = tuple(replace(grid.points[0], point_id=f"{i:020x}", seed=i, network_seed=i) for i in range(n_points))
    return Job(
        name=name,
        model="clustered",
        simulator=simulator,
        settings={key: setting.default for key, setting in find_simulator(simulator).SETTINGS.items()},
        simulation=Simulation(0.1, 100.0, duration),
        statistics=("rate",),
        parameters=grid.parameters,
        points=points,
        populations=grid.populations,
        spikes=spikes,  # type: ignore[arg-type]
    )


def planned(name: str, simulator: str, n_points: int = 1, cores: int = 1, memory: float = 0.0) -> PlannedJob:
    points = tuple(Point(str(i), 1, 1, {}) for i in range(n_points))
    job = Job(name, "clustered", simulator, {}, Simulation(0.1, 0.0, 1.0), ("rate",), {}, points, ("E",))
    return PlannedJob(job, cores, 60.0, memory)


def test_dag_is_written_exactly() -> None:
    dag = Dag(
        descriptions={"cpu": {"executable": "python3", "arguments": '"a b"'}, "last": {"universe": "local"}},
        nodes=[Node("a-1", "cpu", {"memory": "512", "said": 'say "\\"'}, "cpu"), Node("b-2", "cpu")],
        final=Node("collect", "last"),
        throttles={"cpu": 40},
        service=Node("watch", "last"),
    )
    assert dag_text(dag) == (
        "SUBMIT-DESCRIPTION cpu {\n"
        "    executable = python3\n"
        '    arguments = "a b"\n'
        "}\n"
        "\n"
        "SUBMIT-DESCRIPTION last {\n"
        "    universe = local\n"
        "}\n"
        "\n"
        "JOB a-1 cpu\n"
        'VARS a-1 APPEND memory="512" said="say \\"\\\\\\""\n'
        "CATEGORY a-1 cpu\n"
        "JOB b-2 cpu\n"
        "MAXJOBS cpu 40\n"
        "SERVICE watch last\n"
        "FINAL collect last\n"
    )


def test_nodes_wait_behind_gates() -> None:
    nodes = [Node(f"a-{i:03d}", "cpu") for i in range(150)]
    gates = [Gate("gate_1", "cpu", "/bin/true 1"), Gate("gate_2", "cpu", "/bin/true 2")]
    lines = dag_text(Dag({"cpu": {}}, nodes, gates=gates, gated=[one.name for one in nodes[1:]])).splitlines()
    assert lines[-10:-2] == [
        "JOB a-149 cpu",
        "JOB gate_1 cpu NOOP",
        "SCRIPT DEFER 1 30 PRE gate_1 /bin/true 1",
        "PRE_SKIP gate_1 2",
        "JOB gate_2 cpu NOOP",
        "SCRIPT DEFER 1 30 PRE gate_2 /bin/true 2",
        "PRE_SKIP gate_2 2",
        "PARENT gate_1 CHILD gate_2",
    ]
    assert [len(line.split()) for line in lines[-2:]] == [103, 52], "no line without end"
    assert "a-000" not in " ".join(lines[-2:])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"nodes": [Node("a b", "cpu")]}, "must be letters"),
        ({"nodes": [Node("ALL_NODES", "cpu")]}, "none of"),
        ({"nodes": [Node("a", "cpu"), Node("a", "cpu")]}, "two nodes are named 'a'"),
        ({"service": Node("a", "cpu")}, "two nodes are named 'a'"),
        ({"nodes": [Node("a", "gpu")]}, "no submit description 'gpu'"),
        ({"nodes": [Node("a", "cpu", {"x": "1\n2"})]}, "must be one line"),
        ({"nodes": [Node("a", "cpu", {"x y": "1"})]}, "not a name of a submit command"),
        ({"nodes": [Node("a", "cpu", {}, "cpu")]}, "has no throttle"),
        ({"descriptions": {"cpu": {"executable": "x\n}"}}}, "must be one line"),
        ({"descriptions": {"cpu": {"rank": "1 \\"}}}, "must be one line"),
        ({"throttles": {"cpu": 0}}, "at least one"),
        ({"gates": [Gate("a", "cpu", "/bin/true")]}, "its name is taken"),
        ({"gates": [Gate("b", "cpu", "/bin/true\nJOB c cpu")]}, "must be one line"),
    ],
)
def test_what_cannot_be_written_is_refused(change: dict[str, object], rule: str) -> None:
    dag = Dag(descriptions={"cpu": {}}, nodes=[Node("a", "cpu")])
    with pytest.raises(DagError, match=rule):
        dag_text(replace(dag, **change))  # type: ignore[arg-type]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), max_size=5))
def test_quoted_arguments_can_be_read_back(arguments: list[str]) -> None:
    text = quoted_arguments(arguments)
    assert text[0] == text[-1] == '"'
    assert _parsed(text[1:-1].replace('""', '"')) == arguments


def _parsed(text: str) -> list[str]:
    """HTCondor's new syntax, from its manual: white space separates, '…' protects, '' within stands for one."""
    arguments: list[str] = []
    current: str | None = None
    quoted = False
    i = 0
    while i < len(text):
        character = text[i]
        if character == "'":
            if quoted and text[i + 1 : i + 2] == "'":
                current = (current or "") + "'"
                i += 1
            else:
                quoted = not quoted
                current = current or ""
        elif character.isspace() and not quoted:
            if current is not None:
                arguments.append(current)
            current = None
        else:
            current = (current or "") + character
        i += 1
    return arguments if current is None else [*arguments, current]


def test_sweep_has_one_description_per_simulator_and_one_node_per_job() -> None:
    jobs = [planned("nest-1", "nest", 5, cores=2, memory=2**30), planned("genn-1", "genn"), planned("nest-2", "nest")]
    conditions = Conditions(
        name="background",
        settings=DEFAULTS | {"accounting_group": "neuro", "submit": {"+Project": '"x"'}},
        placement={
            "nest": Placement(image="lab/nest:3", max_running=7),
            "genn": Placement(gpus=1, submit={"gpus_minimum_memory": 8000}),
        },
        collect=("/usr/bin/python3", "-m", "gridsearch", "report", "/r", "--after-jobs"),
        environment={"PYTHONPATH": "/code"},
    )
    dag = make_dag(jobs, conditions, Site("/r", "dag/code.zip", conditions.settings))
    assert list(dag.descriptions) == ["nest", "genn", "collect", "watch"]
    assert [(node.name, node.description, node.category) for node in dag.nodes] == [
        ("nest-1", "nest", "nest"),
        ("genn-1", "genn", None),
        ("nest-2", "nest", "nest"),
    ]
    assert dag.throttles == {"nest": 7}
    nest, genn, collect, watch = dag.descriptions.values()
    assert nest["docker_image"] == "lab/nest:3"
    assert genn["docker_image"] == "gridsearch-genn-cuda:5.4.0", "the one whose PyGeNN has CUDA"
    assert (genn["request_gpus"], genn["gpus_minimum_memory"]) == ("1", "8000")
    assert "request_gpus" not in nest and "gpus_minimum_memory" not in nest
    assert {one["accounting_group"] for one in (nest, genn, collect, watch)} == {"neuro"}
    assert nest["+Project"] == '"x"'
    assert dag.nodes[0].variables["cpus"] == "2"
    assert dag.nodes[0].variables["points"] == "5"
    assert int(dag.nodes[0].variables["memory"]) == 1280, "a quarter more than the estimate, in MiB"
    assert collect["arguments"] == '"-m gridsearch report /r --after-jobs $(DAG_STATUS) $(FAILED_COUNT)"'
    assert "RETRY" not in dag_text(dag), "the schedd tries again, where it knows what failed"
    assert "ABORT-DAG-ON" not in dag_text(dag), "no job ends another's"
    assert [node.variables["expected_seconds"] for node in dag.nodes] == ["60"] * 3


def test_shared_file_system_sends_nothing_and_keeps_the_command_line() -> None:
    site = Site("/r", "dag/code.zip", DEFAULTS)
    sent = worker_commands("nest", Placement(), True, site)
    shared = worker_commands("nest", Placement(), True, replace(site, settings=DEFAULTS | {"shared_filesystem": True}))
    assert sent["arguments"] == shared["arguments"].replace(
        '$(job_name)"', '$(job_name) --attempts attempts/$(job_name)"'
    )
    # In this order: spikes before the rows that speak of them, an attempt's own rows before the summary
    assert sent["transfer_output_files"] == "spikes/$(job_name), attempts/$(job_name), summaries"
    assert shared["should_transfer_files"] == "NO"
    assert not [key for key in shared if key.startswith("transfer_") and key != "transfer_executable"]


def test_archive_is_the_code_and_runs_without_anything_of_ours(tmp_path: Path) -> None:
    archive = write_worker_archive(tmp_path)
    assert archive.name == f"simulators-{machine.code_hash()}.zip"
    first = archive.read_bytes()
    archive.unlink()
    assert write_worker_archive(tmp_path).read_bytes() == first, "the same code makes the same file"
    with zipfile.ZipFile(archive) as content:
        assert {name.split("/")[0] for name in content.namelist()} == {"__main__.py", "simulators"}
    write_job(a_job("poisson-1", spikes="all"), tmp_path / "job.json")
    done = _run(archive, tmp_path, "job.json", "--summary", "s.parquet", "--spikes", "spikes/poisson-1")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert machine.code_hash() in rows[0]["versions"]
    assert len(list((tmp_path / "spikes" / "poisson-1").glob("*.parquet"))) == 3


def test_started_summary_is_gone_on_with(tmp_path: Path) -> None:
    job = a_job("poisson-1")
    run = RunDirectory(tmp_path)
    summary = run.summary(job.name)
    write_job(job, run.job(job.name))
    start_summary(job, run)
    assert pq.read_metadata(summary).num_rows == 0
    assert summary.stat().st_size < 5000, "there may be thousands"
    archive = write_worker_archive(tmp_path)
    arguments = (f"jobs/{job.name}.json", "--summary", f"summaries/{job.name}.parquet")
    assert _run(archive, tmp_path, *arguments).returncode == 0
    before = summary.read_bytes()
    start_summary(job, run)
    assert summary.read_bytes() == before, "rows that are there stay"


def test_run_without_a_row_has_a_status_and_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(SWEEP, tmp_path, executor="local")
    write_plan(plan, replace_sweep=False)
    for one in plan.jobs:
        start_summary(one.job, plan.run)
    assert main(["status", str(plan.run.root)]) == 1
    assert "no submit is at work" in capsys.readouterr().out
    assert main(["report", str(plan.run.root), "--after-jobs", "2", "3"]) == 1
    assert "status 2, 3 of them failed; 60 points are missing" in capsys.readouterr().out


def test_unusable_job_ends_at_once(tmp_path: Path) -> None:
    archive = write_worker_archive(tmp_path)
    write_job(replace(a_job("poisson-1"), model="nonesuch"), tmp_path / "job.json")
    done = _run(archive, tmp_path, "job.json", "--summary", "s.parquet")
    assert done.returncode == UNUSABLE
    assert done.stderr.count("nonesuch") == 1, "no second attempt"
    assert _run(archive, tmp_path, "nowhere.json", "--summary", "s.parquet").returncode == TRANSIENT


def test_rows_name_the_image(tmp_path: Path) -> None:
    archive = write_worker_archive(tmp_path)
    write_job(a_job("poisson-1"), tmp_path / "job.json")
    image = "lab/nest:3@sha256:" + 64 * "a"
    done = _run(archive, tmp_path, "job.json", "--summary", "s.parquet", "--image", image)
    assert done.returncode == 0, done.stderr
    for row in pq.read_table(tmp_path / "s.parquet").to_pylist():
        assert json.loads(row["versions"])["image"] == image


@pytest.mark.parametrize("killed", [False, True])
def test_worker_that_is_stopped_or_killed(tmp_path: Path, killed: bool) -> None:
    archive = write_worker_archive(tmp_path)
    write_job(a_job("poisson-1", n_points=60, duration=20000.0), tmp_path / "job.json")
    summary = tmp_path / "s.parquet"
    command = [sys.executable, str(archive), "job.json", "--summary", "s.parquet"]
    process = subprocess.Popen(command, cwd=tmp_path, env=_environment(), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not (summary.exists() and pq.read_metadata(summary).num_rows >= 2):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        n_before = pq.read_metadata(summary).num_rows
        if killed:
            os.kill(_child(process.pid), signal.SIGKILL)
            assert process.wait(300) == 0, "it was started again"
            assert pq.read_metadata(summary).num_rows == 60
        else:
            process.terminate()
            assert process.wait(20) == TRANSIENT
            assert n_before <= pq.read_metadata(summary).num_rows < 60
    finally:
        process.kill()
        process.wait()


def _child(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    assert len(children) == 1
    return int(children[0])


def _run(archive: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(archive), *arguments]
    return subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=60, check=False
    )


def _environment() -> dict[str, str]:
    """Without the checkout on the path: what runs is what is in the archive."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
