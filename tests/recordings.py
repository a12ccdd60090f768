"""Comparing what simulators hand over, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
