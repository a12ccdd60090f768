"""PyNN: what it refuses, what is drawn for it, and how it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import networks
import numpy as np
import pytest
from conftest import default_settings

from simulators.backends.pynn_simulator.drawing import draw_synapses
from simulators.backends.pynn_simulator.implementations import IMPLEMENTATIONS, Implementation
from simulators.backends.pynn_simulator.trains import drive_trains, source_trains
from simulators.backends.simulator import SimulatorUnavailableError, find_simulator
from simulators.description import Network, PiecewiseConstant, PoissonDrive, Population, Uniform
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

SIMULATION = Simulation(0.1, 100.0, 900.0)
NAMES = ["nest", "brian2", "neuron", "spinnaker"]
SEED = 3


def problems(network: Network, implementation: str = "nest") -> list[str]:
    return find_simulator("pynn").problems(network, SIMULATION, {"implementation": implementation})


@pytest.mark.parametrize("implementation", NAMES)
def test_of_the_neuron_models_the_adaptive_one_alone_is_refused(implementation: str) -> None:
    assert problems(networks.bare("lif_psc_exp"), implementation) == []
    assert problems(networks.bare("lif_cond_exp"), implementation) == []
    refused = problems(networks.bare("aeif_psc_exp"), implementation)
    assert [problem.split(":")[0] for problem in refused] == ["population E", "population I"]
    assert "no cell for the neuron model aeif_psc_exp; there are some for lif_psc_exp, lif_cond_exp" in refused[0]


def test_a_model_of_ones_own_is_no_cell_of_pynn_whatever_its_name() -> None:
    network = networks.bare("lif_psc_exp")
    own = replace(network["E"].model)
    assert len(problems(replace(network, populations=(replace(network["E"], neuron=own), network["I"])))) == 1


def test_sources_that_would_spike_twice_in_a_step_are_refused() -> None:
    def sources(rate: Any) -> list[str]:
        return problems(Network((Population("source", 3, "poisson_source", {"rate": rate}),), ()))

    assert sources(2000.0) == sources(PiecewiseConstant((0.0, 1.0), (0.0, 1500.0))) == []
    for rate in (2001.0, PiecewiseConstant((0.0, 1.0), (0.0, 2001.0)), Uniform(0.0, 2001.0)):
        (problem,) = sources(rate)
        assert "source: a source spikes at most once in a step of 0.1 ms: its rate can be 2000 Hz at most" in problem


def test_brian_has_one_refractory_time_for_a_population() -> None:
    network = networks.bare("lif_psc_exp", t_ref=Uniform(1.0, 2.0))
    assert problems(network, "nest") == problems(network, "neuron") == []
    assert all("share t_ref" in problem for problem in problems(network, "brian2"))
    assert len(problems(network, "brian2")) == 2


def test_a_result_is_known_by_its_implementation() -> None:
    module = find_simulator("pynn")
    assert module.identity(default_settings("pynn")) == {"backend": "nest"}
    assert tuple(module.SETTINGS["implementation"].choices or ()) == tuple(NAMES)


def test_what_is_missing_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = find_simulator("pynn")
    spinnaker = replace(IMPLEMENTATIONS["spinnaker"], imported="no_such_package")
    monkeypatch.setitem(cast(dict[str, Implementation], IMPLEMENTATIONS), "spinnaker", spinnaker)
    with pytest.raises(SimulatorUnavailableError, match=r"No module named.*pip install pynn( sPyNNaker)?"):
        module.check_available({"implementation": "spinnaker"})


def test_synapses_of_a_draw_are_the_rules(small: dict[str, Any]) -> None:
    network = make_network(small)
    for projection in network.projections:
        drawn = draw_synapses(network, projection, SEED, 0.1)
        source, target = network[projection.source], network[projection.target]
        same = drawn.sources // source.cluster_size == drawn.targets // target.cluster_size
        assert same.all() if projection.pairs == "within" else not same.any()
        assert drawn.sources.min() >= 0
        assert drawn.sources.max() == source.size - 1
        assert drawn.targets.max() == target.size - 1
        assert len(np.unique(drawn.sources * target.size + drawn.targets)) == len(drawn.sources), "no multapses"
        if source is target:
            assert (drawn.sources != drawn.targets).all()
        again = draw_synapses(network, projection, SEED, 0.1)
        assert (again.sources == drawn.sources).all()
        assert draw_synapses(network, projection, SEED + 1, 0.1).sources.tolist() != drawn.sources.tolist()


def test_drives_are_poisson_in_every_step_and_layers_spike_once() -> None:
    layers = drive_trains(PoissonDrive("drive", "E", 12_000.0, 1.0, 1.0), 50, SIMULATION, SEED)
    counts = np.zeros((50, 10_001))
    for trains in layers:
        assert len(np.unique(trains.sources * 20_000 + trains.steps)) == len(trains.steps)
        np.add.at(counts, (trains.sources, trains.steps), 1.0)
    assert counts[:, 0].sum() == 0.0
    counts = counts[:, 1:]
    # 500,000 counts of mean and variance 1.2
    assert abs(counts.mean() - 1.2) < 4.5 * np.sqrt(1.2 / counts.size)
    assert abs(counts.var() / 1.2 - 1.0) < 4.5 * np.sqrt((2.0 + 1.0 / 1.2) / counts.size)
    assert abs(np.corrcoef(counts[0], counts[1])[0, 1]) < 4.5 / 100.0


def test_sources_spike_once_in_a_step_and_lose_none() -> None:
    population = Population("source", 100, "poisson_source", {"rate": 1000.0, "start": 0.0, "stop": 500.0})
    trains = source_trains(Network((population,), ()), population, SIMULATION, SEED)
    assert len(np.unique(trains.sources * 20_000 + trains.steps)) == len(trains.steps)
    assert abs(len(trains.steps) - 50_000) < 4.5 * np.sqrt(50_000)
    assert trains.steps.min() > 1000
    assert trains.steps.max() <= 6010
