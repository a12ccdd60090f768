"""A projection as it is compiled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from simulators.backends.genn_simulator.generated_code import connection_code
from simulators.backends.genn_simulator.generated_code.synapse_code import PAIR, PLACE, delivery_code, drawn_value_code
from simulators.backends.genn_simulator.structure.delays import (
    bounded_delay,
    delay_steps,
    has_own_delays,
    has_own_weights,
)
from simulators.description.distributions import Normal, Uniform
from simulators.description.network import Network
from simulators.description.projection import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Projection,
)
from simulators.neurons.neuron_model import Receptor

# A block of threads, on any graphics processor
_LARGEST_BLOCK = 1024

# Rows are given room for their expected length and this many standard deviations: no row of any network is cut.
_ROW_SPREAD = 7.0


@dataclass(frozen=True)
class ConnectivityLayout:
    """How connections are made.

    Parameters
    ----------
    code : str
        Draws them; empty for explicit ones.
    by_row : bool
        A row at a time (the targets of a source), else a column.
    parameters : tuple of (str, str, float)
        Names, types and values of numbers in the code.
    arrays : tuple of (str, str)
        Names and types of arrays that it reads.
    longest_row, longest_column : int
        Room for synapses of a source, and of a target.
    """

    code: str
    by_row: bool
    parameters: tuple[tuple[str, str, float], ...]
    arrays: tuple[tuple[str, str], ...]
    longest_row: int
    longest_column: int


@dataclass(frozen=True)
class SynapseLayout:
    """A projection as it is compiled.

    Parameters
    ----------
    source, target : int
        Places of its populations.
    receptor : {'excitatory', 'inhibitory'}
        What it acts on.
    procedural : bool
        Connections are drawn anew at every spike instead of stored.
    connectivity : ConnectivityLayout
        How they are made.
    delivery_code : str
        What a spike does.
    weight_code, delay_code : str or None
        Draws the weight or delay that each synapse has of its own; empty where it is given, None where all share one.
    delay_type : str
        Type of a synapse's delay.
    waits : int
        Steps that a source's spikes wait before they are delivered.
    delay : int or None
        Steps that synapses of one delay deliver their spikes ahead; None where there is no buffer, or each has its own.
    buffer : int
        Steps of the target's delay buffer; 0 for none.
    by_spike : bool
        On a graphics processor, a thread takes one spike and all its synapses, and adds to the targets one by one. Else
        a thread takes a synapse of each spike, and where the target fits into a block of threads, GeNN 5.4 sums up in
        memory of the block without atomic operations: of two synapses on one neuron, one may be lost.
    """

    source: int
    target: int
    receptor: Receptor
    procedural: bool
    connectivity: ConnectivityLayout
    delivery_code: str
    weight_code: str | None
    delay_code: str | None
    delay_type: str
    waits: int
    delay: int | None
    buffer: int
    by_spike: bool


def without_empty_lists(network: Network, dt: float) -> Network:
    """Return a network whose explicit lists hold synapses: GeNN makes no group of none.

    Empty ones are replaced by a rule that draws none.
    """
    projections = tuple(
        replace(p, rule=FixedTotalNumber(0), weight=0.0, delay=dt if p.rule.delays is not None else p.delay)
        if isinstance(p.rule, ConnectionList) and not p.rule.sources.size
        else p
        for p in network.projections
    )
    return replace(network, projections=projections)


def synapse_layout(
    network: Network, projection: Projection, places: Mapping[str, int], buffer: int, dt: float, procedural: bool
) -> SynapseLayout:
    """Return what is compiled for a projection.

    Parameters
    ----------
    network : Network
        The network.
    projection : Projection
        One of its projections.
    places : mapping of str to int
        Of the populations.
    buffer : int
        Steps of the delay buffer of what it acts on, 0 for none.
    dt : float
        ms.
    procedural : bool
        Connections are drawn anew at every spike.
    """
    own_weight, own_delay = has_own_weights(projection), has_own_delays(projection)
    # A spike adds to the current at the next step, and the current moves the potential one step later.
    shared_delay = None if own_delay else delay_steps(_number(projection.delay), dt) - 1
    return SynapseLayout(
        source=places[projection.source],
        target=places[projection.target],
        receptor=projection.receptor,
        procedural=procedural,
        connectivity=connectivity_layout(network, projection),
        delivery_code=delivery_code(own_weight, own_delay, bool(buffer)),
        weight_code=_weight_code(projection) if own_weight else None,
        delay_code=_delay_code(projection, dt) if own_delay else None,
        delay_type="uint8_t" if buffer <= 256 else "uint16_t",
        waits=0 if buffer or shared_delay is None else shared_delay,
        delay=shared_delay if buffer else None,
        buffer=buffer,
        by_spike=not procedural and not buffer and network[projection.target].size <= _LARGEST_BLOCK,
    )


def connectivity_layout(network: Network, projection: Projection) -> ConnectivityLayout:
    """Return what is compiled to connect a projection."""
    source, target = network[projection.source], network[projection.target]
    same, pairs, rule = projection.source == projection.target, projection.pairs, projection.rule
    clusters = tuple(
        (name, "unsigned int", float(population.cluster_size))
        for name, population in zip(connection_code.CLUSTER_SIZES, (source, target), strict=True)
    )
    key = (("key", "uint64_t"),)
    longest = longest_row(network, projection)
    match rule:
        case Bernoulli(probability):
            limit = float(longest) if probability > 0.0 else 0.0
            drawing = (("gap_scale", "scalar", _gap_scale(probability)), ("row_limit", "unsigned int", limit))
            code = connection_code.bernoulli_code(pairs, same)
            return ConnectivityLayout(code, True, (*clusters, *drawing), key, longest, source.size)
        case FixedIndegree(indegree):
            code = connection_code.fixed_indegree_code(pairs, same)
            given = ("indegree", "unsigned int", float(indegree))
            return ConnectivityLayout(code, False, (*clusters, given), key, longest, max(1, indegree))
        case FixedTotalNumber(number):
            code = connection_code.fixed_total_number_code(pairs, same)
            arrays = (*key, ("row_counts", "uint32_t"))
            return ConnectivityLayout(code, True, clusters, arrays, longest, number)
        case ConnectionList():
            column = int(np.bincount(rule.targets).max()) if rule.targets.size else 1
            return ConnectivityLayout("", True, (), (), longest, column)
        case _:
            return ConnectivityLayout("", True, (), (), longest, 1)


def longest_row(network: Network, projection: Projection) -> int:
    """Synapses of a source that there is room for: with its index, what a projection takes of memory."""
    source, target, rule = network[projection.source], network[projection.target], projection.rule
    match rule:
        case Bernoulli(probability):
            n_targets = {
                "all": target.size,
                "within": target.cluster_size,
                "between": target.size - target.cluster_size,
            }[projection.pairs]
            itself = projection.source == projection.target and projection.pairs != "between"
            return max(1, binomial_row_limit(n_targets - itself, probability)) if probability > 0.0 else 1
        case FixedIndegree(indegree):
            return row_limit(indegree * target.size / source.size, indegree * target.size)
        case FixedTotalNumber(number):
            return row_limit(number / source.size, number)
        case ConnectionList():
            return int(np.bincount(rule.sources).max()) if rule.sources.size else 1
        case _:
            return 1


def row_limit(mean: float, largest: int) -> int:
    """Room for a row whose length varies like a Poisson or binomial number of this mean."""
    return max(1, min(largest, math.ceil(mean + _ROW_SPREAD * math.sqrt(mean) + 10.0)))


def binomial_row_limit(candidates: int, probability: float) -> int:
    """Room for a row in which each candidate is connected with one probability."""
    spread = math.sqrt(candidates * probability * (1.0 - probability))
    return min(candidates, math.ceil(candidates * probability + _ROW_SPREAD * spread + 10.0))


def _weight_code(projection: Projection) -> str:
    drawn = projection.drawn_weight
    if isinstance(projection.rule, ConnectionList):
        return ""
    assert isinstance(drawn, (Uniform, Normal))
    expression = "drawn" if projection.receptor == "excitatory" else "fabs(drawn)"
    return drawn_value_code(drawn, _stream(projection), expression)


def _delay_code(projection: Projection, dt: float) -> str:
    if isinstance(projection.rule, ConnectionList):
        return ""
    expression = f"(uint32_t)fmax(rint(drawn / {dt!r}) - 1.0, 0.0)"
    return drawn_value_code(bounded_delay(projection), _stream(projection), expression)


def _stream(projection: Projection) -> str:
    return PLACE if isinstance(projection.rule, (FixedIndegree, FixedTotalNumber)) else PAIR


def _gap_scale(probability: float) -> float:
    """Factor that turns the logarithm of a uniform number into a gap between connected candidates."""
    if probability >= 1.0:
        return 0.0
    return 1.0 / math.log1p(-probability) if probability > 0.0 else -1.0


def _number(delay: object) -> float:
    assert isinstance(delay, (int, float))
    return float(delay)
