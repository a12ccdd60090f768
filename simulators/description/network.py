"""The simulator-free description of a spiking network.

A model (``simulators/models/<name>.py``) is a pure function from parameters to a `Network`; each simulator translates
the description into its own objects. Units throughout are those of the neuron models (`simulators.neurons`): ms, mV,
pF, pA (or nS for conductance-based receptors) and Hz. Networks in the dimensionless convention C_m = 1 use mV·C_m/ms
for currents, which is the same number as pA at 1 pF.

Matrices of parameters are indexed [target, source].
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from simulators.description.errors import NetworkError
from simulators.description.inputs import Input, SpikeEvents, StepCurrent
from simulators.description.population import Population
from simulators.description.projection import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    OneToOne,
    Pairs,
    Projection,
)
from simulators.neurons.neuron_model import NeuronModel


@dataclass(frozen=True)
class Network:
    """Populations, the projections between them and their inputs.

    Raises
    ------
    NetworkError
        If names repeat, a projection or input names a population that is not there, or a projection cannot connect its
        populations as it says.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    inputs: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        shapes = tuple((p.name, p.size, p.n_clusters, p.neuron) for p in self.populations)
        known = _connected.recall(self.projections) == shapes  # the points of a grid mostly share them
        if known and not self.inputs:
            return
        for problem in self._problems(known):
            raise NetworkError(problem)
        _connected.remember(self.projections, shapes)

    def __getitem__(self, name: str) -> Population:
        """Return the population of that name."""
        return self.by_name[name]

    @cached_property
    def by_name(self) -> dict[str, Population]:
        """Populations by name."""
        return {population.name: population for population in self.populations}

    @cached_property
    def places(self) -> dict[str, int]:
        """Number of each population, by name."""
        return {population.name: index for index, population in enumerate(self.populations)}

    @cached_property
    def projections_by_name(self) -> dict[str, Projection]:
        """Projections by name."""
        return {projection.name: projection for projection in self.projections}

    def _problems(self, connected: bool) -> Iterator[str]:
        """Say what is wrong; where projections are known to connect such populations, of the inputs alone."""
        names = self.by_name
        if not connected and len(names) < len(self.populations):
            yield f"population names repeat: {[p.name for p in self.populations]}"
        edges = {projection.name for projection in self.projections} | {given.name for given in self.inputs}
        if len(edges) < len(self.projections) + len(self.inputs):
            yield "names of projections and inputs repeat"
        if not connected:
            yield from self._projection_problems()
        for given in self.inputs:
            if given.target not in names:
                yield f"input {given.name}: target {given.target}: no such population"
            elif problem := _input_problem(names[given.target], given):
                yield f"input {given.name}: {problem}"

    def _projection_problems(self) -> Iterator[str]:
        names = self.by_name
        for p in self.projections:
            if p.source not in names or p.target not in names:
                yield f"projection {p.name}: {p.source} → {p.target}: no such population"
            elif problem := _projection_problem(names[p.source], names[p.target], p):
                yield f"projection {p.name}: {problem}"

    @property
    def n_neurons(self) -> int:
        """Neurons in all populations."""
        return sum(population.size for population in self.populations)


_Found = TypeVar("_Found")


