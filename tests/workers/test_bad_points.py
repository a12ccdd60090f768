"""Points that run away, take for ever or end the process, on real simulators: they get a row, and the others run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Engine
from htcondor_pool import Pool
from recordings import run_one
from workplaces import ROOT, Workplace

from simulators.backends import pace
from simulators.models.clustered import make_network
from simulators.records.job import Job, Simulation
from simulators.worker.exit_codes import DONE

SIMULATORS = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("nest", "genn", "native")]
SPARSE = {"Q": 1, "jep": 1.0, "fixed_indegree": True}


def settings_of(simulator: str, cache: Path) -> dict[str, Any]:
    found: dict[str, Any] = {} if simulator == "nest" else {"cache": str(cache)}
    return found | ({"backend": "single_threaded_cpu"} if simulator == "genn" else {})


def sized(n_neurons: int, indegree: float, **more: Any) -> dict[str, Any]:
    p = indegree / n_neurons
    return {"N_E": n_neurons * 4 // 5, "N_I": n_neurons // 5, "p": [[p, p], [p, p]], **more}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_point_that_runs_away_does_not_fill_the_memory(
    workplace: Workplace, make_job: Callable[..., Job], small: Mapping[str, Any], cache: Path, simulator: str
) -> None:
    quiet = {"I_th_E": 0.2, "t_ref": 2.0}
    wild = {"I_th_E": 1e4, "t_ref": 0.1}  # every other step: in 200 ms some 10 million spikes
    workplace.write(
        make_job(
            [quiet, wild, quiet], simulator, Simulation(0.1, 0.0, 200.0), settings=settings_of(simulator, cache),
            parameters={**small, **SPARSE, **sized(12_000, 2.0)},
        )
    )  # fmt: skip
    code, log = workplace.run(timeout=300.0)
    assert code == DONE, log
    before, lost, after = workplace.rows()
    assert [row["status"] for row in (before, lost, after)] == ["ok", "diverged", "ok"], lost["error"]
    assert "population E fires at" in lost["error"] and "max_rate = 200 Hz" in lost["error"]
    grown = after["peak_memory"] - before["peak_memory"]
    assert grown < 1e8, f"{grown / 1e6:.0f} MB"


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_slow_point_is_stopped_in_mid_run(
    tmp_path: Path, make_job: Callable[..., Job], small: Mapping[str, Any], cache: Path, simulator: str
) -> None:
    # The slow point takes a hundred times as long as the quick ones, which so may run on a busy machine
    n_neurons, duration, limit = {
        "nest": (20_000, 6e3, 5.0), "genn": (300_000, 8e3, 10.0), "native": (400_000, 3e4, 6.0),
    }[simulator]  # fmt: skip
    quick, slow = sized(50, 4.0), sized(n_neurons, 4.0)
    job = make_job(
        [quick, slow, quick], simulator, Simulation(0.1, 0.0, duration), settings=settings_of(simulator, cache),
        parameters={**small, **SPARSE, "I_th_E": 0.5, "I_th_I": 0.5}, timeout=limit,
    )  # fmt: skip
    if simulator != "nest":  # what compiling takes is not to be the point's
        first = Workplace(tmp_path / "first")
        first.folder.mkdir()
        first.write(replace(job, simulation=Simulation(0.1, 0.0, 1.0), timeout=None))
        assert first.run(timeout=300.0)[0] == DONE
    workplace = Workplace(tmp_path)
    workplace.write(job)
    code, log = workplace.run(timeout=300.0)
    assert code == DONE, log
    rows = workplace.rows()
    assert [row["status"] for row in rows] == ["ok", "timeout", "ok"]
    assert rows[1]["error"] == f"took longer than {limit:g} s"
    assert rows[1]["t_simulate"] < limit + 5.0


def test_how_a_point_is_cut_into_pieces_does_not_matter(
    engine: Engine, small: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = engine(Simulation(0.1, 20.0, 100.0))
    network = make_network({**small, "delay": 1.5})  # NEST exchanges spikes every 15 steps
    simulator.build(network, 3)
    whole = run_one(simulator, network)
    monkeypatch.setattr(pace, "_FIRST", 0.7)  # ms
    monkeypatch.setattr(pace, "_QUICK", 0.0)
    assert run_one(simulator, network) == whole
    simulator.close()
    assert sum(map(len, whole.values())) > 100


MEASURE = """
import ctypes
from simulators.statistics import Column, Statistic

def measure(spikes, settings):
    if not spikes.trains.n_spikes:
        ctypes.string_at(0)
    return {"fatal": 1.0}

fatal = Statistic("fatal", "reads where nothing is", {"fatal": Column("1", "one")}, measure)
"""
MODEL = """
import os
from simulators.models import clustered

