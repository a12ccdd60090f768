"""Inputs in NEST's terms: generators, made with the network and told what to do for every point.

A generator acts one step before its effect is felt (a current, or the spike of a source that hands it on). So every
point has a lead of a few steps, in which nothing else happens and in which its generators begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.nest_simulator.connections import SynapseModels
from simulators.description import Network, PiecewiseConstant, PoissonDrive, Population, SpikeEvents, StepCurrent
from simulators.description.population import drawn_values
from simulators.neurons.neuron_model import Values

LEAD_STEPS = 2
"""Steps of a point, before its own time begins, in which generators can begin to act."""


@dataclass(frozen=True)
class Clock:
    """Steps of a point in the time of the kernel.

    Parameters
    ----------
    now : int
        Step the kernel is at; generators can change from the next one on.
    origin : int
        Step at which the warm-up begins, at least `LEAD_STEPS` later.
    recording : int
        Step at which the recording begins.
    dt : float
        ms.
    """

    now: int
    origin: int
    recording: int
    dt: float

    def step(self, time: float) -> int:
        """Step of a time in ms from the end of the warm-up; infinite times are far enough away."""
        return self.recording + round(min(max(time, -1e12), 1e12) / self.dt)


def create_generators(models: SynapseModels, network: Network, nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Create and connect the generators of a network.

    Returns
    -------
    dict of str to NodeCollection
        By input that is no given spikes, or by population of sources.
    """
    nest = models.nest
    first = {"delay": nest.resolution}
    generators = {}
    for index, given in enumerate(network.inputs):
        if isinstance(given, PoissonDrive):
            generator = nest.Create("inhomogeneous_poisson_generator")
            synapse = {"synapse_model": models.make(drive_model(index), one_weight=True), "delay": given.delay}
            nest.Connect(generator, nodes[given.target], "all_to_all", synapse)
        elif isinstance(given, StepCurrent):
            generator = nest.Create("step_current_generator")
            population = network[given.target]
            driven = given.driven(population.size, population.n_clusters)
            if len(driven):
                everywhere = len(driven) == population.size
                targets = nodes[given.target] if everywhere else nodes[given.target][driven.tolist()]
                nest.Connect(generator, targets, "all_to_all", first)
        else:
            continue
        generators[given.name] = generator
    for population in network.populations:
        if population.model.source == "events":
            generators[population.name] = nest.Create("spike_generator", population.size)
            nest.Connect(generators[population.name], nodes[population.name], "one_to_one", first)
        elif population.is_source:
            count = population.size if has_own_rates(population) else 1
            generators[population.name] = nest.Create("inhomogeneous_poisson_generator", count)
            rule = "one_to_one" if count > 1 else "all_to_all"
            nest.Connect(generators[population.name], nodes[population.name], rule, first)
    return generators


def drive_model(index: int) -> str:
    """Name of the synapse model of an input."""
    return f"input_{index}"


def has_own_rates(population: Population) -> bool:
    """Whether Poisson sources differ in their rates or times, so that each needs a generator."""
    plain = (int, float, PiecewiseConstant)
    return population.is_source and not all(isinstance(value, plain) for value in population.parameters.values())


def set_generators(generators: Mapping[str, Any], network: Network, seed: int, clock: Clock) -> None:
    """Tell the generators what to do for a point; what they did before ends with the next step."""
    for given in network.inputs:
        if isinstance(given, PoissonDrive):
            # A spike of the first step after a time is one of the step that ends there plus one
            times, rates = _rates(given.rate, clock, shift=1)
            generators[given.name].set(rate_times=times, rate_values=rates)
        elif isinstance(given, StepCurrent):
            times, amplitudes = _amplitudes(given, clock)
            generators[given.name].set(amplitude_times=times, amplitude_values=amplitudes)
    for population in network.populations:
        if population.model.source == "events":
            events = _event_times(network, population, clock)
            generators[population.name].set([{"spike_times": times} for times in events])
        elif population.is_source:
            _set_sources(generators[population.name], population, seed, clock)


def _set_sources(generators: Any, population: Population, seed: int, clock: Clock) -> None:
    values = drawn_values(population, seed)
    rate = population.parameters["rate"]
    changing = rate if isinstance(rate, PiecewiseConstant) else None
    columns: dict[str, Values] = {name: np.broadcast_to(value, len(generators)) for name, value in values.items()}
    status = []
    for index in range(len(generators)):
        start, stop = (float(np.asarray(columns[name])[index]) for name in ("start", "stop"))
        own = changing or PiecewiseConstant((0.0,), (float(np.asarray(columns["rate"])[index]),))
        times, rates = _rates(_between(own, start, stop), clock, shift=0)
        status.append({"rate_times": times, "rate_values": rates})
    generators.set(status)


def _between(rate: PiecewiseConstant, start: float, stop: float) -> PiecewiseConstant:
    """Return a rate that is 0 before `start` and from `stop` on."""
    edges = [start, *(time for time in rate.times if start < time < stop)] if start < stop else []
    changes = [(-1e12, 0.0)] if start > -1e12 else []
    changes += [(time, rate.at(time)) for time in edges]
    if stop < 1e12:
        changes.append((stop, 0.0))
    return PiecewiseConstant(*zip(*changes, strict=True))


def _rates(rate: float | PiecewiseConstant, clock: Clock, shift: int) -> tuple[list[float], list[float]]:
    """Times and rates of a generator, 0 in the lead; a rate holds from the spikes of the step after its time on."""
    given = rate if isinstance(rate, PiecewiseConstant) else PiecewiseConstant((0.0,), (rate,))
    begin = clock.origin + shift
    found = {clock.now + 1: 0.0, begin: given.values[0]}
    for time, value in zip(given.times, given.values, strict=True):
        found[max(clock.step(time) + shift, begin)] = value
    return _in_order(found, clock.dt)


def _amplitudes(given: StepCurrent, clock: Clock) -> tuple[list[float], list[float]]:
    """Times and amplitudes of a step current; a generator acts one step after its own time."""
    found = {clock.now + 1: 0.0}
    for onset, offset in zip(given.onsets, given.offsets, strict=True):
        for time, amplitude in ((onset, given.amplitude), (offset, 0.0)):
            found[max(clock.step(time), clock.origin) - 1] = amplitude
    return _in_order(found, clock.dt)


def _in_order(values: Mapping[int, float], dt: float) -> tuple[list[float], list[float]]:
    steps = sorted(values)
    return [step * dt for step in steps], [values[step] for step in steps]


def _event_times(network: Network, population: Population, clock: Clock) -> list[list[float]]:
    """Times of the generator of each source; a source spikes one step after its generator."""
    steps, neurons = events_of(network, population, clock.dt)
    own = steps + clock.recording
    kept = own > clock.origin
    own, neurons = own[kept], neurons[kept]
    cuts = np.searchsorted(neurons, np.arange(population.size + 1))
    times = (own - 1) * clock.dt
    return [times[first:last].tolist() for first, last in pairwise(cuts)]


def events_of(network: Network, population: Population, dt: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps from the end of the warm-up, and sources, of the spikes that a population plays; by source, then step."""
    given = [i for i in network.inputs if isinstance(i, SpikeEvents) and i.target == population.name]
    steps = np.concatenate([np.empty(0, np.int64), *(np.rint(i.times / dt).astype(np.int64) for i in given)])
    neurons = np.concatenate([np.empty(0, np.int64), *(i.neurons for i in given)])
    pairs = np.unique(np.stack([neurons, steps]), axis=1)  # at most one spike in a step
    return pairs[1], pairs[0]
