"""What NEST cannot do with a network, known before any is built."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.description import ConnectionList, FiringPhase, Network, Normal, PoissonDrive, Scaled, Uniform
from simulators.description.distributions import Distribution
from simulators.description.network import projection_synapses

LARGEST_MODEL = 134_217_726
"""Synapses of one model that a thread of NEST can hold."""

MOST_MODELS = 400
"""Synapse models there is room for: NEST 3.10 takes 511, 77 of which are its own."""


TIC = 1e-3
"""ms: NEST counts time in these."""


def network_problems(network: Network, dt: float, threads: int) -> list[str]:
    """Say what NEST cannot do with a network, a line each; nothing if it runs it.

    Parameters
    ----------
    network : Network
        The network.
    dt : float
        ms, time step.
    threads : int
        Threads of the kernel.
    """
    return list(_problems(network, dt, threads))


def is_reusable(network: Network) -> bool:
    """Whether one build serves many points: nothing that a point leaves in the neurons outlives a quench."""
    models = (population.model for population in network.populations if not population.is_source)
    return all(model.nest is not None and model.nest.quench is not None for model in models)


def _problems(network: Network, dt: float, threads: int) -> Iterator[str]:
    if round(dt / TIC) < 1 or abs(dt / TIC - round(dt / TIC)) > 1e-6:
        yield f"the step must be a multiple of {TIC:g} ms, which is NEST's shortest time, not {dt:g} ms"
    for population in network.populations:
        model = population.model
        if not population.is_source and model.nest is None:
            yield f"population {population.name}: the neuron model {model.name} does not say what it is in NEST"
    for projection in network.projections:
        where, rule = f"projection {projection.name}", projection.rule
        own = rule if isinstance(rule, ConnectionList) else None
        if own is None or own.delays is None:
            yield from _delay_problems(where, projection.delay, dt)
        elif own.delays.size and not own.delays.min() >= dt * 0.5:
            yield f"{where}: delays must be at least a step of {dt:g} ms, not {own.delays.min():g} ms"
        if isinstance(projection.drawn_weight, FiringPhase) and (own is None or own.weights is None):
            yield f"{where}: NEST draws weights that are normal or uniform, not from {projection.drawn_weight}"
        if projection_synapses(network, projection) > LARGEST_MODEL * threads:
            yield (
                f"{where}: {projection_synapses(network, projection):.3g} synapses are more than the "
                f"{LARGEST_MODEL * threads:.3g} that NEST holds in {threads} threads: take more, or part it"
            )
    drives = [given for given in network.inputs if isinstance(given, PoissonDrive)]
    for given in drives:
        yield from _delay_problems(f"input {given.name}", given.delay, dt)
    n_models = len(network.projections) + len(drives)
    if n_models > MOST_MODELS:
        yield f"{n_models} projections and Poisson drives are more than the {MOST_MODELS} that NEST can tell apart"


def _delay_problems(where: str, delay: float | Distribution | Scaled, dt: float) -> Iterator[str]:
    match delay:
        case Normal() | Uniform():
            shortest = delay.low
        case int() | float():
            shortest = float(delay)
        case _:
            yield f"{where}: NEST draws delays that are normal or uniform, not from {delay}"
            return
    if not shortest >= dt * (1.0 - 1e-9):
        yield f"{where}: delays must be at least a step of {dt:g} ms, not {shortest:g} ms"
