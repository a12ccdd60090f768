"""What synapses are drawn from: keys of random streams, numbers per row, tables of weights and delays."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.description import ConnectionList, Normal, Projection, Receptor, Uniform
from simulators.neurons.neuron_model import Values

QUANTILES = 16_384  # values of a table: what a cache holds beside a row
_DIGITS = 32  # binary digits of a probability


def signed(weight: Values, receptor: Receptor, synapses: str | None) -> Values:
    """Weight as it is added: negative for an inhibitory current, positive otherwise.

    Raises
    ------
    ValueError
        If the weight of an excitatory synapse is negative.
    """
    if receptor == "inhibitory":
        size: Values = np.abs(weight)
        return size if synapses == "conductance" else -size
    if np.any(np.asarray(weight) < 0.0):
        raise ValueError(f"an excitatory weight is negative: {np.min(weight):g}")
    return weight


def row_numbers(n_sources: int, number: int, seed: int, name: str) -> NDArray[np.int64]:
    """Synapses of each source of a projection with a fixed number of them."""
    rng = np.random.default_rng(projection_key(seed, f"{name} rows"))
    return rng.multinomial(number, np.full(n_sources, 1.0 / n_sources))


def projection_key(seed: int, name: str) -> np.uint64:
    """Key of a projection's random streams."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def delay_table(projection: Projection, dt: float) -> NDArray[np.uint16]:
    """Equally likely delays in steps; never less than one."""
    delay = projection.delay
    if isinstance(delay, Normal):
        delay = Normal(delay.mean, delay.sd, delay.low, min(delay.high, delay.mean + 6.0 * delay.sd))
    values = np.array([delay]) if isinstance(delay, (int, float)) else _quantiles(delay)
    return np.maximum(np.rint(values / dt), 1).astype(np.uint16)


def weight_table(projection: Projection, synapses: str | None) -> NDArray[np.float32]:
    """Equally likely weights, without the scale; 1 where there is none to draw."""
    drawn = projection.drawn_weight
    if drawn is None:
        return np.ones(QUANTILES if isinstance(projection.rule, ConnectionList) else 1, dtype=np.float32)
    values = _quantiles(drawn)
    if projection.receptor == "inhibitory":
        values = np.abs(values) if synapses == "conductance" else -np.abs(values)
    return values.astype(np.float32)


@lru_cache(maxsize=64)
def _quantiles(distribution: Any) -> NDArray[np.float64]:
    level = (np.arange(QUANTILES) + 0.5) / QUANTILES
    if isinstance(distribution, Uniform):
        return distribution.low + (distribution.high - distribution.low) * level
    if not isinstance(distribution, Normal):
        raise ValueError(f"synapses draw nothing from {distribution}")
    if distribution.sd <= 0.0:
        return np.full(QUANTILES, distribution.mean)
    normal = NormalDist(distribution.mean, distribution.sd)
    low, high = (
        normal.cdf(bound) if math.isfinite(bound) else float(bound > 0.0)
        for bound in (distribution.low, distribution.high)
    )
    if not high - low > 1e-9:
        raise ValueError(f"{distribution} hardly ever falls inside its bounds")
    return np.array([normal.inv_cdf(low + (high - low) * x) for x in level.tolist()])


def binary_digits(probability: float) -> tuple[np.uint64, int] | None:
    """Binary digits of a probability, the last of them 1, and their number: 0 for certainty; None for never."""
    digits, count = round(probability * 2.0**_DIGITS), _DIGITS
    if digits <= 0:
        return None
    while digits % 2 == 0 and count:
        digits, count = digits // 2, count - 1
    return np.uint64(digits), count
