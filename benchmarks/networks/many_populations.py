"""What populations cost beside their neurons, and a network of the shape of a model of many areas.

The first claim: the time to plan, build, compile and simulate so many unconnected neurons is the same for 1 population
and for 300, but for what the simulator itself takes. Each number of populations and each simulator is a process of its
own; times in s. The second (``--areas``): 254 populations with 64,516 projections and 2.4·10¹⁰ synapses, made up in the
shape of the multi-area model, are planned in a minute; at a smaller scale they run (``--run``).

    python benchmarks/networks/many_populations.py [--neurons 1000000] [--simulators native genn nest] \
        [--figure many.png]
    python benchmarks/networks/many_populations.py --areas 1.0
    python benchmarks/networks/many_populations.py --areas 0.01 --simulators native --run

References
----------
Knight, J. C., & Nowotny, T. (2021). Larger GPU-accelerated brain simulations with procedural connectivity. Nature
Computational Science 1, 136–142.
Schmidt, M., Bakker, R., Shen, K., Bezgin, G., Diesmann, M., & van Albada, S. J. (2018). A multi-scale layer-resolved
spiking network model of resting-state dynamics in macaque visual cortical areas. PLoS Comput Biol 14, e1006359.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, SimulatorModule, find_simulator
from simulators.description import FixedTotalNumber, Network, Normal, Population, Projection
from simulators.models import find_model
from simulators.records.job import Simulation

NUMBERS = (1, 3, 10, 30, 100, 300)
PHASES = ("plan", "compile", "build", "simulate")
AREAS, NEURONS, SYNAPSES = 254, 4.13e6, 2.4e10


def settings_of(module: SimulatorModule, threads: int = 0) -> dict[str, Any]:
    """Return a simulator's defaults, with so many threads where it has them and a number is given."""
    settings = {key: setting.default for key, setting in module.SETTINGS.items()}
    return settings | ({"threads": threads} if threads and "threads" in settings else {})


def time_one(simulator: str, neurons: int, number: int, duration: float, threads: int) -> dict[str, float]:
    """Time the phases of one network in this process, s, with its peak memory in GB."""
    values = read_defaults(defaults_file("many_populations", Path())).values_by_name()
    make_network = find_model("many_populations", Path())
    module, simulation = find_simulator(simulator), Simulation(0.1, 0.0, duration)
    settings = settings_of(module, threads)
    with tempfile.TemporaryDirectory() as folder:
        if simulator == "genn":
            settings["cache"] = folder  # or it would find the network compiled
        begin = time.perf_counter()
        network = make_network({**values, "N": neurons, "n_populations": number})
        found = {"failed": 1.0} if module.problems(network, simulation, settings) else {}
        module.estimate(network, simulation, settings)
        found["plan"] = time.perf_counter() - begin
        opened = module.open_simulator(simulation, settings)
        build = opened.build(network, 1)
        begin = time.perf_counter()
        (outcome,) = opened.run([network], lambda: None)
        found["simulate"] = time.perf_counter() - begin
        opened.close()
    assert isinstance(outcome, Recording), outcome
    found |= {phase: build.phases.get(f"t_{phase}", 0.0) for phase in ("compile", "build")}
    spikes = sum(trains.n_spikes for trains in outcome.spikes.values())
    found["rate"] = spikes / neurons / duration * 1e3
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def areas(scale: float) -> Network:
    """Make up a network of the shape of the multi-area model.

    Parameters
    ----------
    scale : float
        Of the number of neurons; that of synapses goes with its square. Above a hundredth weights go against the
        inputs of a neuron, or populations would run away.
    """
    weaker = min(1.0, 0.01 / scale)
    rng = np.random.default_rng(1)
    shares, strengths = rng.lognormal(0.0, 1.0, AREAS), rng.lognormal(0.0, 2.0, (AREAS, AREAS))
    sizes = np.maximum(2, np.rint(NEURONS * scale * shares / shares.sum())).astype(int)
    synapses = np.rint(SYNAPSES * scale**2 * strengths / strengths.sum()).astype(int)
    neuron = {
        "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0,
        "tau_syn_ex": 0.5, "tau_syn_in": 0.5, "I_e": 376.0,
    }  # fmt: skip
    populations = [
        Population(f"P{k}", int(size), "lif_psc_exp", neuron, {"V_m": Normal(-58.0, 5.0)})
        for k, size in enumerate(sizes)
    ]
    projections = []
    for target in range(AREAS):
        for source in range(AREAS):
            name, rule = f"P{target} P{source}", FixedTotalNumber(int(synapses[target, source]))
            ends = f"P{source}", f"P{target}"
            if source % 2 == 0:
                projections.append(Projection(name, *ends, rule, 87.8 * weaker, 1.5, "excitatory"))
            else:
                projections.append(Projection(name, *ends, rule, -351.2 * weaker, 0.7, "inhibitory"))
    return Network(tuple(populations), tuple(projections))


