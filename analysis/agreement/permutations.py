"""Permutation tests of maps, many at a time: what is seen when the seeds are dealt to the groups at random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST = 5000


def deals(size: int, n_a: int) -> NDArray[np.bool_]:
    """Return ways to deal maps to two groups, as who is in the first: all, or 5000 of them; shape (n_deals, size).

    The first is the one that was observed.
    """
    if math.comb(size, n_a) <= _MOST:
        chosen = np.array(list(itertools.combinations(range(size), n_a)))
    else:
        random = np.random.default_rng(0)
        others = [random.permutation(size)[:n_a] for _ in range(_MOST - 1)]
        chosen = np.stack([np.arange(n_a), *others])
    found = np.zeros((len(chosen), size), dtype=bool)
    np.put_along_axis(found, chosen, True, axis=1)
    return found


def energies(distance: NDArray[np.float64], first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the energy statistic of every deal: twice the distance between the groups less those within.

    Parameters
    ----------
    distance : ndarray of float, shape (n_maps, n_maps)
        Between maps; 0 on the diagonal.
    first : ndarray of bool, shape (n_deals, n_maps)
        Who is in the first group.

    Returns
    -------
    ndarray of float, shape (n_deals,)
    """
    one, two = first.astype(float), (~first).astype(float)
    n, m = one.sum(axis=1), two.sum(axis=1)
    between = np.einsum("di,ij,dj->d", one, distance, two, optimize=True) / (n * m)
    inside_one = np.einsum("di,ij,dj->d", one, distance, one, optimize=True) / (n * (n - 1))
    inside_two = np.einsum("di,ij,dj->d", two, distance, two, optimize=True) / (m * (m - 1))
    found: NDArray[np.float64] = 2 * between - inside_one - inside_two
    return found


def adjusted_p_values(distances: Sequence[NDArray[np.float64]], n_a: Sequence[int]) -> list[dict[str, float]]:
    """Test every statistic, and correct for how many there are.

    Step-down, as Holm's correction, but with the largest of the remaining statistics in each deal in place of a sum
    of probabilities (Westfall & Young): all statistics come from the same maps, and a handful of seeds can then still
    show a difference among dozens of them. Statistics that lack a map are corrected among themselves, and by Holm's
    rule for the number of such families.

    Parameters
    ----------
    distances : sequence of ndarray of float, each of shape (n_maps, n_maps)
        A matrix per statistic.
    n_a : sequence of int
        How many of its maps, the first ones, are of the first group.

    Returns
    -------
    list of dict
        ``p``, ``p_adjusted`` and ``p_smallest``, the least that could be; NaN with fewer than two maps of a group, or
        two maps without a common point.
    """
    nothing = {"p": math.nan, "p_adjusted": math.nan, "p_smallest": math.nan}
    found = [dict(nothing) for _ in distances]
    families: dict[tuple[int, int], list[int]] = {}
    for number, (distance, n) in enumerate(zip(distances, n_a, strict=True)):
        if min(n, len(distance) - n) > 1 and np.isfinite(distance).all():
            families.setdefault((len(distance), n), []).append(number)
    for (size, n), members in families.items():
        first = deals(size, n)
        scores = np.stack([_standardised(energies(distances[number], first)) for number in members])
        p = (scores >= scores[:, :1] - 1e-9).mean(axis=1)
        adjusted = np.minimum(_step_down(scores) * len(families), 1.0)
        # with groups of equal size a deal and its mirror image are the same
        smallest = (2 if 2 * n == size else 1) / len(first)
        for number, own, corrected in zip(members, p, adjusted, strict=True):
            found[number] = {"p": float(own), "p_adjusted": float(max(own, corrected)), "p_smallest": smallest}
    return found


def _standardised(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = energy.std()
    return (energy - energy.mean()) / spread if spread > 0 else np.zeros_like(energy)


def _step_down(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return adjusted p values of scores of shape (n_statistics, n_deals), the observed ones first."""
    order = np.argsort(-scores[:, 0], kind="stable")
    # the largest of this statistic and of all that showed less
    largest = np.maximum.accumulate(scores[order][::-1], axis=0)[::-1]
    p = (largest >= scores[order, :1] - 1e-9).mean(axis=1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(p)
    return adjusted
