"""The cortical microcircuit at full scale on one core, near real time.

77,169 neurons and 298,880,968 synapses, each with a weight and a delay of its own, under Poisson drive or the mean of
it as a current. The claim, for an idle machine: the native simulator takes at most 1.3 s of one core for a second of
biology, in 1.6 GB, on the rates that were published with NEST's example. Every simulator that is named runs the same
description, one after the other, in this process; GeNN takes 3 GB and half a minute per second of biology, NEST some
13 GB.

    python benchmarks/microcircuit.py [--simulators native genn nest] [--duration 2000] [--scale 1.0] [--direct]

References
----------
Potjans, T. C., & Diesmann, M. (2014). The cell-type specific cortical microcircuit: relating structure and activity in
a full-scale spiking network model. Cerebral Cortex 24, 785–806.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import time
from typing import Any

from simulators.backends.simulator import Recording, find_simulator
from simulators.description import (
    FixedTotalNumber,
    Network,
    Normal,
    PoissonDrive,
    Population,
    Projection,
)
from simulators.records import machine
from simulators.records.job import Simulation
from simulators.statistics import summarise

NAMES = ("23E", "23I", "4E", "4I", "5E", "5I", "6E", "6I")
SIZES = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)
EXTERNAL = (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)
RATE = 8.0  # Hz, of each external source
PROBABILITIES = (  # [target][source]
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443),
)
WEIGHT, TAU_SYN = 87.8, 0.5  # pA, ms
# Of NEST's example over 2 s, of neurons with at least three spikes
REFERENCE_CV = (0.605, 0.673, 0.701, 0.726, 0.719, 0.703, 0.628, 0.693)
REFERENCE = (0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829)  # Hz, full scale, with NEST's own example


def microcircuit(scale: float, direct: bool) -> Network:
    """Describe the microcircuit.

    Parameters
    ----------
    scale : float
        Of the numbers of neurons; numbers of synapses shrink with its square. Only 1 has the published rates.
    direct : bool
        Drive by the mean current instead of Poisson trains.
    """
    sizes = [max(1, round(size * scale)) for size in SIZES]
    populations = []
    for name, size, external in zip(NAMES, sizes, EXTERNAL, strict=True):
        current = external * RATE * 1e-3 * TAU_SYN * WEIGHT if direct else 0.0
        neuron = {
            "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0,
            "tau_syn_ex": TAU_SYN, "tau_syn_in": TAU_SYN, "I_e": current,
        }  # fmt: skip
        populations.append(Population(name, size, "lif_psc_exp", neuron, {"V_m": Normal(-58.0, 5.0)}))
    projections = []
    for target, row in enumerate(PROBABILITIES):
        for source, probability in enumerate(row):
            if not probability:
                continue
            excitatory = NAMES[source].endswith("E")
            mean = WEIGHT * (2.0 if (NAMES[target], NAMES[source]) == ("23E", "4E") else 1.0)
            number = math.log(1.0 - probability) / math.log(1.0 - 1.0 / (SIZES[source] * SIZES[target]))
            weight = Normal(mean, 0.1 * mean, 0.0) if excitatory else Normal(-4.0 * mean, 0.4 * mean, high=0.0)
            projections.append(
                Projection(
                    f"{NAMES[target]}_{NAMES[source]}", NAMES[source], NAMES[target],
                    FixedTotalNumber(round(number * scale**2)), weight,
                    Normal(1.5, 0.75, 0.1) if excitatory else Normal(0.75, 0.375, 0.1),
                    "excitatory" if excitatory else "inhibitory",
                )
            )  # fmt: skip
    drives = () if direct else tuple(
        PoissonDrive(f"drive_{name}", name, external * RATE, WEIGHT, 1.5)
        for name, external in zip(NAMES, EXTERNAL, strict=True)
    )  # fmt: skip
    return Network(tuple(populations), tuple(projections), drives)


def run(name: str, network: Network, simulation: Simulation, seed: int) -> str:
    """Run one simulator; return what it took as text."""
    module = find_simulator(name)
    settings: dict[str, Any] = {key: setting.default for key, setting in module.SETTINGS.items()}
    settings |= dict(module.SUGGESTED or {})
    if name == "nest":
        settings["threads"] = max(3, machine.n_cores())  # NEST holds 2²⁷ connections per thread and synapse model
    module.check_available(settings)
    simulator = module.open_simulator(simulation, settings)
    simulator.build(microcircuit(0.02, not network.inputs), seed)  # compiles, where there is something to be compiled
    begin, used = time.perf_counter(), time.process_time()
    built = simulator.build(network, seed)
    build, build_used = time.perf_counter() - begin, time.process_time() - used
    begin, used = time.perf_counter(), time.process_time()
    (recording,) = simulator.run([network], lambda: None)
    wall, used = time.perf_counter() - begin, time.process_time() - used
    simulator.close()
    if not isinstance(recording, Recording):
        return f"{name}: {recording.status}: {recording.reason}"
    biology = (simulation.warmup + simulation.duration) * 1e-3
    values = summarise(recording.spikes, ["rate", "cv_isi"], {"cv_min_spikes": 3})  # as the reference
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    phases = ", ".join(f"{key[2:]} {seconds:.2f} s" for key, seconds in recording.phases.items())
    rates, cvs = (
        "  ".join(f"{values[f'{what}_{population.name}']:6.3f}" for population in network.populations)
        for what in ("rate", "cv_isi")
    )
    return (
        f"{name}: build {build:.1f} s ({build_used:.1f} s of processor), {built.n_synapses:,} synapses; "
        f"{wall / biology:.2f} s ({used / biology:.2f} s of processor) per second of biology ({phases}); "
        f"{memory / 1e9:.2f} GB\n  rates            {rates}\n  CV               {cvs}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--simulators", nargs="+", default=["native"], help="default: native")
    parser.add_argument("--duration", type=float, default=2000.0, help="ms, after 500 ms of warm-up")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the neurons (default: all)")
    parser.add_argument("--direct", action="store_true", help="drive by direct current")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    network = microcircuit(arguments.scale, arguments.direct)
    simulation = Simulation(0.1, 500.0, arguments.duration)
    print(f"{network.n_neurons:,} neurons on {machine.processor()}, load before {os.getloadavg()[0]:.1f}")
    print(f"  published rates  {'  '.join(f'{rate:6.3f}' for rate in REFERENCE)}")
    print(f"  NEST's CV (2 s)  {'  '.join(f'{value:6.3f}' for value in REFERENCE_CV)}", flush=True)
    for name in arguments.simulators:
        for seed in arguments.seeds:
            print(run(name, network, simulation, seed), flush=True)


if __name__ == "__main__":
    main()
