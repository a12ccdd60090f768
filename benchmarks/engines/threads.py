"""What `[jobs.native] threads` brings: two large networks with one thread and with more, in one process.

The full microcircuit (3·10⁸ compressed synapses, 1.4 GB) and the clustered network at 100,000 neurons (3.1·10⁹ synapses
in rows of bits, 1.3 GB). Printed are seconds of the clock per second of biology, of the processor in brackets. Spikes
must be the same with any number of threads.

    python benchmarks/engines/threads.py [--networks microcircuit clustered] [--threads 1 2] [--duration 1000]
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.description import Network
from simulators.models import find_model
from simulators.records import machine
from simulators.records.job import Simulation


def network_of(name: str, changes: Mapping[str, Any]) -> Network:
    """Return a network with its defaults, and some changed."""
    return find_model(name, Path())(read_defaults(defaults_file(name, Path())).values_by_name() | dict(changes))


NETWORKS: Mapping[str, Callable[[], Network]] = {
    "microcircuit": lambda: network_of("microcircuit", {}),
    "clustered": lambda: network_of("clustered", {"N_E": 80_000, "N_I": 20_000, "I_th_E": 1.95, "I_th_I": 1.2}),
}


def run(network: Network, threads: int, simulation: Simulation) -> tuple[str, Recording]:
    """Build and run a network; return what it took, and its spikes."""
    module = find_simulator("native")
    settings = {key: setting.default for key, setting in module.SETTINGS.items()} | {"threads": threads}
    simulator = module.open_simulator(simulation, settings)
    begin = time.perf_counter()
    simulator.build(network, 1)  # compiles, the first time on a machine
    build, begin, used = time.perf_counter() - begin, time.perf_counter(), time.process_time()
    (recording,) = simulator.run([network], lambda: None)
    wall, used = time.perf_counter() - begin, time.process_time() - used
    simulator.close()
    if not isinstance(recording, Recording):
        raise RuntimeError(recording.reason)
    biology = (simulation.warmup + simulation.duration) * 1e-3
    return f"build {build:.1f} s; {wall / biology:.2f} s ({used / biology:.2f} s) per second of biology", recording


def same(one: Recording, other: Recording) -> bool:
    """Whether two recordings hold the same spikes."""
    return all(
        np.array_equal(trains.steps, other.spikes[name].steps)
        and np.array_equal(trains.senders, other.spikes[name].senders)
        for name, trains in one.spikes.items()
    )


def main() -> int:
    """Run the benchmark; return 1 if spikes differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--duration", type=float, default=1000.0, help="ms, after 500 ms of warm-up")
    arguments = parser.parse_args()
    simulation = Simulation(0.1, 500.0, arguments.duration)
    print(f"{machine.processor()}, {machine.n_cores()} cores, load before {os.getloadavg()[0]:.1f}", flush=True)
    differ = 0
    for name in arguments.networks:
        network, first = NETWORKS[name](), None
        for threads in arguments.threads:
            took, recording = run(network, threads, simulation)
            first = first or recording
            differ += not same(first, recording)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(f"{name}, {threads} threads: {took}; at most {memory / 1e9:.2f} GB so far", flush=True)
    print("the same spikes" if not differ else f"{differ} have other spikes")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
