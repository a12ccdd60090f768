"""NEST: the synapses are those of the description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import networks
import numpy as np
import pytest
from conftest import require_simulator

from simulators.distributions import Uniform
from simulators.models.clustered import make_network
from simulators.nest_network import DRAWN, create_network, neuron_parameters, signed_weight
from simulators.nest_simulator import open_simulator
from simulators.network import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    OneToOne,
    Population,
    Projection,
    expected_synapses,
)
from simulators.records import Simulation

pytestmark = pytest.mark.nest

SIMULATION = Simulation(dt=0.1, warmup=50.0, duration=200.0)
SEED = 5


@pytest.fixture(autouse=True)
def _needs_nest() -> None:
    require_simulator("nest", {"threads": 1})


@pytest.fixture
def connections(nest: Any) -> Callable[[Network], dict[str, list[tuple[int, int]]]]:
    """(source, target) of every synapse, by projection, in a kernel that keeps the table of sources."""

    def connect(network: Network, threads: int = 2) -> dict[str, list[tuple[int, int]]]:
        nest.ResetKernel()
        nest.resolution = 0.1
        nest.local_num_threads = threads
        nest.rng_seed = 12
        made = create_network(nest, network)
        found = {}
        for projection in network.projections:
            source, target = made.nodes[projection.source], made.nodes[projection.target]
            model = made.models.get(projection.name, DRAWN)
            table = nest.GetConnections(source, target, synapse_model=model)
            sources = np.array(list(table.sources())) - source[0].global_id if len(table) else []
            targets = np.array(list(table.targets())) - target[0].global_id if len(table) else []
            found[projection.name] = list(zip(np.asarray(sources).tolist(), np.asarray(targets).tolist(), strict=True))
        return found

    return connect


def test_bernoulli_within_and_between_clusters_without_autapses(small: dict[str, Any], connections: Any) -> None:
    network = make_network(small)
    found = connections(network)
    for projection in network.projections:
        pairs = found[projection.name]
        assert len(set(pairs)) == len(pairs), "no multapses"
        per_source, per_target = network[projection.source].cluster_size, network[projection.target].cluster_size
        same = {source // per_source == target // per_target for source, target in pairs}
        assert same == {projection.pairs == "within"}
        n_source, n_target = network[projection.source].size, network[projection.target].size
        possible = n_source * n_target / 4 * (1 if projection.pairs == "within" else 3)
        if projection.source == projection.target:
            assert all(source != target for source, target in pairs)
            possible -= n_target if projection.pairs == "within" else 0
        assert isinstance(projection.rule, Bernoulli)
        p = projection.rule.probability
        assert abs(len(pairs) - p * possible) < 4.5 * np.sqrt(p * (1 - p) * possible)


def test_every_target_and_source_takes_part(small: dict[str, Any], connections: Any) -> None:
    pairs = connections(make_network(small))["EI_between"]
    assert {source for source, _ in pairs} == set(range(100))
    assert {target for _, target in pairs} == set(range(400))


@pytest.mark.parametrize("n_clusters", [1, 4])
def test_fixed_indegree_is_exact(small: dict[str, Any], connections: Any, n_clusters: int) -> None:
    network = make_network({**small, "fixed_indegree": True, "Q": n_clusters})
    found = connections(network)
    for projection in network.projections:
        assert isinstance(projection.rule, FixedIndegree)
        indegree = Counter(target for _, target in found[projection.name])
        assert indegree == dict.fromkeys(range(network[projection.target].size), projection.rule.indegree)
        if projection.source == projection.target:
            assert all(source != target for source, target in found[projection.name])
        if projection.pairs != "all":
            sizes = network[projection.source].cluster_size, network[projection.target].cluster_size
            same = {source // sizes[0] == target // sizes[1] for source, target in found[projection.name]}
            assert same == {projection.pairs == "within"}


def test_fixed_total_number_and_lists_are_exact(small: dict[str, Any], connections: Any) -> None:
    neuron = make_network(small)["E"].parameters
    sources, targets = np.array([0, 3, 3, 9]), np.array([1, 1, 1, 7])
    network = Network(
        (Population("A", 10, "lif_psc_exp", neuron), Population("B", 8, "lif_psc_exp", neuron)),
        (
            Projection("total", "A", "B", FixedTotalNumber(300), 1.0, 0.1, "excitatory"),
            Projection("one", "A", "A", OneToOne(), 1.0, 0.1, "excitatory"),
            Projection("list", "A", "B", ConnectionList(sources, targets), 1.0, 0.1, "excitatory"),
        ),
    )
    found = connections(network)
    assert len(found["total"]) == 300
    assert len(set(found["total"])) < 81  # 80 pairs: there are multapses
    assert sorted(found["one"]) == [(k, k) for k in range(10)]
    assert sorted(found["list"]) == sorted(zip(sources.tolist(), targets.tolist(), strict=True))


def test_distributed_weights_and_delays_have_their_moments(nest: Any) -> None:
    network = networks.microcircuit()
    nest.ResetKernel()
    nest.resolution = 0.1
    made = create_network(nest, network)
    for target, source, mean_weight, mean_delay in (("23E", "4E", 175.6, 1.5), ("23E", "23I", -351.2, 0.75)):
        table = nest.GetConnections(made.nodes[source], made.nodes[target])
        weights, delays = np.array(table.get("weight")), np.array(table.get("delay"))
        assert weights.mean() == pytest.approx(mean_weight, rel=0.02)
        assert weights.std() == pytest.approx(0.1 * abs(mean_weight), rel=0.1)
        assert delays.min() >= 0.1
        assert delays.mean() == pytest.approx(mean_delay, rel=0.1)  # cut at 0.1 ms: a little more


def test_synapses_are_counted(small: dict[str, Any]) -> None:
    for network in (make_network(small), networks.microcircuit(), networks.explicit_lists()):
        simulator = open_simulator(SIMULATION, {"threads": 1})
        build = simulator.build(network, SEED)
        exact = [p for p in network.projections if not isinstance(p.rule, Bernoulli)]
        if len(exact) == len(network.projections):
            assert build.n_synapses == expected_synapses(network)
        else:
            mean = 0.308 * 500**2
            assert abs(build.n_synapses - mean) < 0.05 * mean


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
    made = create_network(nest, network)
    weights = np.array(nest.GetConnections(made.nodes["I"], made.nodes["E"]).get("weight"))
    assert len(weights) > 20
    assert (weights < 0.0).all()  # NEST takes negative conductances for inhibitory ones
