"""Populations: groups of neurons, or of spike sources, of one model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from simulators.description.distributions import Distribution, draw_values
from simulators.description.errors import NetworkError, ParameterError
from simulators.description.inputs import PiecewiseConstant
from simulators.neurons import find_neuron_model
from simulators.neurons.neuron_model import NeuronModel, Values


@dataclass(frozen=True, slots=True)
class Population:
    """A group of neurons (or spike sources) of one model.

    Parameters
    ----------
    name : str
        Short name; statistics carry it as a suffix (``rate_E``).
    size : int
        Number of neurons.
    neuron : str or NeuronModel
        A name from `simulators.neurons`, or a model of one's own.
    parameters : mapping of str to float, Distribution or PiecewiseConstant
        Values in the units of the neuron model; a distribution gives every neuron its own value. Only the rate of
        Poisson sources may change in time.
    initial : mapping of str to float or Distribution
        State at the start of the warm-up; a state that is not given starts from the model's default.
    n_clusters : int
        Number of equal, contiguous clusters; neuron ``k`` is in cluster ``k * n_clusters // size``.

    Raises
    ------
    NetworkError
        If the neuron model is not known or does not have, or lacks, a parameter or state.
    ParameterError
        If the population is empty or cannot be cut into equal clusters.
    """

    name: str
    size: int
    neuron: str | NeuronModel
    parameters: Mapping[str, float | Distribution | PiecewiseConstant] = field(default_factory=dict)
    initial: Mapping[str, float | Distribution] = field(default_factory=dict)
    n_clusters: int = 1

    def __post_init__(self) -> None:
        if self.size < 1 or self.n_clusters < 1 or self.size % self.n_clusters:
            raise ParameterError(
                (f"N_{self.name}",),
                f"{self.size} neurons cannot be divided into {self.n_clusters} equal clusters",
            )
        try:
            model = self.model
        except LookupError as error:
            raise NetworkError(f"population {self.name}: {error}") from error
        problem = _names_problem(model, tuple(self.parameters), tuple(self.initial))
        if problem:
            raise NetworkError(f"population {self.name}: {problem}")
        for name, value in self.parameters.items():
            if isinstance(value, PiecewiseConstant) and (model.source, name) != ("poisson", "rate"):
                raise NetworkError(
                    f"population {self.name}: only the rate of Poisson sources changes in time, not {name}"
                )

    @property
    def model(self) -> NeuronModel:
        """The neuron model."""
        return find_neuron_model(self.neuron) if isinstance(self.neuron, str) else self.neuron

    @property
    def is_source(self) -> bool:
        """Whether it only emits spikes: it takes no input and has no statistics."""
        return self.model.source is not None

    @property
    def cluster_size(self) -> int:
        """Neurons per cluster."""
        return self.size // self.n_clusters


@lru_cache(maxsize=1024)
def _names_problem(model: NeuronModel, parameters: tuple[str, ...], states: tuple[str, ...]) -> str:
    """Say which names a model does not have, or lacks; empty if all is well. The points of a grid ask alike."""
    for what, given, known in (("parameter", parameters, model.parameters), ("state", states, model.states)):
        if not set(given) <= known.keys():
            unknown = ", ".join(sorted(set(given) - known.keys()))
            there = ", ".join(known) or "none"
            return f"{model.name} has no {what} {unknown}; there are: {there}"
    missing = [name for name, one in model.parameters.items() if one.default is None and name not in parameters]
    return f"{model.name} needs {', '.join(missing)}" if missing else ""


def drawn_values(population: Population, seed: int) -> dict[str, Values]:
    """Return every parameter and state of a population, distributions drawn and defaults filled in.

    Parameters
    ----------
    population : Population
        The population.
    seed : int
        Seed of the network draw.

    Returns
    -------
    dict of str to float or ndarray of float64, shape (size,)
        By the names of the neuron model; the same on every simulator. A rate that changes in time is left out.
    """
    values: dict[str, Values] = {}
    changing = []
    for name, value in {**population.parameters, **population.initial}.items():
        if isinstance(value, PiecewiseConstant):
            changing.append(name)
            values[name] = math.nan
        else:
            values[name] = draw_values(value, population.size, seed, population.name, name)
    completed = population.model.complete(values)
    for name in changing:
        del completed[name]
    return completed
