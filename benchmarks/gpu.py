"""Points per hour on a graphics processor, by size of batch, against GeNN on one core, in one run.

The claims: batches of points that differ in currents and weights run many times as many points per hour as one core,
points of a batch keep to their own values (the rates of each agree with those of the same point on the core), and
a batch that is not full gives the same. Spikes themselves differ: a graphics processor adds up inputs in an order
that changes from run to run, and the network is chaotic.

    python benchmarks/gpu.py [--neurons 25000] [--points 40] [--batches 1 8 40] [--duration 1000] [--procedural]

Needs a PyGeNN that was built with CUDA (or HIP: --backend hip) and a graphics processor; says so otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, SimulatorUnavailableError, find_simulator
from simulators.description.network import Network, expected_synapses
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

SEED = 1


def describe_points(n_neurons: int, n_points: int) -> list[Network]:
    """Points of one structure along background current and clustering."""
    base = read_defaults(defaults_file("clustered", Path())).values_by_name() | {
        "N_E": n_neurons * 4 // 5,
        "N_I": n_neurons // 5,
    }
    currents = np.linspace(1.2, 2.2, n_points)
    return [
        make_network({**base, "I_th_E": float(current), "jep": 1.0 + 0.5 * (k % 4)})
        for k, current in enumerate(currents)
    ]


def run_points(
    settings: Mapping[str, Any], points: Sequence[Network], simulation: Simulation
) -> tuple[dict[str, float], np.ndarray[Any, np.dtype[np.float64]]]:
    """Phases in s, summed over all points, and rates in Hz, shape (points, populations)."""
    module = find_simulator("genn")
    simulator = module.open_simulator(simulation, settings)
    phases: dict[str, float] = dict(simulator.build(points[0], SEED).phases)
    rates = []
    begin = time.perf_counter()
    batch = simulator.batch_size(points[0])
    for first in range(0, len(points), batch):
        for outcome in simulator.run(points[first : first + batch], lambda: None):
            if not isinstance(outcome, Recording):
                raise RuntimeError(outcome.reason)
            for name, seconds in outcome.phases.items():
                phases[name] = phases.get(name, 0.0) + seconds
            rates.append([s.n_spikes / s.size / (s.duration * 1e-3) for s in outcome.spikes.values()])
    phases["points"] = time.perf_counter() - begin
    simulator.close()
    return phases, np.array(rates)


def main() -> int:
    """Run the benchmark; return 0, or 2 without a graphics processor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=25_000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 40])
    parser.add_argument("--duration", type=float, default=1000.0, help="ms recorded; the warm-up is a fifth")
    parser.add_argument("--backend", default="cuda", choices=("cuda", "hip"))
    parser.add_argument("--procedural", action="store_true", help="draw connectivity at every spike")
    parser.add_argument("--core-points", type=int, default=8, help="points that run on the core for comparison")
    arguments = parser.parse_args()
    module = find_simulator("genn")
    settings = {name: setting.default for name, setting in module.SETTINGS.items()}
    device = {**settings, "backend": arguments.backend, "procedural": arguments.procedural}
    try:
        module.check_available(device)
    except SimulatorUnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    points = describe_points(arguments.neurons, arguments.points)
    simulation = Simulation(0.1, round(arguments.duration / 5.0), arguments.duration)
    print(f"{arguments.neurons} neurons, {expected_synapses(points[0]):.3g} synapses, {len(points)} points")
    compared = np.linspace(0, len(points) - 1, min(arguments.core_points, len(points))).astype(int)
    phases, on_core = run_points(
        {**settings, "backend": "single_threaded_cpu"}, [points[k] for k in compared], simulation
    )
    core = phases["points"] / len(compared)
    print(f"one core: {3600.0 / core:.0f} points per hour; {format_phases(phases)}")
    for batch in arguments.batches:
        phases, rates = run_points({**device, "batch": batch}, points, simulation)
        each = phases["points"] / len(points)
        apart = np.abs(rates[compared] - on_core).max(axis=0)
        print(
            f"batches of {batch}: {3600.0 / each:.0f} points per hour, {core / each:.1f} × one core; "
            f"{format_phases(phases)}; rates differ from the core's by at most {apart.round(3).tolist()} Hz"
        )
    return 0


def format_phases(phases: Mapping[str, float]) -> str:
    """Phases as text."""
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in phases.items())


if __name__ == "__main__":
    sys.exit(main())
