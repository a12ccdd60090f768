"""GeNN: what the planner asks of it, and how the worker opens it."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any

from simulators.backends.genn_simulator.costs import LARGEST_BATCH, cpu_cost
from simulators.backends.genn_simulator.gpu_costs import BANDWIDTH, LARGEST_CORES, automatic_batch, gpu_cost
from simulators.backends.genn_simulator.host.compilers import cxx_compiler, gpu_compiler_problem
from simulators.backends.genn_simulator.host.devices import (
    GraphicsProcessor,
    bandwidth_of,
    gpu_here,
    is_built,
    is_there,
)
from simulators.backends.genn_simulator.model import GPU_BACKENDS, GennSimulator
from simulators.backends.genn_simulator.problems import structure_problems, value_problems
from simulators.backends.pace import WINDOW
from simulators.backends.simulator import (
    Cost,
    Setting,
    SimulatorUnavailableError,
    import_problem,
)
from simulators.description.network import Network, structure_of
from simulators.neurons.neuron_model import NeuronModel
from simulators.neurons.step_code import functions_in
from simulators.records.job import Simulation

_CPU = "single_threaded_cpu"

log = logging.getLogger(__name__)

SETTINGS: Mapping[str, Setting] = {
    "backend": Setting(
        "auto",
        "what runs the network; auto takes a graphics processor where PyGeNN can use one",
        choices=("auto", "cuda", "hip", _CPU),
    ),
    "batch": Setting(
        0,
        f"points of one structure that run together on a graphics processor at most; 0: {LARGEST_BATCH}, or fewer "
        "where its memory or the worker's holds no more; on a CPU always one",
        0,
    ),
    "cores": Setting(
        LARGEST_CORES,
        "cores beside a graphics processor: all but one decode spikes and compute statistics while the next points "
        "run; 1: one does it all in turn; on a CPU always one",
        1,
    ),
    "procedural": Setting(False, "draw the connectivity anew at every spike instead of storing it; CUDA and HIP only"),
    "cache": Setting("", "folder of compiled models; empty for gridsearch/genn in the user's cache"),
}
PACKAGES: tuple[str, ...] = ("pygenn",)
IMAGE: str | None = "gridsearch-genn:5.4.0"
GPU_IMAGE: str | None = "gridsearch-genn-cuda:5.4.0"
SUGGESTED: Mapping[str, Any] | None = {"backend": _CPU}


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings a GeNN result depends on: the backend, which is any where it is chosen on the machine."""
    return {"backend": None if settings["backend"] == "auto" else settings["backend"]}


def revision(network: Network, simulation: Simulation) -> int:
    """Return 2 or 3 where earlier revisions left chance spikes to the next point.

    With given spikes, the first one let out what was still under way at the step behind the last one. Where the
    recording filled whole chunks there was no memory for that step, and what lay there was taken for spikes.

    Up to the second, a neuron whose potential ended a point beyond 10³⁰ mV spiked while what was under way was let
    out. An exponential upstroke reaches that in a step; other models take currents or thresholds of that size to it,
    and theirs are left as they are.
    """
    if any(_is_exponential(population.model) for population in network.populations):
        return 3
    steps = round((simulation.warmup + simulation.duration) / simulation.dt)
    whole = steps % max(1, round(WINDOW / simulation.dt)) == 0
    return 2 if whole and any(population.model.source == "events" for population in network.populations) else 1


@cache
def _is_exponential(model: NeuronModel) -> bool:
    """Whether a step takes an exponential."""
    return model.step is not None and "exp" in functions_in(model.step)


def structure(network: Network) -> Hashable:
    """Return what networks share that share a build: whatever is not structure is set on a network that is built."""
    return structure_of(network)


def problems(network: Network, simulation: Simulation, settings: Mapping[str, Any]) -> list[str]:
    """Say what GeNN cannot do with a network."""
    procedural = settings["procedural"]
    found = structure_problems(network, simulation.dt, procedural) or value_problems(network, simulation.dt)
    if procedural and settings["backend"] == _CPU:
        found.append(f"procedural connectivity needs a graphics processor, and the backend is {_CPU}")
    return found


