"""Points per hour on NEST with one build for all points of a structure, against a build for every point, in one run.

The claim: at 5,000 neurons and a recording of 1 s, reusing the structure runs half as many points again per hour; it
saves the build, so the ratio falls with the duration of a point. Both ways run the same points (background current
and clustering differ) and their spikes are compared: the ratio counts only if they are the same to the bit.

    python benchmarks/engines/structure_reuse.py [--neurons 5000] [--points 6] [--duration 1000] [--threads 1]

``--neurons 25000`` is the published network (7 GB of memory).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, Simulator, find_simulator
from simulators.description.network import Network, expected_synapses, structure_of
from simulators.models.clustered import make_network
from simulators.records.job import Simulation
from simulators.statistics.spike_trains import SpikeTrains

SEED = 1


def describe_points(n_neurons: int, n_points: int) -> list[Network]:
    """Points of one structure along background current and clustering, as a calibration grid has them."""
    base = read_defaults(defaults_file("clustered", Path())).values_by_name() | {
        "N_E": n_neurons * 4 // 5,
        "N_I": n_neurons // 5,
    }
    currents = np.linspace(1.2, 2.2, n_points)
    points = [
        make_network({**base, "I_th_E": float(current), "jep": 2.75 + 0.5 * (k % 3)})
        for k, current in enumerate(currents)
    ]
    if len({structure_of(point) for point in points}) != 1:
        raise ValueError("the points differ in structure")
    return points


def run_points(
    simulator: Simulator, points: Sequence[Network], reuse: bool
) -> tuple[float, float, list[Mapping[str, SpikeTrains]]]:
    """Run all points; return the seconds in all, those of building, and the spikes."""
    found: list[Mapping[str, SpikeTrains]] = []
    start, building = time.perf_counter(), 0.0
    for number, point in enumerate(points):
        if number == 0 or not reuse:
            begin = time.perf_counter()
            simulator.build(point, SEED)
            building += time.perf_counter() - begin
        (outcome,) = simulator.run([point], lambda: None)
        if not isinstance(outcome, Recording):
            raise RuntimeError(f"point {number}: {outcome.status}: {outcome.reason}")
        found.append(outcome.spikes)
    return time.perf_counter() - start, building, found


def same_spikes(first: Mapping[str, SpikeTrains], second: Mapping[str, SpikeTrains]) -> bool:
    """Whether two recordings hold the same spikes, in whatever order."""
    return all(np.array_equal(_ordered(first[name]), _ordered(second[name])) for name in first)


def _ordered(trains: SpikeTrains) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.sort(trains.senders * (trains.n_steps + 1) + trains.steps)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=5000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms recorded; the warm-up is a tenth")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    points = describe_points(arguments.neurons, arguments.points)
    simulation = Simulation(0.1, round(arguments.duration / 10.0), arguments.duration)
    simulator = find_simulator("nest").open_simulator(simulation, {"threads": arguments.threads})
    simulator.build(points[0], SEED)  # imports and allocations are nobody's
    rebuilt, rebuilding, apart = run_points(simulator, points, reuse=False)
    reused, building, together = run_points(simulator, points, reuse=True)
    simulator.close()
    n_spikes = sum(trains.n_spikes for spikes in together for trains in spikes.values())
    print(
        f"{arguments.neurons} neurons, {expected_synapses(points[0]):.3g} synapses, {len(points)} points of "
        f"{simulation.warmup + simulation.duration:g} ms, {arguments.threads} threads, {n_spikes} spikes"
    )
    for name, seconds, builds in (("a build for every point", rebuilt, rebuilding), ("one build", reused, building)):
        rate = 3600.0 * len(points) / seconds
        print(f"{name}: {rate:.0f} points per hour ({seconds:.1f} s, of which {builds:.1f} s building)")
    same = sum(same_spikes(first, second) for first, second in zip(apart, together, strict=True))
    print(f"the same spikes to the bit: {same} of {len(points)} points")
    if same < len(points):
        raise SystemExit("a point depends on what ran before it")
    print(f"one build runs {rebuilt / reused:.2f} × as many points per hour")


if __name__ == "__main__":
    main()
