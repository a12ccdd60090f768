"""Populations: groups of neurons, or of spike sources, of one model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from simulators.description.distributions import Distribution, draw_values
from simulators.description.errors import NetworkError, ParameterError
from simulators.description.inputs import PiecewiseConstant
from simulators.neurons import find_neuron_model
from simulators.neurons.neuron_model import NeuronModel, Values

_NAME = re.compile(r"\w[\w.+-]{0,99}")
_NUMBERS = (float, int, np.number)
_LARGEST = 2**31  # neurons of a population; simulators number them in 32 bits


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
        If the name cannot be part of a column's, or the neuron model is not known or does not have, or lacks, a
        parameter or state, or a value is neither a number nor a distribution.
    ParameterError
        If the population is empty or too large, or cannot be cut into equal clusters.
    """

    name: str
    size: int
    neuron: str | NeuronModel
    parameters: Mapping[str, float | Distribution | PiecewiseConstant] = field(default_factory=dict)
    initial: Mapping[str, float | Distribution] = field(default_factory=dict)
    n_clusters: int = 1

    def __post_init__(self) -> None:
        if wrong := _name_problem(self.name):
            raise NetworkError(wrong)
        for what in (self.size, self.n_clusters):
            if not isinstance(what, (int, np.integer)) or isinstance(what, bool) or what >= _LARGEST:
                rule = f"must have a whole number of neurons and of clusters below {_LARGEST:,}, not {what!r:.40}"
                raise ParameterError((f"N_{self.name}",), f"population {self.name} {rule}")
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
        if not _are_values(tuple(map(type, self.parameters.values())), tuple(map(type, self.initial.values()))):
            self._check_values(model)

    def _check_values(self, model: NeuronModel) -> None:
        for name, value in self.parameters.items():
            if isinstance(value, PiecewiseConstant):
                if (model.source, name) != ("poisson", "rate"):
                    raise NetworkError(
                        f"population {self.name}: only the rate of Poisson sources changes in time, not {name}"
                    )
            elif not _is_value(value):
                raise NetworkError(_value_problem(self.name, name, value))
        for name, value in self.initial.items():
            if not _is_value(value):
                raise NetworkError(_value_problem(self.name, name, value))

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


@lru_cache(maxsize=4096)
def _name_problem(name: object) -> str:
    """Say why a population cannot be called that: columns and figures are named after it. Empty if it can."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return ""
    return f"population {name!r:.40}: its name must be up to 100 letters, digits, '_', '.', '+' and '-', no mark first"


def _is_value(value: object) -> bool:
    return isinstance(value, _NUMBERS) or hasattr(value, "draw")


@lru_cache(maxsize=1024)
def _are_values(*types: tuple[type, ...]) -> bool:
    """Whether all values of some types are numbers or distributions. The points of a grid ask alike."""
    return all(issubclass(kind, _NUMBERS) or hasattr(kind, "draw") for kinds in types for kind in kinds)


def _value_problem(population: str, name: str, value: object) -> str:
    return f"population {population}: {name} must be a number or a distribution, not {type(value).__name__}"


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
