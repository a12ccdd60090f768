"""From a sweep to its points: the product of the axes times the replicates, each point with its identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from gridsearch.axes import combinations
from gridsearch.input_files import InputError, Problem
from gridsearch.network_checks import MAX_PROBLEMS, measured_populations, target_problems
from gridsearch.sweep import Sweep
from simulators.models import find_model
from simulators.network import Network, ParameterError, structure_of
from simulators.parameters import split_key, with_overrides
from simulators.records import Point


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
    networks : tuple of Network, shape (n_structures,)
        A network of each structure.
    populations : tuple of str
        Populations that get statistics.
    """

    parameters: dict[str, Any]
    points: tuple[Point, ...]
    structures: tuple[int, ...]
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
    networks: list[Network] = []
    index_of: dict[object, int] = {}
    problems: dict[str, Problem] = {}
    for swept in combinations(sweep.axes):
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
            points.append(identity.point(encoded, seed, swept))
            structures.append(index)
    found = list(problems.values())
    populations: tuple[str, ...] = ()
    if networks:
        populations = measured_populations(networks[0])
        found += target_problems(sweep.path, sweep.targets, sweep.statistics, populations)
    if found:
        raise InputError(found)
    return Grid(parameters, tuple(points), tuple(structures), tuple(networks), populations)


class _Identity:
    """Hashes everything a point's result depends on but the simulator.

    A point is known by its resolved parameters, not by which of them were swept: the same point of another sweep has
    the same identity.
    """

    def __init__(self, sweep: Sweep, parameters: dict[str, Any]) -> None:
        rest = {
            "model": sweep.model,
            "draws": sweep.draws,
            "simulation": asdict(sweep.simulation),
            "statistics": sorted(sweep.statistics),
            "statistics_settings": dict(sorted(sweep.statistics_settings.items())),
            "spikes": sweep.spikes,
        }
        self._per_point = sweep.draws == "per_point"
        self._base = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
        names = sorted(parameters)
        self._parts = [json.dumps([name, parameters[name]]) for name in names]
        keys_of: dict[str, list[str]] = {}
        for axis in sweep.axes:
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

    def point(self, encoded: bytes, seed: int, swept: dict[str, Any]) -> Point:
        """Make the point of a grid point and a seed."""
        digest = self._base.copy()
        digest.update(encoded)
        digest.update(f"|{seed}".encode())
        point_id = digest.hexdigest()[:20]
        network_seed = int(point_id[:8], 16) & 0x7FFFFFFF if self._per_point else seed
        return Point(point_id, seed, network_seed, swept)
