"""Projections in NEST's terms: rules, blocks of clusters, and a synapse model for each."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.nest_simulator.values import drawn_sign, random_value, signed_weight
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    OneToOne,
    Projection,
)
from simulators.description.projection import Rule

NODES_OF_COMPACT_SYNAPSES = 65_000
"""Up to so many nodes of a thread NEST addresses targets in two bytes instead of eight (its limit is 65,535)."""

_WITH_WEIGHTS, _WITH_ONE_WEIGHT = "static_synapse", "static_synapse_hom_w"
_COMPACT = "_hpc"


@dataclass(frozen=True)
class SynapseModels:
    """Makes a synapse model for each projection or input: one holds only so many synapses, or one weight for all.

    Parameters
    ----------
    nest : module
        PyNEST.
    compact : bool
        Whether the targets of a thread are few enough for synapses of 16 bytes less.
    """

    nest: Any
    compact: bool

    def make(self, name: str, one_weight: bool) -> str:
        """Make a model; changing the default weight of one of one weight changes all its synapses."""
        self.nest.CopyModel(self.original(one_weight), name)
        return name

    def original(self, one_weight: bool) -> str:
        """NEST's own model."""
        return (_WITH_ONE_WEIGHT if one_weight else _WITH_WEIGHTS) + (_COMPACT if self.compact else "")


def shares_one_weight(projection: Projection) -> bool:
    """Whether one number is the weight of all synapses: it may change between points."""
    if isinstance(projection.rule, ConnectionList):
        return projection.rule.weights is None
    return projection.drawn_weight is None


def connect(
    models: SynapseModels, network: Network, projection: Projection, name: str, nodes: tuple[Any, Any], seed: int
) -> None:
    """Connect one projection.

    Parameters
    ----------
    models : SynapseModels
        Makes its synapse model.
    network : Network
        The network.
    projection : Projection
        What to connect.
    name : str
        Of the synapse model.
    nodes : tuple of NodeCollection
        Sources and targets.
    seed : int
        Seed of the network draw; NEST's own draws have theirs from the kernel.
    """
    nest = models.nest
    models.make(name, shares_one_weight(projection))
    if isinstance(projection.rule, ConnectionList):
        _connect_list(nest, projection, projection.rule, name, nodes)
        return
    synapse = {"synapse_model": name, "delay": random_value(nest, projection.delay)}
    if projection.drawn_weight is not None:
        drawn, factor = random_value(nest, projection.drawn_weight), drawn_sign(projection)
        synapse["weight"] = drawn if factor == 1.0 else drawn * factor
    blocks = list(_blocks(network, projection, *nodes))
    for (sources, targets), rule in zip(blocks, _shares(projection, len(blocks), seed), strict=True):
        nest.Connect(sources, targets, _nest_rule(rule), synapse)


def _connect_list(nest: Any, projection: Projection, rule: ConnectionList, model: str, nodes: tuple[Any, Any]) -> None:
    count = len(rule.sources)
    if not count:
        return
    synapse: dict[str, Any] = {"synapse_model": model, "delay": _column(rule.delays, projection.delay, count)}
    if rule.weights is not None:
        synapse["weight"] = signed_weight(np.asarray(rule.weights, dtype=np.float64), projection.receptor)
    source, target = (collection[0].global_id for collection in nodes)
    nest.Connect(rule.sources + source, rule.targets + target, "one_to_one", synapse)


def _column(values: NDArray[np.float64] | None, same: object, count: int) -> NDArray[np.float64]:
    if values is None:
        assert isinstance(same, (int, float)), "is refused by the network"
        return np.full(count, float(same))
    return np.asarray(values, dtype=np.float64)


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
        elif n_clusters == 1:
            return
        elif cluster == 0:
            yield source[last:], targets
        elif cluster == n_clusters - 1:
            yield source[:first], targets
        else:
            yield source[:first] + source[last:], targets


def _shares(projection: Projection, n_blocks: int, seed: int) -> list[Rule]:
    """Rules of the blocks: a total number is dealt out to them, as uniformly drawn pairs would fall."""
    rule = projection.rule
    if not isinstance(rule, FixedTotalNumber) or n_blocks == 1:
        return [rule] * n_blocks
    rng = np.random.default_rng([seed, zlib.crc32(projection.name.encode()), zlib.crc32(b"blocks")])
    numbers = rng.multinomial(rule.number, np.full(n_blocks, 1.0 / n_blocks))  # blocks are of one size
    return [FixedTotalNumber(int(number)) for number in numbers]


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
    raise AssertionError(f"{rule} has a function of its own")
