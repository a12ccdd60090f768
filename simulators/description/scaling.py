"""Smaller copies of a network, to try whether a simulator runs it at all."""

from __future__ import annotations

import math
from dataclasses import replace

from simulators.description.inputs import Input, SpikeEvents, StepCurrent
from simulators.description.network import Network
from simulators.description.population import Population
from simulators.description.projection import ConnectionList, FixedIndegree, FixedTotalNumber, Projection


def smaller(network: Network, n_neurons: int) -> Network:
    """Return a network of about so many neurons with the same parts.

    In-degrees shrink with the sizes and total numbers with their square; explicit lists keep the synapses whose ends
    are left. Weights stay, so its activity is another.

    Parameters
    ----------
    network : Network
        Not changed; returned itself if it is small enough.
    n_neurons : int
        How many there shall be, at least one per cluster.
    """
    share = n_neurons / network.n_neurons
    if share >= 1.0:
        return network
    populations = {p.name: replace(p, size=_size(p, share)) for p in network.populations}
    return Network(
        tuple(populations.values()),
        tuple(_smaller_projection(p, populations, share) for p in network.projections),
        tuple(_smaller_input(given, populations[given.target]) for given in network.inputs),
    )


def _size(population: Population, share: float) -> int:
    return population.n_clusters * max(1, math.ceil(population.cluster_size * share))


def _smaller_projection(projection: Projection, populations: dict[str, Population], share: float) -> Projection:
    match projection.rule:
        case FixedIndegree(indegree):
            return replace(projection, rule=FixedIndegree(math.ceil(indegree * share)))
        case FixedTotalNumber(number):
            return replace(projection, rule=FixedTotalNumber(math.ceil(number * share**2)))
        case ConnectionList() as rule:
            kept = (rule.sources < populations[projection.source].size) & (
                rule.targets < populations[projection.target].size
            )
            weights = None if rule.weights is None else rule.weights[kept]
            delays = None if rule.delays is None else rule.delays[kept]
            return replace(projection, rule=ConnectionList(rule.sources[kept], rule.targets[kept], weights, delays))
    return projection


def _smaller_input(given: Input, target: Population) -> Input:
    if isinstance(given, SpikeEvents):
        kept = given.neurons < target.size
        return replace(given, times=given.times[kept], neurons=given.neurons[kept])
    if isinstance(given, StepCurrent) and given.neurons is not None:
        return replace(given, neurons=given.neurons[given.neurons < target.size])
    return given
