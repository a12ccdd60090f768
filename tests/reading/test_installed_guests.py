"""Models, statistics, simulators and executors that an installed package brings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from workplaces import ROOT

MODEL = """
from simulators.description import Network, Population

def make_network(parameters):
    values = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "tau_syn_ex": 3.0, "tau_syn_in": 3.0}
    return Network((Population("E", 20, "lif_psc_exp", values | {"I_e": parameters["I"]}),), ())
"""
DEFAULTS = """
description = "neurons that do not know of each other"
[parameters]
I = { value = 1.2, unit = "pA", doc = "current" }
"""
MEASURES = """
from simulators.statistics import Column, Statistic

count = Statistic(
    name="spike_count",
    doc="spikes of all neurons",
    columns={"spike_count": Column("1", "spikes")},
    function=lambda spikes, settings: {"spike_count": float(spikes.trains.n_spikes)},
)
"""
ENTRY_POINTS = """
[gridsearch.models]
loners = lab_models.loners
[gridsearch.statistics]
spike_count = lab_models.measures:count
[gridsearch.simulators]
lab = lab_models.lab
[gridsearch.executors]
abacus = lab_models.abacus
"""
# A simulator and an executor that are those of the project under other names
LAB = "from simulators.backends.poisson_simulator import *\nfrom simulators.backends import poisson_simulator\n"
ABACUS = "from jobs.local_executor import *\nSETTINGS = {}\n"
SWEEP = """
name = "installed"
model = "loners"
simulators = ["lab"]
[axes]
I = { values = [1.1, 1.3] }
[simulation]
warmup = 0.0
duration = 100.0
[record]
statistics = ["rate", "spike_count"]
[jobs]
executor = "abacus"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder as pip leaves one behind."""
    package = tmp_path / "site" / "lab_models"
    package.mkdir(parents=True)
    files = {
        "__init__.py": "",
        "loners.py": MODEL,
        "loners.toml": DEFAULTS,
        "measures.py": MEASURES,
        "lab.py": LAB,
        "abacus.py": ABACUS,
    }
    for name, text in files.items():
        (package / name).write_text(text)
    info = package.parent / "lab_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return package.parent


def run(site: Path, *words: str, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
    command = [sys.executable, "-m", "gridsearch", *words]
    done = subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_what_a_package_brings_is_found_by_its_name(site: Path) -> None:
    said = run(site, "submit", "sweep.toml")
    assert "executor: abacus" in said and "2 of 2 results are good" in said
    assert re.search(r"runs your code: \S*lab_models\b", said), "it says whose code runs"
    job = next((site.parent / "results" / "installed" / "jobs").glob("*.json"))
    content = json.loads(job.read_text())
    assert content["model"] == "lab_models.loners" and content["simulator"] == "lab"
    (folder,) = content["python_path"]
    copied = site.parent / "results" / "installed" / folder / "lab_models"
    assert (copied / "loners.py").read_text() == MODEL, "it travels with the jobs"
    assert "nothing to run" in run(site, "submit", "sweep.toml")


def test_what_is_compiled_does_not_travel_and_plan_says_so(site: Path) -> None:
    (site / "lab_models" / "fast.so").write_bytes(b"")
    said = run(site, "plan", "sweep.toml")
    assert "lab_models is not Python alone and does not travel" in said


def test_a_package_that_cannot_be_imported_is_one_error(site: Path) -> None:
    (site / "lab_models" / "loners.py").write_text("import no_such_package\n")
    said = run(site, "plan", "sweep.toml", code=2)
    assert "model" in said and "No module named 'no_such_package'" in said and "Traceback" not in said


def test_what_an_executor_of_a_package_refuses_is_refused_before_anything_is_written(site: Path) -> None:
    refusal = "def check(planned, run, conditions):\n    raise ExecutorError(f'{len(planned)} jobs, but no beads')\n"
    abacus = site / "lab_models" / "abacus.py"
    abacus.write_text(f"{ABACUS}from jobs.executor import ExecutorError\n{refusal}")
    assert "2 jobs, but no beads" in run(site, "submit", "sweep.toml", code=2)
    assert sorted(path.name for path in site.parent.iterdir()) == ["site", "sweep.toml"]
