"""Inputs of a network at a step: currents, rates of Poisson trains and given spikes.

Steps are counted from the end of the warm-up: step s moves the network from time s·dt to (s + 1)·dt.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.poisson_code import count_limits, source_limits
from simulators.backends.genn_simulator.structure.delays import delay_steps
from simulators.backends.genn_simulator.values import signed_weight, value_at_step
from simulators.description.inputs import PiecewiseConstant, PoissonDrive, SpikeEvents, StepCurrent
from simulators.description.network import Network
from simulators.description.population import Population, drawn_values
from simulators.neurons.neuron_model import NeuronModel, Values


def change_steps(network: Network, dt: float) -> list[int]:
    """Steps at which an input or a source changes, in rising order; given spikes are not among them."""
    steps: set[int] = set()
    for given in network.inputs:
        if isinstance(given, StepCurrent):
            steps.update(round(edge / dt) for edge in (*given.onsets, *given.offsets))
        elif isinstance(given, PoissonDrive) and isinstance(given.rate, PiecewiseConstant):
            steps.update(delay_steps(given.delay, dt) + round(time / dt) for time in given.rate.times)
    for population in network.populations:
        if population.model.source == "poisson":
            rate, values = source_values(population, 0)
            if isinstance(rate, PiecewiseConstant):
                steps.update(round(time / dt) for time in rate.times)
            for edge in np.unique([values["start"], values["stop"]]):
                if np.isfinite(edge):
                    steps.add(first_step(edge, dt))
    return sorted(steps)


def first_step(time: float, dt: float) -> int:
    """First step that begins at a time or after it."""
    return int(np.ceil(np.round(time / dt, 6)))


def step_current(given: StepCurrent, population: Population, step: int, dt: float) -> Values:
    """Current that a step input feeds to each neuron at a step, in pA: a number if it drives all alike."""
    edges = zip(given.onsets, given.offsets, strict=True)
    if not any(round(on / dt) <= step < round(off / dt) for on, off in edges):
        return 0.0
    driven = given.driven(population.size, population.n_clusters)
    if len(driven) == population.size:
        return given.amplitude
    current = np.zeros(population.size)
    current[driven] = given.amplitude
    return current


def drive_values(drive: PoissonDrive, model: NeuronModel, step: int, dt: float) -> tuple[NDArray[np.int64], float]:
    """Limits of the count (`count_limits`) and weight of a Poisson drive at a step.

    Raises
    ------
    ValueError
        If there is none of that rate or weight.
    """
    # a spike arrives a delay after it was emitted, and so does a change of the rate
    rate = value_at_step(drive.rate, step - delay_steps(drive.delay, dt), dt)
    return count_limits(rate * dt * 1e-3), float(signed_weight(drive.weight, drive.receptor, model))


def source_values(population: Population, seed: int) -> tuple[Values | PiecewiseConstant, dict[str, Values]]:
    """Rate of a population of Poisson sources, and its other parameters, distributions drawn."""
    values = drawn_values(population, seed)
    rate = population.parameters["rate"]
    return rate if isinstance(rate, PiecewiseConstant) else values["rate"], values


def source_limits_at(population: Population, seed: int, step: int, dt: float) -> NDArray[np.int64]:
    """Limits of the draws with which Poisson sources fire in a step, shape () or (size,).

    Raises
    ------
    ValueError
        If a rate is negative or not a number.
    """
    described, values = source_values(population, seed)
    rate = value_at_step(described, step, dt) if isinstance(described, PiecewiseConstant) else described
    if not np.all(np.asarray(rate) >= 0.0):
        raise ValueError(f"population {population.name}: a rate is negative or not a number: {np.min(rate):g} Hz")
    # a hair late, so that rounded products of steps do not fall before the times they stand for
    time = (step + 1e-6) * dt
    on = (np.asarray(values["start"]) <= time) & (time < np.asarray(values["stop"]))
    return source_limits(np.where(on, -np.expm1(-np.asarray(rate) * dt * 1e-3), 0.0))


def given_events(network: Network, dt: float) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """Population, steps and neurons of given spikes; the last step before the recording is 0."""
    for given in network.inputs:
        if isinstance(given, SpikeEvents):
            yield given.target, np.rint(given.times / dt).astype(np.int64), given.neurons
