"""From a sweep to its points: the product of the axes times the replicates, each point with its identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from gridsearch.axes import combinations, network_part
from gridsearch.input_files import InputError, Problem
from gridsearch.network_checks import MAX_PROBLEMS, column_problems, measured_populations
from gridsearch.parameters import DURATION
from gridsearch.sweep import Sweep
from simulators.description.network import Network, ParameterError, structure_of
from simulators.description.parameters import split_key, with_overrides
from simulators.models import find_model
from simulators.records.job import Point


@dataclass(frozen=True)
class Grid:
    """The points of a sweep.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter with the sweep's fixed values, before what a point sweeps.
    points : tuple of Point
        In the order of the axes, the last one fastest, and of the seeds within a grid point.
    structures : tuple of int, shape (n_points,)
        Which structure each point has.
    durations : tuple of float, shape (n_points,)
        ms, how long each point is recorded.
    networks : tuple of Network, shape (n_structures,)
        A network of each structure.
    populations : tuple of str
        Populations that get statistics.
    """

    parameters: dict[str, Any]
    points: tuple[Point, ...]
    structures: tuple[int, ...]
    durations: tuple[float, ...]
    networks: tuple[Network, ...]
    populations: tuple[str, ...]


def expand(sweep: Sweep) -> Grid:
    """Expand a sweep into its points and describe the network of each.

    Raises
    ------
    InputError
        If a combination of values makes no network (sizes that are not divisible, say), or a target is not a
        column.
    """
    parameters = with_overrides(sweep.defaults.values_by_name(), sweep.parameters)
    make_network = find_model(sweep.model)
    identity = _Identity(sweep, parameters)
    points: list[Point] = []
    structures: list[int] = []
    durations: list[float] = []
    networks: list[Network] = []
    index_of: dict[object, int] = {}
    problems: dict[str, Problem] = {}
    for combination in combinations(sweep.axes):
        swept = network_part(combination)
        duration = combination.get(DURATION.name, sweep.simulation.duration)
        resolved = with_overrides(parameters, swept)
        try:
            network = make_network(resolved)
        except ParameterError as error:
            if len(problems) < MAX_PROBLEMS:
                problems.setdefault(error.rule, sweep.space.problem(error.keys, error.rule))
            continue
        index = index_of.setdefault(structure_of(network), len(networks))
        if index == len(networks):
            networks.append(network)
        encoded = identity.of(resolved, swept)
        for seed in sweep.seeds:
            points.append(identity.point(encoded, seed, swept, duration))
            structures.append(index)
            durations.append(duration)
    found = list(problems.values())
    populations: tuple[str, ...] = ()
    if networks:
        populations = measured_populations(networks[0])
        found += column_problems(sweep.path, sweep.targets, sweep.statistics, populations, sweep.windows)
    if found:
        raise InputError(found)
    return Grid(parameters, tuple(points), tuple(structures), tuple(durations), tuple(networks), populations)


class _Identity:
    """Hashes everything a point's result depends on but the simulator.

    A point is known by its resolved parameters, not by which of them were swept: the same point of another sweep has
    the same identity.
    """

    def __init__(self, sweep: Sweep, parameters: dict[str, Any]) -> None:
        self._sweep = sweep
        self._bases: dict[float, Any] = {}
        names = sorted(parameters)
        self._parts = [json.dumps([name, parameters[name]]) for name in names]
        keys_of: dict[str, list[str]] = {}
        for axis in sweep.axes:
            if axis.key == DURATION.name:
                continue
            keys_of.setdefault(split_key(axis.key)[0], []).append(axis.key)
        self._swept = [(names.index(name), name, keys) for name, keys in keys_of.items()]
        self._seen: dict[tuple[Any, ...], str] = {}

    def of(self, resolved: dict[str, Any], swept: dict[str, Any]) -> bytes:
        """Encode the resolved parameters of a point; every value of an axis is encoded once."""
        parts = self._parts.copy()
        for position, name, keys in self._swept:
            seen = (name, *(swept[key] for key in keys))
            text = self._seen.get(seen)
            if text is None:
                text = self._seen[seen] = json.dumps([name, resolved[name]])
            parts[position] = text
        return ",".join(parts).encode()

    def point(self, encoded: bytes, seed: int, swept: dict[str, Any], duration: float) -> Point:
        """Make the point of a grid point and a seed."""
        digest = self._base(duration).copy()
        digest.update(encoded)
        digest.update(f"|{seed}".encode())
        point_id = digest.hexdigest()[:20]
        network_seed = int(point_id[:8], 16) & 0x7FFFFFFF if self._sweep.draws == "per_point" else seed
        return Point(point_id, seed, network_seed, swept)

    def _base(self, duration: float) -> Any:
        """Hash what all points of a duration have in common; they are the points of a sweep of that duration alone."""
        if duration not in self._bases:
            sweep = self._sweep
            rest = {
                "model": sweep.model,
                "draws": sweep.draws,
                "simulation": asdict(replace(sweep.simulation, duration=duration)),
                "statistics": sorted(sweep.computed),
                "statistics_settings": dict(sorted(sweep.statistics_settings.items())),
                "spikes": sweep.spikes,
            }
            if sweep.windows:
                rest["windows"] = {name: asdict(window) for name, window in sweep.windows.items()}
            self._bases[duration] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
        return self._bases[duration]
