"""Drawing compressed rows: two visits of every synapse, to count and to place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator.kernels.compressed_rows import ROOM
from simulators.backends.native_simulator.kernels.tables import (
    BUNDLE_FACTS,
    OWN,
    PACKED,
    SHARED,
    STRETCH,
    Bundles,
    aligned,
)
from simulators.backends.native_simulator.synapses.layout import (
    BundleLayout,
    Layout,
    is_scaled,
    longest_delay,
    shortest_delay,
)
from simulators.backends.native_simulator.synapses.synapse_values import (
    binary_digits,
    delay_table,
    projection_key,
    row_numbers,
    signed,
    weight_table,
)
from simulators.description import Bernoulli, ConnectionList, FixedIndegree, FixedTotalNumber, Network, Projection

PAIRS = {"all": 0, "within": 1, "between": 2}
_KINDS = {"packed": PACKED, "own": OWN, "shared": SHARED}

Beyond = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Sources and targets of synapses of a dense projection that its planes cannot hold."""


@dataclass(frozen=True)
class Ends:
    """Sizes of a projection's populations, as drawing takes them."""

    n_sources: int
    n_targets: int
    source_cluster: int
    target_cluster: int
    pairs: int
    itself: bool


def ends_of(network: Network, projection: Projection) -> Ends:
    """Return the sizes of a projection's populations."""
    source, target = network[projection.source], network[projection.target]
    return Ends(
        source.size,
        target.size,
        source.cluster_size,
        target.cluster_size,
        PAIRS[projection.pairs],
        source.name == target.name,
    )


def draw_bundles(
    program: ModuleType,
    network: Network,
    layout: Layout,
    beyond: Mapping[str, Beyond],
    owned: NDArray[np.uint8],
    seed: int,
    dt: float,
) -> tuple[Bundles, int]:
    """Draw the compressed rows of a network; return them, and how many synapses they hold.

    Parameters
    ----------
    program : module
        What draws.
    network, layout : Network, Layout
        The network, and where its neurons and synapses lie.
    beyond : mapping of str to Beyond
        By projection, what its planes of bits cannot hold.
    owned : ndarray of uint8
        For every stretch of neurons whether synapses that end there are meant; empty if all are.
    seed : int
        Seed of the connectivity.
    dt : float
        ms.

    Raises
    ------
    ValueError
        If a bundle has more synapses than 32 bits count.
    """
    order = network.places
    delays = [delay_range(bundle, dt) for bundle in layout.bundles]
    sizes = [network[b.source].size * (n + 1) for b, (_, n) in zip(layout.bundles, delays, strict=True)]
    firsts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    starts = np.zeros(max(1, firsts[-1]), dtype=np.uint32)
    mask = (1 << max(1, (layout.n_all - 1).bit_length())) - 1
    visits = [
        [
            _Visit(program, network, layout, projection, bundle, beyond, owned, seed, dt)
            for projection in bundle.projections
        ]
        for bundle in layout.bundles
    ]
    counts = []
    nothing = (np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.float32))
    for k, visited in enumerate(visits):
        row = starts[firsts[k] : firsts[k + 1]]
        for visit in visited:
            visit(False, row, *delays[k], *nothing, mask)
        counts.append(int(program.sum_up(row)))
        if counts[-1] >= 2**32:
            raise ValueError(
                f"the {counts[-1]} synapses of {', '.join(p.name for p in layout.bundles[k].projections)} are more "
                "than the 4,294,967,295 that the native simulator keeps from one population and receptor"
            )
    synapses = aligned(max(1, sum(counts)), np.uint32)
    own = [count if bundle.kind == "own" else 0 for bundle, count in zip(layout.bundles, counts, strict=True)]
    values = aligned(max(1, sum(own)), np.float32)
    facts = np.zeros((len(layout.bundles), BUNDLE_FACTS), dtype=np.int64)
    n_together = layout.n_all >> STRETCH
    place = value_place = n_tables = 0
    for k, bundle in enumerate(layout.bundles):
        cursors = starts[firsts[k] : firsts[k + 1]].copy()
        part, value_part = synapses[place : place + counts[k]], values[value_place : value_place + own[k]]
        for visit in visits[k]:
            visit(True, cursors, *delays[k], part, value_part, mask)
        kind, shift = _KINDS[bundle.kind], value_place - place
        facts[k] = (
            *(order[bundle.source], bundle.receptor, kind, firsts[k], delays[k][1], place, shift, delays[k][0]),
            n_tables * n_together,
        )
        n_tables += len(bundle.projections) > 1 and is_scaled(bundle.projections[0])
        place, value_place = place + counts[k], value_place + own[k]
    first = np.searchsorted([order[bundle.source] for bundle in layout.bundles], np.arange(len(order) + 1))
    numbers = (
        np.ones(len(layout.bundles), dtype=np.float32),
        np.zeros(len(layout.bundles), dtype=np.int64),
        np.ones(max(1, n_tables * n_together), dtype=np.float32),
    )
    return Bundles(first.astype(np.int64), facts.ravel(), *numbers, starts, synapses, values, mask), place


