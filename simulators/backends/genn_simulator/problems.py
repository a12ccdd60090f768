"""What the GeNN simulator cannot do with a network, said before anything is built."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from simulators.backends.genn_simulator.generated_code.neuron_code import DRIFT
from simulators.backends.genn_simulator.generated_code.poisson_code import LARGEST_MEAN_COUNT
from simulators.backends.genn_simulator.structure.delays import longest_delay
from simulators.backends.genn_simulator.structure.layout import constant_names
from simulators.description.distributions import FiringPhase, Normal, Uniform
from simulators.description.inputs import PiecewiseConstant, PoissonDrive, StepCurrent
from simulators.description.network import Network
from simulators.description.population import Population
from simulators.description.projection import (
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    OneToOne,
    Projection,
)
from simulators.neurons.step_code import check_step_rule

_LONGEST_DELAY = 2**16 - 1  # steps, as a synapse keeps them


def structure_problems(network: Network, dt: float, procedural: bool) -> list[str]:
    """Say why a network cannot be built, a line each.

    Parameters
    ----------
    network : Network
        The network.
    dt : float
        ms.
    procedural : bool
        Connectivity is to be drawn anew at every spike.
    """
    found = [problem for population in network.populations for problem in _of_population(population)]
    if found:
        return found
    takes_input = {population.name: population.model.synapses is not None for population in network.populations}
    for projection in network.projections:
        where = f"projection {projection.name}"
        if not takes_input[projection.target]:
            found.append(f"{where}: {network[projection.target].model.name} takes no synapses")
        found += [f"{where}: {problem}" for problem in _of_projection(projection, dt, procedural)]
    moved_by_current: dict[str, bool] = {}
    for given in network.inputs:
        population = network[given.target]
        if isinstance(given, PoissonDrive) and not takes_input[given.target]:
            found.append(f"input {given.name}: {population.model.name} takes no synapses")
        if isinstance(given, StepCurrent):
            if population.name not in moved_by_current:
                moved_by_current[population.name] = _moved_by_current(population)
            if not moved_by_current[population.name]:
                found.append(f"input {given.name}: {population.model.name} has no I_e that acts on its {DRIFT}")
    return found


def value_problems(network: Network, dt: float) -> list[str]:
    """Say which values a network that can be built cannot run with, a line each."""
    found = []
    for projection in network.projections:
        scale = projection.weight_scale
        listed = projection.rule.weights if isinstance(projection.rule, ConnectionList) else None
        smallest = scale if listed is None else float(listed.min(initial=0.0))
        if not math.isfinite(smallest):
            found.append(f"projection {projection.name}: a weight is not a finite number")
        elif projection.receptor == "excitatory" and smallest < 0.0:
            found.append(f"projection {projection.name}: an excitatory weight is negative: {smallest:g}")
    for given in network.inputs:
        if isinstance(given, PoissonDrive):
            found += [f"Poisson drive {given.name}: {problem}" for problem in _of_drive(given, dt)]
    return found


def _of_population(population: Population) -> Iterator[str]:
    model = population.model
    if model.source is not None:
        return
    where = f"population {population.name}: {model.name}"
    if model.step is None:
        yield f"{where} has no step rule, which the GeNN simulator makes its code from"
        return
    try:
        check_step_rule(model, set(constant_names(model)))
    except Exception as error:  # whatever a model of one's own may raise
        yield f"{where}: {error}"


def _of_projection(projection: Projection, dt: float, procedural: bool) -> Iterator[str]:
    rule = projection.rule
    for what, drawn in (("weights", projection.drawn_weight), ("delays", projection.delay)):
        if isinstance(drawn, FiringPhase):
            yield f"{what} are not drawn from {drawn}"
            return
        if isinstance(drawn, (Uniform, Normal)) and not _is_possible(drawn):
            yield f"{what} cannot be drawn from {drawn}"
            return
    longest = longest_delay(projection, dt)
    if longest < 1:
        yield f"the delay is {projection.delay} ms; at least one step of {dt} ms"
    if longest > _LONGEST_DELAY:
        yield f"a delay of {longest} steps; at most {_LONGEST_DELAY}"
    if isinstance(rule, ConnectionList) and rule.weights is not None and not np.all(np.isfinite(rule.weights)):
        yield "a weight is not a finite number"
    if procedural and isinstance(rule, (ConnectionList, OneToOne, FixedIndegree, FixedTotalNumber)):
        yield f"procedural connectivity draws row by row; {type(rule).__name__} is not drawn so"


def _of_drive(drive: PoissonDrive, dt: float) -> Iterator[str]:
    rates = drive.rate.values if isinstance(drive.rate, PiecewiseConstant) else (drive.rate,)
    for rate in rates:
        mean = rate * dt * 1e-3
        if not 0.0 <= mean <= LARGEST_MEAN_COUNT:
            yield (f"{rate:g} Hz is {mean:g} spikes per step; the GeNN simulator draws 0 to {LARGEST_MEAN_COUNT:g}")
    if not math.isfinite(drive.weight):
        yield "the weight is not a finite number"
    elif drive.receptor == "excitatory" and drive.weight < 0.0:
        yield f"an excitatory weight is negative: {drive.weight:g}"


def _moved_by_current(population: Population) -> bool:
    return "I_e" in population.model.parameters and DRIFT in constant_names(population.model)


def _is_possible(distribution: Uniform | Normal) -> bool:
    """Whether the numbers of a distribution are ones, and a normal one reaches its bounds."""
    if isinstance(distribution, Uniform):
        return math.isfinite(distribution.low) and math.isfinite(distribution.high)
    mean, sd = distribution.mean, distribution.sd
    # redrawing ends where some of the distribution, but at most seven standard deviations away, is inside
    reach = 6.0 * sd
    return (
        math.isfinite(mean)
        and math.isfinite(sd)
        and mean + reach >= distribution.low
        and mean - reach <= distribution.high
    )
