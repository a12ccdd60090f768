"""What a statistic needs of a recording whose whole trains are not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """What statistics need besides the number of spikes and sums over the intervals of each neuron.

    Parameters
    ----------
    windows : frozenset of float
        ms: widths of windows side by side in which every neuron's spikes are counted, for sums of squares.
    population_bins : frozenset of float
        ms: widths of bins in which the spikes of a population are counted.
    cluster_bins : frozenset of float
        ms: widths of bins in which those of each of its clusters are counted.
    sample : int
        Neurons of each population whose trains are kept (`simulators.statistics.measures.subsample`).
    spaced : frozenset of int
        Numbers of neurons, evenly spaced in each population, whose trains are kept as well.

    Examples
    --------
    >>> (Needs(sample=250) | Needs(windows=frozenset({5.0}), sample=100)).sample
    250
    """

    windows: frozenset[float] = frozenset()
    population_bins: frozenset[float] = frozenset()
    cluster_bins: frozenset[float] = frozenset()
    sample: int = 0
    spaced: frozenset[int] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        """Return what serves both."""
        return Needs(
            self.windows | other.windows,
            self.population_bins | other.population_bins,
            self.cluster_bins | other.cluster_bins,
            max(self.sample, other.sample),
            self.spaced | other.spaced,
        )


NeedsOf = Callable[[Mapping[str, float]], Needs]
"""From all settings to what a statistic needs with them."""


def sums_alone(settings: Mapping[str, float]) -> Needs:
    """Need nothing but numbers of spikes and sums over intervals."""
    del settings
    return Needs()


def sample_of(setting: str) -> NeedsOf:
    """Need the trains of as many neurons as a setting says."""
    return lambda settings: Needs(sample=int(settings[setting]))
