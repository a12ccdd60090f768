"""The cerebellum: its published numbers, connections from a file or drawn, its stimulus, and that simulators agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Engine
from workplaces import ROOT

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording
from simulators.description import ConnectionList, FixedTotalNumber, Network, NetworkError, ParameterError, SpikeEvents
from simulators.description.network import expected_synapses
from simulators.guests.loading import GuestError, load_file
from simulators.models import find_model
from simulators.models.cerebellum import CELLS, INHIBITORY, PROJECTIONS
from simulators.records.job import Simulation

EXAMPLE = ROOT / "examples" / "cerebellum" / "draw_scaffold.py"
SMALL = {"N_Glom": 70, "N_GrC": 800, "N_GoC": 6, "N_PC": 3, "N_BC": 8, "N_SC": 8, "N_DCN": 2}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return read_defaults(defaults_file("cerebellum", Path())).values_by_name()


@pytest.fixture(scope="module")
def small(values: Mapping[str, Any]) -> dict[str, Any]:
    """A few hundred cells, with as many synapses per cell as the published ones have."""
    shares = {name: SMALL[f"N_{target}"] / values[f"N_{target}"] for name, (_, target) in PROJECTIONS.items()}
    return {**values, **SMALL, **{f"n_{name}": round(values[f"n_{name}"] * share) for name, share in shares.items()}}


@pytest.fixture(scope="module")
def scaffold(small: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("h5py")
    path = tmp_path_factory.mktemp("scaffold") / "small.h5"
    load_file(EXAMPLE).write_scaffold(path, small, 1)
    return path


def made(values: Mapping[str, Any], scaffold: Path | None = None, **changed: Any) -> Network:
    data = None if scaffold is None else {"scaffold": scaffold}
    return find_model("cerebellum", Path(), data)({**values, **changed})


def stimulus(network: Network) -> SpikeEvents:
    (given,) = network.inputs
    assert isinstance(given, SpikeEvents)
    return given


def test_cells_and_synapses_are_as_many_as_published(values: Mapping[str, Any]) -> None:
    network = made(values)
    assert network.n_neurons == 96_737
    assert expected_synapses(network) == 4_214_215
    assert {p.name for p in network.projections if p.receptor == "inhibitory"} == INHIBITORY
    assert all((p.weight < 0.0) == (p.name in INHIBITORY) for p in network.projections)
    assert {p.name for p in network.projections if p.source == p.target} == {"gj_goc", "gj_bc", "gj_sc"}
    assert all(network[name].parameters["E_in"] == -90.0 for name in CELLS)


def test_a_smaller_network_keeps_the_synapses_per_cell(values: Mapping[str, Any]) -> None:
    whole, part = made(values), made(values, scale=0.1)
    for a, b in zip(whole.projections, part.projections, strict=True):
        assert isinstance(a.rule, FixedTotalNumber) and isinstance(b.rule, FixedTotalNumber)
        assert b.rule.number / part[b.target].size == pytest.approx(a.rule.number / whole[a.target].size, rel=0.02)


def test_the_burst_has_the_published_rates(values: Mapping[str, Any]) -> None:
    given = stimulus(made(values))
    windows = ((0.0, 300.0, 0.966), (300.0, 350.0, 63.4), (350.0, 1000.0, 0.992))
    for begin, end, expected in windows:
        number = ((given.times >= begin) & (given.times < end)).sum()
        spread = 3.0 / np.sqrt(number)  # of three Poisson standard deviations
        assert number / 7073 / (end - begin) * 1e3 == pytest.approx(expected, rel=spread + 0.02)
    assert given.times.size == pytest.approx(29_040, rel=0.03)
    other = stimulus(made(values, stimulus_seed=2))
    assert other.digest != given.digest == stimulus(made(values)).digest


def test_connections_of_a_file_are_taken_as_they_are(small: Mapping[str, Any], scaffold: Path) -> None:
    h5py = pytest.importorskip("h5py")
    network = made(small, scaffold)
    with h5py.File(scaffold) as file:
        for projection in network.projections:
            assert isinstance(projection.rule, ConnectionList)
            table = np.asarray(file[f"connections/{projection.name}"])
            assert np.array_equal(np.stack([projection.rule.sources, projection.rule.targets], axis=1), table)
            assert len(table) == small[f"n_{projection.name}"]
            if projection.source == projection.target:
                assert (table[:, 0] != table[:, 1]).all()
        places = np.asarray(file["positions/Glom"])
    # with all places known, the burst is where the glomeruli are near the middle
    given = stimulus(made(small, scaffold, rate_background=0.0, burst_radius=100.0, burst_duration=500.0))
    away = np.linalg.norm(places - places.mean(axis=0), axis=1)
    assert set(given.neurons) == set(np.flatnonzero(away <= 100.0))


def test_weights_and_delays_of_a_file(small: Mapping[str, Any], scaffold: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "weighted.h5"
    with h5py.File(scaffold) as old, h5py.File(path, "w") as new:
        for name in PROJECTIONS:
            new[f"connections/{name}"] = np.asarray(old[f"connections/{name}"])
        table = np.asarray(old["connections/goc_grc"])
        del new["connections/goc_grc"]
        new["connections/goc_grc"] = np.column_stack([table, np.full(len(table), -3.0), np.full(len(table), 1.5)])
    rule = made(small, path).projections_by_name["goc_grc"].rule
    assert isinstance(rule, ConnectionList)
    assert rule.weights is not None and set(rule.weights) == {3.0}
    assert rule.delays is not None and set(rule.delays) == {1.5}


def test_what_is_wrong_is_said(
    values: Mapping[str, Any], small: Mapping[str, Any], scaffold: Path, tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py")
    with pytest.raises(ParameterError, match="cannot be scaled"):
        made(small, scaffold, scale=0.5)
    with pytest.raises(ParameterError, match="must lie within the stimulus"):
        made(small, burst_onset=990.0)
    with pytest.raises(NetworkError, match="targets must lie in 0 to 4"):
        made({**small, "N_GoC": 5}, scaffold)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["connections/aa_goc"] = np.zeros((0, 3))
    with pytest.raises(NetworkError, match=r"aa_goc must have 2 or 4 columns, not the shape \(0, 3\)"):
        made(small, tmp_path / "empty.h5")
    with pytest.raises(GuestError, match="reads no data"):
        find_model("many_populations", Path(), {"scaffold": scaffold})


def test_simulators_agree_on_a_small_one(small: Mapping[str, Any], scaffold: Path, engine: Engine) -> None:
    network = made(small, scaffold, stimulus_end=200.0, burst_onset=80.0)
    simulator = engine(Simulation(0.1, 0.0, 150.0))
    simulator.build(network, 1)
    (outcome,) = simulator.run([network], lambda: None)
    simulator.close()
    assert isinstance(outcome, Recording), outcome
    found = {name: trains.n_spikes for name, trains in outcome.spikes.items()}
    for name, expected in SPIKES.items():
        assert found[name] == pytest.approx(expected, rel=0.01, abs=1), found


# Of NEST with its adaptive solver
SPIKES = {"GrC": 797, "GoC": 53, "PC": 51, "BC": 86, "SC": 92, "DCN": 4}
