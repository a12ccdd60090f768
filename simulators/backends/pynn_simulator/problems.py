"""What PyNN, or the simulator behind it, cannot do with a network, known before any is built."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.backends.pynn_simulator.cells import CELLS, cell_of
from simulators.backends.pynn_simulator.implementations import Implementation
from simulators.description import ConnectionList, Network, Normal, PiecewiseConstant, PoissonDrive, Population, Uniform
from simulators.description.distributions import Distribution
from simulators.records.job import Simulation

MOST_PER_STEP = 0.2
"""Spikes of a Poisson source in a step: it plays at most one, and puts off a second one."""


def network_problems(network: Network, simulation: Simulation, implementation: Implementation) -> list[str]:
    """Say what cannot be run of a network, a line each; nothing if it can."""
    return list(_problems(network, simulation.dt, implementation))


def _problems(network: Network, dt: float, implementation: Implementation) -> Iterator[str]:
    for population in network.populations:
        yield from _population_problems(population, dt, implementation)
    for projection in network.projections:
        where, rule = f"projection {projection.name}", projection.rule
        own = rule.delays if isinstance(rule, ConnectionList) else None
        if own is None:
            yield from _delay_problems(where, projection.delay, dt)
        elif own.size and not own.min() >= dt * 0.5:
            yield f"{where}: delays must be at least a step of {dt:g} ms, not {own.min():g} ms"
    for given in network.inputs:
        if isinstance(given, PoissonDrive):
            yield from _delay_problems(f"input {given.name}", given.delay, dt)


def _population_problems(population: Population, dt: float, implementation: Implementation) -> Iterator[str]:
    where, model = f"population {population.name}", population.model
    if model.source == "poisson":
        rate = population.parameters["rate"]
        fastest = _largest(max(rate.values) if isinstance(rate, PiecewiseConstant) else rate)
        if fastest * dt * 1e-3 > MOST_PER_STEP:
            yield (
                f"{where}: a source spikes at most once in a step of {dt:g} ms: its rate can be "
                f"{MOST_PER_STEP / dt * 1e3:g} Hz at most, not {fastest:g} Hz"
            )
    elif model.source is None and cell_of(model) is None:
        yield f"{where}: PyNN has no cell for the neuron model {model.name}; there are some for {', '.join(CELLS)}"
    elif (
        implementation.one_refractory_time
        and model.refractory is not None
        and not isinstance(population.parameters.get(model.refractory, 0.0), (int, float))
    ):
        yield f"{where}: with {implementation.name} all neurons of a population share {model.refractory} in PyNN"


def _largest(value: float | Distribution) -> float:
    match value:
        case Uniform():
            return value.high
        case Normal():
            return min(value.high, value.mean + 5.0 * value.sd)
        case int() | float():
            return float(value)
    return 0.0


def _delay_problems(where: str, delay: float | Distribution, dt: float) -> Iterator[str]:
    match delay:
        case Normal() | Uniform():
            shortest = delay.low
        case int() | float():
            shortest = float(delay)
        case _:
            yield f"{where}: delays are one number, normal or uniform, not {delay}"
            return
    if not shortest >= dt * (1.0 - 1e-9):
        yield f"{where}: delays must be at least a step of {dt:g} ms, not {shortest:g} ms"
