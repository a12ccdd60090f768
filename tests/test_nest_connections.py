"""NEST: the synapses are those of the description."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import pytest
from conftest import require_simulator

from simulators.backends.nest_simulator.network import create_network
from simulators.backends.nest_simulator.values import neuron_parameters, signed_weight
from simulators.description import Bernoulli, Network, Population, Projection, Uniform
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