def check_available(settings: Mapping[str, Any]) -> None:
    """Raise `SimulatorUnavailableError` unless PyGeNN with the backend asked for and a compiler are there."""
    problem = import_problem("pygenn")
    if problem is not None:
        raise _unavailable(problem)
    _choose_backend(settings)


def estimate(network: Network, simulation: Simulation, settings: Mapping[str, Any], gpus: int | None = None) -> Cost:
    """Estimate time and memory of a network (see `costs`)."""
    on_gpu = settings["backend"] in GPU_BACKENDS
    here = _first_gpu(settings["backend"])[1] if gpus is None else None
    if settings["backend"] == "auto":
        on_gpu = gpus > 0 if gpus is not None else isinstance(here, GraphicsProcessor)
    if not on_gpu:
        return cpu_cost(network, simulation)
    bandwidth = (bandwidth_of(here.name) if isinstance(here, GraphicsProcessor) else None) or BANDWIDTH
    batch = settings["batch"] or automatic_batch(network, simulation)
    return gpu_cost(network, simulation, batch, settings["procedural"], settings["cores"], bandwidth)


def open_simulator(simulation: Simulation, settings: Mapping[str, Any]) -> GennSimulator:
    """Start GeNN.

    Raises
    ------
    SimulatorUnavailableError
        If PyGeNN, the backend, its graphics processor or a compiler is missing or does not work.
    """
    backend, gpu = _choose_backend(settings)
    import pygenn

    if settings["backend"] == "auto" and isinstance(gpu, str) and is_there():
        log.warning("GeNN takes a core and leaves the graphics processor that is here: %s", gpu)
    return GennSimulator(pygenn, simulation, settings, backend, gpu)


def _first_gpu(wanted: str) -> tuple[str, GraphicsProcessor | str]:
    """Backend that takes a graphics processor, of those a setting allows, and which; or the CPU, and why none."""
    reasons = []
    for name in GPU_BACKENDS:
        if wanted in {"auto", name}:
            found = gpu_here(name)
            if isinstance(found, GraphicsProcessor):
                return name, found
            reasons.append(found)
    return _CPU, "; ".join(reasons)


def _choose_backend(settings: Mapping[str, Any]) -> tuple[str, GraphicsProcessor | str]:
    """Backend to use on this machine, and its graphics processor or why there is none.

    Raises
    ------
    SimulatorUnavailableError
        If there is none of what is asked for, or nothing to compile with.
    """
    if cxx_compiler() is None:
        raise SimulatorUnavailableError(
            f"GeNN compiles every network, and {os.environ.get('CXX', 'g++')} or make is missing here; install a C++ "
            "compiler and make (Debian: apt-get install g++ make), or name the compiler in CXX"
        )
    wanted = settings["backend"]
    chosen, gpu = _first_gpu(wanted)  # before anything of GeNN is loaded
    try:
        from pygenn.genn_model import backend_modules
    except ImportError as error:
        raise _unavailable(error) from error
    if wanted in GPU_BACKENDS and is_built(wanted) and isinstance(gpu, str):
        raise SimulatorUnavailableError(
            f"backend {wanted!r} needs a graphics processor, and there is none that it can use here: {gpu}"
        )
    chosen = chosen if wanted == "auto" else wanted
    if chosen not in backend_modules:
        raise SimulatorUnavailableError(
            f"this PyGeNN was built without the backend {chosen!r}, only with {', '.join(backend_modules)}; build it "
            "where CUDA_PATH (or HIP_PATH) names the toolkit"
        )
    # one whose compiler does not work is named, not passed over for a core that takes a hundred times as long
    problem = gpu_compiler_problem(chosen, "" if isinstance(gpu, str) else gpu.architecture)
    if problem:
        raise SimulatorUnavailableError(f"backend {chosen!r} compiles every network, and cannot here: {problem}")
    return str(chosen), gpu


def _unavailable(problem: object) -> SimulatorUnavailableError:
    return SimulatorUnavailableError(
        f"PyGeNN cannot be imported here ({problem}); install libffi's headers, pkg-config and a C++ compiler, then: "
        "pip install https://github.com/genn-team/genn/archive/refs/tags/5.4.0.zip (PyGeNN is on no package index, so "
        "pip install '.[genn]' needs it first)"
    )
