"""What has to be compiled to run a network: the part of its description that ends up in generated code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.backends.genn_simulator.code import CONSTANTS, SUFFIXES, Drive
from simulators.backends.genn_simulator.values import drawn_parameters, neuron_constants
from simulators.description.distributions import FiringPhase, Normal, Uniform
from simulators.description.network import (
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    OneToOne,
    PoissonDrive,
    Population,
    Projection,
    Receptor,
    StepCurrent,
)

SOURCE = "poisson_source"


class UnsupportedNetworkError(ValueError):
    """The description holds something the GeNN simulator cannot run."""


@dataclass(frozen=True)
class PopulationLayout:
    """A population as it is compiled.

    Parameters
    ----------
    name : str
        Its name.
    size, n_clusters : int
        Neurons, and the clusters they are in.
    neuron : str
        Neuron model.
    varied : tuple of str
        Constants of which every neuron has its own; the rest are one value per instance of the batch.
    receptors : tuple of {'excitatory', 'inhibitory'}
        Those that synapses arrive at.
    drives : mapping of str to Drive, as pairs
        Poisson drives by name.
    """

    name: str
    size: int
    n_clusters: int
    neuron: str
    varied: tuple[str, ...]
    receptors: tuple[Receptor, ...]
    drives: tuple[tuple[str, Drive], ...]


@dataclass(frozen=True)
class Layout:
    """A network as it is compiled.

    Parameters
    ----------
    dt : float
        ms.
    batch : int
        Instances.
    procedural : bool
        Connectivity is drawn anew at every spike instead of stored.
    populations : tuple of PopulationLayout
        Populations.
    projections : tuple of str
        All that is compiled of each projection, as text.
    """

    dt: float
    batch: int
    procedural: bool
    populations: tuple[PopulationLayout, ...]
    projections: tuple[str, ...]


def layout_of(network: Network, dt: float, batch: int, procedural: bool) -> Layout:
    """Return what is compiled for a network; networks of equal layout share compiled code.

    Raises
    ------
    UnsupportedNetworkError
        If the description holds something that cannot be run.
    """
    for projection in network.projections:
        _check(network, projection, dt, batch, procedural)
    return Layout(
        dt,
        batch,
        procedural,
        tuple(_population_layout(network, population, dt) for population in network.populations),
        tuple(_projection_text(projection) for projection in network.projections),
    )


def individual_weights(projection: Projection) -> bool:
    """Whether every synapse has its own weight."""
    if isinstance(projection.rule, ConnectionList) and projection.rule.weights is not None:
        return True
    return not isinstance(projection.weight, (int, float))


def individual_delays(projection: Projection) -> bool:
    """Whether every synapse has its own delay."""
    if isinstance(projection.rule, ConnectionList) and projection.rule.delays is not None:
        return True
    return not isinstance(projection.delay, (int, float))


def delay_steps(projection: Projection, dt: float) -> int:
    """Delay in steps of a projection whose synapses share one."""
    assert isinstance(projection.delay, (int, float))
    return round(projection.delay / dt)


def longest_delay(projection: Projection, dt: float) -> int:
    """Longest delay of a projection in steps.

    A normal distribution without an upper bound ends six standard deviations above its mean.
    """
    if isinstance(projection.rule, ConnectionList) and projection.rule.delays is not None:
        return round(float(projection.rule.delays.max()) / dt)
    if isinstance(projection.delay, (int, float)):
        return delay_steps(projection, dt)
    return max(1, round(bounded_delay(projection).high / dt))


def bounded_delay(projection: Projection) -> Uniform | Normal:
    """Distribution of a projection's delays, with an upper bound."""
    delay = projection.delay
    if isinstance(delay, Normal):
        return Normal(delay.mean, delay.sd, delay.low, min(delay.high, delay.mean + 6.0 * delay.sd))
    assert isinstance(delay, Uniform)
    return delay


def bytes_per_synapse(network: Network, projection: Projection) -> float:
    """Memory of a synapse: its target's index, what is its own, and the room that rows leave."""
    index = 2.0 if network[projection.target].size <= 2**16 else 4.0
    return 1.1 * (index + 4.0 * individual_weights(projection) + individual_delays(projection))


