"""Simulators behind PyNN beside NEST: rates and CVs of a small network over many draws, and what a point takes.

The network is the random balanced one of Schmitt, Rostami & Nawrot (2023), with 500 neurons. For PyNN the project draws
synapses, the same for all implementations; NEST asked directly draws its own. Differences between means are compared
with their standard errors over the seeds.

    python benchmarks/engines/pynn.py [--simulators nest pynn:nest pynn:brian2 pynn:neuron] [--seeds 10] \
        [--duration 2000]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.models.clustered import make_network
from simulators.records.job import Simulation
from simulators.statistics import summarise

NAMES = ("rate_E", "rate_I", "cv_isi_E", "cv_isi_I")


def measure(simulator: str, seeds: int, duration: float) -> None:
    """Print means and standard errors of one simulator."""
    name, _, implementation = simulator.partition(":")
    module = find_simulator(name)
    settings = {key: setting.default for key, setting in module.SETTINGS.items()}
    if implementation:
        settings["implementation"] = implementation
    values = read_defaults(defaults_file("clustered", Path())).values_by_name()
    balanced = {"N_E": 400, "N_I": 100, "Q": 1, "jep": 1.0, "I_th_E": 2.0, "I_th_I": 1.24}
    network, simulation = make_network({**values, **balanced}), Simulation(0.1, 200.0, duration)
    opened = module.open_simulator(simulation, settings)
    rows, times = [], []
    for seed in range(1, seeds + 1):
        begin = time.perf_counter()
        opened.build(network, seed)
        (outcome,) = opened.run([network], lambda: None)
        times.append(time.perf_counter() - begin)
        assert isinstance(outcome, Recording), outcome
        found = summarise(outcome.spikes, ["rate", "cv_isi"], {"cv_min_spikes": 3})
        rows.append([float(str(found[key])) for key in NAMES])
    opened.close()
    table = np.array(rows)
    errors = table.std(axis=0, ddof=1) / np.sqrt(seeds)
    shown = "  ".join(
        f"{key} {mean:.3f} ± {error:.3f}" for key, mean, error in zip(NAMES, table.mean(axis=0), errors, strict=True)
    )
    print(f"{simulator:12s} {shown}  a point {np.median(times):.1f} s (load {os.getloadavg()[0]:.1f})", flush=True)


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--simulators", nargs="+", default=["nest", "pynn:nest", "pynn:brian2", "pynn:neuron"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--duration", type=float, default=2000.0, help="ms of biology")
    given = parser.parse_args()
    for simulator in given.simulators:
        measure(simulator, given.seeds, given.duration)


if __name__ == "__main__":
    main()
