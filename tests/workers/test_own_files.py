"""What a node lacks, has cut short or has otherwise than the job says: another machine's, no row and one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from workplaces import ROOT, Workplace

from simulators.guests.content import code_digest, data_digest, files_digest, guest_digest
from simulators.records.job import Job, Simulation, UnreadableJobError, read_job
from simulators.worker.exit_codes import DONE, OUT_OF_MEMORY, TRANSIENT, UNUSABLE
from simulators.worker.supervisor import MAX_HOLDS

MODEL = """
import parts
from simulators.models import clustered

def make_network(parameters, data):
    return clustered.make_network(parameters | {"N_E": parts.size(400)})
"""
PARTS = "def size(n):\n    return n\n\nTHE_END = True\n"
MEASURES = """
from simulators.statistics import Column, Statistic

ones = Statistic("ones", "one", {"ones": Column("1", "one")}, lambda spikes, settings: {"ones": 1.0})
"""
PACKAGE = "make = 1\n"


@pytest.fixture
def planned(workplace: Workplace, make_job: Callable[..., Job]) -> Job:
    """A job with a model of two files, a statistic, data and a package, all as a submit writes them."""
    drafts = workplace.folder / "drafts"
    for name, text in {
        "mine.py": MODEL, "parts.py": PARTS, "measures.py": MEASURES, "lab/lab_parts/__init__.py": PACKAGE,
    }.items():  # fmt: skip
        (drafts / name).parent.mkdir(parents=True, exist_ok=True)
        (drafts / name).write_text(text)
    model, statistic = (f"guests/{guest_digest(drafts / name)}" for name in ("mine.py", "measures.py"))
    package = f"guests/{files_digest(drafts / 'lab', (drafts / 'lab').rglob('*.py'))}"
    for folder, names in {model: ("mine.py", "parts.py"), statistic: ("measures.py",)}.items():
        (workplace.folder / folder).mkdir(parents=True)
        for name in names:
            (workplace.folder / folder / name).write_bytes((drafts / name).read_bytes())
    (drafts / "lab").rename(workplace.folder / package)
    data = workplace.folder / "data" / "x" / "cells.h5"
    data.parent.mkdir(parents=True)
    data.write_bytes(b"many cells")
    job = make_job(2, simulation=Simulation(0.1, 0.0, 50.0))
    job = replace(
        job,
        model=f"{model}/mine.py",
        statistics=("rate", f"{statistic}/measures.py:ones"),
        data={"cells": "data/x/cells.h5"},
        python_path=(package,),
        content={"model": code_digest(drafts / "mine.py"), "data.cells": data_digest(data)},
    )
    workplace.write(job)
    return job


def attempt(workplace: Workplace) -> tuple[int, str]:
    return workplace.run("--root", str(workplace.folder))


def test_what_is_as_it_was_runs(workplace: Workplace, planned: Job) -> None:
    code, log = attempt(workplace)
    assert code == DONE, log
    assert [row["status"] for row in workplace.rows()] == ["ok", "ok"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


TROUBLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "data cut short": ("data/x/cells.h5", cut),
    "no data": ("data/x/cells.h5", Path.unlink),
    "no model": ("guests/*/mine.py", Path.unlink),
    "a model cut short": ("guests/*/mine.py", cut),
    "a model cut short that can still be read": ("guests/*/parts.py", lambda path: path.write_text("size = int\n")),
    "no file that the model imports": ("guests/*/parts.py", Path.unlink),
    "another model": ("guests/*/mine.py", lambda path: path.write_text(MODEL.replace("400", "240"))),
    "no statistic": ("guests/*/measures.py", Path.unlink),
    "another statistic": ("guests/*/measures.py", lambda path: path.write_text(MEASURES.replace("1.0}", "2.0}"))),
    "another package": ("guests/*/lab_parts/__init__.py", lambda path: path.write_text("make = 2\n")),
    "no package": ("guests/*/lab_parts/__init__.py", Path.unlink),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_other_files_make_no_rows_and_are_for_another_machine(workplace: Workplace, planned: Job, trouble: str) -> None:
    pattern, do = TROUBLES[trouble]
    (path,) = workplace.folder.glob(pattern)
    do(path)
    code, log = attempt(workplace)
    assert code == TRANSIENT, log
    assert workplace.rows() == []
    said = [line for line in log.splitlines() if "ERROR" in line]
    assert len(said) == 1 and ("cut short" in said[0]), log
    assert "Traceback" not in log


def test_other_files_are_found_before_they_are_imported(workplace: Workplace, planned: Job) -> None:
    (path,) = workplace.folder.glob("guests/*/mine.py")
    path.write_text(f"open({str(workplace.folder / 'ran')!r}, 'w')\n{MODEL}")
    assert attempt(workplace)[0] == TRANSIENT
    assert not (workplace.folder / "ran").exists()


def test_ours_are_compared_too(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(replace(make_job(1), content={"model": "0" * 16}))
    code, log = workplace.run()
    assert code == TRANSIENT and "model clustered is not what it was" in log
    workplace.write(replace(make_job(1), content={"neuron.lif_psc_exp": "0" * 16}))
    code, log = workplace.run()
    assert code == TRANSIENT and "neuron model lif_psc_exp is not what it was" in log


def test_data_without_a_hash_are_the_job_s_mistake(workplace: Workplace, planned: Job) -> None:
    workplace.write(replace(planned, content={}))
    code, log = attempt(workplace)
    assert code == UNUSABLE and "has no hash of the data cells" in log


@pytest.mark.parametrize("said", ["raise OSError(116, 'Stale file handle')", "import no_such_package"])
def test_a_model_that_cannot_read_here_is_for_another_machine(
    workplace: Workplace, make_job: Callable[..., Job], said: str
) -> None:
    (workplace.folder / "mine.py").write_text(f"{said}\n")
    workplace.write(make_job(1, model="mine.py"))
    assert attempt(workplace)[0] == TRANSIENT
    (workplace.folder / "mine.py").write_text(f"def make_network(parameters):\n    {said}\n")
    assert attempt(workplace)[0] == TRANSIENT
    assert workplace.rows() == [] and not workplace.marker.exists()
    (workplace.folder / "mine.py").write_text("raise ValueError\n")
    assert attempt(workplace)[0] == UNUSABLE, "that is its content, on any machine"


def test_a_simulator_of_a_package_that_is_not_here(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(replace(make_job(1), simulator="lab"))
    code, log = workplace.run()
    assert code == TRANSIENT, log
    assert "no simulator 'lab'" in log and "is not installed here" in log and "Traceback" not in log


def test_a_job_file_cut_inside_a_character(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    path = workplace.folder / "job.json"
    workplace.write(replace(make_job(1), name="größe"))
    content = path.read_bytes()
    path.write_bytes(content[: content.index("ö".encode()) + 1])
    with pytest.raises(UnreadableJobError, match="cut short"):
        read_job(path)
    assert workplace.run()[0] == TRANSIENT
    path.write_bytes(content.replace("ö".encode(), b"\xf6"))
    assert workplace.run()[0] == UNUSABLE, "whole, and no text"


GREEDY = """
from simulators.models import clustered

