"""What small networks cost on a simulator behind PyNN: the constants of its estimate, fitted.

Networks of 100 to 2,000 neurons and up to 1.2 million synapses, and some of unconnected populations, run for 100 and
400 ms. The time of a point is fitted by what the estimate counts, none of it negative and all in relative terms. Times
are of the processor, on the machine of the estimates (`jobs.machine_speed`); printed are the constants, and how far the
fit and the present estimate are off.

    python benchmarks/engines/pynn_costs.py nest            # brian2 · neuron
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from gridsearch.inputs.parameters import defaults_file, read_defaults
from jobs.machine_speed import measure
from simulators.backends.simulator import Recording, find_simulator
from simulators.description import Network
from simulators.models import find_model
from simulators.records.job import Simulation

SIZES = ((80, 20, 1.0), (400, 100, 0.2), (400, 100, 1.0), (1600, 400, 0.1), (1600, 400, 1.0))
DURATIONS = (100.0, 400.0)  # ms
NAMES = ("part", "step", "neuron", "update", "synapse", "event")


def networks() -> list[Network]:
    """Return the connected networks, and some of unconnected populations, two to thirty."""

    def made(model: str, **changes: Any) -> Network:
        return find_model(model, Path())(read_defaults(defaults_file(model, Path())).values_by_name() | changes)

    balanced: dict[str, Any] = {"Q": 1, "jep": 1.0, "I_th_E": 2.0, "I_th_I": 1.24}
    connected = [
        made("clustered", **balanced, N_E=e, N_I=i, p=[[0.2 * share, 0.5 * share], [0.5 * share, 0.5 * share]])
        for e, i, share in SIZES
    ]
    return connected + [made("many_populations", N=300, n_populations=number) for number in (2, 10, 30)]


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("implementation")
    implementation = parser.parse_args().implementation
    module = find_simulator("pynn")
    settings = {key: setting.default for key, setting in module.SETTINGS.items()} | {"implementation": implementation}
    terms, times, estimates, drawing = [], [], [], []
    slowness = measure()
    begin = time.process_time()
    module.open_simulator(Simulation(0.1, 0.0, 1.0), settings).close()
    start = (time.process_time() - begin) / slowness
    print(f"{implementation}: start {start:.1f} s; this machine takes {slowness:.2f} (load {os.getloadavg()[0]:.1f})")
    for network in networks():
        for duration in DURATIONS:
            simulation = Simulation(0.1, 0.0, duration)
            simulator = module.open_simulator(simulation, settings)
            begin = time.process_time()
            build = simulator.build(network, 1)
            built = time.process_time()
            (outcome,) = simulator.run([network], lambda: None)
            simulator.close()
            ended = time.process_time()
            assert isinstance(outcome, Recording), outcome
            synapses, steps = build.n_synapses, simulation.n_steps
            spikes = sum(trains.n_spikes for trains in outcome.spikes.values())
            parts = len(network.populations) + len(network.projections) + len(network.inputs)
            taken = spikes * synapses / network.n_neurons
            terms.append([parts, steps * parts, network.n_neurons, steps * network.n_neurons, synapses, taken])
            times.append((ended - built) / slowness)
            estimates.append(module.estimate(network, simulation, settings).point)
            if synapses:
                drawing.append((built - begin) / slowness / synapses)
            print(
                f"  {parts:3d} parts {network.n_neurons:5d} neurons {synapses:7d} synapses {steps:5d} steps "
                f"{taken:9.0f} taken: {times[-1]:7.2f} s, estimated {estimates[-1]:7.2f} s",
                flush=True,
            )
    measured = np.array(times)
    rows = np.array(terms, dtype=float) / measured[:, None]
    scale = rows.max(axis=0)
    found, _ = nnls(rows / scale, np.ones(len(measured)))
    found = found / scale
    print("  constants " + "  ".join(f"{name} {value:.2g}" for name, value in zip(NAMES, found, strict=True)))
    print(
        f"  drawing a synapse {np.median([one for one in drawing if one < 1e-3]):.2g} s (the median of connected ones)"
    )
    off = np.abs(np.log(rows @ found)), np.abs(np.log(np.array(estimates) / measured))
    print(f"  off by a factor, median and most: fit {_factors(off[0])}, present estimate {_factors(off[1])}")


def _factors(logarithms: np.ndarray[Any, Any]) -> str:
    return f"{np.exp(np.median(logarithms)):.2f} {np.exp(logarithms.max()):.2f}"


if __name__ == "__main__":
    main()
