"""The cortical microcircuit: published numbers, what scaling preserves, and rates at a tenth of the size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from numpy.typing import NDArray

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.description import FixedTotalNumber, Network, Normal, ParameterError, PoissonDrive, Scaled
from simulators.description.network import expected_synapses, structure_of
from simulators.models import find_model, model_names
from simulators.models.microcircuit import NAMES
from simulators.records.job import Simulation
from simulators.statistics import summarise

TENTH = {"N_scale": 0.1, "K_scale": 0.1}
RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz, published with NEST's example


def network_of(**changes: Any) -> Network:
    parameters = read_defaults(defaults_file("microcircuit", Path())).values_by_name()
    return find_model("microcircuit", Path())({**parameters, **changes})


def input_moments(network: Network) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean current, and the sum of K·w²·rate that its variance goes with, of a neuron of each population at `RATES`."""
    mean, variance = np.zeros(8), np.zeros(8)
    for index, name in enumerate(NAMES):
        population = network[name]
        current, tau = population.parameters["I_e"], population.parameters["tau_syn_ex"]
        assert isinstance(current, float)
        assert isinstance(tau, float)
        mean[index] += current
        arriving = [
            (p.rule.number / population.size * RATES[NAMES.index(p.source)], p.weight.scale)
            for p in network.projections
            if p.target == name and isinstance(p.rule, FixedTotalNumber) and isinstance(p.weight, Scaled)
        ]
        arriving += [
            (given.rate, given.weight)
            for given in network.inputs
            if given.target == name and isinstance(given, PoissonDrive) and isinstance(given.rate, float)
        ]
        assert len(arriving) >= 6
        for rate, weight in arriving:
            mean[index] += rate * 1e-3 * tau * weight
            variance[index] += rate * weight**2
    return mean, variance


def test_published_numbers() -> None:
    assert "microcircuit" in model_names()
    network = network_of()
    assert network.n_neurons == 77_169
    assert expected_synapses(network) == 298_880_968
    projections = network.projections_by_name
    assert len(projections) == 55
    assert projections["23E_4E"].weight == 175.6 * Normal(1.0, 0.1, 0.0)
    assert projections["4E_4E"].weight == 87.8 * Normal(1.0, 0.1, 0.0)
    assert projections["4E_4I"].weight == -351.2 * Normal(1.0, 0.1, 0.0)
    assert (projections["4E_4E"].receptor, projections["4E_4I"].receptor) == ("excitatory", "inhibitory")
    assert projections["4E_4E"].delay == Normal(1.5, 0.75, 0.1)
    assert projections["4E_4I"].delay == Normal(0.75, 0.375, 0.1)
    drives = [given for given in network.inputs if isinstance(given, PoissonDrive)]
    assert [given.rate for given in drives] == [12800, 12000, 16800, 15200, 16000, 15200, 23200, 16800]
    assert all(population.parameters["I_e"] == 0.0 for population in network.populations)


@pytest.mark.parametrize("scale", [0.5, 0.1])
@pytest.mark.parametrize("drive", ["poisson", "dc"])
def test_scaling_the_inputs_keeps_mean_and_variance_of_what_a_neuron_gets(drive: str, scale: float) -> None:
    full_mean, full_variance = input_moments(network_of(drive=drive))
    mean, variance = input_moments(network_of(drive=drive, N_scale=0.3, K_scale=scale))
    # sizes are whole numbers: 320 neurons of 5I for 319.5
    assert mean == pytest.approx(full_mean, rel=0.01, abs=1.0)
    assert variance == pytest.approx(full_variance, rel=0.01)


def test_numbers_at_a_tenth() -> None:
    network = network_of(**TENTH)
    assert network.n_neurons == round(77_169 / 10)
    assert expected_synapses(network) == pytest.approx(298_880_968 / 100, rel=1e-4)
    assert network.projections_by_name["4E_4I"].weight == Scaled(
        pytest.approx(-351.2 / math.sqrt(0.1)), Normal(1.0, 0.1, 0.0)
    )


