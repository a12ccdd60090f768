"""Comparing what simulators hand over, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.simulator import PointFailure, Recording, Simulator
from simulators.description.network import Network

Spikes = dict[str, tuple[tuple[int, int], ...]]
Pairs = dict[str, list[tuple[int, int]]]


def no_check() -> None:
    """Let every point run to its end."""


def spikes_of(outcome: Recording | PointFailure) -> Spikes:
    """(step, sender) of every spike in order, by population."""
    assert isinstance(outcome, Recording), outcome
    found = {}
    for name, trains in outcome.spikes.items():
        order = np.lexsort((trains.senders, trains.steps))
        found[name] = tuple(zip(trains.steps[order].tolist(), trains.senders[order].tolist(), strict=True))
    return found


def run_one(simulator: Simulator, network: Network) -> Spikes:
    (outcome,) = simulator.run([network], no_check)
    return spikes_of(outcome)


def rates_agree(found: int, expected: int) -> bool:
    """Whether numbers of spikes are those of one rate: a quarter apart, or what chance does where there are few.

    None are never taken for some, nor some for none.
    """
    agree = abs(found - expected) <= 0.25 * expected + 3.0 * expected**0.5
    return agree and (found > 0) == (expected > 0)


def assert_same(simulator: Simulator, found: Spikes, expected: Spikes) -> None:
    """Hold what a point gave against what it gave before: to the bit, or by its rates where bits are not promised."""
    if simulator.exact:
        assert found == expected
        return
    assert found.keys() == expected.keys()
    for name, trains in expected.items():
        assert rates_agree(len(found[name]), len(trains)), name


def run_fresh(simulator: Simulator, networks: Sequence[Network], seed: int) -> list[Spikes]:
    """Every point on a build of its own."""
    found = []
    for network in networks:
        simulator.build(network, seed)
        found.append(run_one(simulator, network))
    return found


def genn_connections(simulator: Any) -> Pairs:
    """(source, target) of every synapse that GeNN has built, by projection."""
    found = {}
    for name, group in simulator._built.synapses.items():
        group.pull_connectivity_from_device()
        sources, targets = group.get_sparse_pre_inds(), group.get_sparse_post_inds()
        found[name] = list(zip(sources.tolist(), targets.tolist(), strict=True))
    return found


def native_synapses(simulator: Any, network: Network) -> dict[str, NDArray[np.float64]]:
    """Source, target, delay in steps and weight of every synapse of the native simulator, by projection."""
    layout, synapses = simulator._built.layout, simulator._built.synapses
    names = [population.name for population in network.populations]
    found: dict[str, list[NDArray[np.float64]]] = {projection.name: [] for projection in network.projections}
    for block, fact, weights in zip(
        layout.blocks, synapses.blocks[0].facts.reshape(-1, 9), synapses.blocks[0].weights.reshape(-1, 2), strict=True
    ):
        source, target = network[block.source], network[block.target]
        n_words = layout.padded[names.index(block.target)] // 32
        rows = fact[3] + fact[4] * np.arange(source.size)
        for plane in range(block.planes):
            words = synapses.blocks[0].rows[rows[:, None] + plane * n_words + np.arange(n_words)]
            bits = np.unpackbits(words.astype("<u4").view(np.uint8), axis=1, bitorder="little")
            assert not bits[:, target.size :].any(), "a synapse beyond the population"
            sources, targets = (np.repeat(found, 1 << plane) for found in np.nonzero(bits))
            within = sources // source.cluster_size == targets // target.cluster_size
            for projection in block.projections:
                own = {"all": within | True, "within": within, "between": ~within}[projection.pairs]
                weight = weights[0] + (weights[1] if projection.pairs == "within" else 0.0)
                columns = np.broadcast_arrays(sources[own], targets[own], float(block.delay), weight)
                found[projection.name].append(np.array(columns, dtype=np.float64))
    for bundles in synapses.bundles:  # of every thread
        facts = bundles.facts.reshape(-1, 9)
        ends = [*(int(fact[3]) for fact in facts[1:]), len(bundles.starts)][: len(layout.bundles)]
        scales = bundles.scales
        for index, (bundle, fact, end) in enumerate(zip(layout.bundles, facts, ends, strict=True)):
            starts = bundles.starts[fact[3] : end].astype(np.int64)
            words = bundles.synapses[fact[5] : fact[5] + starts[-1]]
            cells = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
            weight = np.ones(len(words), dtype=np.float32)
            if bundle.kind == "packed":
                weight = words.view(np.float32)
                words = words & np.uint32(bundles.mask)
            elif bundle.kind == "own":
                weight = bundles.values[fact[5] + fact[6] :][: len(words)]
            differ = bundles.differ[index]
            weight = weight * (bundles.tables[fact[8] + (words >> 9)] if differ else scales[index])
            columns = np.array(
                [cells // (fact[4] + 1), words, cells % (fact[4] + 1) + fact[7], weight], dtype=np.float64
            )
            for projection in bundle.projections:
                first = layout.offsets[names.index(projection.target)]
                own = (columns[1] >= first) & (columns[1] < first + network[projection.target].size)
                found[projection.name].append(columns[:, own] - np.array([[0.0], [first], [0.0], [0.0]]))
    return {name: np.concatenate(parts, axis=1) if parts else np.zeros((4, 0)) for name, parts in found.items()}
