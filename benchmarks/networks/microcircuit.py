"""The cortical microcircuit at full scale on one core, near real time and on the published rates.

77,169 neurons and 298,880,968 synapses, each with a weight and a delay of its own, under Poisson drive or the mean of
it as a current: the model ``microcircuit`` with its defaults. Two claims. For an idle machine: the native simulator
takes at most 1.3 s of one core for a second of biology, in 1.6 GB (seen: 1.19 s, 1.41 GB).
Over 10 s and three seeds (``--duration 10000 --seeds 1 2 3``): mean rates are within 3 % of those published
with NEST's example. Every simulator that is named runs the same description, one after the other, in this process;
GeNN takes 3 GB and 10 to 15 s of processor for a second of biology; NEST 10 GB and some three minutes of two cores.

    python benchmarks/networks/microcircuit.py [--simulators native genn nest] [--duration 2000] [--scale 1.0] \
        [--direct]

References
----------
Potjans, T. C., & Diesmann, M. (2014). The cell-type specific cortical microcircuit: relating structure and activity in
a full-scale spiking network model. Cerebral Cortex 24, 785–806.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.description import Network
from simulators.models import find_model
from simulators.models.microcircuit import NAMES
from simulators.records import machine
from simulators.records.job import Simulation
from simulators.statistics import summarise

MODEL = "microcircuit"
# Of NEST's example over 2 s, of neurons with at least three spikes
REFERENCE_CV = (0.605, 0.673, 0.701, 0.726, 0.719, 0.703, 0.628, 0.693)
REFERENCE = (0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829)  # Hz, full scale, with NEST's own example
STATISTICS = ("rate", "cv_isi", "synchrony")
SETTINGS = {"cv_min_spikes": 3}  # most neurons of 23E fire less often than once a second


def run(name: str, network: Network, simulation: Simulation, seed: int, threads: int) -> Mapping[str, Any]:
    """Run one simulator, print what it took and return its statistics; none if it failed."""
    module = find_simulator(name)
    settings: dict[str, Any] = {key: setting.default for key, setting in module.SETTINGS.items()}
    settings |= dict(module.SUGGESTED or {})
    if name == "nest":
        settings["threads"] = threads
    module.check_available(settings)
    simulator = module.open_simulator(simulation, settings)
    simulator.build(network_at(0.02, direct=not network.inputs), seed)  # compiles, where there is something to compile
    begin, used = time.perf_counter(), time.process_time()
    built = simulator.build(network, seed)
    build, build_used = time.perf_counter() - begin, time.process_time() - used
    begin, used = time.perf_counter(), time.process_time()
    (recording,) = simulator.run([network], lambda: None)
    wall, used = time.perf_counter() - begin, time.process_time() - used
    simulator.close()
    if not isinstance(recording, Recording):
        print(f"{name}: {recording.status}: {recording.reason}", flush=True)
        return {}
    biology = (simulation.warmup + simulation.duration) * 1e-3
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    phases = ", ".join(f"{key[2:]} {seconds:.2f} s" for key, seconds in recording.phases.items())
    print(
        f"{name}, seed {seed}: build {build:.1f} s ({build_used:.1f} s of processor), {built.n_synapses:,} synapses; "
        f"{wall / biology:.2f} s ({used / biology:.2f} s of processor) per second of biology ({phases}); "
        f"{memory / 1e9:.2f} GB",
        flush=True,
    )
    values = summarise(recording.spikes, STATISTICS, SETTINGS)
    print_values(values)
    return values


def network_at(scale: float, *, direct: bool) -> Network:
    """Return the network with a share of neurons and of inputs."""
    changes = {"N_scale": scale, "K_scale": scale, "drive": "dc" if direct else "poisson"}
    return find_model(MODEL, Path())(read_defaults(defaults_file(MODEL, Path())).values_by_name() | changes)


def print_values(values: Mapping[str, Any]) -> None:
    """Print a line for each statistic, and one for how far the rates are from the published ones."""
    for statistic in STATISTICS:
        print_line(statistic, [values[f"{statistic}_{name}"] for name in NAMES])
    rates = np.array([values[f"rate_{name}"] for name in NAMES])
    print_line("rate, % off", (100.0 * (rates / REFERENCE - 1.0)).tolist())


def print_line(title: str, numbers: list[float]) -> None:
    """Print a number for each population."""
    print(f"  {title:<18}{'  '.join(f'{number:7.3f}' for number in numbers)}", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--simulators", nargs="+", default=["native"], help="default: native")
    parser.add_argument("--duration", type=float, default=2000.0, help="ms, after 500 ms of warm-up")
    parser.add_argument("--scale", type=float, default=1.0, help="share of neurons and of inputs (default: all)")
    parser.add_argument("--direct", action="store_true", help="drive by direct current")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    # more than cores: seen to be a fifth quicker
    parser.add_argument("--threads", type=int, default=4 * machine.n_cores(), help="of NEST (default: %(default)s)")
    arguments = parser.parse_args()
    network = network_at(arguments.scale, direct=arguments.direct)
    simulation = Simulation(0.1, 500.0, arguments.duration)
    print(f"{network.n_neurons:,} neurons on {machine.processor()}, load before {os.getloadavg()[0]:.1f}")
    print_line("published rates", list(REFERENCE))
    print_line("CV, NEST over 2 s", list(REFERENCE_CV))
    for name in arguments.simulators:
        found = [
            values for seed in arguments.seeds if (values := run(name, network, simulation, seed, arguments.threads))
        ]
        if len(found) > 1:
            print(f"{name}, mean of {len(found)} seeds; load after {os.getloadavg()[0]:.1f}")
            numbers = [key for key in found[0] if key.startswith(STATISTICS)]
            print_values({key: float(np.mean([values[key] for values in found])) for key in numbers})


if __name__ == "__main__":
    main()
