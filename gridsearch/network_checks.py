"""What only the networks of a grid can tell: combinations of values that make none, and columns that will not be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridsearch.axes import Axis, combinations, network_part
from gridsearch.input_files import Problem, choices
from gridsearch.parameters import Defaults
from simulators.description import Network, ParameterError
from simulators.description.parameters import split_key, with_overrides
from simulators.models import find_model
from simulators.statistics import columns

# Problems of single points that are told apart by their text; more would bury the first ones.
MAX_PROBLEMS = 10


@dataclass(frozen=True)
class ParameterSpace:
    """Which networks a sweep asks for.

    Parameters
    ----------
    path : Path
        The sweep's file.
    model : str
        The model.
    defaults : Defaults
        Its parameters.
    parameters : mapping of str to value
        Fixed values.
    axes : tuple of Axis
        What varies.
    """

    path: Path
    model: str
    defaults: Defaults
    parameters: Mapping[str, Any]
    axes: tuple[Axis, ...]

    def problem(self, names: Sequence[str], rule: str) -> Problem:
        """Say that some parameters break a rule together: the first that the sweep gives, or else the defaults."""
        for axis in self.axes:
            if split_key(axis.key)[0] in names:
                return Problem(self.path, f"axes.{axis.key}", None, rule)
        for given, value in self.parameters.items():
            if split_key(given)[0] in names:
                return Problem(self.path, f"parameters.{given}", value, rule)
        return Problem(self.defaults.path, f"parameters.{names[0]}", self.defaults[names[0]].value, rule)


def network_problems(space: ParameterSpace) -> tuple[list[Problem], tuple[str, ...]]:
    """Describe every network, and return what is wrong and the populations of the first that can be described."""
    make_network = find_model(space.model)
    base = with_overrides(space.defaults.values_by_name(), space.parameters)
    problems: dict[str, Problem] = {}
    populations: tuple[str, ...] = ()
    for swept in combinations(space.axes):
        try:
            network = make_network(with_overrides(base, network_part(swept)))
        except ParameterError as error:
            problems.setdefault(error.rule, space.problem(error.keys, error.rule))
            if len(problems) == MAX_PROBLEMS:
                break
        else:
            populations = populations or measured_populations(network)
    return list(problems.values()), populations


def measured_populations(network: Network) -> tuple[str, ...]:
    """Names of the populations of a network that get statistics."""
    return tuple(population.name for population in network.populations if not population.is_source)


def target_problems(
    path: Path, targets: Iterable[str], statistics: Sequence[str], populations: Sequence[str]
) -> list[Problem]:
    """Check that every target is a column a sweep will have."""
    valid = columns(statistics, populations)
    return [
        Problem(path, f"targets.{column}", None, f"no such column with these statistics; {choices(valid, column)}")
        for column in targets
        if column not in valid
    ]
