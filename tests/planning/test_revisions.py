"""Rows of an earlier revision of a simulator's part that is ours: made again, and gone from the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pyarrow as pa
import pytest
from command_line import gridsearch
from networks import bare, played, vogels_abbott
from sweeps import write_sweep

import analysis
from simulators.backends.simulator import SimulatorModule, find_simulator, revision_of, simulator_names
from simulators.records.job import Simulation
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import read_summary, write_table


def altered(run: RunDirectory, first: int | None) -> None:
    """Make the rows of a run those of an earlier revision with other rates, by a clock that was years ahead."""
    for path in run.summary_files():
        table = read_summary(path)
        assert table["revision"].to_pylist() == [2] * len(table)
        ahead = datetime(2100, 1, 1, tzinfo=UTC)
        for name, value in (("revision", first), ("rate_E", 999.0), ("finished", ahead)):
            at = table.schema.get_field_index(name)
            field = table.schema.field(name)
            table = table.set_column(at, field, pa.array([value] * len(table), field.type))
        write_table(table, path)


@pytest.mark.parametrize("first", [1, None], ids=["numbered", "from before rows had numbers"])
def test_points_of_an_earlier_revision_run_again_and_leave_the_tables(tmp_path: Path, first: int | None) -> None:
    write_sweep(tmp_path, simulators=["native"])
    run = RunDirectory(tmp_path / "results" / "small")
    gridsearch(tmp_path, "submit", "sweep.toml")
    rates = analysis.open_run(run.root)["rate_E"]
    assert "nothing to run" in gridsearch(tmp_path, "submit", "sweep.toml")
    altered(run, first)
    said = " ".join(gridsearch(tmp_path, "plan", "sweep.toml").split())
    assert "native: 0 of 3 done; 3 were made with an earlier revision of our part of it" in said, said
    assert (analysis.open_run(run.root)["rate_E"] == 999.0).all(), "they stay until there are others"
    gridsearch(tmp_path, "submit", "sweep.toml")
    assert analysis.open_run(run.root)["rate_E"].equals(rates)
    assert "nothing to run" in gridsearch(tmp_path, "submit", "sweep.toml")
    said = gridsearch(tmp_path, "plan", "sweep.toml")
    assert "earlier revision" not in said


def test_only_networks_that_a_change_touched_have_another_revision() -> None:
    genn = find_simulator("genn")
    sources = played([1.0, 2.0], [0, 1])
    assert revision_of(genn, sources, Simulation(0.1, 100.0, 300.0)) == 2
    assert revision_of(genn, sources, Simulation(0.1, 100.0, 350.0)) == 1, "the last window was not full"
    assert revision_of(genn, bare("lif_psc_exp"), Simulation(0.1, 100.0, 300.0)) == 1, "no sources"
    assert revision_of(genn, vogels_abbott(), Simulation(0.1, 100.0, 300.0)) == 1, "a kick, but no given spikes"
    assert revision_of(genn, bare("aeif_psc_exp"), Simulation(0.1, 100.0, 350.0)) == 3, "an exponential upstroke"


def test_every_simulator_has_a_revision_and_a_guest_need_not() -> None:
    network, simulation = bare("lif_psc_exp"), Simulation(0.1, 0.0, 100.0)
    assert all(revision_of(find_simulator(name), network, simulation) >= 1 for name in simulator_names())
    assert revision_of(cast("SimulatorModule", SimpleNamespace()), network, simulation) == 1
