"""What a point sets on a built network: constants and states of neurons, weights, and inputs that change with time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.neuron_code import DRIFT, Spread
from simulators.backends.genn_simulator.generated_code.poisson_code import draws_needed
from simulators.backends.genn_simulator.generated_code.random_code import RANDOM_STATE
from simulators.backends.genn_simulator.points.input_values import (
    change_steps,
    drive_values,
    given_events,
    source_limits_at,
    step_current,
)
from simulators.backends.genn_simulator.problems import value_problems
from simulators.backends.genn_simulator.structure.delays import has_own_weights
from simulators.backends.genn_simulator.structure.layout import drives_of
from simulators.backends.genn_simulator.values import (
    generator_states,
    neuron_constants,
    signed_weight,
    start_states,
)
from simulators.description.inputs import PoissonDrive, StepCurrent
from simulators.description.network import Network
from simulators.description.population import Population, drawn_values
from simulators.description.projection import ConnectionList, Projection
from simulators.neurons.neuron_model import Values

_BEFORE_ALL = -(2**40)


@dataclass(frozen=True)
class Point:
    """A network's values, ready to be set.

    Parameters
    ----------
    network : Network
        The network.
    seed : int
        Seed of all that is drawn.
    dt : float
        ms.

    Raises
    ------
    ValueError
        If a value cannot be set.
    """

    network: Network
    seed: int
    dt: float
    _values: Mapping[str, Mapping[str, Values]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = value_problems(self.network, self.dt)
        if problems:
            raise ValueError("; ".join(problems))
        neurons = [population for population in self.network.populations if not population.is_source]
        object.__setattr__(self, "_values", {p.name: drawn_values(p, self.seed) for p in neurons})
        # whatever cannot be set shows now, not in mid-run
        assert self.spread in Spread
        assert self.n_draws >= 0
        for population in self.network.populations:
            self.start(population)
        for step in (_BEFORE_ALL, *self.changes):
            self.drifts_at(step)
            self.sources_at(step)

    @cached_property
    def constants(self) -> dict[str, dict[str, Values]]:
        """Constants of the neurons of each population, without step currents."""
        populations = self.network.by_name
        return {
            name: neuron_constants(populations[name].model, values, self.dt) for name, values in self._values.items()
        }

    @cached_property
    def spread(self) -> Spread:
        """Which constants differ between neurons: it depends on the point alone."""
        found = Spread.NONE
        for constants in self.constants.values():
            for name, value in constants.items():
                if np.ndim(value):
                    found = max(found, Spread.DRIFT if name == DRIFT else Spread.ALL)
        for given in self._step_currents:
            population = self.network[given.target]
            if len(given.driven(population.size, population.n_clusters)) < population.size:
                found = max(found, Spread.DRIFT)
        return found

    @cached_property
    def n_draws(self) -> int:
        """Limits that code which draws its Poisson drives must compare with; 0 without any."""
        steps = (_BEFORE_ALL, *self.changes)
        sizes = [len(limits) - 1 for step in steps for found in self.drives_at(step).values() for limits, _ in found]
        return draws_needed(max(sizes)) if sizes else 0

    @cached_property
    def changes(self) -> list[int]:
        """Steps, counted from the end of the warm-up, at which an input or source changes."""
        return change_steps(self.network, self.dt)

    @cached_property
    def scales(self) -> dict[str, float]:
        """What multiplies the weights of each projection, with its sign."""
        return {projection.name: self._scale(projection) for projection in self.network.projections}

    @cached_property
    def events(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Steps and neurons of given spikes, by population."""
        found: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        for name, steps, neurons in given_events(self.network, self.dt):
            before = found.get(name, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
            found[name] = np.concatenate([before[0], steps]), np.concatenate([before[1], neurons])
        return found

    def start(self, population: Population) -> dict[str, Values | NDArray[np.uint32]]:
        """Return the variables of a population at the start by name, constants and inputs left out."""
        model, found = population.model, dict[str, Values | NDArray[np.uint32]]()
        if model.source == "poisson":
            words = generator_states(self.seed, population.size, population.name, "source")
            found |= dict(zip(RANDOM_STATE, words, strict=True))
        if model.step is not None:
            constants = self.constants[population.name]
            found |= start_states(model, self._values[population.name], constants)
            found["threshold"] = constants[model.step.threshold]
            for k, drive in enumerate(self._drives.get(population.name, ())):
                words = generator_states(self.seed, population.size, drive.name, "drive")
                found |= {f"{name}_{k}": word for name, word in zip(RANDOM_STATE, words, strict=True)}
        return found

    def drifts_at(self, step: int) -> dict[str, Values]:
        """Drift at a step of the populations that step currents reach."""
        currents: dict[str, Values] = {}
        for given in self._step_currents:
            current = step_current(given, self.network[given.target], step, self.dt)
            currents[given.target] = currents.get(given.target, 0.0) + current
        found = {}
        for name, current in currents.items():
            values = self._values[name]
            driven = {**values, "I_e": values["I_e"] + current}
            found[name] = neuron_constants(self.network[name].model, driven, self.dt)[DRIFT]
        return found

    def sources_at(self, step: int) -> dict[str, NDArray[np.int64]]:
        """Limits of the draws with which the Poisson sources of each population fire in a step."""
        sources = [population for population in self.network.populations if population.model.source == "poisson"]
        return {p.name: source_limits_at(p, self.seed, step, self.dt) for p in sources}

    def drives_at(self, step: int) -> dict[str, list[tuple[NDArray[np.int64], float]]]:
        """Limits and weight of each Poisson drive at a step, by population."""
        populations = self.network.by_name
        return {
            name: [drive_values(drive, populations[name].model, step, self.dt) for drive in drives]
            for name, drives in self._drives.items()
        }

    @cached_property
    def _drives(self) -> dict[str, tuple[PoissonDrive, ...]]:
        return drives_of(self.network)

    @cached_property
    def _step_currents(self) -> list[StepCurrent]:
        return [given for given in self.network.inputs if isinstance(given, StepCurrent)]

    def _scale(self, projection: Projection) -> float:
        listed = isinstance(projection.rule, ConnectionList) and has_own_weights(projection)
        scale = 1.0 if listed else projection.weight_scale
        return float(signed_weight(scale, projection.receptor, self.network[projection.target].model))
