"""What only the networks of a grid can tell: combinations of values that make none, and columns that will not be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridsearch.inputs.guest_files import GuestFiles
from gridsearch.inputs.input_files import Problem
from gridsearch.inputs.parameters import Defaults
from gridsearch.sweeps.axes import Axis, combinations, network_part
from gridsearch.sweeps.record_windows import shift_problems
from simulators import models
from simulators.description import Network, ParameterError
from simulators.description.parameters import split_key, with_overrides
from simulators.guests.loading import explained
from simulators.statistics import Column, Statistic, Window, columns, with_always

# Problems of single points that are told apart by their text; more would bury the first ones.
MAX_PROBLEMS = 10
SHOWN_COLUMNS = 10


@dataclass(frozen=True)
class ParameterSpace:
    """Which networks a sweep asks for.

    Parameters
    ----------
    path : Path
        The sweep's file.
    guests : GuestFiles
        The model, and the data it reads.
    defaults : Defaults
        Its parameters.
    parameters : mapping of str to value
        Fixed values.
    axes : tuple of Axis
        What varies.
    """

    path: Path
    guests: GuestFiles
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
        known = [name for name in names if name in self.defaults]
        if not known:
            return Problem(self.path, "model", self.guests.model, rule)
        return Problem(self.defaults.path, f"parameters.{known[0]}", self.defaults[known[0]].value, rule)

    def complaint(self, error: Exception) -> Problem:
        """Say why a model makes no network of some parameters."""
        if isinstance(error, ParameterError):
            return self.problem(error.keys, error.rule)
        where = models.model_file(self.guests.model, self.guests.folder)
        return Problem(self.path, "model", self.guests.model, explained(error, where))


def network_problems(space: ParameterSpace) -> tuple[list[Problem], tuple[str, ...]]:
    """Describe every network, and return what is wrong and the populations of the first that can be described."""
    make_network = space.guests.make_network
    base = with_overrides(space.defaults.values_by_name(), space.parameters)
    problems: dict[str, Problem] = {}
    populations: tuple[str, ...] = ()
    for swept in combinations(space.axes):
        try:
            network = make_network(with_overrides(base, network_part(swept)))
        except Exception as error:  # a model may raise anything
            problem = space.complaint(error)
            problems.setdefault(problem.rule, problem)
            if len(problems) == MAX_PROBLEMS:
                break
        else:
            populations = populations or measured_populations(network)
    return list(problems.values()), populations


def measured_populations(network: Network) -> tuple[str, ...]:
    """Names of the populations of a network that get statistics."""
    return tuple(population.name for population in network.populations if not population.is_source)


def column_problems(
    path: Path,
    targets: Iterable[str],
    statistics: Sequence[str | Statistic],
    populations: Sequence[str],
    windows: Mapping[str, Window],
) -> list[Problem]:
    """Check that every target is a column a sweep will have, and that shifted windows are those of its populations."""
    if not populations:
        return [Problem(path, "model", None, "its network has no population of neurons, so nothing to measure")]
    problems = shift_problems(path, windows, populations)
    try:
        known = columns(with_always(statistics), populations, windows)
    except ValueError as error:
        return [*problems, Problem(path, "record.windows", list(windows), str(error))]
    valid = [name for name, column in known.items() if not column.is_list]
    problems += [
        Problem(path, f"targets.{column}", None, _rule(column, known, valid))
        for column in targets
        if column not in valid
    ]
    return problems


def _rule(column: str, known: Mapping[str, Column], valid: Sequence[str]) -> str:
    """Say what is wrong with a target; of hundreds of columns only some, the nearest first."""
    if column in known:
        return "holds a list, a number for each bin; targets are on columns of numbers"
    near = difflib.get_close_matches(column, valid, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    shown = [name for name in valid if not name.startswith("n_")][:SHOWN_COLUMNS]
    return f"no such column; {hint}valid: {', '.join(shown)} and {len(valid) - len(shown)} more"