def plan_areas(simulators: list[str], scale: float, run: bool) -> None:
    """Print what planning the areas takes, and what it says; and run them where that is asked for."""
    begin = time.perf_counter()
    network = areas(scale)
    print(f"{network.n_neurons} neurons, {len(network.projections)} projections: {time.perf_counter() - begin:.1f} s")
    simulation = Simulation(0.1, 0.0, 1000.0)
    for name in simulators:
        module = find_simulator(name)
        settings = settings_of(module)
        begin = time.perf_counter()
        problems = module.problems(network, simulation, settings)
        cost = module.estimate(network, simulation, settings)
        hash(module.structure(network))
        took = time.perf_counter() - begin
        print(
            f"{name}: planned in {took:.1f} s (load {os.getloadavg()[0]:.1f}): build {cost.build:.0f} s, a second of "
            f"biology {cost.point:.0f} s, {cost.memory / 1e9:.1f} GB"
        )
        if problems:
            print(f"  cannot: {problems[-1]}" + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))
        if run and not problems:
            opened = module.open_simulator(simulation, settings)
            build = opened.build(network, 1)
            begin = time.perf_counter()
            (outcome,) = opened.run([network], lambda: None)
            assert isinstance(outcome, Recording), outcome
            spikes = sum(trains.n_spikes for trains in outcome.spikes.values())
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
            print(
                f"  built in {sum(build.phases.values()):.1f} s with {build.n_synapses} synapses, simulated in "
                f"{time.perf_counter() - begin:.1f} s, {spikes / network.n_neurons:.2f} Hz, "
                f"{memory:.2f} GB (load {os.getloadavg()[0]:.1f})"
            )
            opened.close()


Rows = dict[str, dict[int, dict[str, float]]]


def rows_of(path: Path | None) -> Rows:
    """Return the rows that a file keeps, by simulator and number of populations; none without one."""
    if path is None or not path.is_file():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {simulator: {int(number): row for number, row in rows.items()} for simulator, rows in kept.items()}


def draw(found: Rows, path: Path) -> None:
    """Draw the phases of every simulator against the number of populations."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.2), sharey=True, squeeze=False)
    for ax, (simulator, rows) in zip(axes[0], found.items(), strict=True):
        for index, phase in enumerate(PHASES):
            values = [rows[number][phase] or np.nan for number in sorted(rows)]
            ax.plot(sorted(rows), values, "o-", ms=4, lw=1, color=f"C{index}", label=phase)
        ax.set(xscale="log", yscale="log", xlabel="populations", title=f"{simulator}, {_size(rows):,} neurons")
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel("time (s)")
    axes[0, -1].legend(frameon=False, bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, dpi=150, bbox_inches="tight")


def _size(rows: dict[int, dict[str, float]]) -> int:
    return int(next(iter(rows.values()))["neurons"])


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--simulators", nargs="+", default=["native", "genn", "nest"])
    parser.add_argument("--neurons", type=int, default=1_000_000)
    parser.add_argument("--numbers", type=int, nargs="+", default=list(NUMBERS))
    parser.add_argument("--duration", type=float, default=100.0, help="ms of biology")
    parser.add_argument("--threads", type=int, default=0, help="of NEST and native (default: one)")
    parser.add_argument("--keep", type=Path, help="JSON file of rows, added to; the figure has all that are in it")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--areas", type=float, help="plan the areas at this scale instead")
    parser.add_argument("--run", action="store_true", help="run the areas, too")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.areas is not None:
        plan_areas(given.simulators, given.areas, given.run)
        return
    if given.one:
        row = time_one(given.simulators[0], given.neurons, given.numbers[0], given.duration, given.threads)
        print(json.dumps(row))
        return
    found = rows_of(given.keep)
    for simulator in given.simulators:
        for number in given.numbers:
            arguments = ["--neurons", str(given.neurons), "--duration", str(given.duration), "--one"]
            arguments += ["--simulators", simulator, "--numbers", str(number), "--threads", str(given.threads)]
            done = subprocess.run(
                [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True, env=os.environ
            )
            row = json.loads(done.stdout.splitlines()[-1]) | {"neurons": given.neurons}
            found.setdefault(simulator, {})[number] = row
            phases = "  ".join(f"{phase} {row[phase]:7.2f}" for phase in PHASES)
            print(
                f"{simulator:8s} {number:4d} populations: {phases}  {row['rate']:.2f} Hz  {row['memory']:.2f} GB"
                f"  (load {os.getloadavg()[0]:.1f})",
                flush=True,
            )
            if given.keep is not None:
                given.keep.write_text(json.dumps(found), encoding="utf-8")
    if given.figure is not None:
        draw(found, given.figure)


if __name__ == "__main__":
    main()
