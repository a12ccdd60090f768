"""The numbers of a point: constants, states, weights, drives, and what of them changes on the way."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator.kernels.tables import (
    BUNDLE_FACTS,
    BUNDLE_TABLE,
    STRETCH,
    Bundles,
    Drives,
    Neurons,
    Populations,
    aligned,
)
from simulators.backends.native_simulator.one_input import one_input
from simulators.backends.native_simulator.program import Kind
from simulators.backends.native_simulator.synapses.drawing import Synapses
from simulators.backends.native_simulator.synapses.layout import Layout
from simulators.backends.native_simulator.synapses.synapse_values import signed
from simulators.description import (
    ConnectionList,
    Network,
    PiecewiseConstant,
    PoissonDrive,
    Population,
    SpikeEvents,
    StepCurrent,
)
from simulators.description.population import drawn_values
from simulators.neurons.neuron_model import SUFFIXES, Values, refractory_steps
from simulators.records.job import Simulation

MEAN_COUNT = 2.0
"""Largest mean of one draw: counts beyond 15 then have a probability of 2·10⁻¹⁰."""

_POISSON, _EVENTS = -1, -2


@dataclass(frozen=True)
class Point:
    """A point, ready to run.

    Parameters
    ----------
    kinds : tuple of Kind
        What its program is made of.
    populations : Populations
        Populations, all of whose neurons one thread owns.
    neurons : Neurons
        State and constants.
    drives : Drives
        Inputs.
    """

    kinds: tuple[Kind, ...]
    populations: Populations
    neurons: Neurons
    drives: Drives


def make_point(network: Network, layout: Layout, seed: int, simulation: Simulation) -> Point:
    """Lay out a point's numbers at its start."""
    values = {population.name: drawn_values(population, seed) for population in network.populations}
    kinds, numbers, constants = _kinds(network, layout, values, simulation)
    n_all, n_populations = layout.n_all, len(network.populations)
    n_slots = max((len(kind.slots) for kind in kinds), default=2)
    n_constants = max((len(kind.constants) for kind in kinds), default=0) + 1
    n_varied = max((len(kind.varied) for kind in kinds), default=0)
    may_fire, fired = aligned(n_all // 16, np.uint16), aligned(n_all // 16, np.uint16)
    neurons = Neurons(
        aligned(n_slots * n_all, np.float32),
        aligned(max(1, n_varied) * n_all, np.float32),
        np.zeros(n_populations * n_constants, dtype=np.float32),
        n_constants,
        0 if kinds and kinds[0].joined else n_all,
        may_fire,
        fired,
        may_fire.view(np.uint64),
        fired.view(np.uint64),
    )
    refractory = np.zeros(n_all, dtype=np.int32)
    shortest, longest = np.zeros(n_populations, dtype=np.int64), np.zeros(n_populations, dtype=np.int64)
    for index, population in enumerate(network.populations):
        stretch = slice(layout.offsets[index], layout.offsets[index] + population.size)
        real = np.arange(layout.padded[index]) < population.size
        bits = np.packbits(real, bitorder="little").view("<u2")
        may_fire[stretch.start // 16 : (stretch.start + layout.padded[index]) // 16] = bits
        if population.is_source:
            continue
        steps = refractory_steps(population.model, values[population.name], simulation.dt)
        refractory[stretch] = np.asarray(steps).astype(np.int32)
        shortest[index], longest[index] = refractory[stretch].min(), refractory[stretch].max()
        _set_state(neurons, kinds[numbers[index]], values[population.name], constants[index], stretch, n_all)
        neurons.scalars[index * n_constants] = simulation.dt
        set_constants(neurons, kinds[numbers[index]], constants[index], index, stretch, n_all)
    populations = Populations(
        n_populations,
        n_all,
        np.array(numbers, dtype=np.int64),
        np.array([population.size for population in network.populations], dtype=np.int64),
        np.array(layout.padded, dtype=np.int64) // 32,
        np.zeros(n_populations, dtype=np.int64),
        np.array(layout.offsets, dtype=np.int64),
        np.array(layout.padded, dtype=np.int64) // 32,
        shortest,
        longest,
        refractory,
    )
    return Point(kinds, populations, neurons, _drives(network, layout, seed, simulation))


def set_constants(
    neurons: Neurons, kind: Kind, constants: dict[str, Values], population: int, stretch: slice, n_all: int
) -> None:
    """Write the constants of a population."""
    for place, name in enumerate(kind.constants, start=1):
        if name in kind.varied:
            begin = kind.varied.index(name) * n_all
            neurons.varied[begin + stretch.start : begin + stretch.stop] = constants[name]
        else:
            neurons.scalars[population * neurons.n_scalars + place] = constants[name]


def set_weights(synapses: Synapses, network: Network, layout: Layout) -> None:
    """Write the weights of a point."""
    for index, block in enumerate(layout.blocks):
        weights = {projection.pairs: _weight(network, projection.name) for projection in block.projections}
        everywhere = weights.get("between", weights.get("all", 0.0))
        both = everywhere, weights.get("within", everywhere) - everywhere
        synapses.blocks[0].weights[2 * index : 2 * index + 2] = both  # all threads share them
    for bundles in synapses.bundles:
        _set_scales(bundles, network, layout)


def _set_scales(bundles: Bundles, network: Network, layout: Layout) -> None:
    facts = bundles.facts.reshape(-1, BUNDLE_FACTS)
    for index, bundle in enumerate(layout.bundles):
        scales = [_scale(network, projection.name) for projection in bundle.projections]
        bundles.scales[index], bundles.differ[index] = scales[0], len(set(scales)) > 1
        if bundles.differ[index]:
            for projection, scale in zip(bundle.projections, scales, strict=True):
                target, begin = network.places[projection.target], int(facts[index, BUNDLE_TABLE])
                first = begin + (layout.offsets[target] >> STRETCH)
                bundles.tables[first : first + (layout.padded[target] >> STRETCH)] = scale


def change_steps(network: Network, seed: int, simulation: Simulation) -> list[int]:
    """Steps, counted from the start of the warm-up, at which an input changes; in rising order."""
    times: set[float] = set()
    for given in network.inputs:
        if isinstance(given, StepCurrent):
            times |= {*given.onsets, *given.offsets}
        elif isinstance(given, PoissonDrive) and isinstance(given.rate, PiecewiseConstant):
            times |= {time + given.delay for time in given.rate.times}
    for population in network.populations:
        if population.model.source == "poisson":
            values = drawn_values(population, seed)
            times |= set(np.ravel(values["start"]).tolist()) | set(np.ravel(values["stop"]).tolist())
            rate = population.parameters["rate"]
            times |= set(rate.times) if isinstance(rate, PiecewiseConstant) else set()
    steps = {math.ceil(round(time / simulation.dt, 6)) for time in times if math.isfinite(time)}
    return sorted(step + simulation.warmup_steps for step in steps)


def set_inputs(point: Point, network: Network, layout: Layout, seed: int, simulation: Simulation, step: int) -> None:
    """Write what changes on the way, as it is in a step counted from the end of the warm-up."""
    dt = simulation.dt
    draws = _draws(network, dt)
    for index, population in enumerate(network.populations):
        if population.model.source == "poisson":
            thresholds = _thresholds(population, seed, step, dt)
            begin = layout.offsets[index]
            point.drives.thresholds[begin : begin + population.size] = thresholds
            point.drives.active[index] = bool(np.any(thresholds))
        for place, (drive, count) in enumerate(draws[index], start=int(point.drives.first[3 * index])):
            sent = (step + 1e-6) * dt - drive.delay  # when what arrives in this step was sent
            rate = drive.rate.at(sent) if isinstance(drive.rate, PiecewiseConstant) else drive.rate
            point.drives.tables[32 * place : 32 * place + 32] = _alias_table(rate * dt * 1e-3 / count)
        currents = [i for i in network.inputs if isinstance(i, StepCurrent) and i.target == population.name]
        if currents:
            values = drawn_values(population, seed)
            added = np.zeros(population.size)
            for given in currents:
                if any(
                    round(on / dt) <= step < round(off / dt)
                    for on, off in zip(given.onsets, given.offsets, strict=True)
                ):
                    added[given.driven(population.size, population.n_clusters)] += given.amplitude
            kind = point.kinds[point.populations.kinds[index]]
            constants = kind.rule.constants({**values, "I_e": values["I_e"] + added}, dt)
            stretch = slice(layout.offsets[index], layout.offsets[index] + population.size)
            set_constants(point.neurons, kind, dict(constants), index, stretch, layout.n_all)


def _kinds(
    network: Network, layout: Layout, values: dict[str, dict[str, Values]], simulation: Simulation
) -> tuple[tuple[Kind, ...], list[int], list[dict[str, Values]]]:
    """Kinds of update, the number of each population's, and the constants of each."""
    kinds: list[Kind] = []
    numbers: list[int] = []
    reached = {block.target for block in layout.blocks}
    driven = {given.target for given in network.inputs if isinstance(given, PoissonDrive)}
    stepped = {given.target for given in network.inputs if isinstance(given, StepCurrent)}
    constants = [
        {} if population.is_source else _constants(population, values[population.name], simulation.dt)
        for population in network.populations
    ]
    joined = all(map(_is_joined, network.populations, constants))  # all, for a bundle may reach several
    for population, found in zip(network.populations, constants, strict=True):
        if population.is_source:
            numbers.append(_POISSON if population.model.source == "poisson" else _EVENTS)
            continue
        varied = {name for name, value in found.items() if np.ndim(value)}
        if population.name in stepped:
            varied.add("drift")
        name = population.name
        kind = Kind(population.model, tuple(found), tuple(sorted(varied)), name in reached, name in driven, joined)
        if kind not in kinds:
            kinds.append(kind)
        numbers.append(kinds.index(kind))
    return tuple(kinds), numbers, constants


def _constants(population: Population, values: dict[str, Values], dt: float) -> dict[str, Values]:
    rule = population.model.step
    assert rule is not None, "is among the problems of a network"
    return dict(rule.constants(values, dt))


def _is_joined(population: Population, constants: dict[str, Values]) -> bool:
    """Whether a population's inputs may add up in one; sources have none."""
    if population.is_source:
        return True
    assert population.model.step is not None
    found = one_input(population.model.step, frozenset(constants))
    return found is not None and found.holds_for(constants)


def _set_state(
    neurons: Neurons, kind: Kind, values: dict[str, Values], constants: dict[str, Values], stretch: slice, n_all: int
) -> None:
    started = kind.rule.start(values)
    for slot, name in enumerate(kind.slots):
        if name not in started:
            continue
        start = np.asarray(started[name], dtype=np.float32)
        if name == "V":  # one at its threshold is put just below: it is moved first
            limit = np.asarray(constants[kind.rule.threshold], dtype=np.float32)
            start = np.minimum(start, np.nextafter(limit, np.float32(-np.inf)))
        neurons.state[slot * n_all + stretch.start : slot * n_all + stretch.stop] = start


def _drives(network: Network, layout: Layout, seed: int, simulation: Simulation) -> Drives:
    n_populations = len(network.populations)
    draws = _draws(network, simulation.dt)
    n_draws = sum(map(len, draws))
    first = np.zeros((n_populations, 3), dtype=np.int64)
    weights = np.zeros(max(1, n_draws), dtype=np.float32)
    place = 0
    for index, found in enumerate(draws):
        synapses = network.populations[index].model.synapses
        n_ex = sum(drive.receptor == "excitatory" for drive, _ in found)
        first[index] = place, place + n_ex, place + len(found)
        for drive, _ in found:
            weights[place] = signed(drive.weight, drive.receptor, synapses)
            place += 1
    streams = aligned(64 * (layout.n_all >> STRETCH), np.uint32)
    for population, offset, padded in zip(network.populations, layout.offsets, layout.padded, strict=True):
        n_words = 64 * (padded >> STRETCH)
        digest = hashlib.shake_256(f"{seed} drive of {population.name}".encode()).digest(4 * n_words)
        first_word = 64 * (offset >> STRETCH)
        streams[first_word : first_word + n_words] = np.frombuffer(digest, dtype="<u4")
    steps, neurons, begins, ends = _events(network, simulation)
    return Drives(
        streams,
        first.ravel(),
        aligned(32 * max(1, n_draws), np.uint32),
        weights,
        np.zeros(n_populations, dtype=np.int64),
        aligned(layout.n_all, np.uint32),
        ends,
        begins,
        steps,
        neurons,
    )


def _draws(network: Network, dt: float) -> list[list[tuple[PoissonDrive, int]]]:
    """For each population, for each draw of a step the drive it is of and in how many draws that is cut."""
    found = []
    for population in network.populations:
        drives = [i for i in network.inputs if isinstance(i, PoissonDrive) and i.target == population.name]
        draws = []
        for receptor in SUFFIXES:
            for drive in drives:
                if drive.receptor == receptor:
                    values = drive.rate.values if isinstance(drive.rate, PiecewiseConstant) else (drive.rate,)
                    count = max(1, math.ceil(max(values) * dt * 1e-3 / MEAN_COUNT))
                    draws += [(drive, count)] * count
        found.append(draws)
    return found


@lru_cache(maxsize=1024)
def _alias_table(mean: float) -> NDArray[np.uint32]:
    """Table that makes Poisson counts of random words (Walker's alias method): 16 limits, then 16 other counts."""
    terms = [math.exp(-mean)]
    for count in range(1, 16):
        terms.append(terms[-1] * mean / count)
    terms[-1] += max(0.0, 1.0 - math.fsum(terms))
    shares = [16.0 * term for term in terms]
    limits, others = [1.0] * 16, list(range(16))
    small = [k for k in range(16) if shares[k] < 1.0]
    large = [k for k in range(16) if shares[k] >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        limits[low], others[low] = shares[low], high
        shares[high] -= 1.0 - shares[low]
        if shares[high] < 1.0:
            small.append(large.pop())
    return np.array([round(limit * 2**28) for limit in limits] + others, dtype=np.uint32)


def _events(
    network: Network, simulation: Simulation
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Given spikes of all populations by step: steps from the start of the warm-up, neurons, and each one's range."""
    all_steps, all_neurons, begins, ends = [], [], [], []
    total = simulation.warmup_steps + simulation.n_steps
    place = 0
    for population in network.populations:
        given = [i for i in network.inputs if isinstance(i, SpikeEvents) and i.target == population.name]
        times = np.concatenate([np.zeros(0), *(i.times for i in given)])
        neurons = np.concatenate([np.zeros(0, dtype=np.int64), *(i.neurons for i in given)])
        # a spike at the end of step k, counted from 0, is at step k + 1 of the recording
        steps = np.rint(times / simulation.dt).astype(np.int64) - 1 + simulation.warmup_steps
        inside = (steps >= 0) & (steps < total)
        pairs = np.unique(np.stack([steps[inside], neurons[inside]], axis=1), axis=0)
        all_steps.append(pairs[:, 0])
        all_neurons.append(pairs[:, 1])
        begins.append(place)
        place += len(pairs)
        ends.append(place)
    return (
        np.ascontiguousarray(np.concatenate([*all_steps, np.zeros(1, dtype=np.int64)])),
        np.ascontiguousarray(np.concatenate([*all_neurons, np.zeros(1, dtype=np.int64)])),
        np.array(begins, dtype=np.int64),
        np.array(ends, dtype=np.int64),
    )


def _thresholds(population: Population, seed: int, step: int, dt: float) -> NDArray[np.uint32]:
    """Words below which sources fire, shape () or (size,)."""
    values = drawn_values(population, seed)
    given, time = population.parameters["rate"], (step + 1e-6) * dt
    rate = np.asarray(given.at(time) if isinstance(given, PiecewiseConstant) else values["rate"])
    on = (np.asarray(values["start"]) <= time) & (time < np.asarray(values["stop"]))
    probability = np.where(on, -np.expm1(-rate * dt * 1e-3), 0.0)
    return np.minimum(np.rint(probability * 2.0**32), 2.0**32 - 1.0).astype(np.uint32)


def _weight(network: Network, name: str) -> float:
    projection = network.projections_by_name[name]
    assert isinstance(projection.weight, (int, float))
    return float(signed(float(projection.weight), projection.receptor, network[projection.target].model.synapses))


def _scale(network: Network, name: str) -> float:
    projection = network.projections_by_name[name]
    if isinstance(projection.rule, ConnectionList) and projection.rule.weights is not None:
        return 1.0
    if projection.drawn_weight is not None:
        if projection.receptor == "excitatory" and projection.weight_scale < 0.0:
            raise ValueError(f"projection {name}: an excitatory weight is negative: scale {projection.weight_scale:g}")
        return abs(projection.weight_scale)
    return _weight(network, name)
