"""From a sweep to its points: the product of the axes times the replicates, each point with its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable
from dataclasses import asdict, dataclass, replace
from typing import Any

from gridsearch.inputs.input_files import InputError, Problem
from gridsearch.sweeps.axes import combinations, network_part, simulation_part
from gridsearch.sweeps.network_checks import MAX_PROBLEMS, column_problems, measured_populations
from gridsearch.sweeps.sweep import Sweep
from simulators.backends.simulator import SimulatorModule, find_simulator
from simulators.description import Network
from simulators.description.parameters import split_key, with_overrides
from simulators.records.job import Point, Simulation


@dataclass(frozen=True)
class Grid:
    """The points of a sweep.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter with the sweep's fixed values, before what a point sweeps.
    points : tuple of Point
        In the order of the axes, the last one fastest, and of the seeds within a grid point.
    structures : mapping of str to tuple of int, shape (n_points,)
        Which structure each point has on each simulator: simulators differ in what a build serves.
    simulations : tuple of Simulation, shape (n_points,)
        How each point is simulated.
    networks : mapping of str to tuple of Network, shape (n_structures,)
        A network of each structure of a simulator.
    populations : tuple of str
        Populations that get statistics.
    content : mapping of str to str
        Hashes of what the networks are made of (see `gridsearch.inputs.guest_files.GuestFiles.content`).
    """

    parameters: dict[str, Any]
    points: tuple[Point, ...]
    structures: dict[str, tuple[int, ...]]
    simulations: tuple[Simulation, ...]
    networks: dict[str, tuple[Network, ...]]
    populations: tuple[str, ...]
    content: dict[str, str]


def expand(sweep: Sweep) -> Grid:
    """Expand a sweep into its points and describe the network of each.

    Raises
    ------
    InputError
        If a combination of values makes no network (sizes that are not divisible, say), or a target is not a
        column.
    """
    parameters = with_overrides(sweep.defaults.values_by_name(), sweep.parameters)
    make_network = sweep.guests.make_network
    identity = _Identity(sweep, parameters)
    settings: list[_Setting] = []
    simulations: list[Simulation] = []
    structures = {name: _Structures(find_simulator(name)) for name in sweep.simulators}
    first: Network | None = None
    problems: dict[str, Problem] = {}
    for combination in combinations(sweep.axes):
        swept = network_part(combination)
        simulation = (
            replace(sweep.simulation, **simulation_part(combination)) if swept != combination else sweep.simulation
        )
        resolved = with_overrides(parameters, swept)
        try:
            network = make_network(resolved)
        except Exception as error:  # a model may raise anything
            problem = sweep.space.complaint(error)
            problems.setdefault(problem.rule, problem)
            if len(problems) == MAX_PROBLEMS:
                break
            continue
        first = first or network
        for own in structures.values():
            own.add(network, len(sweep.seeds))
        encoded = identity.of(resolved, swept)
        for seed in sweep.seeds:
            settings.append(identity.setting(encoded, seed, swept, simulation))
            simulations.append(simulation)
    found = list(problems.values())
    populations: tuple[str, ...] = ()
    if first is not None:
        populations = measured_populations(first)
        statistics = sweep.guests.found_statistics
        found += column_problems(sweep.path, sweep.targets, statistics, populations, sweep.windows)
    if found:
        raise InputError(found)
    networks = [network for own in structures.values() for network in own.networks]
    content = sweep.guests.content(networks)
    made_of = json.dumps(content, sort_keys=True).encode()
    return Grid(
        parameters,
        tuple(setting.point(made_of, sweep.draws) for setting in settings),
        {name: tuple(own.indices) for name, own in structures.items()},
        tuple(simulations),
        {name: tuple(own.networks) for name, own in structures.items()},
        populations,
        content,
    )


class _Structures:
    """Numbers the structures that a simulator tells apart, as points come."""

    def __init__(self, simulator: SimulatorModule) -> None:
        self._simulator = simulator
        self._index_of: dict[Hashable, int] = {}
        self.indices: list[int] = []
        self.networks: list[Network] = []

    def add(self, network: Network, n_points: int) -> None:
        """Add points of one network."""
        index = self._index_of.setdefault(self._simulator.structure(network), len(self.networks))
        if index == len(self.networks):
            self.networks.append(network)
        self.indices += [index] * n_points


@dataclass(frozen=True, slots=True)
class _Setting:
    """What is asked for at a point: everything but what the model and its data hold."""

    setting_id: str
    seed: int
    swept: dict[str, Any]

    def point(self, content: bytes, draws: str) -> Point:
        """Make the point that a setting is with a model and data of that content."""
        point_id = hashlib.sha256(content + self.setting_id.encode()).hexdigest()[:20]
        network_seed = int(self.setting_id[:8], 16) & 0x7FFFFFFF if draws == "per_point" else self.seed
        return Point(point_id, self.seed, network_seed, self.swept, self.setting_id)


class _Identity:
    """Hashes everything a point's result depends on but model, data and simulator.

    A point is known by its resolved parameters, not by which of them were swept: the same point of another sweep has
    the same identity. What a sweep asks to be measured and kept does not count.
    """

    def __init__(self, sweep: Sweep, parameters: dict[str, Any]) -> None:
        self._sweep = sweep
        self._bases: dict[Simulation, Any] = {}
        names = sorted(parameters)
        self._parts = [json.dumps([name, parameters[name]]) for name in names]
        keys_of: dict[str, list[str]] = {}
        for axis in sweep.axes:
            if axis.of_network:
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

    def setting(self, encoded: bytes, seed: int, swept: dict[str, Any], simulation: Simulation) -> _Setting:
        """Make the setting of a grid point and a seed."""
        digest = self._base(simulation).copy()
        digest.update(encoded)
        digest.update(f"|{seed}".encode())
        return _Setting(digest.hexdigest()[:20], seed, swept)

    def _base(self, simulation: Simulation) -> Any:
        """Hash what all points that are simulated alike have in common."""
        if simulation not in self._bases:
            rest = {"draws": self._sweep.draws, "simulation": asdict(simulation)}
            self._bases[simulation] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
        return self._bases[simulation]
