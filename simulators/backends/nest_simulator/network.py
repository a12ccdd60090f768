"""The network description in NEST's terms: neurons, connections, generators and recorders.

The ``nest`` module is handed in by `simulators.backends.nest_simulator`, which alone imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    OneToOne,
    PoissonDrive,
    Population,
    Projection,
    Receptor,
    StepCurrent,
    Uniform,
)
from simulators.description.distributions import Distribution
from simulators.description.population import drawn_values
from simulators.description.projection import Rule
from simulators.neurons.neuron_model import Values

DRAWN = "synapse_drawn"
"""Synapse model of all projections whose synapses have weights of their own."""


@dataclass(frozen=True)
class NestNetwork:
    """What lives in the kernel.

    Parameters
    ----------
    nodes : mapping of str to NodeCollection
        Neurons by population.
    models : mapping of str to str
        Synapse model of each projection or input whose weight is a single number: changing the model's default
        changes all its synapses.
    generators : mapping of str to NodeCollection
        By input, or by population of sources.
    recorders : mapping of str to NodeCollection
        By population, sources left out.
    """

    nodes: Mapping[str, Any]
    models: Mapping[str, str]
    generators: Mapping[str, Any]
    recorders: Mapping[str, Any]


def network_problems(network: Network) -> list[str]:
    """Say what NEST cannot do with a network, a line each."""
    return [
        f"population {population.name}: {population.model.name} says nothing of NEST"
        for population in network.populations
        if not population.is_source and population.model.nest is None
    ]


def create_network(nest: Any, network: Network) -> NestNetwork:
    """Create and connect a network in an empty kernel whose step, threads and seed are set.

    Raises
    ------
    ValueError
        If the description holds something NEST has no counterpart for.
    """
    nodes = {
        population.name: nest.Create(nest_model(population), population.size) for population in network.populations
    }
    models = {}
    nest.CopyModel("static_synapse", DRAWN)  # to count them apart from the connections of generators and recorders
    for projection in network.projections:
        model = _connect(nest, network, projection, nodes[projection.source], nodes[projection.target])
        if model is not None:
            models[projection.name] = model
    generators = {}
    for given in network.inputs:
        if isinstance(given, PoissonDrive):
            generators[given.name], models[given.name] = _connect_poisson(nest, given, nodes[given.target])
        elif isinstance(given, StepCurrent):
            generators[given.name] = _connect_step_current(nest, given, network[given.target], nodes[given.target])
    recorders = {}
    for population in network.populations:
        if population.is_source:
            generators[population.name] = nest.Create("poisson_generator")
            nest.Connect(generators[population.name], nodes[population.name], syn_spec={"delay": nest.resolution})
        else:
            recorders[population.name] = nest.Create("spike_recorder", params={"time_in_steps": True})
            nest.Connect(nodes[population.name], recorders[population.name])
    return NestNetwork(nodes, models, generators, recorders)


def nest_model(population: Population) -> str:
    """Name of NEST's model; sources of spikes hand on those of a generator."""
    if population.is_source:
        return "parrot_neuron"
    assert population.model.nest is not None, "is among the problems of a network"
    return population.model.nest.name


def neuron_parameters(population: Population, seed: int) -> dict[str, Values]:
    """Parameters and initial state of a population under NEST's names, distributions drawn and defaults filled in.

    Returns
    -------
    dict of str to float or ndarray of float64, shape (size,)
    """
    values = drawn_values(population, seed)
    nest = population.model.nest
    return values if nest is None else nest.translate(values)


def signed_weight(weight: float | NDArray[np.float64], receptor: Receptor) -> float | NDArray[np.float64]:
    """Weight under NEST's rule that the sign chooses the receptor.

    Raises
    ------
    ValueError
        If a current-based weight has the sign of the other receptor.
    """
    if receptor == "inhibitory":
        return -np.abs(weight) if isinstance(weight, np.ndarray) else -abs(weight)
    if np.any(np.asarray(weight) < 0.0):
        raise ValueError(f"an excitatory weight is negative: {np.min(weight):g}")
    return weight


def _connect(nest: Any, network: Network, projection: Projection, source: Any, target: Any) -> str | None:
    """Connect one projection; return the synapse model that holds its weight, if it has a single one."""
    if isinstance(projection.rule, ConnectionList):
        _connect_list(nest, projection, projection.rule, source, target)
        return None
    delay = _random_value(nest, projection.delay)
    model = None
    synapse: dict[str, Any]
    if isinstance(projection.weight, (int, float)):
        model = _weight_model(nest, projection.name)
        synapse = {"synapse_model": model, "delay": delay}
    else:
        synapse = {
            "synapse_model": DRAWN,
            "weight": _random_weight(nest, projection.drawn_weight or 0.0, projection.receptor),
            "delay": delay,
        }
    for sources, targets in _blocks(network, projection, source, target):
        nest.Connect(sources, targets, _nest_rule(projection.rule), synapse)
    return model


