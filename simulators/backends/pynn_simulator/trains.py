"""Spikes that sources play, and Poisson trains, drawn here for every implementation alike.

An implementation's own Poisson sources spike at most once in a step (Brian 2), or have streams of their own. Trains
that are drawn here are given spikes, and the same everywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.description import Network, PiecewiseConstant, PoissonDrive, Population, SpikeEvents
from simulators.description.population import drawn_values
from simulators.records.job import Simulation


@dataclass(frozen=True)
class Trains:
    """Spikes of sources, by source, then step.

    Parameters
    ----------
    steps : ndarray of int64, shape (n_spikes,)
        From the start of the warm-up: 1 is the end of the first step.
    sources : ndarray of int64, shape (n_spikes,)
        From 0.
    """

    steps: NDArray[np.int64]
    sources: NDArray[np.int64]


def source_trains(network: Network, population: Population, simulation: Simulation, seed: int) -> Trains:
    """Return what a population of sources plays; each at most once in a step.

    A Poisson source that has two spikes in a step plays the later one in the next.
    """
    if population.model.source == "events":
        return _events(network, population, simulation)
    values = drawn_values(population, seed)
    start, stop = (_step(values[name], simulation, population.size) for name in ("start", "stop"))
    given = population.parameters["rate"]
    rate = given if isinstance(given, PiecewiseConstant) else values["rate"]
    trains = _poisson(rate, population.size, simulation, _stream(seed, population.name), start, stop)
    first = trains.sources * (2 * _total(simulation) + len(trains.steps))  # no spike is put off into the next source
    places = np.arange(len(trains.steps))
    steps = np.maximum.accumulate(trains.steps + first - places) + places - first
    kept = steps <= _total(simulation)
    return Trains(steps[kept], trains.sources[kept])


def drive_trains(drive: PoissonDrive, size: int, simulation: Simulation, seed: int) -> list[Trains]:
    """Return the trains that each neuron receives, dealt to as many layers as one step has spikes of a train."""
    trains = _poisson(drive.rate, size, simulation, _stream(seed, drive.name))
    places = np.arange(len(trains.steps))
    fresh = np.ones(len(places), dtype=bool)
    fresh[1:] = (np.diff(trains.steps) != 0) | (np.diff(trains.sources) != 0)
    layer = places - np.maximum.accumulate(np.where(fresh, places, 0))
    count = int(layer.max(initial=-1)) + 1
    return [Trains(trains.steps[layer == k], trains.sources[layer == k]) for k in range(count)]


def _poisson(
    rate: object,
    size: int,
    simulation: Simulation,
    rng: np.random.Generator,
    start: NDArray[np.float64] | None = None,
    stop: NDArray[np.float64] | None = None,
) -> Trains:
    """Draw independent Poisson trains; a rate holds from the spikes of the step after its time on."""
    total = _total(simulation)
    steps, sources = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, last, rates in _intervals(rate, simulation, size):
        low = np.maximum(first, 0.0 if start is None else start) + np.zeros(size)
        high = np.minimum(min(last, total), total if stop is None else stop) + np.zeros(size)
        lengths = np.maximum(high - low, 0.0)
        counts = rng.poisson(np.asarray(rates) * 1e-3 * simulation.dt * lengths)
        who = np.repeat(np.arange(size, dtype=np.int64), counts)
        steps.append((low[who] + 1.0 + np.floor(rng.random(len(who)) * lengths[who])).astype(np.int64))
        sources.append(who)
    return _in_order(np.concatenate(steps), np.concatenate(sources))


def _intervals(rate: object, simulation: Simulation, size: int) -> Iterator[tuple[float, float, object]]:
    total = float(_total(simulation))
    if not isinstance(rate, PiecewiseConstant):
        yield 0.0, total, rate
        return
    edges = _step(np.array(rate.times), simulation, len(rate.times)).clip(0.0, total)
    edges[0] = 0.0
    yield from zip(edges, [*edges[1:], total], rate.values, strict=True)


def _events(network: Network, population: Population, simulation: Simulation) -> Trains:
    given = [i for i in network.inputs if isinstance(i, SpikeEvents) and i.target == population.name]
    steps = [np.empty(0, np.int64)]
    steps += [np.rint(i.times / simulation.dt).astype(np.int64) + simulation.warmup_steps for i in given]
    sources = np.concatenate([np.empty(0, np.int64), *(i.neurons for i in given)])
    pairs = np.unique(np.stack([sources, np.concatenate(steps)]), axis=1)  # at most one spike in a step
    kept = (pairs[1] > 0) & (pairs[1] <= _total(simulation))
    return Trains(pairs[1][kept], pairs[0][kept])


def _in_order(steps: NDArray[np.int64], sources: NDArray[np.int64]) -> Trains:
    order = np.lexsort((steps, sources))
    return Trains(steps[order], sources[order])


def _step(time: object, simulation: Simulation, size: int) -> NDArray[np.float64]:
    """Steps from the start of the warm-up of times in ms from its end; infinite ones are far enough away."""
    steps = np.rint(np.clip(np.asarray(time, dtype=np.float64), -1e12, 1e12) / simulation.dt)
    return np.broadcast_to(steps + simulation.warmup_steps, size).copy()


def _total(simulation: Simulation) -> int:
    return simulation.warmup_steps + simulation.n_steps


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(b"poisson")])
