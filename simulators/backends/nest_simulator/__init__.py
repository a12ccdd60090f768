"""NEST: what the planner asks of it, and how the worker opens it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from simulators.backends.nest_simulator.costs import estimate_cost
from simulators.backends.nest_simulator.generators import has_own_rates
from simulators.backends.nest_simulator.kernel import NestSimulator
from simulators.backends.nest_simulator.problems import network_problems
from simulators.backends.simulator import (
    Cost,
    Setting,
    SimulatorUnavailableError,
    import_problem,
)
from simulators.description.network import Network, structure_of
from simulators.records.job import Simulation
from simulators.records.machine import n_cores

SETTINGS: Mapping[str, Setting] = {
    "threads": Setting(1, "threads of a NEST process; part of a result's identity, as NEST's draws depend on it", 1),
}
PACKAGES: tuple[str, ...] = ("nest-simulator",)
IMAGE: str | None = "gridsearch-nest:3.10.0"
SUGGESTED: Mapping[str, Any] | None = {}


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings a NEST result depends on: the number of threads."""
    return {"threads": settings["threads"]}


def structure(network: Network) -> Hashable:
    """Return what networks share that share a build.

    Weights that were drawn are stored with their scale, and Poisson sources of one rate share a generator.
    """
    scales = tuple(p.weight_scale for p in network.projections if p.drawn_weight is not None)
    return structure_of(network), scales, tuple(has_own_rates(p) for p in network.populations if p.is_source)


def problems(network: Network, simulation: Simulation, settings: Mapping[str, Any]) -> list[str]:
    """Say what NEST cannot do with a network."""
    return network_problems(network, simulation.dt, settings["threads"])


def check_available(settings: Mapping[str, Any]) -> None:
    """Raise `SimulatorUnavailableError` unless NEST can be imported."""
    del settings
    problem = import_problem("nest")
    if problem is not None:
        raise _unavailable(problem)


def estimate(network: Network, simulation: Simulation, settings: Mapping[str, Any], gpus: int | None = None) -> Cost:
    """Estimate time and memory of a network (see `costs`); elsewhere a job has a core for each thread."""
    threads = settings["threads"]
    return estimate_cost(network, simulation, threads, n_cores() if gpus is None else threads)


def open_simulator(simulation: Simulation, settings: Mapping[str, Any]) -> NestSimulator:
    """Start NEST.

    Raises
    ------
    SimulatorUnavailableError
        If NEST cannot be imported.
    """
    os.environ.setdefault("PYNEST_QUIET", "1")
    # nest imports matplotlib, which wants a folder to write to; a worker in a container may have none at home.
    if not os.access(Path.home(), os.W_OK):
        os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
    try:
        import nest
    except ImportError as error:
        raise _unavailable(error) from error
    nest.verbosity = nest.VerbosityLevel.ERROR
    return NestSimulator(nest, simulation, settings["threads"])


def _unavailable(problem: object) -> SimulatorUnavailableError:
    return SimulatorUnavailableError(
        f"NEST cannot be imported here ({problem}); get it with: pip install nest-simulator"
    )