def make_network(parameters):
    if parameters["I_th_E"] > 5.0:
        bytearray(1 << 62)
    return clustered.make_network(parameters)
"""
GREEDY_STATISTIC = """
from simulators.statistics import Column, Statistic

def measure(spikes, settings):
    if not spikes.trains.n_spikes:
        bytearray(1 << 62)
    return {"greedy": 1.0}

greedy = Statistic("greedy", "takes all memory", {"greedy": Column("1", "one")}, measure)
"""
MEMORY = {
    "a model": ({"I_th_E": 9.0, "I_th_I": 1.0}, {"model": "mine.py"}, GREEDY),
    "a statistic": ({"I_th_E": -90.0, "I_th_I": -90.0}, {"statistics": ("rate", "mine.py:greedy")}, GREEDY_STATISTIC),
    "a statistic beside": (
        {"I_th_E": -90.0, "I_th_I": -90.0},
        {"statistics": ("rate", "mine.py:greedy"), "settings": {"cores": 3}},
        GREEDY_STATISTIC,
    ),
}


@pytest.mark.parametrize("what", MEMORY)
def test_a_point_that_is_refused_memory_counts_as_one_that_is_killed_for_it(
    workplace: Workplace, make_job: Callable[..., Job], what: str
) -> None:
    """Another start, or more memory, may do; a point for which it never does is given up, and the others run."""
    bad, changes, code = MEMORY[what]
    (workplace.folder / "mine.py").write_text(code)
    good = {"I_th_E": 2.0, "I_th_I": 1.0}
    workplace.write(make_job([good, bad, good], simulation=Simulation(0.1, 0.0, 50.0), **changes))
    ends = [attempt(workplace)[0] for _ in range(4)]
    assert ends == [OUT_OF_MEMORY, OUT_OF_MEMORY, OUT_OF_MEMORY, DONE]
    rows = {row["point_id"]: row for row in workplace.rows()}
    assert {name: row["status"] for name, row in rows.items()} == {"p0": "ok", "p1": "failed", "p2": "ok"}
    assert "died 3 times" in rows["p1"]["error"]
    assert not workplace.marker.exists()


@pytest.mark.parametrize("holds", [0, MAX_HOLDS])
def test_a_pool_is_asked_for_more_memory_as_long_as_it_gives_some(
    workplace: Workplace, make_job: Callable[..., Job], holds: int
) -> None:
    (workplace.folder / "mine.py").write_text(GREEDY)
    points = [{"I_th_E": 9.0}, {"I_th_E": 2.0}]
    workplace.write(make_job(points, simulation=Simulation(0.1, 0.0, 50.0), model="mine.py"))
    ad = workplace.folder / "job.ad"
    ad.write_text(f"NumHolds = {holds}\n")
    command = [sys.executable, "-m", "simulators.worker.supervisor", str(workplace.folder / "job.json")]
    places = ["--summary", str(workplace.summary), "--root", str(workplace.folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_CONDOR_JOB_AD": str(ad)}
    done = subprocess.run(
        [*command, *places], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if holds < MAX_HOLDS:
        assert done.returncode == OUT_OF_MEMORY, done.stderr
        assert workplace.rows() == []
    else:
        assert done.returncode == DONE, done.stderr
        assert [row["status"] for row in workplace.rows()] == ["failed", "ok"]
