"""Simulators behind PyNN: what the planner asks of them, and how the worker opens one.

The description becomes populations, projections and sources of PyNN (Davison et al. 2009, *PyNN: a common interface for
neuronal network simulators*, Frontiers in Neuroinformatics 2), and one of its implementations runs them. Connectivity
and Poisson trains are drawn here, so that they are the same whatever implementation is asked.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulators.backends.pynn_simulator.costs import estimate_cost
from simulators.backends.pynn_simulator.implementations import IMPLEMENTATIONS, Implementation
from simulators.backends.pynn_simulator.problems import network_problems
from simulators.backends.simulator import Cost, Setting, SimulatorUnavailableError, import_problem
from simulators.description.network import Network, structure_of
from simulators.records.job import Simulation

if TYPE_CHECKING:
    from simulators.backends.pynn_simulator.engine import PynnSimulator

SETTINGS: Mapping[str, Setting] = {
    "implementation": Setting(
        "nest", "the simulator that PyNN shall use; part of a result's identity", choices=tuple(IMPLEMENTATIONS)
    ),
}
PACKAGES: tuple[str, ...] = ("PyNN", *(one.package for one in IMPLEMENTATIONS.values()))
IMAGE: str | None = "gridsearch-pynn:0.13.0"
SUGGESTED: Mapping[str, Any] | None = None


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings a result depends on: the implementation."""
    return {"backend": settings["implementation"]}


def structure(network: Network) -> Hashable:
    """Return what networks share that share drawn connections: their structure alone."""
    return structure_of(network)


def problems(network: Network, simulation: Simulation, settings: Mapping[str, Any]) -> list[str]:
    """Say what PyNN, or the implementation, cannot do with a network."""
    return network_problems(network, simulation, _implementation(settings))


def check_available(settings: Mapping[str, Any]) -> None:
    """Raise `SimulatorUnavailableError` unless PyNN and the implementation can be imported."""
    implementation = _implementation(settings)
    for package in ("pyNN", implementation.imported):
        problem = import_problem(package)
        if problem is not None:
            raise _unavailable(implementation, problem)


def estimate(network: Network, simulation: Simulation, settings: Mapping[str, Any], gpus: int | None = None) -> Cost:
    """Estimate time and memory of a network (see `costs`)."""
    del gpus
    return estimate_cost(network, simulation, _implementation(settings))


def open_simulator(simulation: Simulation, settings: Mapping[str, Any]) -> PynnSimulator:
    """Start PyNN with the implementation that is asked for.

    Raises
    ------
    SimulatorUnavailableError
        If PyNN or the implementation cannot be imported.
    """
    implementation = _implementation(settings)
    try:
        with _quiet(), _programs(implementation):
            from simulators.backends.pynn_simulator.engine import PynnSimulator

            interface = importlib.import_module(implementation.module)
        if implementation.name == "brian2":
            # Compiled code is compiled anew for every network and piece of a point, for longer than most points take
            sys.modules["brian2"].prefs.codegen.target = "numpy"
    # An implementation may fail on import in any way: mechanisms that do not compile, say
    except Exception as error:
        raise _unavailable(implementation, f"{type(error).__name__}: {error}") from error
    return PynnSimulator(interface, implementation, simulation)


def _implementation(settings: Mapping[str, Any]) -> Implementation:
    return IMPLEMENTATIONS[settings["implementation"]]


def _unavailable(implementation: Implementation, problem: object) -> SimulatorUnavailableError:
    return SimulatorUnavailableError(
        f"PyNN cannot be used with {implementation.package} here ({problem}); "
        f"get it with: pip install pynn {implementation.pip}"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep quiet about what no user of ours can change: parts of PyNN that are optional, or deprecated."""
    os.environ.setdefault("PYNEST_QUIET", "1")
    logging.getLogger("PyNN").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _programs(implementation: Implementation) -> Iterator[None]:
    """Let an implementation find, while it is imported, the compilers it needs, and only those.

    The programs of a virtual environment are not on the path of a process that was started by the full name of its
    Python. Where an extension is compiled that no network of ours needs, none shall be found.
    """
    before = os.environ.get("PATH", "")
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, before]) if implementation.compiles else ""
    try:
        yield
    finally:
        os.environ["PATH"] = before
