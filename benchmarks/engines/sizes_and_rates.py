"""Time of a point against size and against rate, one core: the clustered network on native, and on others if named.

The network of the published grid from 5,000 to 100,000 neurons at one drive, and at its own size over drives from
silence to some 10 Hz; 10 s of biology at full length. What is drawn is processor time, which others on the machine
disturb less than the clock; memory of 1.3 GB at 100,000 neurons.

    python benchmarks/engines/sizes_and_rates.py [--simulators native] [--duration 1000] \
        [--figure docs/sizes_and_rates.png]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.models.clustered import make_network
from simulators.records import machine
from simulators.records.job import Simulation

SIZES = (5_000, 10_000, 25_000, 50_000, 100_000)
DRIVE = (1.95, 1.2)  # I_th_E, I_th_I
DRIVES = ((0.95, 1.2), (1.35, 0.95), (1.95, 1.2), (2.55, 1.2), (2.9, 0.7), (4.0, 0.7), (5.5, 0.7))
BIOLOGY = 10.0  # s, that times are scaled to


def measure(name: str, simulator: Any, simulation: Simulation, n_neurons: int, drive: tuple[float, float]) -> Any:
    """Run one point; return its processor time per 10 s of biology and its mean rate."""
    defaults: dict[str, Any] = read_defaults(defaults_file("clustered", Path())).values_by_name()
    parameters = defaults | {
        "N_E": n_neurons * 4 // 5, "N_I": n_neurons // 5, "I_th_E": drive[0], "I_th_I": drive[1],
    }  # fmt: skip
    network = make_network(parameters)
    begin = time.process_time()
    simulator.build(network, 1)
    build = time.process_time() - begin
    begin = time.process_time()
    (recording,) = simulator.run([network], lambda: None)
    used = time.process_time() - begin
    if not isinstance(recording, Recording):
        raise RuntimeError(f"{name}: {recording.reason}")
    rate = sum(trains.n_spikes for trains in recording.spikes.values()) / n_neurons / (simulation.duration * 1e-3)
    seconds = (simulation.warmup + simulation.duration) * 1e-3
    return {
        "simulator": name, "neurons": n_neurons, "I_th_E": drive[0], "I_th_I": drive[1], "build": build,
        "point": used * BIOLOGY / seconds, "rate": rate,
    }  # fmt: skip


def draw(rows: pd.DataFrame, load: float, path: Path) -> None:
    """Draw both dependences."""
    figure, (sizes, rates) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    for name, part in rows.groupby("simulator"):
        own = part[(part["I_th_E"] == DRIVE[0]) & (part["I_th_I"] == DRIVE[1])].sort_values("neurons")
        sizes.loglog(own["neurons"], own["point"], "o-", label=name)
        own = part[part["neurons"] == 25_000].sort_values("rate")
        rates.plot(own["rate"], own["point"], "o-", label=name)
    sizes.set(xlabel="neurons", ylabel="processor time of 10 s (s)", title=f"I_th = {DRIVE}")
    rates.set(xlabel="mean rate (Hz)", ylabel="processor time of 10 s (s)", title="25,000 neurons", ylim=(0.0, None))
    sizes.legend(frameon=False)
    figure.suptitle(f"One core of {machine.processor()}, load {load:.0f}")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--simulators", nargs="+", default=["native"])
    parser.add_argument("--duration", type=float, default=1000.0, help="ms, after 200 ms of warm-up")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    simulation = Simulation(0.1, 200.0, arguments.duration)
    rows = []
    for name in arguments.simulators:
        module = find_simulator(name)
        settings = {key: setting.default for key, setting in module.SETTINGS.items()} | dict(module.SUGGESTED or {})
        simulator = module.open_simulator(simulation, settings)
        measure(name, simulator, Simulation(0.1, 0.0, 10.0), 1000, DRIVE)  # compiles
        for n_neurons, drive in {*((size, DRIVE) for size in SIZES), *((25_000, drive) for drive in DRIVES)}:
            rows.append(measure(name, simulator, simulation, n_neurons, drive))
        simulator.close()
    table = pd.DataFrame(rows).sort_values(["simulator", "neurons", "rate"])
    print(f"{machine.processor()}, load before {load:.1f}; s of processor, a point scaled to 10 s")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"), flush=True)
    if arguments.figure is not None:
        draw(table, load, arguments.figure)


if __name__ == "__main__":
    main()
