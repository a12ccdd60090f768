"""The network description in NEST's terms: neurons, synapses, generators and recorders.

The ``nest`` module is handed in by `simulators.backends.nest_simulator`, which alone imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.backends.nest_simulator.connections import (
    NODES_OF_COMPACT_SYNAPSES,
    SynapseModels,
    connect,
    shares_one_weight,
)
from simulators.backends.nest_simulator.generators import create_generators, drive_model
from simulators.backends.nest_simulator.values import neuron_parameters, set_values, signed_weight
from simulators.description import Network, PoissonDrive, Population


@dataclass(frozen=True)
class NestNetwork:
    """What lives in the kernel.

    Parameters
    ----------
    nodes : mapping of str to NodeCollection
        Neurons by population.
    synapses : mapping of str to str
        Synapse model of each projection.
    generators : mapping of str to NodeCollection
        By input, or by population of sources.
    recorders : mapping of str to NodeCollection
        By population, sources left out.
    """

    nodes: Mapping[str, Any]
    synapses: Mapping[str, str]
    generators: Mapping[str, Any]
    recorders: Mapping[str, Any]


def create_network(nest: Any, network: Network, seed: int) -> NestNetwork:
    """Create and connect a network in an empty kernel whose step, threads and seed are set.

    Parameters
    ----------
    nest : module
        PyNEST.
    network : Network
        One without problems (`simulators.backends.nest_simulator.problems`).
    seed : int
        Seed of the network draw.
    """
    models = SynapseModels(nest, nodes_per_thread(network, nest.local_num_threads) <= NODES_OF_COMPACT_SYNAPSES)
    nodes = {population.name: nest.Create(_model(population), population.size) for population in network.populations}
    synapses = {}
    for index, projection in enumerate(network.projections):
        synapses[projection.name] = f"projection_{index}"
        ends = nodes[projection.source], nodes[projection.target]
        connect(models, network, projection, synapses[projection.name], ends, seed)
    generators = create_generators(models, network, nodes)
    recorders = {}
    for population in network.populations:
        if not population.is_source:
            recorders[population.name] = nest.Create("spike_recorder", params={"time_in_steps": True})
            # NEST allots a thousand synapses to each neuron that is recorded: the smallest will do
            synapse = {"synapse_model": models.original(one_weight=True)}
            nest.Connect(nodes[population.name], recorders[population.name], syn_spec=synapse)
    return NestNetwork(nodes, synapses, generators, recorders)


def nodes_per_thread(network: Network, threads: int) -> int:
    """Nodes on the thread that has most; every thread has its own copy of a generator or recorder."""
    neurons = sum(-(-population.size // threads) for population in network.populations)
    copies = len(network.inputs) + sum(population.size for population in network.populations if population.is_source)
    return neurons + copies + len(network.populations)


def set_neurons(built: NestNetwork, network: Network, seed: int) -> None:
    """Set parameters and state of all neurons."""
    for population in network.populations:
        if not population.is_source:
            set_values(built.nodes[population.name], neuron_parameters(population, seed))


def set_weights(nest: Any, built: NestNetwork, network: Network) -> None:
    """Set the weights that are one number for all synapses of a projection or input."""
    weights: dict[str, float] = {}
    for projection in network.projections:
        if shares_one_weight(projection):
            weight = signed_weight(projection.weight_scale, projection.receptor)
            weights[built.synapses[projection.name]] = float(weight)
    for index, given in enumerate(network.inputs):
        if isinstance(given, PoissonDrive):
            weights[drive_model(index)] = float(signed_weight(given.weight, given.receptor))
    for model, weight in weights.items():
        nest.SetDefaults(model, {"weight": weight})


def _model(population: Population) -> str:
    if population.is_source:
        return "parrot_neuron"  # hands on the spikes of a generator, which cannot be the source of any synapse
    assert population.model.nest is not None, "is among the problems of a network"
    return population.model.nest.name
