"""Comparing what simulators hand over, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulators.network import Network
from simulators.simulator import PointFailure, Recording, Simulator

Spikes = dict[str, tuple[tuple[int, int], ...]]


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