def buffered_steps(network: Network, projection: Projection, dt: float) -> int:
    """Length of the delay buffer that a projection delivers through, 0 if it needs none.

    Projections to the same receptor of a population add to the same array, and so all use a buffer if one does.
    """
    beside = [p for p in network.projections if (p.target, p.receptor) == (projection.target, projection.receptor)]
    if not any(individual_delays(p) for p in beside):
        return 0
    return max(longest_delay(p, dt) for p in beside)


def _population_layout(network: Network, population: Population, dt: float) -> PopulationLayout:
    if population.neuron == SOURCE:
        return PopulationLayout(population.name, population.size, population.n_clusters, population.neuron, (), (), ())
    if population.neuron not in CONSTANTS:
        raise UnsupportedNetworkError(
            f"population {population.name}: the GeNN simulator has no neuron model {population.neuron!r}, "
            f"only {', '.join([*CONSTANTS, SOURCE])}"
        )
    # any seed will do: only whether a value is one number or many matters
    constants = neuron_constants(population.neuron, drawn_parameters(population, 0), dt)
    varied = {name for name, value in constants.items() if np.ndim(value)}
    targeting = [given for given in network.inputs if given.target == population.name]
    if any(isinstance(given, StepCurrent) for given in targeting):
        varied.add("drift")
    arriving = {p.receptor for p in network.projections if p.target == population.name}
    drives = [given for given in targeting if isinstance(given, PoissonDrive)]
    return PopulationLayout(
        population.name,
        population.size,
        population.n_clusters,
        population.neuron,
        tuple(sorted(varied)),
        tuple(receptor for receptor in SUFFIXES if receptor in arriving),
        tuple((given.name, Drive(index, given.receptor)) for index, given in enumerate(drives)),
    )


def _projection_text(projection: Projection) -> str:
    rule = projection.rule
    weight = projection.weight if individual_weights(projection) else None
    if isinstance(rule, ConnectionList):
        weight = None
    return repr(
        (
            projection.source,
            projection.target,
            rule.digest if isinstance(rule, ConnectionList) else rule,
            weight,
            projection.delay,
            projection.receptor,
            projection.pairs,
        )
    )


def _check(network: Network, projection: Projection, dt: float, batch: int, procedural: bool) -> None:
    where = f"projection {projection.name}"
    rule = projection.rule
    explicit = isinstance(rule, (ConnectionList, OneToOne))
    if network[projection.target].neuron == SOURCE:
        raise UnsupportedNetworkError(f"{where}: Poisson sources take no input")
    if isinstance(projection.weight, FiringPhase) or (isinstance(rule, ConnectionList) and _is_drawn(projection)):
        raise UnsupportedNetworkError(f"{where}: an explicit list carries its own weights and delays, or one number")
    if isinstance(projection.delay, FiringPhase):
        raise UnsupportedNetworkError(f"{where}: delays are not drawn from {projection.delay}")
    if longest_delay(projection, dt) < 1:
        raise UnsupportedNetworkError(f"{where}: the delay is {projection.delay} ms; at least one step of {dt} ms")
    if explicit and projection.pairs != "all":
        raise UnsupportedNetworkError(f"{where}: {type(rule).__name__} connects within all pairs only")
    if isinstance(rule, OneToOne) and network[projection.source].size != network[projection.target].size:
        raise UnsupportedNetworkError(f"{where}: one-to-one between populations of different size")
    if procedural and (explicit or isinstance(rule, (FixedIndegree, FixedTotalNumber))):
        raise UnsupportedNetworkError(
            f"{where}: procedural connectivity draws row by row; {type(rule).__name__} is not drawn so"
        )


def _is_drawn(projection: Projection) -> bool:
    rule = projection.rule
    assert isinstance(rule, ConnectionList)
    return (rule.weights is None and not isinstance(projection.weight, (int, float))) or (
        rule.delays is None and not isinstance(projection.delay, (int, float))
    )
