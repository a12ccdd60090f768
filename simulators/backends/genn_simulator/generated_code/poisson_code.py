"""Poisson trains: how many spikes of a drive reach a neuron in a step, and whether a source fires.

Neither needs a branch. A uniform number of 32 bits is compared with all limits of the cumulative distribution at once:
how many it lies below is the count. So the counts have their distribution to 2⁻³², which is as fine as the numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.random_code import next_of_neuron
from simulators.neurons.neuron_model import SUFFIXES, Receptor

LARGEST_MEAN_COUNT = 80.0
"""Spikes of a drive per neuron and step; more than this, on average, cannot be drawn."""

DRAWS = (8, 16, 32, 64, 128)
"""Numbers of limits that there is code for; a point takes the smallest that its drives need."""

NEVER = -(2**31)
"""Limit that no draw lies below."""

_WORD = 2.0**32


def drive_launch(n_limits: int) -> str:
    """Name under which GeNN launches the drawing of counts with so many limits."""
    return f"draw_{n_limits}"


SOURCE_LAUNCH = "draw_sources"
SOURCE_CODE = f"{next_of_neuron()}drawn = random;"
"""Code that draws for a source."""
SOURCE_THRESHOLD_CODE = "drawn < limit"


def drive_code(receptors: Sequence[Receptor], n_limits: int) -> str:
    """Code that draws the spikes of a population's drives, and adds them to its inputs.

    Generates, for each drive k, whose `count_limits` lie in the array ``limits`` ::

        int32_t count_k = limits[0];
        count_k += (random_k < limits[1]) ? 1 : 0;
        ...
        input_ex += strength[k] * count_k;

    Parameters
    ----------
    receptors : sequence of {'excitatory', 'inhibitory'}
        What each drive acts on.
    n_limits : int
        One of `DRAWS`.
    """
    room = 1 + DRAWS[-1]
    lines = []
    for k, receptor in enumerate(receptors):
        lines.append(next_of_neuron(f"_{k}"))
        place = f"(batch * {len(receptors)}U + {k}U)"
        lines.append(f"int32_t count_{k} = (int32_t)limits[{place} * {room}U];")
        lines += [
            f"count_{k} += (random_{k} < (int32_t)limits[{place} * {room}U + {1 + limit}U]) ? 1 : 0;"
            for limit in range(n_limits)
        ]
        lines.append(f"input_{SUFFIXES[receptor]} += (scalar)strength[{place}] * (scalar)count_{k};")
    return "\n".join(lines)


def count_limits(mean: float) -> NDArray[np.int64]:
    """Return the smallest count, and the limits that draws are compared with.

    Parameters
    ----------
    mean : float
        Spikes per neuron and step, at most `LARGEST_MEAN_COUNT`.

    Returns
    -------
    ndarray of int64, shape (1 + n,)
        The smallest count n₀; then, falling, the limits below which a draw of 32 bits, signed, is a count above n₀,
        above n₀ + 1, and so on: 2³² times the probability of that, less 2³¹. What is rarer than 2⁻³³ is left out at
        both ends.
    """
    if mean == 0.0:
        return np.zeros(1, dtype=np.int64)
    counts = np.arange(math.ceil(mean + 14.0 * math.sqrt(mean) + 30.0))
    logarithms = counts * math.log(mean) - mean - np.array([math.lgamma(k + 1.0) for k in counts])
    # P(count > k), summed from the small end
    above = np.cumsum(np.exp(logarithms)[::-1])[::-1]
    above = np.append(above[1:], 0.0)
    limits = np.rint(above * _WORD).astype(np.int64)
    first = int(np.count_nonzero(limits >= 2**32))
    kept = limits[first:][limits[first:] > 0]
    return np.concatenate([[first], np.minimum(kept + NEVER, 2**31 - 1)])


def source_limits(probability: NDArray[np.float64] | float) -> NDArray[np.int64]:
    """Limit below which a draw of 32 bits, signed, lets a source fire with a probability."""
    return np.minimum(np.rint(np.asarray(probability) * _WORD).astype(np.int64) + NEVER, 2**31 - 1)


def draws_needed(n_limits: int) -> int:
    """Return the smallest of `DRAWS` with room for so many limits.

    Raises
    ------
    ValueError
        If none has.
    """
    for size in DRAWS:
        if n_limits <= size:
            return size
    raise ValueError(f"{n_limits} limits: a draw compares at most {DRAWS[-1]}")