def test_direct_current_is_the_mean_of_the_poisson_drive() -> None:
    direct = network_of(drive="dc")
    assert direct.inputs == ()
    assert input_moments_mean(direct) == pytest.approx(input_moments_mean(network_of()))


def input_moments_mean(network: Network) -> list[float]:
    """Mean current from outside in pA."""
    currents = []
    for name in NAMES:
        current = network[name].parameters["I_e"]
        assert isinstance(current, float)
        for given in network.inputs:
            if given.target == name and isinstance(given, PoissonDrive) and isinstance(given.rate, float):
                current += given.rate * 1e-3 * 0.5 * given.weight
        currents.append(current)
    return currents


@pytest.mark.parametrize("change", [{"bg_rate": 9.0}, {"g": 5.0}, {"weight": 60.0}, {"factor_23E_4E": 1.0}])
def test_rate_g_and_weight_need_no_build(change: dict[str, float]) -> None:
    assert structure_of(network_of(**TENTH, **change)) == structure_of(network_of(**TENTH))
    for simulator in ("native", "genn"):
        structure = find_simulator(simulator).structure
        assert structure(network_of(**TENTH, **change)) == structure(network_of(**TENTH))
    nest = find_simulator("nest").structure  # which stores drawn weights
    assert (nest(network_of(**TENTH, **change)) == nest(network_of(**TENTH))) == ("bg_rate" in change)


def test_nest_says_when_threads_are_too_few() -> None:
    module = find_simulator("nest")
    dense = module.problems(network_of(p=[[0.3] * 8] * 8), Simulation(0.1, 0.0, 1.0), default_settings("nest"))
    assert {problem.split()[1].rstrip(":") for problem in dense} == {
        f"{target}_{source}" for target in ("23E", "4E") for source in ("23E", "4E")
    }
    assert all("threads" in problem for problem in dense)
    assert module.problems(network_of(), Simulation(0.1, 0.0, 1.0), default_settings("nest")) == []


def test_genn_says_that_it_draws_no_total_number_procedurally() -> None:
    settings = default_settings("genn") | {"backend": "cuda", "procedural": True}
    problems = find_simulator("genn").problems(network_of(), Simulation(0.1, 0.0, 1.0), settings)
    assert len(problems) == 55
    assert all("procedural" in problem and "FixedTotalNumber" in problem for problem in problems)


def test_reset_above_threshold_is_no_network() -> None:
    with pytest.raises(ParameterError, match="V_th"):
        network_of(V_reset=-40.0)


@pytest.mark.nest
@pytest.mark.native
def test_rates_at_a_tenth_are_those_of_nest_and_near_the_full_network() -> None:
    network, found = network_of(**TENTH), {}
    for simulator, n_seeds in (("nest", 2), ("native", 8)):
        settings = default_settings(simulator)
        require_simulator(simulator, settings)
        rates = []
        for seed in range(1, 1 + n_seeds):
            opened = find_simulator(simulator).open_simulator(Simulation(0.1, 100.0, 500.0), settings)
            assert opened.build(network, seed).n_synapses == expected_synapses(network)
            (recording,) = opened.run([network], lambda: None)
            opened.close()
            assert isinstance(recording, Recording)
            values = summarise(recording.spikes, ["rate"])
            rates.append([values[f"rate_{name}"] for name in NAMES])
        found[simulator] = np.mean(rates, axis=0)
    # A draw of 2,068 neurons and half a second move the rate of 23E by some 10 %, those of the others by half of it
    assert found["native"] == pytest.approx(found["nest"], rel=0.15)
    # Rates are lower than at full scale, by a tenth but in the layers that fire least
    for rates in found.values():
        assert np.all(np.abs(rates - RATES) < 0.3 * RATES + 0.3), rates
