"""A point has its time for its statistics too; what cannot be interrupted ends the worker, and that point alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_bad_points import SIMULATORS, SPARSE, settings_of, sized
from workplaces import Workplace, wait_until

from simulators.records.job import Job, Simulation
from simulators.worker.exit_codes import DONE, STOPPED
from simulators.worker.points.deadline import LATE

QUIET = {"I_th_E": -90.0, "I_th_I": -90.0}
LOUD = {"I_th_E": 2.0, "I_th_I": 1.0}

MEASURE = """
import itertools
import time
from simulators.statistics import Column, Statistic

def for_long():
    time.sleep(600.0)

def in_c():
    all(itertools.repeat(True))  # holds the interpreter's lock all the while, and looks at no signal

def slow_to(wait):
    def measure(spikes, settings):
        if not spikes.trains.n_spikes:
            wait()
        return {"slow": 1.0}
    return measure

slow = Statistic("slow", "waits where nothing fires", {"slow": Column("1", "one")}, slow_to(for_long))
stuck = Statistic("stuck", "waits in C", {"slow": Column("1", "one")}, slow_to(in_c))
"""
PATIENCE = "import simulators.worker.points.deadline as deadline\ndeadline._PATIENCE = 1.0\n"
BESIDE = {"cores": 3, "batch": 2}


def write(workplace: Workplace, job: Job) -> None:
    (workplace.folder / "mine.py").write_text(MEASURE)
    workplace.write(job)


def statuses(workplace: Workplace) -> dict[str, str]:
    return {row["point_id"]: row["status"] for row in workplace.rows()}


@pytest.mark.parametrize("settings", [{}, {"batch": 3}, BESIDE], ids=["alone", "batch", "beside"])
def test_a_slow_statistic_is_stopped(
    workplace: Workplace, make_job: Callable[..., Job], settings: dict[str, Any]
) -> None:
    job = make_job(
        [LOUD, QUIET, LOUD], simulation=Simulation(0.1, 0.0, 50.0), statistics=("rate", "mine.py:slow"), timeout=8.0,
        settings=settings, spikes="all",
    )  # fmt: skip
    write(workplace, job)
    code, log = workplace.run("--root", str(workplace.folder), timeout=120.0)
    assert code == DONE, log
    assert statuses(workplace) == {"p0": "ok", "p1": "timeout", "p2": "ok"}
    late = workplace.rows()[1]
    assert late["error"] == "took longer than 8 s"
    assert late["rate_E"] is None
    assert not list(workplace.summary.parent.glob(".*")), "no note is left"


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_slow_statistic_is_stopped_on_every_simulator(
    workplace: Workplace, make_job: Callable[..., Job], small: Mapping[str, Any], cache: Path, simulator: str
) -> None:
    quiet, loud = {**sized(50, 4.0), "I_th_E": 0.2}, {**sized(50, 4.0), "I_th_E": 3.0}
    job = make_job(
        [loud, quiet, loud], simulator, Simulation(0.1, 0.0, 100.0), settings=settings_of(simulator, cache),
        parameters={**small, **SPARSE, "I_th_I": 0.2}, statistics=("rate", "mine.py:slow"), populations=("E",),
    )  # fmt: skip
    if simulator != "nest":  # what compiling takes is not to be the point's
        write(workplace, make_job([loud], simulator, Simulation(0.1, 0.0, 100.0), settings=dict(job.settings),
                                  parameters=job.parameters))  # fmt: skip
        assert workplace.run(timeout=300.0)[0] == DONE
        workplace.summary.unlink()
    write(workplace, Job(**{**vars(job), "timeout": 20.0}))
    code, log = workplace.run("--root", str(workplace.folder), timeout=300.0)
    assert code == DONE, log
    assert statuses(workplace) == {"p0": "ok", "p1": "timeout", "p2": "ok"}


@pytest.mark.parametrize("settings", [{}, BESIDE], ids=["alone", "beside"])
def test_a_statistic_that_cannot_be_interrupted_ends_the_worker_and_its_point_alone(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    (workplace.folder / "sitecustomize.py").write_text(PATIENCE)
    job = make_job(
        [LOUD, QUIET, LOUD], simulation=Simulation(0.1, 0.0, 50.0), statistics=("rate", "mine.py:stuck"), timeout=6.0,
        settings=settings,
    )  # fmt: skip
    write(workplace, job)
    code, log = workplace.run("--root", str(workplace.folder), timeout=120.0)
    assert code == LATE, log
    code, log = workplace.run("--root", str(workplace.folder), timeout=120.0)
    assert code == DONE, log
    assert statuses(workplace) == {"p0": "ok", "p1": "timeout", "p2": "ok"}
    (late,) = [row for row in workplace.rows() if row["point_id"] == "p1"]
    assert late["error"] == "took longer than 6 s, and could not be interrupted"
    if not settings:
        assert "in_c" in log, "it says where"
    assert not list(workplace.summary.parent.glob(".*")), "no note is left"


def test_points_that_were_late_have_their_rows_before_anything_can_happen_to_the_next_worker(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    points = [QUIET, sized(400, 0.2), LOUD]  # the last is not described before the first has run
    job = make_job(points, simulation=Simulation(0.1, 0.0, 50.0), statistics=("mine.py:slow",), timeout=300.0)
    write(workplace, job)
    note = workplace.summary.with_name(f".{workplace.summary.name}.late")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text('["p2"]\nTimeout!')
    process = workplace.start("--root", str(workplace.folder))
    wait_until(lambda: len(workplace.rows()) == 1)  # while the first point is at its statistic, and after a kill
    process.kill()
    process.communicate(timeout=30)
    assert statuses(workplace) == {"p2": "timeout"}
    assert workplace.rows()[0]["error"] == "took longer than 300 s, and could not be interrupted"


def test_a_worker_stopped_during_a_statistic_ends_at_once_and_leaves_no_note(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    job = make_job([LOUD, QUIET], simulation=Simulation(0.1, 0.0, 50.0), statistics=("mine.py:slow",), timeout=300.0)
    write(workplace, job)
    process = workplace.start("--root", str(workplace.folder))
    wait_until(lambda: len(workplace.rows()) == 1)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == STOPPED
    assert not list(workplace.summary.parent.glob(".*"))


def test_a_build_that_hangs_ends_some_time(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    (workplace.folder / "sitecustomize.py").write_text(
        "import itertools\n"
        "import simulators.worker.points.deadline as deadline\n"
        "deadline._LONGEST_BUILD = deadline._BUILD_SHARE = 2.0\n"
        "import simulators.backends.poisson_simulator as stand_in\n"
        "build = stand_in.PoissonSimulator.build\n"
        "def hangs(self, network, *given):\n"
        "    if network.populations[0].size > 400:\n"
        "        all(itertools.repeat(True))\n"
        "    return build(self, network, *given)\n"
        "stand_in.PoissonSimulator.build = hangs\n"
    )
    workplace.write(make_job([{"N_E": 400}, {"N_E": 440}, {"N_E": 400}], timeout=2.0))
    assert workplace.run(timeout=120.0)[0] == LATE
    code, log = workplace.run(timeout=120.0)
    assert code == DONE, log
    assert statuses(workplace) == {"p0": "ok", "p1": "timeout", "p2": "ok"}
