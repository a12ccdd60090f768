"""Projections: which pairs of neurons are connected, with which weights and delays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.description.distributions import Distribution, Scaled
from simulators.neurons.neuron_model import Receptor

Pairs = Literal["all", "within", "between"]


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
    weight : float, Distribution or Scaled
        pA, or nS for conductance-based neurons; negative for inhibition by current. A plain number may change between
        points of one structure. A distribution is drawn per synapse when the network is built, and so belongs to the
        structure; of ``scale * distribution`` the scale does not.
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
    weight: float | Distribution | Scaled
    delay: float | Distribution
    receptor: Receptor
    pairs: Pairs = "all"

    @property
    def drawn_weight(self) -> Distribution | None:
        """Distribution that every synapse draws its weight from, without its scale; None if they share one."""
        if isinstance(self.weight, Scaled):
            return self.weight.distribution
        return None if isinstance(self.weight, (int, float)) else self.weight

    @property
    def weight_scale(self) -> float:
        """What multiplies the weights that synapses have of their own: 1, or the scale; the weight itself without."""
        if isinstance(self.weight, Scaled):
            return self.weight.scale
        return float(self.weight) if isinstance(self.weight, (int, float)) else 1.0
