"""Distributions of parameters, initial states, weights and delays."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray


class _Scalable:
    """What ``scale * distribution`` and ``distribution * scale`` mean."""

    __slots__ = ()

    def __mul__(self, scale: float) -> Scaled:
        """Scale a distribution of weights."""
        return Scaled(float(scale), cast("Distribution", self))

    __rmul__ = __mul__


@dataclass(frozen=True, slots=True)
class Uniform(_Scalable):
    """Uniform over [low, high)."""

    low: float
    high: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `size` values."""
        return rng.uniform(self.low, self.high, size)


@dataclass(frozen=True, slots=True)
class Normal(_Scalable):
    """Normal, redrawn until inside [low, high]."""

    mean: float
    sd: float
    low: float = -np.inf
    high: float = np.inf

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `size` values.

        Raises
        ------
        ValueError
            If the interval is so far in a tail that redrawing does not fill it.
        """
        values = rng.normal(self.mean, self.sd, size)
        for _ in range(1000):
            outside = (values < self.low) | (values > self.high)
            missing = int(outside.sum())
            if not missing:
                return values
            values[outside] = rng.normal(self.mean, self.sd, missing)
        raise ValueError(f"{self} hardly ever falls inside its bounds")


@dataclass(frozen=True, slots=True)
class FiringPhase(_Scalable):
    """Membrane potential of a neuron met at a uniformly random phase of its firing cycle.

    ``V = drive + (V_th - drive) · exp(period · u / tau)`` with u uniform over [0, 1): the free membrane followed
    backwards from threshold for a random part of the inter-spike interval.

    Parameters
    ----------
    drive : float
        mV, the potential the membrane tends to (E_L + tau·I/C).
    V_th : float
        mV, threshold.
    period : float
        ms, inter-spike interval; negative for a subthreshold membrane relaxing away from threshold.
    tau : float
        ms, membrane time constant.

    References
    ----------
    Schmitt, F. J., Rostami, V., & Nawrot, M. P. (2023). Efficient parameter calibration and real-time simulation of
    large-scale spiking neural networks with GeNN and NEST. Frontiers in Neuroinformatics 17.
    """

    drive: float
    V_th: float
    period: float
    tau: float

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `size` potentials in mV."""
        return self.drive + (self.V_th - self.drive) * np.exp(self.period / self.tau * rng.random(size))


Distribution = Uniform | Normal | FiringPhase


@dataclass(frozen=True, slots=True)
class Scaled:
    """Drawn weights times a number: ``0.5 * Normal(87.8, 8.78)``.

    The draw belongs to the structure of a network, the number does not: it may change between points.

    Parameters
    ----------
    scale : float
        The number; its sign is that of the weights if the distribution's is positive.
    distribution : Distribution
        What each synapse draws.
    """

    scale: float
    distribution: Distribution


def draw_values(value: float | Distribution, size: int, seed: int, *labels: str) -> float | NDArray[np.float64]:
    """Return a plain number as it is, or one drawn value per neuron.

    Parameters
    ----------
    value : float or Distribution
        What to draw from.
    size : int
        Number of neurons.
    seed : int
        Seed of the network draw.
    *labels : str
        What is drawn (population, parameter): each label gives its own, independent stream, so that one draw
        never moves because another was added.

    Returns
    -------
    float or ndarray of float64, shape (size,)
    """
    if isinstance(value, (int, float)):
        return float(value)
    rng = np.random.default_rng([seed, *(zlib.crc32(label.encode()) for label in labels)])
    return value.draw(size, rng)
