"""The simulator-free description of a spiking network.

A model (``simulators/models/<name>.py``) is a pure function from parameters to a `Network`; each simulator
translates the description into its own objects. Units throughout are those of the translation tables in
`simulators.neurons`: ms, mV, pF, pA (or nS for conductance-based receptors) and Hz. Networks in the
dimensionless convention C_m = 1 use mV·C_m/ms for currents, which is the same number as pA at 1 pF.

Matrices of parameters are indexed [target, source].
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.description.distributions import Distribution

Value = float | Distribution
Pairs = Literal["all", "within", "between"]
Receptor = Literal["excitatory", "inhibitory"]


class ParameterError(ValueError):
    """A parameter value that no network can be made from.

    Parameters
    ----------
    keys : tuple of str
        The parameters at fault, as they are named in the model's defaults file.
    rule : str
        What must hold, with the values that break it.
    """

    def __init__(self, keys: tuple[str, ...], rule: str) -> None:
        self.keys = keys
        self.rule = rule
        super().__init__(f"{', '.join(keys)}: {rule}")


@dataclass(frozen=True, slots=True)
class Population:
    """A group of neurons (or spike sources) of one model.

    Parameters
    ----------
    name : str
        Short name; statistics carry it as a suffix (``rate_E``).
    size : int
        Number of neurons.
    neuron : str
        A name from `simulators.neurons.NEURON_MODELS`.
    parameters : mapping of str to float or Distribution
        Values in the units of the neuron model; a distribution gives every neuron its own value.
    initial : mapping of str to float or Distribution
        State at the start of the warm-up.
    n_clusters : int
        Number of equal, contiguous clusters; neuron ``k`` is in cluster ``k * n_clusters // size``.

    Raises
    ------
    ParameterError
        If the population is empty or cannot be cut into equal clusters.
    """

    name: str
    size: int
    neuron: str
    parameters: Mapping[str, Value]
    initial: Mapping[str, Value] = field(default_factory=dict)
    n_clusters: int = 1

    def __post_init__(self) -> None:
        if self.size < 1 or self.n_clusters < 1 or self.size % self.n_clusters:
            raise ParameterError(
                (f"N_{self.name}",),
                f"{self.size} neurons cannot be divided into {self.n_clusters} equal clusters",
            )

    @property
    def cluster_size(self) -> int:
        """Neurons per cluster."""
        return self.size // self.n_clusters


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Each ordered pair is connected independently with one probability."""

    probability: float


@dataclass(frozen=True, slots=True)
class FixedIndegree:
    """Each target draws this many sources, with replacement, from those its pairs allow."""

    indegree: int


@dataclass(frozen=True, slots=True)
class FixedTotalNumber:
    """A given number of synapses between uniformly drawn pairs, with replacement."""

    number: int


@dataclass(frozen=True, slots=True)
class OneToOne:
    """Source k to target k."""


