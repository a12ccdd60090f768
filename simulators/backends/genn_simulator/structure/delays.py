"""Delays of projections in steps, and the buffers that they need."""

from __future__ import annotations

from simulators.description.distributions import Normal, Uniform
from simulators.description.network import Network
from simulators.description.projection import ConnectionList, Projection
from simulators.neurons.neuron_model import Receptor


def has_own_weights(projection: Projection) -> bool:
    """Whether every synapse has its own weight."""
    if isinstance(projection.rule, ConnectionList) and projection.rule.weights is not None:
        return True
    return projection.drawn_weight is not None


def has_own_delays(projection: Projection) -> bool:
    """Whether every synapse has its own delay."""
    if isinstance(projection.rule, ConnectionList) and projection.rule.delays is not None:
        return True
    return not isinstance(projection.delay, (int, float))


def delay_steps(delay: float, dt: float) -> int:
    """Delay in steps."""
    return round(delay / dt)


def longest_delay(projection: Projection, dt: float) -> int:
    """Longest delay of a projection in steps.

    A normal distribution without an upper bound ends six standard deviations above its mean.
    """
    if isinstance(projection.rule, ConnectionList) and projection.rule.delays is not None:
        delays = projection.rule.delays
        return delay_steps(float(delays.max()), dt) if delays.size else 1
    if isinstance(projection.delay, (int, float)):
        return delay_steps(projection.delay, dt)
    return max(1, delay_steps(bounded_delay(projection).high, dt))


def bounded_delay(projection: Projection) -> Uniform | Normal:
    """Distribution of a projection's delays, with an upper bound."""
    delay = projection.delay
    if isinstance(delay, Normal):
        return Normal(delay.mean, delay.sd, delay.low, min(delay.high, delay.mean + 6.0 * delay.sd))
    assert isinstance(delay, Uniform)
    return delay


def buffer_lengths(network: Network, dt: float) -> dict[tuple[str, Receptor], int]:
    """Steps of the buffers that spikes with delays of their own wait in.

    Projections to the same receptor of a population add to the same array, and so all use a buffer if one does.

    Returns
    -------
    dict of (str, {'excitatory', 'inhibitory'}) to int
        By target and receptor; those that need no buffer are left out.
    """
    longest: dict[tuple[str, Receptor], int] = {}
    buffered = set()
    for projection in network.projections:
        place = (projection.target, projection.receptor)
        longest[place] = max(longest.get(place, 0), longest_delay(projection, dt))
        if has_own_delays(projection):
            buffered.add(place)
    return {place: steps for place, steps in longest.items() if place in buffered}
