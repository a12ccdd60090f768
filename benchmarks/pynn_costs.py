"""What small networks cost on a simulator behind PyNN: the constants of its estimate, fitted.

Ten networks of 100 to 1,000 neurons and up to 300,000 synapses, connected and not, run for 100 and 400 ms. The time of
a point is fitted by what the estimate counts (parts and steps, neurons and steps, spikes that synapses take, neurons,
synapses), none of it negative and all in relative terms; printed are the constants and how far the fit and the present
estimate are off. Take an idle machine.

    python benchmarks/pynn_costs.py nest            # brian2 · neuron
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
from simulators.backends.simulator import Recording, find_simulator
from simulators.description import Network
from simulators.models import find_model
from simulators.records.job import Simulation

SIZES = ((80, 20, 1.0), (400, 100, 0.2), (400, 100, 1.0), (800, 200, 0.3), (800, 200, 1.0))
DURATIONS = (100.0, 400.0)  # ms
NAMES = ("step", "update", "event", "neuron", "synapse")


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
    begin = time.perf_counter()
    module.open_simulator(Simulation(0.1, 0.0, 1.0), settings).close()
    print(f"{implementation}: start {time.perf_counter() - begin:.1f} s (load {os.getloadavg()[0]:.1f})")
    for network in networks():
        for duration in DURATIONS:
            simulation = Simulation(0.1, 0.0, duration)
            simulator = module.open_simulator(simulation, settings)
            build = simulator.build(network, 1)
            (outcome,) = simulator.run([network], lambda: None)
            simulator.close()
            assert isinstance(outcome, Recording), outcome
            synapses, steps = build.n_synapses, simulation.n_steps
            spikes = sum(trains.n_spikes for trains in outcome.spikes.values())
            parts = len(network.populations) + len(network.projections) + len(network.inputs)
            taken = spikes * synapses / network.n_neurons
            terms.append([steps * parts, steps * network.n_neurons, taken, network.n_neurons, synapses])
            times.append(sum(outcome.phases.values()))
            estimates.append(module.estimate(network, simulation, settings).point)
            drawing.append(build.phases["t_build"] / max(synapses, 1))
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