def make_network(parameters):
    if parameters["I_th_E"] > 5.0:
        os.abort()
    return clustered.make_network(parameters)
"""
FATAL = {
    "a statistic that reads where nothing is": (
        "nest", {"I_th_E": 0.2, "I_th_I": 0.2}, {"statistics": ("rate", "mine.py:fatal")}, MEASURE, signal.SIGSEGV,
    ),
    "a model that aborts": ("poisson", {"I_th_E": 9.0, "I_th_I": 1.0}, {"model": "mine.py"}, MODEL, signal.SIGABRT),
}  # fmt: skip


@pytest.mark.nest
@pytest.mark.parametrize("fatal", FATAL)
def test_a_point_that_ends_its_process_is_given_up(
    workplace: Workplace, make_job: Callable[..., Job], fatal: str
) -> None:
    simulator, bad, changes, code, number = FATAL[fatal]
    (workplace.folder / "mine.py").write_text(code)
    good = {"I_th_E": 2.0, "I_th_I": 1.0}
    workplace.write(make_job([good, bad, good], simulator, Simulation(0.1, 50.0, 200.0), **changes))
    ends = [workplace.run("--root", str(workplace.folder))[0] for _ in range(4)]
    assert ends == [-number, -number, -number, DONE]
    rows = {row["point_id"]: row for row in workplace.rows()}
    assert {name: row["status"] for name, row in rows.items()} == {"p0": "ok", "p1": "failed", "p2": "ok"}
    assert rows["p1"]["error"] == "the worker died 3 times while it ran this point"
    assert not workplace.marker.exists()


def test_a_batch_that_ends_the_process_in_loading_becomes_smaller(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write(make_job(9, settings={"batch": 400}))  # a sixth of it would still be all that there are
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    (workplace.folder / "sitecustomize.py").write_text(
        "import os, signal\n"
        "import simulators.backends.poisson_simulator as stand_in\n"
        "build = stand_in.PoissonSimulator.build\n"
        "def limited(self, network, seed, n_points):\n"
        "    if n_points > 1:\n"  # as where a graphics processor's memory does not do
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return build(self, network, seed, n_points)\n"
        "stand_in.PoissonSimulator.build = limited\n"
    )
    ends = [workplace.run()[0] for _ in range(3)]
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, DONE], "9 points, 2 points, one"
    assert [row["status"] for row in workplace.rows()] == ["ok"] * 9
    assert not workplace.marker.exists()


LEAVING = """
import sys
from simulators.statistics import Column, Statistic

def measure(spikes, settings):
    sys.exit(0)

leave = Statistic("leave", "ends the process", {"leave": Column("1", "one")}, measure)
"""


@pytest.mark.parametrize("settings", [{}, {"cores": 3, "batch": 2}], ids=["alone", "beside"])
def test_a_statistic_that_exits_fails_its_point(
    workplace: Workplace, make_job: Callable[..., Job], settings: dict[str, Any]
) -> None:
    """And does not end the worker as if all were done."""
    (workplace.folder / "mine.py").write_text(LEAVING)
    workplace.write(make_job(3, statistics=("rate", "mine.py:leave"), settings=settings))
    code, log = workplace.run("--root", str(workplace.folder))
    assert code == DONE, log
    assert [(row["status"], row["error"]) for row in workplace.rows()] == [("failed", "statistics: SystemExit: 0")] * 3


COMPILING = """
import os, signal
from pathlib import Path
import simulators.backends.poisson_simulator as stand_in

build = stand_in.PoissonSimulator.build

def when_compiling(self, tell):
    self.tell = tell

