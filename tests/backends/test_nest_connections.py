"""NEST: the synapses are those of the description."""

from __future__ import annotations

from collections import Counter
from typing import Any

import networks
import numpy as np
import pytest
from conftest import require_simulator
from recordings import run_one

from simulators.backends.nest_simulator import open_simulator
from simulators.backends.nest_simulator.network import create_network
from simulators.backends.nest_simulator.values import neuron_parameters, signed_weight
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    Population,
    Projection,
    Uniform,
)
from simulators.records.job import Simulation

pytestmark = pytest.mark.nest

SIMULATION = Simulation(dt=0.1, warmup=50.0, duration=200.0)
SEED = 5


@pytest.fixture(autouse=True)
def _needs_nest() -> None:
    require_simulator("nest", {"threads": 1})


def test_distributed_weights_and_delays_have_their_moments(nest: Any) -> None:
    network = networks.microcircuit()
    nest.ResetKernel()
    nest.resolution = 0.1
    made = create_network(nest, network, SEED)
    for target, source, mean_weight, mean_delay in (("23E", "4E", 175.6, 1.5), ("23E", "23I", -351.2, 0.75)):
        table = nest.GetConnections(made.nodes[source], made.nodes[target])
        weights, delays = np.array(table.get("weight")), np.array(table.get("delay"))
        assert weights.mean() == pytest.approx(mean_weight, rel=0.02)
        assert weights.std() == pytest.approx(0.1 * abs(mean_weight), rel=0.1)
        assert delays.min() >= 0.1
        assert delays.mean() == pytest.approx(mean_delay, rel=0.1)  # cut at 0.1 ms: a little more


def test_neuron_parameters_take_the_names_of_nest(small: dict[str, Any]) -> None:
    values = neuron_parameters(networks.vogels_abbott().populations[0], SEED)
    assert values["g_L"] == 10.0  # 200 pF / 20 ms
    assert "tau_m" not in values
    assert np.shape(values["V_m"]) == (240,)


def test_the_sign_of_a_weight_chooses_its_receptor() -> None:
    assert signed_weight(-3.0, "inhibitory") == -3.0
    assert signed_weight(3.0, "inhibitory") == -3.0  # a conductance
    assert signed_weight(3.0, "excitatory") == 3.0
    with pytest.raises(ValueError, match="excitatory weight is negative"):
        signed_weight(-3.0, "excitatory")


def test_drawn_conductances_inhibit(nest: Any) -> None:
    cell = networks.vogels_abbott().populations[0].parameters
    network = Network(
        (Population("I", 10, "lif_cond_exp", cell), Population("E", 10, "lif_cond_exp", cell)),
        (Projection("EI", "I", "E", Bernoulli(0.5), Uniform(1.0, 2.0), 0.2, "inhibitory"),),
    )
    nest.ResetKernel()
    made = create_network(nest, network, SEED)
    weights = np.array(nest.GetConnections(made.nodes["I"], made.nodes["E"]).get("weight"))
    assert len(weights) > 20
    assert (weights < 0.0).all()  # NEST takes negative conductances for inhibitory ones


def weights_of(nest: Any, network: Network, name: str) -> np.ndarray[Any, Any]:
    nest.ResetKernel()
    nest.resolution = 0.1
    made = create_network(nest, network, SEED)
    return np.array(nest.GetConnections(synapse_model=made.synapses[name]).get("weight"))


def scaled_pair(weight: Any, receptor: Any, neuron: str = "lif_psc_exp") -> Network:
    population = Population("A", 100, neuron, networks.BARE[neuron])
    return Network((population,), (Projection("AA", "A", "A", FixedIndegree(50), weight, 1.0, receptor),))


@pytest.mark.parametrize(
    ("weight", "receptor", "neuron", "low", "high"),
    [
        (2.0 * Uniform(1.0, 2.0), "excitatory", "lif_psc_exp", 2.0, 4.0),
        (-2.0 * Uniform(-2.0, -1.0), "excitatory", "lif_psc_exp", 2.0, 4.0),
        (-2.0 * Uniform(1.0, 2.0), "inhibitory", "lif_psc_exp", -4.0, -2.0),
        (2.0 * Uniform(-2.0, -1.0), "inhibitory", "lif_psc_exp", -4.0, -2.0),
        (Uniform(-2.0, -1.0), "inhibitory", "lif_psc_exp", -2.0, -1.0),
        (2.0 * Uniform(1.0, 2.0), "inhibitory", "lif_cond_exp", -4.0, -2.0),
        (0.0 * Normal(1.0, 0.1), "excitatory", "lif_cond_exp", 0.0, 0.0),
    ],
)  # fmt: skip
def test_scaled_weights_have_scale_and_sign(
    nest: Any, weight: Any, receptor: Any, neuron: str, low: float, high: float
) -> None:
    weights = weights_of(nest, scaled_pair(weight, receptor, neuron), "AA")
    assert len(weights) == 5000
    assert low <= weights.min() <= weights.max() <= high
    assert weights.mean() == pytest.approx((low + high) / 2.0, rel=0.02)


@pytest.mark.parametrize("weight", [-1.0 * Uniform(1.0, 2.0), Normal(-3.0, 0.1)])
def test_drawn_weights_of_the_wrong_sign_are_refused(nest: Any, weight: Any) -> None:
    with pytest.raises(ValueError, match="excitatory weight is negative"):
        weights_of(nest, scaled_pair(weight, "excitatory"), "AA")


def test_every_drawn_projection_has_a_synapse_model_of_its_own(nest: Any) -> None:
    # NEST holds 134,217,726 synapses per thread and model
    nest.ResetKernel()
    nest.resolution = 0.1
    network = networks.microcircuit()
    made = create_network(nest, network, SEED)
    assert len(set(made.synapses.values())) == len(network.projections) == 16
    for projection in network.projections:
        assert isinstance(projection.rule, FixedTotalNumber)
        assert nest.GetDefaults(made.synapses[projection.name], "num_connections") == projection.rule.number


@pytest.mark.parametrize("n_neurons", [60_000, 70_000])
def test_targets_are_addressed_whether_they_are_few_or_many(nest: Any, n_neurons: int) -> None:
    # Two bytes address 65,535 nodes of a thread
    neuron = networks.BARE["lif_psc_exp"]
    population = Population("A", n_neurons, "lif_psc_exp", {**neuron, "I_e": 1000.0}, {"V_m": -65.0})
    last = ConnectionList(np.array([0, 1]), np.array([n_neurons - 1, n_neurons - 2]), np.array([-1e6, -1e6]))
    network = Network((population,), (Projection("last", "A", "A", last, 0.0, 0.1, "inhibitory"),))
    simulator = open_simulator(Simulation(0.1, 0.0, 20.0), {"threads": 1})
    simulator.build(network, SEED)
    fired = Counter(sender for _, sender in run_one(simulator, network)["A"])
    simulator.close()
    assert set(fired.values()) == {fired[0], 1}  # the two that are hit fall silent with the first spike
    assert {sender for sender, count in fired.items() if count == 1} == {n_neurons - 1, n_neurons - 2}
