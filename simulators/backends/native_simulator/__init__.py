"""Our own engine for processor cores: what the planner asks of it, and how the worker opens it.

Synapses of dense projections are bits, those of others four bytes; the step is compiled by Numba from the neuron
models' own arithmetic. It installs with pip alone, needs no compiler where it runs, and takes one core,
or as many as it is given threads.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from simulators.backends.native_simulator.costs import estimate_cost
from simulators.backends.native_simulator.synapses.layout import network_problems
from simulators.backends.simulator import Cost, Setting, SimulatorUnavailableError, import_problem
from simulators.description import Network
from simulators.description.network import structure_of
from simulators.records.job import Simulation
from simulators.records.machine import n_cores

if TYPE_CHECKING:
    from simulators.backends.native_simulator.engine import NativeSimulator

SETTINGS: Mapping[str, Setting] = {
    "threads": Setting(1, "threads of a point, of which a worker then takes as many cores; they change no spike", 1),
    "cache": Setting("", "folder of compiled programs; empty for gridsearch/native in the user's cache"),
}
PACKAGES: tuple[str, ...] = ("numba", "llvmlite")
IMAGE: str | None = "gridsearch-native:0.68.1"
SUGGESTED: Mapping[str, Any] | None = {}


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings a result depends on: none."""
    del settings
    return {}


def revision(network: Network, simulation: Simulation) -> int:
    """Return 2, for all networks alike: inputs that act alike share a sum, so drives are drawn in another order."""
    del network, simulation
    return 2


def structure(network: Network) -> Hashable:
    """Return what networks share that share a build: their structure alone."""
    return structure_of(network)


def problems(network: Network, simulation: Simulation, settings: Mapping[str, Any]) -> list[str]:
    """Say what cannot be run of a network."""
    del settings
    return network_problems(network, simulation)


def check_available(settings: Mapping[str, Any]) -> None:
    """Raise `SimulatorUnavailableError` unless Numba can be imported."""
    del settings
    problem = import_problem("numba")
    if problem is not None:
        raise _unavailable(problem)


def estimate(network: Network, simulation: Simulation, settings: Mapping[str, Any], gpus: int | None = None) -> Cost:
    """Estimate time and memory of a network (see `costs`)."""
    threads = int(settings["threads"])
    return estimate_cost(network, simulation, threads, n_cores() if gpus is None else threads)


def open_simulator(simulation: Simulation, settings: Mapping[str, Any]) -> NativeSimulator:
    """Start the simulator.

    Raises
    ------
    SimulatorUnavailableError
        If Numba cannot be imported.
    """
    try:
        from simulators.backends.native_simulator.engine import NativeSimulator
    except ImportError as error:
        raise _unavailable(error) from error
    return NativeSimulator(simulation, settings)


def _unavailable(problem: object) -> SimulatorUnavailableError:
    return SimulatorUnavailableError(f"Numba cannot be imported here ({problem}); get it with: pip install numba")
