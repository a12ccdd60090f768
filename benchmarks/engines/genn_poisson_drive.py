"""Cost of Poisson drives on GeNN's CPU backend against that of the neurons they drive, in one run.

The claim: at the rates of the cortical microcircuit (about one spike in a step of 0.1 ms) to draw a neuron's spikes
takes no longer than twice what the neuron itself takes. Counts are drawn without a branch, by comparing a random number
with all limits of the cumulative distribution at once; how many there are follows from the rate. Processor time is
measured, so that other work on the machine matters little.

    python benchmarks/engines/genn_poisson_drive.py [--neurons 20000] [--duration 300]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from simulators.backends.simulator import Recording, Simulator, find_simulator
from simulators.description import Network, PoissonDrive, Population
from simulators.records.job import Simulation

SEED = 1
RATES = (200.0, 2000.0, 12_800.0, 50_000.0, 400_000.0)  # Hz
NEURON = {
    "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": 1e4, "tau_syn_ex": 0.5, "tau_syn_in": 0.5,
}  # fmt: skip


def measure(simulator: Simulator, network: Network) -> float:
    """Processor time of a point in s, the best of three."""
    simulator.build(network, SEED)
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        (outcome,) = simulator.run([network], lambda: None)
        best = min(best, time.process_time() - begin)
        if not isinstance(outcome, Recording):
            raise RuntimeError(outcome.reason)
    return best


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=20_000)
    parser.add_argument("--duration", type=float, default=300.0, help="ms")
    arguments = parser.parse_args()
    module = find_simulator("genn")
    simulation = Simulation(0.1, 0.0, arguments.duration)
    population = Population("A", arguments.neurons, "lif_psc_exp", NEURON)
    neuron_steps = arguments.neurons * simulation.n_steps
    with tempfile.TemporaryDirectory() as cache:
        settings = {name: setting.default for name, setting in module.SETTINGS.items()}
        settings |= {"backend": "single_threaded_cpu", "cache": cache}
        simulator = module.open_simulator(simulation, settings)
        alone = measure(simulator, Network((population,), ()))
        print(f"no drive: {alone / neuron_steps * 1e9:.2f} ns per neuron and step")
        for rate in RATES:
            drive = PoissonDrive("drive", "A", rate, 10.0, 1.5)
            driven = measure(simulator, Network((population,), (), (drive,))) - alone
            print(
                f"{rate:9,.0f} Hz ({rate * 1e-4:g} spikes a step): the drive {driven / neuron_steps * 1e9:.2f} ns, "
                f"{driven / alone:.2f} of the neuron"
            )
        simulator.close()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
