"""How long native takes to compile its programs: in a fresh folder, as on a worker of a pool, and loaded again.

Every network is opened by a process of its own, which draws its synapses and takes no step: `t_build` and `t_compile`
of a small network are compilation almost alone. The claims, on an idle machine: at most 8 s in a fresh folder, for
networks of every kind, and 1 s from there on. Printed are seconds of the clock and, in brackets, of the processor,
without what it takes to import Numba, which is told apart.

    python benchmarks/engines/compilation.py [--networks clustered microcircuit conductance adapting rich] [--repeats 1]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import find_simulator
from simulators.description import (
    Bernoulli,
    FixedIndegree,
    Network,
    Normal,
    PoissonDrive,
    Population,
    Projection,
    SpikeEvents,
    Uniform,
)
from simulators.models import find_model
from simulators.records import machine
from simulators.records.job import Simulation

SIMULATION = Simulation(0.1, 0.0, 10.0)
_CELL = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0}
_CURRENT = {"tau_syn_ex": 0.5, "tau_syn_in": 1.0}
_KINDS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "lif": ("lif_psc_exp", _CURRENT),
    "adapting": ("aeif_psc_exp", {**_CURRENT, "Delta_T": 2.0, "tau_w": 100.0, "a": 2.0, "b": 40.0}),
    "conductance": ("lif_cond_exp", {**_CURRENT, "E_ex": 0.0, "E_in": -80.0}),
}


def clustered() -> Network:
    """Describe the network of the published grid, small: rows of bits alone."""
    return _published("clustered", {"N_E": 400, "N_I": 100, "Q": 4, "jep": 2.5})


def microcircuit() -> Network:
    """Describe the microcircuit, small: compressed rows and drives."""
    return _published("microcircuit", {"N_scale": 0.02, "K_scale": 0.02})


def conductance() -> Network:
    """Describe neurons with conductances, both kinds of rows and a drive."""
    return _mixed("conductance")


def adapting() -> Network:
    """Describe adaptive exponential neurons, both kinds of rows and a drive."""
    return _mixed("adapting")


def rich() -> Network:
    """Describe every neuron model with parameters that differ from neuron to neuron, and sources of both kinds."""
    return _mixed("lif", "adapting", "conductance", spread=True)


NETWORKS: Mapping[str, Callable[[], Network]] = {
    "clustered": clustered, "microcircuit": microcircuit, "conductance": conductance, "adapting": adapting,
    "rich": rich,
}  # fmt: skip


def _published(name: str, changes: Mapping[str, Any]) -> Network:
    return find_model(name, Path())(read_defaults(defaults_file(name, Path())).values_by_name() | dict(changes))


def _mixed(*kinds: str, spread: bool = False) -> Network:
    """Connect a population of each kind with itself and the next, densely and sparsely, and drive it."""
    populations, projections, inputs = [], [], list[PoissonDrive | SpikeEvents]()
    for number, kind in enumerate(kinds):
        model, parameters = _KINDS[kind]
        differing: dict[str, Any] = {"C_m": Normal(250.0, 10.0), "t_ref": Uniform(1.0, 3.0)} if spread else {}
        populations.append(Population(kind, 600, model, {**_CELL, **parameters, **differing}))
        following = kinds[(number + 1) % len(kinds)]
        projections += [
            Projection(f"dense_{kind}", kind, kind, Bernoulli(0.2), 1.0, 1.5, "excitatory"),
            Projection(
                f"own_{kind}", kind, following, FixedIndegree(20), Normal(-2.0, 0.2), Uniform(0.5, 2.0), "inhibitory"
            ),
        ]
        inputs.append(PoissonDrive(f"to_{kind}", kind, 9000.0, 1.0, 1.5))
    if spread:
        populations += [
            Population("poisson", 100, "poisson_source", {"rate": 20.0}),
            Population("events", 100, "spike_source"),
        ]
        projections += [
            Projection(f"from_{name}", name, kinds[0], Bernoulli(0.2), 1.0, 0.5, "excitatory")
            for name in ("poisson", "events")
        ]
        inputs.append(SpikeEvents("given", "events", np.array([1.0, 2.0]), np.array([3, 5])))
    return Network(tuple(populations), tuple(projections), tuple(inputs))


def measure(name: str, folder: str) -> dict[str, float]:
    """Build a network in this process; return what it took."""
    module = find_simulator("native")
    network = NETWORKS[name]()
    settings = {key: setting.default for key, setting in module.SETTINGS.items()} | {"cache": folder}
    begin, used = time.perf_counter(), time.process_time()
    opened = module.open_simulator(SIMULATION, settings)
    opening = time.perf_counter() - begin
    begin, used = time.perf_counter(), time.process_time()
    built = opened.build(network, 1)
    return {
        "import": opening,
        "wall": time.perf_counter() - begin,
        "cpu": time.process_time() - used,
        **built.phases,
    }


def main() -> int:
    """Run the benchmark; return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "FOLDER"), help="only this one, in this process, as JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return 0
    print(f"{machine.processor()}, load before {os.getloadavg()[0]:.1f}")
    slow = 0
    for name in arguments.networks:
        for _ in range(arguments.repeats):
            with tempfile.TemporaryDirectory() as folder:
                for state, most in (("fresh folder", 8.0), ("again", 1.0)):
                    command = [sys.executable, __file__, "--one", name, folder]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    took = json.loads(done.stdout)
                    slow += took["wall"] > most
                    print(
                        f"{name:12} {state:12} {took['wall']:5.2f} s ({took['cpu']:.2f} s): drawing "
                        f"{took['t_build']:.2f} s, step {took['t_compile']:.2f} s; imports {took['import']:.2f} s",
                        flush=True,
                    )
    print("all as claimed" if not slow else f"{slow} took longer than claimed")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
