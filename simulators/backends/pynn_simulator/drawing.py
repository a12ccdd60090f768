"""Drawing the synapses of a projection: the same for every implementation."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    OneToOne,
    Population,
    Projection,
)

_AT_ONCE = 4_000_000  # pairs


@dataclass(frozen=True)
class Synapses:
    """The synapses of a projection.

    Parameters
    ----------
    sources, targets : ndarray of int64, shape (n_synapses,)
        Indices within the populations.
    delays : ndarray of int64, shape (n_synapses,)
        Steps.
    weights : ndarray of float64, shape (n_synapses,), or None
        What each has of its own, pA or nS; None if one number is the weight of all.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    delays: NDArray[np.int64]
    weights: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Pairs:
    """The pairs that a projection may connect: as many sources for each target."""

    source: Population
    target: Population
    projection: Projection

    @property
    def per_target(self) -> int:
        within = self.source.cluster_size
        counts = {"all": self.source.size, "within": within, "between": self.source.size - within}
        return counts[self.projection.pairs] - self._skips_itself

    @property
    def _skips_itself(self) -> bool:
        return self.source.name == self.target.name and self.projection.pairs != "between"

    def sources(self, targets: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sources at places 0 to `per_target` - 1 among those a target may have."""
        pairs = self.projection.pairs
        first = targets // self.target.cluster_size * self.source.cluster_size
        if pairs == "between":
            return places + np.where(places >= first, self.source.cluster_size, 0)
        sources = places + (first if pairs == "within" else 0)
        return sources + (sources >= targets) if self._skips_itself else sources


def draw_synapses(network: Network, projection: Projection, seed: int, dt: float) -> Synapses:
    """Draw the synapses of a projection.

    Parameters
    ----------
    network : Network
        The network.
    projection : Projection
        One of its projections.
    seed : int
        Seed of the network draw. Each projection has streams of its own.
    dt : float
        ms.
    """
    rng = np.random.default_rng([seed, zlib.crc32(projection.name.encode()), zlib.crc32(b"synapses")])
    rule = projection.rule
    sources, targets = _pairs(_Pairs(network[projection.source], network[projection.target], projection), rng)
    count = len(sources)
    own = rule if isinstance(rule, ConnectionList) else None
    if own is not None and own.delays is not None:
        delays = np.asarray(own.delays, dtype=np.float64)
    else:
        delay = projection.delay
        delays = np.full(count, float(delay)) if isinstance(delay, (int, float)) else delay.draw(count, rng)
    if own is not None and own.weights is not None:
        weights: NDArray[np.float64] | None = np.asarray(own.weights, dtype=np.float64)
    else:
        weights = None if projection.drawn_weight is None else projection.drawn_weight.draw(count, rng)
    return Synapses(sources, targets, np.maximum(np.rint(delays / dt).astype(np.int64), 1), weights)


def _pairs(pairs: _Pairs, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    size, each = pairs.target.size, pairs.per_target
    match pairs.projection.rule:
        case ConnectionList() as given:
            return np.asarray(given.sources, dtype=np.int64), np.asarray(given.targets, dtype=np.int64)
        case OneToOne():
            every = np.arange(size, dtype=np.int64)
            return every, every
        case FixedIndegree(indegree):
            targets = np.repeat(np.arange(size, dtype=np.int64), indegree)
            places = rng.integers(0, max(each, 1), len(targets))
        case FixedTotalNumber(number):
            targets = rng.integers(0, size, number)
            places = rng.integers(0, max(each, 1), number)
        case Bernoulli(probability):
            chosen = np.concatenate([np.empty(0, np.int64), *_trials(size * max(each, 0), probability, rng)])
            targets, places = np.divmod(chosen, max(each, 1))
    return pairs.sources(targets, places), targets


def _trials(count: int, probability: float, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Which of so many independent trials succeed."""
    for begin in range(0, count, _AT_ONCE):
        yield begin + np.flatnonzero(rng.random(min(_AT_ONCE, count - begin)) < probability)
