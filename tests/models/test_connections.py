"""The synapses are those of the description, on every simulator that simulates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import networks
import numpy as np
import pytest
from conftest import Engine, default_settings, require_simulator
from recordings import Pairs, genn_connections, native_synapses

from simulators.backends.nest_simulator.network import create_network
from simulators.backends.simulator import find_simulator
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    NetworkError,
    OneToOne,
    Population,
    Projection,
)
from simulators.description.network import expected_synapses
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

SEED = 5

Connect = Callable[[Network], Pairs]


def connect_in_nest(nest: Any, network: Network) -> Pairs:
    """Connect in a kernel that keeps the table of sources."""
    nest.ResetKernel()
    nest.resolution = 0.1
    nest.local_num_threads = 2
    nest.rng_seed = 12
    made = create_network(nest, network, SEED)
    found = {}
    for projection in network.projections:
        source, target = made.nodes[projection.source], made.nodes[projection.target]
        table = nest.GetConnections(source, target, synapse_model=made.synapses[projection.name])
        sources = np.array(list(table.sources())) - source[0].global_id if len(table) else np.array([])
        targets = np.array(list(table.targets())) - target[0].global_id if len(table) else np.array([])
        found[projection.name] = list(zip(sources.tolist(), targets.tolist(), strict=True))
    return found


def connect_in_genn(cache: Path, network: Network) -> Pairs:
    settings = default_settings("genn") | {"backend": "single_threaded_cpu", "cache": str(cache)}
    require_simulator("genn", settings)
    simulator = find_simulator("genn").open_simulator(Simulation(0.1, 0.0, 100.0), settings)
    simulator.build(network, SEED)
    return genn_connections(simulator)


def connect_in_native(cache: Path, network: Network) -> Pairs:
    settings = default_settings("native") | {"cache": str(cache)}
    require_simulator("native", settings)
    simulator = find_simulator("native").open_simulator(Simulation(0.1, 0.0, 100.0), settings)
    built = simulator.build(network, SEED)
    found = native_synapses(simulator, network)
    assert built.n_synapses == sum(synapses.shape[1] for synapses in found.values())
    return {name: [(int(source), int(target)) for source, target in synapses[:2].T] for name, synapses in found.items()}


@pytest.fixture(
    params=[
        pytest.param("nest", marks=pytest.mark.nest),
        pytest.param("genn", marks=pytest.mark.genn),
        pytest.param("native", marks=pytest.mark.native),
    ]
)
def connect(request: pytest.FixtureRequest, cache: Path) -> Connect:
    """(source, target) of every synapse, by projection."""
    if request.param == "nest":
        nest = request.getfixturevalue("nest")
        return lambda network: connect_in_nest(nest, network)
    if request.param == "native":
        return lambda network: connect_in_native(cache, network)
    return lambda network: connect_in_genn(cache, network)


def test_bernoulli_within_and_between_clusters_without_autapses(small: dict[str, Any], connect: Connect) -> None:
    network = make_network(small)
    found = connect(network)
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


def test_every_target_and_source_takes_part(small: dict[str, Any], connect: Connect) -> None:
    pairs = connect(make_network(small))["EI_between"]
    assert {source for source, _ in pairs} == set(range(100))
    assert {target for _, target in pairs} == set(range(400))


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_none_and_all(probability: float, connect: Connect) -> None:
    neuron = networks.microcircuit().populations[0].parameters
    populations = (Population("A", 12, "lif_psc_exp", neuron, {}, 3), Population("B", 6, "lif_psc_exp", neuron, {}, 3))
    rule = Bernoulli(probability)
    found = connect(
        Network(
            populations,
            (
                Projection("all", "A", "A", rule, 1.0, 0.1, "excitatory"),
                Projection("within", "B", "A", rule, 1.0, 0.1, "excitatory", "within"),
                Projection("between", "A", "B", rule, 1.0, 0.1, "inhibitory", "between"),
            ),
        )
    )
    pairs = {
        "all": {(s, t) for s in range(12) for t in range(12) if s != t},
        "within": {(s, t) for s in range(6) for t in range(12) if s // 2 == t // 4},
        "between": {(s, t) for s in range(12) for t in range(6) if s // 4 != t // 2},
    }
    for name, expected in pairs.items():
        assert len(found[name]) == len(set(found[name]))
        assert set(found[name]) == (expected if probability else set())


@pytest.mark.parametrize("n_clusters", [1, 4])
def test_fixed_indegree_is_exact(small: dict[str, Any], connect: Connect, n_clusters: int) -> None:
    network = make_network({**small, "fixed_indegree": True, "Q": n_clusters, "jep": 1.0})
    found = connect(network)
    for projection in network.projections:
        assert isinstance(projection.rule, FixedIndegree)
        indegree = Counter(target for _, target in found[projection.name])
        assert indegree == dict.fromkeys(range(network[projection.target].size), projection.rule.indegree)
        assert {source for source, _ in found[projection.name]} == set(range(network[projection.source].size))
        if projection.source == projection.target:
            assert all(source != target for source, target in found[projection.name])
        if projection.pairs != "all":
            sizes = network[projection.source].cluster_size, network[projection.target].cluster_size
            same = {source // sizes[0] == target // sizes[1] for source, target in found[projection.name]}
            assert same == {projection.pairs == "within"}


def test_fixed_total_number_and_lists_are_exact(small: dict[str, Any], connect: Connect) -> None:
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
    found = connect(network)
    assert len(found["total"]) == 300
    assert len(set(found["total"])) < 81  # 80 pairs: there are multapses
    assert sorted(found["one"]) == [(k, k) for k in range(10)]
    assert sorted(found["list"]) == sorted(zip(sources.tolist(), targets.tolist(), strict=True))


@pytest.mark.parametrize("pairs", ["within", "between"])
def test_numbers_hold_for_all_clusters_together(pairs: Literal["within", "between"], connect: Connect) -> None:
    neuron = networks.BARE["lif_psc_exp"]
    populations = (Population("A", 50, "lif_psc_exp", neuron, {}, 5), Population("B", 30, "lif_psc_exp", neuron, {}, 5))
    found = connect(
        Network(
            populations,
            (
                Projection("total", "A", "B", FixedTotalNumber(2000), 1.0, 0.1, "excitatory", pairs),
                Projection("itself", "A", "A", FixedTotalNumber(1000), 1.0, 0.1, "excitatory", pairs),
                Projection("indegree", "A", "B", FixedIndegree(7), 1.0, 0.1, "excitatory", pairs),
            ),
        )
    )
    assert len(found["total"]) == 2000
    assert len(found["itself"]) == 1000
    assert Counter(target for _, target in found["indegree"]) == dict.fromkeys(range(30), 7)
    for name, per_target in (("total", 6), ("itself", 10), ("indegree", 6)):
        assert {source // 10 == target // per_target for source, target in found[name]} == {pairs == "within"}
    assert all(source != target for source, target in found["itself"])
    # Targets are drawn uniformly: 5 clusters of 400 ± 18 synapses
    clusters = np.bincount([target // 6 for _, target in found["total"]], minlength=5)
    assert ((clusters - 400) ** 2 / 400).sum() < 20.0  # chi-square of 4 degrees of freedom
    assert clusters.std() > 0.0


def test_pairs_of_unequal_numbers_of_clusters_are_refused() -> None:
    neuron = networks.BARE["lif_psc_exp"]
    populations = (Population("A", 12, "lif_psc_exp", neuron, {}, 4), Population("B", 12, "lif_psc_exp", neuron, {}, 3))
    for pairs in ("within", "between"):
        with pytest.raises(NetworkError, match=rf"AB: pairs '{pairs}' need as many clusters in A \(4\) as in B \(3\)"):
            Network(populations, (Projection("AB", "A", "B", Bernoulli(0.5), 1.0, 0.1, "excitatory", pairs),))


def test_lists_may_be_empty(connect: Connect) -> None:
    neuron = networks.BARE["lif_psc_exp"]
    none = np.array([], dtype=np.int64)
    population = Population("A", 5, "lif_psc_exp", neuron)
    lists = (
        Projection("plain", "A", "A", ConnectionList(none, none), 1.0, 0.1, "excitatory"),
        Projection("own", "A", "A", ConnectionList(none, none, np.array([]), np.array([])), 1.0, 0.1, "excitatory"),
        Projection("zero", "A", "A", FixedTotalNumber(0), 1.0, 0.1, "excitatory"),
    )
    assert connect(Network((population,), lists)) == {"plain": [], "own": [], "zero": []}


def test_synapses_are_counted(small: dict[str, Any], engine: Engine) -> None:
    simulator = engine(Simulation(0.1, 50.0, 200.0))
    for network in (make_network(small), networks.microcircuit(), networks.explicit_lists(), networks.scaled(0.5)):
        build = simulator.build(network, SEED)
        if all(not isinstance(projection.rule, Bernoulli) for projection in network.projections):
            assert build.n_synapses == expected_synapses(network)
        else:
            assert abs(build.n_synapses - 0.308 * 500**2) < 0.05 * 0.308 * 500**2