def delay_range(bundle: BundleLayout, dt: float) -> tuple[int, int]:
    """Shortest delay of a bundle in steps, and how many delays there may be from it on."""
    shortest = min(shortest_delay(projection, dt) for projection in bundle.projections)
    longest = max(longest_delay(projection, dt) for projection in bundle.projections)
    return shortest, longest - shortest + 1


class _Visit:
    """Counts or places the synapses of a projection, the same ones each time."""

    def __init__(
        self,
        program: ModuleType,
        network: Network,
        layout: Layout,
        projection: Projection,
        bundle: BundleLayout,
        beyond: Mapping[str, Beyond],
        owned: NDArray[np.uint8],
        seed: int,
        dt: float,
    ) -> None:
        self._owned = owned
        self._program = program
        self._network = network
        self._projection = projection
        self._kind = _KINDS[bundle.kind]
        self._beyond = beyond[projection.name] if bundle.beyond else None
        self._seed = seed
        self._dt = dt
        target = network.places[projection.target]
        self._offset, self._n_words = layout.offsets[target], layout.padded[target] // 32
        self._delays = delay_table(projection, dt)
        self._weights = weight_table(projection, network[projection.target].model.synapses)

    def __call__(
        self,
        fill: bool,
        cursors: NDArray[np.uint32],
        shortest: int,
        n_delays: int,
        synapses: NDArray[np.uint32],
        values: NDArray[np.float32],
        mask: int,
    ) -> None:
        projection, rule, program = self._projection, self._projection.rule, self._program
        ends = ends_of(self._network, projection)
        key, value_key = (projection_key(self._seed, projection.name + suffix) for suffix in ("", " values"))
        last = (self._delays - np.uint16(shortest), self._weights, self._kind, synapses, values, mask, self._owned)
        clusters = (ends.source_cluster, ends.target_cluster, ends.pairs, ends.itself, key, value_key)
        listed, room = self._beyond, aligned(ROOM, np.uint64)
        own_delays, own_weights = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        if listed is None and isinstance(rule, (FixedTotalNumber, Bernoulli)):
            lengths = np.full(ends.n_sources, -1, dtype=np.int64)
            digits = binary_digits(rule.probability) if isinstance(rule, Bernoulli) else (np.uint64(0), 0)
            if digits is None:
                return
            if isinstance(rule, FixedTotalNumber):
                lengths = row_numbers(ends.n_sources, rule.number, self._seed, projection.name)
            scratch = aligned(self._n_words, np.uint32)
            program.visit_rows(
                fill, cursors, n_delays, lengths, scratch, *digits, self._offset, ends.n_targets, *clusters, *last, room
            )
            return
        if listed is None and isinstance(rule, FixedIndegree):
            program.visit_columns(
                fill,
                cursors,
                n_delays,
                rule.indegree,
                self._offset,
                ends.n_sources,
                ends.n_targets,
                *clusters,
                *last,
                room,
            )
            return
        if listed is None and isinstance(rule, ConnectionList):
            listed = (rule.sources.astype(np.int64), rule.targets.astype(np.int64))
            if rule.delays is not None:
                own_delays = np.maximum(np.rint(rule.delays / self._dt).astype(np.int64), 1) - shortest
            if rule.weights is not None:
                synapse = self._network[projection.target].model.synapses
                own_weights = np.asarray(signed(rule.weights, projection.receptor, synapse), dtype=np.float32)
        elif listed is None:
            every = np.arange(ends.n_sources, dtype=np.int64)
            listed = (every, every)
        program.visit_list(fill, cursors, n_delays, *listed, own_delays, own_weights, self._offset, value_key, *last)
