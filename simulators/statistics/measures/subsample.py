"""The neurons of a population whose trains are kept: the same for every point, seed and simulator."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SEED = 20230203


@lru_cache(maxsize=32)
def subsample(size: int, n: int) -> NDArray[np.int64]:
    """Choose `n` of `size` neurons to stand for all (or all, if there are not as many), ascending; not writeable.

    A smaller choice is part of a larger one.
    """
    # Raw draws of a bit generator are the same in every version of numpy; those of a Generator need not be.
    draws = np.random.PCG64(SEED).random_raw(size)
    chosen = np.sort(np.argsort(draws, kind="stable")[:n])
    chosen.flags.writeable = False
    return chosen


def evenly_spaced(size: int, n: int) -> NDArray[np.int64]:
    """Choose `n` of `size` neurons (or all, if there are not as many), evenly spaced and so from every cluster."""
    return np.linspace(0, size, n, endpoint=False).astype(np.int64) if size > n else np.arange(size)