class _Memory(Generic[_Found]):
    """What was found out about the projections of networks that share them, as the points of a grid mostly do.

    By identity, which is quick: so what is remembered is kept, but for explicit lists, which may be large.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[Projection, ...], _Found]] = {}

    def recall(self, projections: tuple[Projection, ...]) -> _Found | None:
        """Return what was found out, or None."""
        known = self._known.get(id(projections))
        return None if known is None else known[1]

    def remember(self, projections: tuple[Projection, ...], found: _Found) -> None:
        """Keep what was found out."""
        if any(isinstance(projection.rule, ConnectionList) for projection in projections):
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[id(projections)] = projections, found


class _Hashed:
    """A value that is hashed once."""

    __slots__ = ("_hash", "_value")

    def __init__(self, value: Hashable) -> None:
        self._value = value
        self._hash = hash(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Hashed) and self._value == other._value)


_REMEMBERED = 1024
_connected: _Memory[tuple[tuple[str, int, int, str | NeuronModel], ...]] = _Memory()
_structures: _Memory[_Hashed] = _Memory()


def _projection_problem(source: Population, target: Population, projection: Projection) -> str:
    """Say why a projection cannot connect its populations; empty if it can."""
    rule = projection.rule
    if target.is_source:
        return f"spike sources take no input, and {target.name} is one"
    if projection.pairs != "all":
        if isinstance(rule, (OneToOne, ConnectionList)):
            return f"{type(rule).__name__} connects all pairs, not those {projection.pairs} clusters"
        if source.n_clusters != target.n_clusters:
            return (
                f"pairs {projection.pairs!r} need as many clusters in {source.name} ({source.n_clusters}) as in "
                f"{target.name} ({target.n_clusters})"
            )
    match rule:
        case Bernoulli(probability) if not 0.0 <= probability <= 1.0:
            return f"probability {probability:g} is not within 0 to 1"
        case FixedIndegree(count) | FixedTotalNumber(count) if count < 0:
            return f"a number of synapses of {count} is below 0"
        case FixedIndegree(count) | FixedTotalNumber(count) if count and _n_pairs(source, target, projection.pairs) < 1:
            return "there is no pair to connect"
        case OneToOne() if source.size != target.size:
            return f"one-to-one between {source.size} and {target.size} neurons"
        case ConnectionList():
            return _list_problem(source, target, projection, rule)
    return ""


def _list_problem(source: Population, target: Population, projection: Projection, rule: ConnectionList) -> str:
    for what, values, own in (
        ("weights", rule.weights, projection.weight),
        ("delays", rule.delays, projection.delay),
    ):
        if values is not None and values.shape != rule.sources.shape:
            return f"there are {values.size} {what} for {rule.sources.size} synapses"
        if values is None and not isinstance(own, (int, float)):
            return f"an explicit list carries its own {what}, or one number for all"
    if rule.sources.shape != rule.targets.shape:
        return f"there are {rule.sources.size} sources for {rule.targets.size} targets"
    for what, indices, size in (("sources", rule.sources, source.size), ("targets", rule.targets, target.size)):
        if indices.size and not 0 <= indices.min() <= indices.max() < size:
            return f"{what} must lie in 0 to {size - 1}, not {indices.min()} to {indices.max()}"
    return ""


def _input_problem(target: Population, given: Input) -> str:
    """Say why an input cannot reach its target; empty if it can."""
    if isinstance(given, SpikeEvents):
        if target.model.source != "events":
            return f"only a population of spike_source plays given spikes, and {target.name} is {target.model.name}"
        values, what = given.neurons, "neurons"
    elif target.is_source:
        return f"spike sources take no input, and {target.name} is one"
    elif not isinstance(given, StepCurrent):
        return ""
    elif given.neurons is not None:
        values, what = given.neurons, "neurons"
    else:
        outside = [cluster for cluster in given.clusters or () if not 0 <= cluster < target.n_clusters]
        return f"clusters {outside} are not among 0 to {target.n_clusters - 1}" if outside else ""
    if values.size and not 0 <= values.min() <= values.max() < target.size:
        return f"{what} must lie in 0 to {target.size - 1}, not {values.min()} to {values.max()}"
    return ""


def structure_of(network: Network) -> Hashable:
    """Return what two networks must share to share one build.

    Sizes, clusters, rules, delays, receptors, which inputs reach whom, and how weights are drawn that each synapse
    has of its own. Neuron parameters, initial states, plain weights, the scale of drawn weights and all values of
    inputs are left out: they are set on a network that is already built.

    Returns
    -------
    hashable
        Equal for networks of one structure. The random seed, the time step and the simulator's own settings
        are the caller's to add.
    """
    return (
        tuple((p.name, p.size, p.n_clusters, p.neuron) for p in network.populations),
        _projection_structure(network.projections),
        tuple(given.structure for given in network.inputs),
    )


def _projection_structure(projections: tuple[Projection, ...]) -> _Hashed:
    known = _structures.recall(projections)
    if known is None:
        known = _Hashed(
            tuple(
                (p.name, p.source, p.target, p.rule, p.delay, p.receptor, p.pairs, p.drawn_weight) for p in projections
            )
        )
        _structures.remember(projections, known)
    return known


def expected_synapses(network: Network) -> float:
    """Mean number of synapses over draws of the connectivity, autapses excluded.

    Returns
    -------
    float
        Exact for the rules that fix a number, the expectation for `Bernoulli`.
    """
    return sum(projection_synapses(network, projection) for projection in network.projections)


def projection_synapses(network: Network, projection: Projection) -> float:
    """Mean number of synapses of one projection (see `expected_synapses`)."""
    source, target = network[projection.source], network[projection.target]
    match projection.rule:
        case Bernoulli(probability):
            return probability * _n_pairs(source, target, projection.pairs)
        case FixedIndegree(indegree):
            return float(indegree * target.size)
        case FixedTotalNumber(number):
            return float(number)
        case OneToOne():
            return float(source.size)
        case ConnectionList():
            return float(len(projection.rule.sources))


def _n_pairs(source: Population, target: Population, pairs: Pairs) -> int:
    itself = target.size if source.name == target.name else 0
    within = source.size * target.size // target.n_clusters
    if pairs == "within":
        return within - itself
    if pairs == "between":
        return source.size * target.size - within
    return source.size * target.size - itself
