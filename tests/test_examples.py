"""The sweeps of ``examples/``: all can be planned; those that scan sizes and times run, made small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import default_settings, require_simulator

import analysis
from gridsearch.cli import main
from gridsearch.planning import make_plan

EXAMPLES = sorted(
    path
    for path in (Path(__file__).parent.parent / "examples").rglob("*.toml")
    if not path.with_suffix(".py").is_file()  # the parameters of a model
)
SMALLER = {
    "size_scan": {"N_E = .*?]": "N_E = { values = [80, 160, 240]", "N_I = .*?]": "N_I = { values = [20, 40, 60]"},
    "time_scan": {"N_E = 2400": "N_E = 80", "N_I = 600": "N_I = 20", r"\[500.0.*?\]": "[20.0, 40.0, 80.0]"},
    "real_time": {"N_E = .*?]": "N_E = { values = [80, 160]", "N_I = .*?]": "N_I = { values = [20, 40]"},
}
FIGURES = {"size_scan": "size_scan.png", "time_scan": "time_scan.png", "real_time": "size_scan.png"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_can_be_planned(path: Path, tmp_path: Path) -> None:
    plan = make_plan(path, tmp_path, executor="local")
    assert plan.sweep.name == path.stem
    assert all(share.n_left == share.n_points > 0 for share in plan.simulators.values())


@pytest.mark.nest
@pytest.mark.genn
@pytest.mark.parametrize("name", SMALLER)
def test_scan_runs_on_both_simulators(name: str, tmp_path: Path) -> None:
    for simulator in ("nest", "genn"):
        require_simulator(simulator, default_settings(simulator))
    text = next(path for path in EXAMPLES if path.stem == name).read_text(encoding="utf-8")
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