def compiling(self, network, seed, n_points):
    deaths = Path("deaths")
    n_deaths = len(deaths.read_text()) if deaths.exists() else 0
    self.tell(True)
    if n_deaths < 5:
        deaths.write_text("x" * (n_deaths + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    self.tell(False)
    if n_points > 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return build(self, network, seed, n_points)

stand_in.PoissonSimulator.when_compiling = when_compiling
stand_in.PoissonSimulator.build = compiling
"""


def test_no_point_is_blamed_for_the_end_of_a_compiler_and_batches_stay_as_large(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write(make_job(9, settings={"batch": 40}))
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    (workplace.folder / "sitecustomize.py").write_text(COMPILING)
    for _ in range(5):
        assert workplace.run()[0] == -signal.SIGKILL
        assert json.loads(workplace.marker.read_text()) == {"deaths": {}, "deaths_in_loading": 0}
    assert workplace.run()[0] == -signal.SIGKILL, "in loading, which is another matter"
    assert json.loads(workplace.marker.read_text())["deaths_in_loading"] == 1
    assert workplace.run()[0] == DONE
    assert [row["status"] for row in workplace.rows()] == ["ok"] * 9


# Notes how many points run together, and ends the process at a bad point, or at the second batch once
SPY = """
import os, signal
import simulators.backends.poisson_simulator as stand_in
n_batches = 0
def spied(name):
    run = getattr(stand_in.PoissonSimulator, name)
    def spying(self, networks, *given):
        global n_batches
        n_batches += 1
        open("sizes", "a").write(f"{len(networks)} ")
        bad = any(network["E"].parameters["t_ref"] == BAD for network in networks)
        if bad or (n_batches == 2 and not os.path.exists("killed")):
            open("killed", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, networks, *given)
    setattr(stand_in.PoissonSimulator, name, spying)
spied("run")
spied("run_into")
"""


def run_to_the_end(workplace: Workplace, bad: float) -> tuple[list[int], list[list[int]]]:
    """Exit codes of workers one after the other, and sizes of the batches that each has run."""
    (workplace.folder / "sitecustomize.py").write_text(SPY.replace("BAD", str(bad)))
    ends, sizes = [0], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(workplace.folder))
        while len(ends) == 1 or ends[-1] != DONE:
            assert len(ends) < 10
            (workplace.folder / "sizes").unlink(missing_ok=True)
            ends.append(workplace.run()[0])
            sizes.append([int(size) for size in (workplace.folder / "sizes").read_text().split()])
    return ends[1:], sizes


@pytest.mark.parametrize("cores", [1, 3])
def test_points_of_one_death_run_together_again_in_smaller_batches(
    workplace: Workplace, make_job: Callable[..., Job], cores: int
) -> None:
    workplace.write(make_job(40, settings={"batch": 16, "cores": cores}))
    ends, sizes = run_to_the_end(workplace, bad=-1.0)
    assert ends == [-signal.SIGKILL, DONE]
    assert [row["status"] for row in workplace.rows()] == ["ok"] * 40
    assert max(sizes[1][:4]) <= 4, "a fourth of a batch"
    assert len(sizes[1]) <= 9, "no points alone"
    assert max(sizes[1]) > 4, "what was not in flight runs as ever"


@pytest.mark.parametrize("cores", [1, 3])
def test_a_point_that_kills_in_company_is_found_and_nobody_else_is_given_up(
    workplace: Workplace, make_job: Callable[..., Job], cores: int
) -> None:
    (workplace.folder / "killed").touch()
    points = [{"t_ref": 5.0 + 0.1 * k} for k in range(20)]
    workplace.write(make_job(points, settings={"batch": 16, "cores": cores}))
    ends, sizes = run_to_the_end(workplace, bad=5.0 + 0.1 * 6)
    assert ends == [-signal.SIGKILL] * 3 + [DONE]
    assert sizes[2][-1] == 1, "the third time it ran alone"
    rows = {row["point_id"]: row for row in workplace.rows()}
    assert len(rows) == 20
    assert {name for name, row in rows.items() if row["status"] != "ok"} == {"p6"}
    assert rows["p6"]["error"] == "the worker died 3 times while it ran this point"
    assert not workplace.marker.exists()


@pytest.mark.pool
def test_a_recording_larger_than_memory_is_given_up(
    pool: Pool, workplace: Workplace, make_job: Callable[..., Job], small: Mapping[str, Any]
) -> None:
    """Below the highest rate, on a machine of 300 MB: the kernel kills the worker; `pool` made the image."""
    del pool
    points = [{"N_E": size} for size in (400, 40_000, 440)]
    job = make_job(points, simulation=Simulation(0.1, 0.0, 5000.0), settings={"max_rate_hz": 190.0})
    workplace.write(replace(job, parameters={**small, "I_th_E": 3.0}))
    workplace.folder.chmod(0o777)
    machine = ["--network=none", "--memory=300m", "--memory-swap=300m", f"--user={os.getuid()}:{os.getgid()}"]
    places = [f"--volume={ROOT}:/code:ro", f"--volume={workplace.folder}:/job", "--workdir=/job"]
    command = ["python3", "-P", "-m", "simulators.worker.supervisor", "/job/job.json"]
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--env=PYTHONPATH=/code", "--env=PYTHONDONTWRITEBYTECODE=1", *machine, *places),
            *(
                "gridsearch-nest:3.10.0",
                *command,
                "--summary",
                "/job/summaries/job.parquet",
                "--spikes",
                "/job/spikes",
            ),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == DONE, done.stdout + done.stderr
    rows = {row["point_id"]: row for row in workplace.rows()}
    assert {name: row["status"] for name, row in rows.items()} == {"p0": "ok", "p1": "failed", "p2": "ok"}
    assert "the worker died 3 times while it ran this point" in rows["p1"]["error"]
