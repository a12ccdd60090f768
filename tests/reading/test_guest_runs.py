"""A stranger's folder outside the project, run by the command as they would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import default_settings, require_simulator
from stranger import edit, write_cells, write_folder, write_sweep
from workplaces import ROOT

import analysis
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import read_spikes


class Stranger:
    """Types commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = RunDirectory(folder / "results" / "guest")

    def types(self, *words: str, code: int = 0) -> str:
        """Run a command in the folder and return all it says."""
        command = [sys.executable, "-m", "gridsearch", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def rows(self) -> pd.DataFrame:
        """The run as a table."""
        return analysis.open_run(self.run.root).sort_values(["simulator", "I"], ignore_index=True)


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    write_folder(tmp_path / "mine", spikes="all")
    return Stranger(tmp_path / "mine")


def made(stranger: Stranger) -> int:
    """Points that were simulated so far."""
    return len(list((stranger.run.root / "spikes").rglob("*.parquet")))


@pytest.mark.nest
def test_a_strangers_model_neuron_measure_and_data_run(stranger: Stranger) -> None:
    said = stranger.types("submit", "sweep.toml")
    assert "2 of 2 results are good" in said
    assert all(f"{stranger.folder}/{name}" in said for name in ("my_network.py", "my_neuron.py", "statistics.py"))
    rows = stranger.rows()
    assert list(rows["status"]) == ["ok", "ok"] and (rows["n_synapses"] == 400).all()
    for row in rows.itertuples():
        trains = read_spikes(stranger.run.spike_file(row.job, row.point_id))["C"]
        gaps = [np.diff(np.sort(trains.times[trains.senders == k])) for k in range(trains.size)]
        assert row.shortest_isi_C == pytest.approx(min(gap.min() for gap in gaps if gap.size))
        assert row.rate_C == pytest.approx(trains.n_spikes / 50 / 0.2)
    assert "to do" in stranger.types("plan", "sweep.toml")
    assert "nothing to run" in stranger.types("submit", "sweep.toml")
    assert not list(stranger.folder.glob("__pycache__")), "nothing is left beside a stranger's files"


@pytest.mark.nest
@pytest.mark.genn
def test_both_simulators_run_a_strangers_folder(tmp_path: Path) -> None:
    require_simulator("genn", default_settings("genn"))
    write_folder(tmp_path, ("nest", "genn"))
    guest = Stranger(tmp_path)
    assert "4 of 4 results are good" in guest.types("submit", "sweep.toml")
    genn, nest = (guest.rows().groupby("simulator", observed=True)["rate_C"].get_group(n) for n in ("genn", "nest"))
    # two simulators, one current: without synapses the rates are those of a formula, with these nearly so
    assert np.allclose(genn.to_numpy(), nest.to_numpy(), rtol=0.1)


@pytest.mark.nest
def test_an_edit_makes_new_points_and_says_of_what(stranger: Stranger) -> None:
    stranger.types("submit", "sweep.toml")
    before = stranger.rows()

    edit(stranger.folder / "my_network.py", '"""Cells wired', '"""My own cells wired')
    edit(stranger.folder / "statistics.py", "GAIN = 1.0", "# how strong\n\nGAIN = 1.0")
    assert "nothing to run" in stranger.types("submit", "sweep.toml"), "comments are no content"

    edit(stranger.folder / "statistics.py", "GAIN = 1.0", "GAIN = 5.0")
    said = stranger.types("plan", "sweep.toml")
    assert "0 of 2 done; 2 were made with another my_network.py" in said
    assert "2 of 2 results are good" in stranger.types("submit", "sweep.toml"), "it goes on without being asked"
    after = stranger.rows()
    assert made(stranger) == 4
    assert not set(before["point_id"]) & set(after["point_id"])
    assert (after["rate_C"] > before["rate_C"]).all(), "the former rows have left the table"
    former = analysis.opening.former_rows(stranger.run.root)
    assert set(former["point_id"]) == set(before["point_id"]), "and can be asked for"

    write_cells(stranger.folder, n_synapses=500)
    assert "2 were made with another cells.h5" in stranger.types("plan", "sweep.toml")
    stranger.types("submit", "sweep.toml")
    assert (stranger.rows()["n_synapses"] == 500).all()

    write_cells(stranger.folder, n_synapses=400)
    edit(stranger.folder / "statistics.py", "GAIN = 5.0", "GAIN = 1.0")
    assert "nothing to run" in stranger.types("submit", "sweep.toml"), "what was done once stays done"
    pd.testing.assert_frame_equal(stranger.rows()[before.columns].astype(object), before.astype(object))


@pytest.mark.nest
def test_an_edited_measure_comes_from_stored_spikes(stranger: Stranger) -> None:
    stranger.types("submit", "sweep.toml")
    before = stranger.rows()
    edit(stranger.folder / "my_measures.py", "intervals.min() * spikes.trains.dt", "1e3 * intervals.min()")
    assert "2 points lack only statistics" in stranger.types("plan", "sweep.toml")
    stranger.types("submit", "sweep.toml")
    after = stranger.rows()
    assert made(stranger) == 2, "nothing was simulated"
    assert list(after["point_id"]) == list(before["point_id"])
    assert np.allclose(after["shortest_isi_C"], 1e4 * before["shortest_isi_C"])
    assert (after["rate_C"] == before["rate_C"]).all() and (after["t_simulate"] == before["t_simulate"]).all()
    assert "nothing to run" in stranger.types("submit", "sweep.toml")


@pytest.mark.nest
def test_without_spikes_a_new_measure_runs_the_same_points_again(tmp_path: Path) -> None:
    write_folder(tmp_path)
    guest = Stranger(tmp_path)
    guest.types("submit", "sweep.toml")
    before = guest.rows()
    edit(tmp_path / "my_measures.py", "intervals.min() *", "2.0 * intervals.min() *")
    assert "2 of 2 results are good" in guest.types("submit", "sweep.toml")
    after = guest.rows()
    assert list(after["point_id"]) == list(before["point_id"])
    assert np.allclose(after["shortest_isi_C"], 2.0 * before["shortest_isi_C"]), "the same spikes"
    write_sweep(tmp_path, spikes="all")
    guest.types("submit", "sweep.toml")
    assert made(guest) == 2, "spikes that are wanted now, too"


def test_mistakes_are_named_with_file_and_line(stranger: Stranger) -> None:
    model = stranger.folder / "my_network.py"
    edit(model, "(sources, targets)", "(sources, targets + 50)")
    assert "make_network reads data: name them in [data]" in stranger.types("check", "my_network.py", code=2)
    said = stranger.types("check", "sweep.toml", code=2)
    assert "my_network.py:" in said and "targets must lie in 0 to 49" in said
    edit(model, "(sources, targets + 50)", "(sources, targets) +")
    said = stranger.types("plan", "sweep.toml", code=2)
    assert "my_network.py:15: SyntaxError" in said
    edit(model, "(sources, targets) +", "(sources, targets)")
    edit(stranger.folder / "my_neuron.py", "next_V = decay * V", "next_V = decay * U")
    assert "line next_V = …: U is not known" in stranger.types("check", "sweep.toml", code=2)
    edit(stranger.folder / "sweep.toml", "my_measures.py:shortest_isi", "my_measures.py:longest_isi")
    edit(stranger.folder / "sweep.toml", '"cells.h5"', '"cell.h5"')
    said = stranger.types("plan", "sweep.toml", code=2)
    assert "my_measures.py: has no 'longest_isi'" in said and "data.scaffold" in said
    assert not stranger.run.root.exists(), "nothing was written"


@pytest.mark.nest
def test_check_runs_a_copy_on_the_simulators_at_hand(stranger: Stranger) -> None:
    said = stranger.types("check", "sweep.toml")
    assert "50 neurons, 400 synapses" in said and "my_neuron" in said and "ConnectionList" in said
    assert "nest" in said and "did not run" not in said


def test_a_bad_value_is_the_strangers_own_rule(stranger: Stranger) -> None:
    edit(stranger.folder / "sweep.toml", "values = [1.1, 1.3]", "values = [1.1, 4.0]")
    said = stranger.types("submit", "sweep.toml", code=2)
    assert "axes.I: I = 4.0 is more than the cells stand" in said