@dataclass(frozen=True, eq=False)
class ConnectionList:
    """Explicit synapses.

    Parameters
    ----------
    sources, targets : ndarray of int64, shape (n_synapses,)
        Indices within the source and target population.
    weights, delays : ndarray of float64, shape (n_synapses,), optional
        One value per synapse, in place of the projection's own.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None
    delays: NDArray[np.float64] | None = None

    @cached_property
    def digest(self) -> str:
        """Hash of the list, so that equal lists are one structure."""
        content = hashlib.sha256()
        for column in (self.sources, self.targets, self.weights, self.delays):
            content.update(b"-" if column is None else np.ascontiguousarray(column).tobytes())
        return content.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConnectionList) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


Rule = Bernoulli | FixedIndegree | FixedTotalNumber | OneToOne | ConnectionList


@dataclass(frozen=True, slots=True)
class Projection:
    """Synapses from one population to another that share a rule.

    Parameters
    ----------
    name : str
        Unique within the network.
    source, target : str
        Names of populations.
    rule : Bernoulli, FixedIndegree, FixedTotalNumber, OneToOne or ConnectionList
        Which pairs are connected. No rule but an explicit list makes autapses.
    weight : float or Distribution
        pA, or nS for conductance-based neurons; negative for inhibition by current. A plain number is a value
        that may change between points of one structure; a distribution is drawn per synapse when the
        network is built, and so belongs to the structure.
    delay : float or Distribution
        ms.
    receptor : {'excitatory', 'inhibitory'}
        Which synaptic time constant of the target integrates it.
    pairs : {'all', 'within', 'between'}
        All pairs, those whose neurons have the same cluster index, or those whose index differs.
    """

    name: str
    source: str
    target: str
    rule: Rule
    weight: Value
    delay: Value
    receptor: Receptor
    pairs: Pairs = "all"


@dataclass(frozen=True, slots=True)
class StepCurrent:
    """A rectangular current into chosen clusters.

    Parameters
    ----------
    name, target : str
        Name of the input, and the population it drives.
    clusters : tuple of int
        Cluster indices.
    amplitude : float
        pA, while the current is on.
    onsets, offsets : tuple of float
        ms from the end of the warm-up; pairs, in rising order.
    """

    name: str
    target: str
    clusters: tuple[int, ...]
    amplitude: float
    onsets: tuple[float, ...]
    offsets: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PoissonDrive:
    """Independent Poisson spike trains, one per target neuron.

    Parameters
    ----------
    name, target : str
        Name of the input, and the population it drives.
    rate : float
        Hz, of the train each neuron receives (number of sources × rate of one).
    weight : float
        pA or nS.
    delay : float
        ms.
    receptor : {'excitatory', 'inhibitory'}
        Which synaptic time constant of the target integrates it.
    """

    name: str
    target: str
    rate: float
    weight: float
    delay: float
    receptor: Receptor = "excitatory"


Input = StepCurrent | PoissonDrive


@dataclass(frozen=True)
class Network:
    """Populations, the projections between them and their inputs.

    Raises
    ------
    ValueError
        If names repeat, or a projection or input names a population that is not there.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    inputs: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        names = {population.name for population in self.populations}
        if len(names) < len(self.populations):
            raise ValueError(f"population names repeat: {[p.name for p in self.populations]}")
        edges = {projection.name for projection in self.projections} | {given.name for given in self.inputs}
        if len(edges) < len(self.projections) + len(self.inputs):
            raise ValueError("names of projections and inputs repeat")
        for projection in self.projections:
            if projection.source not in names or projection.target not in names:
                raise ValueError(f"projection {projection.name}: {projection.source} → {projection.target} unknown")
        for given in self.inputs:
            if given.target not in names:
                raise ValueError(f"input {given.name}: target {given.target} unknown")

    def __getitem__(self, name: str) -> Population:
        """Return the population of that name."""
        for population in self.populations:
            if population.name == name:
                return population
        raise KeyError(name)

    @property
    def n_neurons(self) -> int:
        """Neurons in all populations."""
        return sum(population.size for population in self.populations)


def structure_of(network: Network) -> Hashable:
    """Return what two networks must share to share one build.

    Sizes, clusters, rules, delays, receptors, which inputs reach whom, and weights that are drawn per synapse.
    Neuron parameters, initial states, plain weights and the strength of inputs are left out: they are set on a
    network that is already built.

    Returns
    -------
    hashable
        Equal for networks of one structure. The random seed, the time step and the simulator's own settings
        are the caller's to add.
    """
    return (
        tuple((p.name, p.size, p.n_clusters, p.neuron) for p in network.populations),
        tuple(
            (
                p.name,
                p.source,
                p.target,
                p.rule,
                p.delay,
                p.receptor,
                p.pairs,
                None if isinstance(p.weight, (int, float)) else p.weight,
            )
            for p in network.projections
        ),
        tuple(
            (i.name, i.target, i.clusters) if isinstance(i, StepCurrent) else (i.name, i.target, i.delay, i.receptor)
            for i in network.inputs
        ),
    )


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
