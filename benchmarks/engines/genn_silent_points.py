"""Cost of silent points on GeNN's CPU backend against active ones, in one run.

The claim: a silent point costs less than an active one. That is not a matter of course: the currents of a network
that has fallen silent decay into denormal numbers, on which processors are many times slower, and every sixth point
of the published grid is silent in E. For comparison the same point runs in code without the tiny current that keeps
the numbers away from there. All networks are kicked by a current for their first 20 ms. Processor time is measured,
so that other work on the machine matters little.

    python benchmarks/engines/genn_silent_points.py [--neurons 25000] [--duration 1000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.genn_simulator.generated_code import neuron_code as code
from simulators.backends.simulator import Recording, Simulator, find_simulator
from simulators.description.network import Network
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

SEED = 1
CURRENTS = {"silent": 0.3, "quiet": 1.3, "lively": 2.1}  # background current to E over the rheobase
KICK = {"stim_clusters": tuple(range(20)), "stim_amplitude": 3.0, "stim_onsets": (0.0,), "stim_offsets": (20.0,)}


def open_cpu(simulation: Simulation, cache: str) -> Simulator:
    """GeNN on one core."""
    module = find_simulator("genn")
    settings = {name: setting.default for name, setting in module.SETTINGS.items()}
    return module.open_simulator(simulation, {**settings, "backend": "single_threaded_cpu", "cache": cache})


def measure(simulator: Simulator, network: Network) -> tuple[float, dict[str, float]]:
    """Processor time of a point in s, the best of three, and the rates in Hz."""
    best, rates = float("inf"), {}
    for _ in range(3):
        begin = time.process_time()
        (outcome,) = simulator.run([network], lambda: None)
        best = min(best, time.process_time() - begin)
        if not isinstance(outcome, Recording):
            raise RuntimeError(outcome.reason)
        rates = {name: s.n_spikes / s.size / (s.duration * 1e-3) for name, s in outcome.spikes.items()}
    return best, rates


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=25_000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    arguments = parser.parse_args()
    base: dict[str, Any] = read_defaults(defaults_file("clustered", Path())).values_by_name()
    base |= KICK | {"N_E": arguments.neurons * 4 // 5, "N_I": arguments.neurons // 5}
    networks = {name: make_network({**base, "I_th_E": i, "I_th_I": 0.6 * i}) for name, i in CURRENTS.items()}
    simulation = Simulation(0.1, 0.0, arguments.duration)
    seconds = {}
    with tempfile.TemporaryDirectory() as cache:
        simulator = open_cpu(simulation, cache)
        simulator.build(networks["silent"], SEED)
        for name, network in networks.items():
            seconds[name], rates = measure(simulator, network)
            at = ", ".join(f"{population} {rate:.2f} Hz" for population, rate in rates.items())
            print(f"{name}: {seconds[name] / arguments.duration * 1e3:.3f} s per biological second ({at})")
        simulator.close()
    rest, code.REST = code.REST, 0.0
    with tempfile.TemporaryDirectory() as cache:  # the name of a compiled model does not know of the change
        simulator = open_cpu(simulation, cache)
        simulator.build(networks["silent"], SEED)
        without, _ = measure(simulator, networks["silent"])
        simulator.close()
    code.REST = rest
    print(f"silent, without the tiny current: {without / arguments.duration * 1e3:.3f} s per biological second")
    print(f"a silent point costs {seconds['silent'] / seconds['lively']:.2f} of a lively one")
    print(f"denormal numbers would make it {without / seconds['silent']:.1f} × slower")


if __name__ == "__main__":
    main()
