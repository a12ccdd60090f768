"""The sweeps of ``examples/``: all can be planned; those that scan sizes and times run, made small."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from analysis_runs import write_run
from conftest import default_settings, require_simulator
from workplaces import ROOT

import analysis
from gridsearch.commands.cli import main
from gridsearch.planning.plan import make_plan

FOLDER = ROOT / "examples"
EXAMPLES = sorted(
    path
    for path in FOLDER.rglob("*.toml")
    if not path.with_suffix(".py").is_file()  # the parameters of a model
)
SMALLER = {
    "size_scan": {"N_E = .*?]": "N_E = { values = [80, 160, 240]", "N_I = .*?]": "N_I = { values = [20, 40, 60]"},
    "time_scan": {"N_E = 2400": "N_E = 80", "N_I = 600": "N_I = 20", r"\[500.0.*?\]": "[20.0, 40.0, 80.0]"},
    "real_time": {"N_E = .*?]": "N_E = { values = [80, 160]", "N_I = .*?]": "N_I = { values = [20, 40]"},
}
FIGURES = {"size_scan": "size_scan.png", "time_scan": "time_scan.png", "real_time": "size_scan.png"}


def name_of(path: Path) -> str:
    """The file's name, after that of the network's folder where there is one: runs lie side by side in one."""
    return "_".join(path.relative_to(FOLDER).with_suffix("").parts)


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_example_can_be_planned(path: Path, tmp_path: Path) -> None:
    plan = make_plan(path, tmp_path, executor="local")
    assert plan.sweep.name in {path.stem, name_of(path)}
    assert all(share.n_left == share.n_points > 0 for share in plan.simulators.values())


def test_runs_of_examples_lie_side_by_side() -> None:
    names = [tomllib.loads(path.read_text(encoding="utf-8"))["name"] for path in EXAMPLES]
    assert len(names) == len(set(names))


@pytest.mark.nest
@pytest.mark.genn
@pytest.mark.parametrize("name", SMALLER)
def test_scan_runs_on_both_simulators(name: str, tmp_path: Path) -> None:
    for simulator in ("nest", "genn"):
        require_simulator(simulator, default_settings(simulator))
    text = next(path for path in EXAMPLES if name_of(path) == name).read_text(encoding="utf-8")
    changes = SMALLER[name] | {"warmup = 500.0": "warmup = 10.0", "\nduration = 500.0": "\nduration = 40.0"}
    for old, new in changes.items():
        assert re.search(old, text) or "warmup" in old or "duration" in old, old
        text = re.sub(old, new, text)
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(text, encoding="utf-8")
    assert main(["submit", str(sweep), "--results", str(tmp_path), "--executor", "local"]) == 0
    run = tmp_path / name
    table = analysis.open_run(run)
    assert set(table["simulator"]) == {"nest", "genn"}
    assert (table["status"] == "ok").all()
    assert (run / "figures" / FIGURES[name]).is_file()
    page = analysis.write_report(run).read_text(encoding="utf-8")
    assert ("Time against biological time" if name == "time_scan" else "Time against size") in page


def test_the_demo_says_of_every_statistic_whether_simulators_agree(tmp_path: Path) -> None:
    def values(point: Mapping[str, float], seed: int, simulator: str) -> dict[str, float | str]:
        level = 0.1 * seed + point["I_th_E"]
        return {"status": "ok", "rate_E": level, "rate_I": level + (9.0 if simulator == "genn" else 0.0)}

    both = ({"simulator": "nest"}, {"simulator": "genn"})
    run = write_run(tmp_path / "demo", simulators=both, seeds=tuple(range(6)), behaviour=values, statistics=("rate",))
    script = FOLDER / "agreement.py"
    said = subprocess.run([sys.executable, script, run.root], check=True, capture_output=True, text=True).stdout
    assert "rate_E: No more apart than their seeds are" in said
    assert "rate_I: Differ by more than their seeds do" in said
