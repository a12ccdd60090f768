"""What `plan` says of recordings that are too short for their statistics."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import write_sweep
from workplaces import ROOT

from gridsearch.commands.cli import main
from gridsearch.planning.grid import expand
from gridsearch.planning.recording_length import short_recordings, wanted_rate
from gridsearch.sweeps.sweep import read_sweep


def lines(path: Path) -> list[str]:
    sweep = read_sweep(path)
    grid = expand(sweep)
    return short_recordings(sweep, grid.populations, [one.duration for one in grid.simulations])


def simulation(duration: float) -> str:
    return f"warmup = 0.0\nduration = {duration}"


def test_a_long_recording_needs_no_word(tmp_path: Path) -> None:
    shown = 'statistics = ["rate", "cv_isi", "lv", "fano_factor", "correlation", "clusters", "dimensionality"]'
    assert lines(write_sweep(tmp_path, simulation=simulation(9000.0), record=shown)) == []


def test_what_is_shown_or_a_target_is_named(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        simulation=simulation(1000.0),
        record='statistics = ["rate", "lv", "cv_isi"]',
        targets="fano_factor_I = { max = 1.2 }",
    )
    (said,) = lines(path)
    assert said.startswith("recordings of 1000 ms: too short for cv_isi, fano_factor (cv_isi: ")
    assert "cv_isi: 15 spikes of a neuron (cv_min_spikes) take 3000 ms at 5 Hz; fano_factor: 10 windows of " in said


@pytest.mark.parametrize(
    ("targets", "rate"),
    [
        ("", 5.0),
        ("rate_E = { min = 2, max = 8 }", 5.0),
        ("rate_E = { value = 2, tolerance = 1 }", 2.0),
        ("rate_E = { min = 10 }\nrate_I = { max = 8 }", 8.0),
        ("rate_sd_E = { max = 1 }\nrate_E = { max = 0 }", 5.0),
    ],
)
def test_the_rate_is_what_targets_ask_for(tmp_path: Path, targets: str, rate: float) -> None:
    assert wanted_rate(read_sweep(write_sweep(tmp_path, targets=targets)), ["E", "I"]) == rate


def test_settings_and_the_shortest_duration_count(tmp_path: Path) -> None:
    record = 'statistics = ["cv_isi"]\nsettings = { cv_min_spikes = 5 }'
    axes = "duration = { values = [500, 9000] }"
    (said,) = lines(write_sweep(tmp_path, axes=axes, simulation="warmup = 0.0", record=record))
    assert said.startswith("recordings of 500 ms: too short for cv_isi")
    assert lines(write_sweep(tmp_path, simulation=simulation(1000.0), record=record)) == []


def test_windows_are_named_for_the_targets_on_them(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        simulation=simulation(9000.0),
        record='statistics = ["rate", "cv_isi"]\n[record.windows]\nbefore = [0, 300]\nduring = [300, 350]',
        targets="rate_E_during = { min = 5 }\ncv_isi_E_before = { min = 0.8 }",
    )
    (said,) = lines(path)
    assert said.startswith("window before of 300 ms: too short for cv_isi (cv_isi: 15 spikes")


def test_plan_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = write_sweep(tmp_path, record='statistics = ["rate", "fano_factor"]')
    assert main(["plan", str(short), "--results", str(tmp_path)]) == 0
    assert "recordings of 100 ms: too short for fano_factor" in capsys.readouterr().out


def test_the_demo_and_a_new_sweep_are_long_enough(tmp_path: Path) -> None:
    assert lines(ROOT / "examples" / "demo.toml") == []
    assert main(["init", str(tmp_path / "new.toml")]) == 0
    assert lines(tmp_path / "new.toml") == []
