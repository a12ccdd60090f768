"""Threads that run one point together: which neurons each owns, and how they are started."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator.kernels.tables import STRETCH, Populations, Team
from simulators.backends.native_simulator.synapses.layout import Layout

T = TypeVar("T")


def together(work: Callable[[int], T], threads: int) -> list[T]:
    """Call a function with the number of each thread, in as many threads, of which the first is this one."""
    if threads == 1:
        return [work(0)]
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work, thread) for thread in range(1, threads)]
        return [work(0), *(other.result() for other in others)]


def owned_part(n_neurons: NDArray[np.int64], thread: int, threads: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first neuron of each population that a thread owns, and the first that it no longer does.

    Populations are cut into as many parts of whole stretches as there are threads. The part that a thread owns moves on
    from population to population, so that small ones are spread. Machine code knows that (`kernels.teams.exchange`).

    Parameters
    ----------
    n_neurons : ndarray of int64
        Of each population, padding included.
    thread, threads : int
        Which, of how many.
    """
    stretches, part = n_neurons >> STRETCH, (thread - np.arange(len(n_neurons))) % threads
    return (stretches * part // threads) << STRETCH, (stretches * (part + 1) // threads) << STRETCH


def owned_stretches(layout: Layout, thread: int, threads: int) -> NDArray[np.uint8]:
    """For every stretch of neurons whether a thread owns it; empty for the only one."""
    if threads == 1:
        return np.zeros(0, dtype=np.uint8)
    owned = np.zeros(layout.n_all >> STRETCH, dtype=np.uint8)
    parts = owned_part(np.array(layout.padded, dtype=np.int64), thread, threads)
    for offset, begin, end in zip(layout.offsets, *parts, strict=True):
        owned[(offset + begin) >> STRETCH : (offset + end) >> STRETCH] = 1
    return owned


def owned_populations(populations: Populations, thread: int, threads: int) -> Populations:
    """Populations as a thread sees them, of those that all see."""
    begins, ends = owned_part(32 * populations.row_words, thread, threads)
    return populations._replace(begins=begins, offsets=populations.offsets + begins, n_words=(ends - begins) // 32)


def make_teams(populations: Populations, threads: int) -> list[Team]:
    """Return what every thread knows of the others."""
    room = populations.n_all if threads > 1 else 1
    shared = (
        np.zeros(1, dtype=np.int64),
        np.zeros(2 * threads * (populations.number + 2), dtype=np.int64),
        np.zeros(2 * threads * room, dtype=np.int32),
    )
    return [Team(threads, thread, *shared, room) for thread in range(threads)]
