"""The description of networks: what makes a structure, how many synapses, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networks
import numpy as np
import pytest

from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    NetworkError,
    Normal,
    OneToOne,
    ParameterError,
    PoissonDrive,
    Population,
    Projection,
    StepCurrent,
)
from simulators.description.network import expected_synapses, structure_of
from simulators.models.clustered import make_network

NEURON = networks.microcircuit().populations[0].parameters


def pair(**changes: Any) -> Network:
    """Two populations and one projection, with changes to the projection."""
    projection = Projection("AB", "A", "B", Bernoulli(0.1), 1.0, 0.1, "excitatory")
    populations = (
        Population("A", 20, "lif_psc_exp", NEURON, n_clusters=4),
        Population("B", 8, "lif_psc_exp", NEURON, n_clusters=4),
    )
    return Network(populations, (replace(projection, **changes),))


@pytest.mark.parametrize(
    "changes",
    [
        {"I_th_E": 1.0},
        {"tau_m_E": 15.0},
        {"t_ref": 2.0},
        {"V_th": 15.0},
        {"tau_syn_E": 5.0},
        {"tau_syn_cv": 0.05},
        {"delta_I_E": 0.1},
        {"jep": 1.5},
        {"ge": 1.4},
        {"gie": 0.8},
        {"init_at_current": True},
        {"stim_clusters": [1], "stim_onsets": [1.0], "stim_offsets": [2.0], "stim_amplitude": 3.0},
    ],
    ids=str,
)
def test_weights_neurons_and_currents_leave_the_structure(defaults: dict[str, Any], changes: dict[str, Any]) -> None:
    stimulus = {"stim_clusters": [1], "stim_onsets": [5.0], "stim_offsets": [9.0], "stim_amplitude": 1.0}
    base = {**defaults, **(stimulus if "stim_clusters" in changes else {})}
    first, second = make_network(base), make_network({**base, **changes})
    assert first != second
    assert structure_of(first) == structure_of(second)
    assert hash(structure_of(first)) == hash(structure_of(second))


@pytest.mark.parametrize(
    "changes",
    [
        {"N_E": 20_020},
        {"N_I": 5_020},
        {"p": [[0.21, 0.5], [0.5, 0.5]]},
        {"delay": 0.2},
        {"Q": 10},
        {"Q": 1},
        {"fixed_indegree": True},
        {"stim_clusters": [1], "stim_onsets": [1.0], "stim_offsets": [2.0]},
    ],
    ids=str,
)
def test_sizes_rules_delays_and_clusters_make_another_structure(
    defaults: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert structure_of(make_network(defaults)) != structure_of(make_network({**defaults, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": Bernoulli(0.2)},
        {"rule": FixedIndegree(2)},
        {"delay": Normal(1.0, 0.1)},
        {"weight": Normal(1.0, 0.1)},
        {"receptor": "inhibitory"},
        {"pairs": "within"},
        {"source": "B"},
    ],
    ids=str,
)
def test_every_part_of_a_projection_but_its_plain_weight_counts(changes: dict[str, Any]) -> None:
    assert structure_of(pair()) != structure_of(pair(**changes))
    assert structure_of(pair()) == structure_of(pair(weight=2.0))


def test_inputs_count_by_where_they_go() -> None:
    def with_input(given: Any) -> Any:
        return structure_of(replace(pair(), inputs=(given,)))

    step = StepCurrent("step", "A", (0,), 1.0, (1.0,), (2.0,))
    drive = PoissonDrive("drive", "A", 10.0, 1.0, 0.1)
    assert with_input(step) == with_input(replace(step, amplitude=2.0, onsets=(3.0,), offsets=(4.0,)))
    assert with_input(step) != with_input(replace(step, clusters=(1,)))
    assert with_input(drive) == with_input(replace(drive, rate=20.0, weight=3.0))
    assert with_input(drive) != with_input(replace(drive, delay=0.2))
    assert with_input(drive) != with_input(replace(drive, receptor="inhibitory"))


def test_equal_lists_are_one_structure() -> None:
    def listed(weight: float = 1.0) -> Any:
        index = np.arange(5)
        return structure_of(pair(rule=ConnectionList(index, index, np.full(5, weight))))

    assert listed() == listed()
    assert hash(listed()) == hash(listed())
    assert listed() != listed(2.0)
    columns = np.arange(5), np.ones(5)
    assert ConnectionList(columns[0], columns[0], columns[1]) != ConnectionList(
        columns[0], columns[0], None, columns[1]
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 16.0),
        ({"pairs": "within"}, 4.0),
        ({"pairs": "between"}, 12.0),
        ({"target": "A"}, 0.1 * 20 * 19),
        ({"target": "A", "pairs": "within"}, 0.1 * 20 * 4),
        ({"target": "A", "pairs": "between"}, 0.1 * 20 * 15),
        ({"rule": FixedIndegree(3)}, 24.0),
        ({"rule": FixedTotalNumber(77)}, 77.0),
        ({"rule": OneToOne(), "target": "A"}, 20.0),
        ({"rule": ConnectionList(np.arange(6), np.zeros(6, dtype=np.int64))}, 6.0),
    ],
    ids=str,
)
def test_expected_synapses(changes: dict[str, Any], expected: float) -> None:
    assert expected_synapses(pair(**changes)) == pytest.approx(expected)


def test_malformed_networks_are_refused() -> None:
    network = pair()
    with pytest.raises(NetworkError, match="repeat"):
        replace(network, populations=network.populations + network.populations[:1])
    with pytest.raises(NetworkError, match="repeat"):
        replace(network, projections=network.projections * 2)
    with pytest.raises(NetworkError, match="AB: A → C: no such population"):
        pair(target="C")
    with pytest.raises(NetworkError, match="drive: target C: no such population"):
        replace(network, inputs=(PoissonDrive("drive", "C", 1.0, 1.0, 1.0),))
    with pytest.raises(ParameterError, match="N_A: 10 neurons cannot be divided into 3"):
        Population("A", 10, "lif_psc_exp", NEURON, n_clusters=3)
    with pytest.raises(KeyError):
        network["C"]


@pytest.mark.parametrize("network", [networks.vogels_abbott(), networks.microcircuit(), networks.explicit_lists()])
def test_networks_to_come_use_the_parameters_of_their_neuron_models(network: Network) -> None:
    for population in network.populations:
        model = population.model
        assert population.parameters.keys() == model.parameters.keys()
        assert population.initial.keys() == model.states.keys()
    hash(structure_of(network))


def test_clustered_network_uses_the_parameters_of_its_neuron_model(defaults: dict[str, Any]) -> None:
    for population in make_network(defaults).populations:
        model = population.model
        assert population.parameters.keys() == model.parameters.keys()
        assert population.initial.keys() == model.states.keys()


def test_fixed_number_of_the_microcircuit_gives_its_connection_probability() -> None:
    number = networks.fixed_number(0.1009, 20683, 20683)
    pairs = 20683**2
    assert 1.0 - (1.0 - 1.0 / pairs) ** number == pytest.approx(0.1009, rel=1e-6)
    assert expected_synapses(networks.microcircuit()) == sum(
        networks.fixed_number(p, networks.MICROCIRCUIT_SIZES[source], networks.MICROCIRCUIT_SIZES[target])
        for target, row in networks.MICROCIRCUIT_P.items()
        for source, p in row.items()
    )
