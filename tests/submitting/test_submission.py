"""Submitting: wanted minus done, written down."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import write_sweep
from workplaces import ROOT

from gridsearch.commands.cli import main
from gridsearch.inputs.input_files import InputError
from gridsearch.planning.plan import Plan, choose_executor, make_plan
from gridsearch.submitting.owner import Busy
from gridsearch.submitting.run_lock import lock_owner, locked, stop_owner
from gridsearch.submitting.submission import check_conflict, write_plan
from jobs.executor import executor_names
from simulators.records.job import read_job, write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import summary_schema, write_summary


def plan(folder: Path, retry_failed: bool = False, **sections: object) -> Plan:
    return make_plan(write_sweep(folder, **sections), folder / "results", retry_failed)


def finish(plan: Plan, simulator: str, *statuses: str) -> None:
    """Write rows for the first points of a plan, as a worker would."""
    asked = plan.sweep
    made = json.dumps(asked.guests.fingerprint(asked.statistics, asked.statistics_settings, asked.windows))
    rows = [
        {"point_id": point.point_id, "simulator": simulator, "threads": 1, "status": status, "statistics": made}
        for point, status in zip(plan.grid.points, statuses, strict=False)
    ]
    name = f"{simulator}-done"
    template = plan.simulators[simulator].jobs[0].job
    write_job(replace(template, name=name, points=plan.grid.points[: len(rows)]), plan.run.job(name))
    write_summary(rows, summary_schema(["rate"], ["E", "I"], {"I_th_E": 1.0}), plan.run.summary(name))


def wanted(plan: Plan, simulator: str) -> set[str]:
    return {point.point_id for one in plan.simulators[simulator].jobs for point in one.job.points}


def test_what_is_done_is_not_planned(tmp_path: Path) -> None:
    first = plan(tmp_path)
    finish(first, "poisson", "ok", "failed")
    share = plan(tmp_path).simulators["poisson"]
    assert (share.n_points, share.n_done, share.n_failed, share.n_left) == (3, 1, 1, 1)
    assert wanted(plan(tmp_path), "poisson") == {first.grid.points[2].point_id}
    retried = plan(tmp_path, retry_failed=True)
    assert wanted(retried, "poisson") == {point.point_id for point in first.grid.points[1:]}


def test_each_simulator_has_its_own_share(tmp_path: Path) -> None:
    both = {"simulators": ["nest", "poisson"]}
    finish(plan(tmp_path, **both), "nest", "ok", "ok", "ok")
    again = plan(tmp_path, **both)
    assert again.simulators["nest"].n_left == 0 and again.simulators["poisson"].n_left == 3
    threads = plan(tmp_path, **both, more="[jobs.nest]\nthreads = 2\n")
    assert threads.simulators["nest"].n_left == 3, "NEST's draws depend on the number of threads"


def test_planning_writes_nothing(tmp_path: Path) -> None:
    plan(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_what_is_written_down_can_be_replayed(tmp_path: Path) -> None:
    made = plan(tmp_path, jobs='executor = "local"\nminutes_per_job = 1e-9\nminutes_per_point = 2')
    write_plan(made, replace_sweep=False)
    assert len(made.jobs) == 3
    for one in made.jobs:
        read = read_job(made.run.job(one.job.name))
        assert read == one.job and read.timeout == 120.0
    write_plan(made, replace_sweep=False)
    submits = json.loads(made.run.provenance.read_text())["submits"]
    assert len(submits) == 2, "earlier submits are kept"
    assert submits[0]["points"] == {"poisson": 3} and submits[0]["jobs"] == [one.job.name for one in made.jobs]
    assert {"time", "code", "packages", "machine"} <= submits[0].keys()
    assert not [path for path in made.run.root.rglob("*") if path.name.endswith(".tmp")]


def test_another_sweep_of_the_name_is_not_taken_over(tmp_path: Path) -> None:
    write_plan(plan(tmp_path), replace_sweep=False)
    check_conflict(plan(tmp_path, axes="I_th_E = { values = [1.0, 1.5, 2.0, 3.0] }"), replace_sweep=False)
    other = plan(tmp_path, axes="I_th_E = { values = [1.0, 1.5] }")
    with pytest.raises(InputError, match=r'name = "small": .* holds another sweep of this name: 1 of its points'):
        check_conflict(other, replace_sweep=False)
    check_conflict(other, replace_sweep=True)


def test_executors_are_chosen_with_a_reason(tmp_path: Path) -> None:
    assert choose_executor("local", tmp_path)[0] == "local"
    name, why = choose_executor("auto", tmp_path)
    assert name in executor_names() and why
    with pytest.raises(InputError, match="did you mean 'local'"):
        make_plan(write_sweep(tmp_path), tmp_path / "results", executor="locl")


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    assert lock_owner(run) is None
    with locked(run):
        look = (
            "import sys; from pathlib import Path; from gridsearch.submitting.run_lock import *\n"
            "from simulators.records.run_directory import RunDirectory\n"
            "run = RunDirectory(Path(sys.argv[1])); print(lock_owner(run))\n"
            "try:\n with locked(run): print('held twice')\n"
            "except Busy as error: print(error)\n"
        )
        command = [sys.executable, "-c", look, str(run.root)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert said.splitlines() == [
            f"process {os.getpid()} on {platform.node()}",
            f"{run.root}: another submit is at work (process {os.getpid()} on {platform.node()})",
        ]
        with pytest.raises(Busy), locked(run):
            pass
    assert lock_owner(run) is None
    with locked(run):
        pass


@pytest.mark.parametrize("change", [{"host": "login9"}, {"started": "another boot 1"}])
def test_a_process_of_another_machine_or_time_is_not_stopped(tmp_path: Path, change: dict[str, str]) -> None:
    run = RunDirectory(tmp_path / "run")
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        with locked(run):
            content = json.loads(run.lock.read_text())
            run.lock.write_text(json.dumps({**content, "process": stranger.pid, **change}))
            owner = lock_owner(run)
            assert owner is not None and owner.process == stranger.pid
            with pytest.raises(Busy, match=f"process {stranger.pid} on .* cancel it there"):
                stop_owner(owner)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_of_this_machine_is_stopped(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    hold = (
        "import sys, time; from pathlib import Path; from gridsearch.submitting.run_lock import locked\n"
        "from simulators.records.run_directory import RunDirectory\n"
        "with locked(RunDirectory(Path(sys.argv[1]))):\n print('held', flush=True)\n time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", hold, str(run.root)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        owner = lock_owner(run)
        assert owner is not None and owner.is_here()
        assert f"process {process.pid}" in stop_owner(owner)
        assert process.wait(20) == -15


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.root.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("mine")
    run.lock.symlink_to(precious)
    with pytest.raises(OSError), locked(run):
        pass
    assert precious.read_text() == "mine"
    assert lock_owner(run) is None


def test_plan_prints_the_dag_without_a_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short, image = 'executor = "local"\nminutes_per_job = 0.0001', '[jobs.poisson]\nimage = "lab/stand-in:1"\n'
    path = write_sweep(tmp_path, axes="I_th_E = { start = 1, step = 0.1, num = 6 }", jobs=short, more=image)
    assert main(["plan", str(path), "--results", str(tmp_path / "results"), "--preview", "--executor", "htcondor"]) == 0
    said = capsys.readouterr().out
    jobs = make_plan(path, tmp_path / "results", executor="htcondor", elsewhere=True).jobs
    assert len(jobs) > 1
    nodes = [line.split()[1:3] for line in said.splitlines() if line.startswith("JOB ")]
    assert nodes == [[one.job.name, "poisson"] for one in jobs]
    assert "SUBMIT-DESCRIPTION poisson" in said
    assert "FINAL collect" in said
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.toml"]


@pytest.mark.parametrize(
    ("folder", "more", "said"),
    [
        ("results", "", "nothing below /tmp"),
        ("/var/a$b", "", "no folder with $"),
        ("/var/runs", "", "[jobs.poisson] image is missing"),
        ("/var/runs", '[jobs.poisson]\nimage = "/images/a.sif"\n', 'universe = "container"'),
    ],
)
def test_what_the_executor_refuses_is_refused_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    more: str,
    said: str,
) -> None:
    # a schedd that answers; nothing of it is needed up to the refusal
    monkeypatch.setattr("jobs.htcondor_executor.why_unavailable", lambda: None)
    monkeypatch.chdir(tmp_path)
    sweep = write_sweep(tmp_path, jobs='executor = "htcondor"', more=more)
    before = Path(folder).exists()
    assert main(["submit", str(sweep), "--results", folder]) == 2
    assert said in capsys.readouterr().err
    assert Path(folder).exists() == before and [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_who_may_not_submit_is_told_before_the_grid_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.htcondor_executor.why_unavailable", lambda: "the schedd takes no jobs from you")
    monkeypatch.setattr("gridsearch.planning.plan.expand", lambda sweep: pytest.fail("the grid was made"))
    sweep = write_sweep(tmp_path, jobs='executor = "htcondor"')
    assert main(["submit", str(sweep), "--results", str(tmp_path / "results")]) == 2
    assert 'jobs.executor = "htcondor": the schedd takes no jobs from you' in capsys.readouterr().err


@pytest.mark.parametrize("command", [["plan"], ["plan", "--preview"], ["submit"]])
def test_an_executor_there_is_none_of(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    sweep = write_sweep(tmp_path)
    assert main([*command, str(sweep), "--results", str(tmp_path / "results"), "--executor", "smoke"]) == 2
    assert '--executor = "smoke": no such executor' in capsys.readouterr().err