def _weight_model(nest: Any, name: str) -> str:
    # One weight for all synapses of the model: 16 bytes less per synapse, and one call changes them all.
    model = f"synapse_{name}"
    nest.CopyModel("static_synapse_hom_w", model)
    return model


def _connect_list(nest: Any, projection: Projection, rule: ConnectionList, source: Any, target: Any) -> None:
    count = len(rule.sources)
    given_weights = projection.weight if rule.weights is None else rule.weights
    given_delays = projection.delay if rule.delays is None else rule.delays
    if not isinstance(given_weights, (int, float, np.ndarray)) or not isinstance(
        given_delays, (int, float, np.ndarray)
    ):
        raise ValueError(f"projection {projection.name}: an explicit list carries its own weights and delays")
    nest.Connect(
        rule.sources + source[0].global_id,
        rule.targets + target[0].global_id,
        "one_to_one",
        {
            "synapse_model": DRAWN,
            "weight": np.broadcast_to(signed_weight(given_weights, projection.receptor), count),
            "delay": np.broadcast_to(np.asarray(given_delays, dtype=np.float64), count),
        },
    )


def _blocks(network: Network, projection: Projection, source: Any, target: Any) -> Iterator[tuple[Any, Any]]:
    """Blocks of sources and targets that cover the pairs of a projection: one, or one per cluster."""
    if projection.pairs == "all":
        yield source, target
        return
    n_clusters = network[projection.target].n_clusters
    per_source = network[projection.source].cluster_size
    per_target = network[projection.target].cluster_size
    for cluster in range(n_clusters):
        first, last = cluster * per_source, (cluster + 1) * per_source
        targets = target[cluster * per_target : (cluster + 1) * per_target]
        if projection.pairs == "within":
            yield source[first:last], targets
        elif cluster == 0:
            yield source[last:], targets
        elif cluster == n_clusters - 1:
            yield source[:first], targets
        else:
            yield source[:first] + source[last:], targets


def _nest_rule(rule: Rule) -> dict[str, Any]:
    match rule:
        case Bernoulli(probability):
            return {"rule": "pairwise_bernoulli", "p": probability, "allow_autapses": False}
        case FixedIndegree(indegree):
            return {"rule": "fixed_indegree", "indegree": indegree, "allow_autapses": False}
        case FixedTotalNumber(number):
            return {"rule": "fixed_total_number", "N": number, "allow_autapses": False}
        case OneToOne():
            return {"rule": "one_to_one"}
        case _:
            raise ValueError(f"NEST has no rule for {rule}")


def _random_value(nest: Any, value: float | Distribution) -> Any:
    """Translate a distribution into NEST's own, drawn while connecting."""
    match value:
        case Uniform(low, high):
            return nest.random.uniform(low, high)
        case Normal(mean, sd, low, high):
            drawn = nest.random.normal(mean, sd)
            if np.isinf(low) and np.isinf(high):
                return drawn
            return nest.math.redraw(drawn, max(low, -1e300), min(high, 1e300))
        case int() | float():
            return float(value)
    raise ValueError(f"NEST draws no weights or delays from {value}")


def _random_weight(nest: Any, weight: float | Distribution, receptor: Receptor) -> Any:
    """Translate a distribution of weights under the rule of `signed_weight`; its centre decides the sign."""
    if not isinstance(weight, (Normal, Uniform)):
        return _random_value(nest, weight)
    centre = weight.mean if isinstance(weight, Normal) else (weight.low + weight.high) / 2.0
    if receptor == "excitatory":
        signed_weight(centre, receptor)
    drawn = _random_value(nest, weight)
    return -1.0 * drawn if receptor == "inhibitory" and centre > 0.0 else drawn


def _connect_poisson(nest: Any, given: PoissonDrive, target: Any) -> tuple[Any, str]:
    generator = nest.Create("poisson_generator", params={"rate": 0.0})
    model = _weight_model(nest, given.name)
    nest.Connect(generator, target, "all_to_all", {"synapse_model": model, "delay": given.delay})
    return generator, model


def _connect_step_current(nest: Any, given: StepCurrent, population: Population, target: Any) -> Any:
    generator = nest.Create("step_current_generator")
    size = population.cluster_size
    for cluster in given.clusters or ():
        nest.Connect(generator, target[cluster * size : (cluster + 1) * size], "all_to_all", {"delay": nest.resolution})
    return generator
