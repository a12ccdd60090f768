"""Points per hour on a graphics processor, by size of batch, against GeNN on one core, in one run.

The claims: batches of points that differ in currents and weights run many times as many points per hour as one core,
points of a batch keep to their own values (the rates of each agree with those of the same point on the core), and
a batch that is not full gives the same. Spikes themselves differ: a graphics processor adds up inputs in an order
that changes from run to run, and the network is chaotic.

    python benchmarks/engines/gpu.py [--neurons 25000] [--points 40] [--batches 1 8 40] [--duration 1000] [--procedural]
    python benchmarks/engines/gpu.py --grid 40 [--neurons 25000] [--duration 9000] [--batches 40] [--cores 8 1] \
        [--trains]

The second form has a worker run the published grid as it does in a sweep, all statistics included, and holds the wall
time against the 1,208 s of simulating, 977 s of fetching spikes and 117 s of compiling of the original study (Schmitt,
Rostami & Nawrot 2023); with the phases, what the estimate expects, and once for each number of cores. With `--trains`
whole trains are recorded and kept, in place of sums of them. The goal is 200 s on an H100.

Needs a PyGeNN that was built with CUDA (or HIP: --backend hip) and a graphics processor; says so otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from pyarrow import Table

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Cost, Recording, SimulatorUnavailableError, find_simulator
from simulators.description.network import Network, expected_synapses
from simulators.models.clustered import make_network
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.summaries.summary import PHASES, read_summary
from simulators.statistics import with_always

SEED = 1
STUDY = 1208.0 + 977.0 + 117.0  # s


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


def run_grid(
    settings: Mapping[str, Any], n_neurons: int, side: int, duration: float, trains: bool
) -> tuple[float, Table, Cost]:
    """Have a worker run side × side points of the published grid; return its wall time in s, its rows, the estimate."""
    parameters = read_defaults(defaults_file("clustered", Path())).values_by_name() | {
        "N_E": n_neurons * 4 // 5,
        "N_I": n_neurons // 5,
    }
    currents = [
        {"I_th_E": 0.95 + 1.95 * i / max(side - 1, 1), "I_th_I": 0.7 + 0.975 * k / max(side - 1, 1)}
        for i in range(side)
        for k in range(side)
    ]
    job = Job(
        name="grid",
        model="clustered",
        simulator="genn",
        settings=settings,
        simulation=Simulation(0.1, round(duration / 9.0), duration),
        statistics=tuple(name for name in with_always(()) if isinstance(name, str)),
        parameters=parameters,
        points=tuple(Point(f"p{k}", SEED, SEED, one) for k, one in enumerate(currents)),
        populations=("E", "I"),
        spikes="all" if trains else "none",
    )
    network = make_network({**parameters, **currents[0]})
    cost = find_simulator("genn").estimate(network, job.simulation, settings).of(job)
    with tempfile.TemporaryDirectory() as folder:
        write_job(job, Path(folder) / "job.json")
        summary = Path(folder) / "grid.parquet"
        begin = time.perf_counter()
        command = [sys.executable, "-m", "simulators.worker", str(Path(folder) / "job.json"), "--summary", str(summary)]
        command += ["--root", folder, "--spikes", folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begin, read_summary(summary), cost


def show_grid(device: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Run the published grid for each number of cores and say what it took."""
    for batch, cores in itertools.product(arguments.batches, arguments.cores):
        settings = {**device, "batch": batch, "cores": cores}
        wall, rows, cost = run_grid(settings, arguments.neurons, arguments.grid, arguments.duration, arguments.trains)
        expected = cost.start + cost.build + len(rows) * cost.point
        phases = {name: float(pc.sum(rows[name]).as_py()) for name in PHASES}
        n_good = rows["status"].to_pylist().count("ok")
        print(
            f"{len(rows)} points ({n_good} good) on {rows['gpu'][0].as_py() or 'a core'}, "
            f"batches of {batch}, {cores} cores: {wall:.1f} s, "
            f"{wall / len(rows):.3f} s per point, {expected:.0f} s expected; "
            f"{format_phases(phases)}; "
            f"peak memory {max(rows['peak_memory'].to_pylist()) / 1e9:.2f} GB; load {os.getloadavg()[0]:.1f}"
        )
        if len(rows) == 1600 and arguments.neurons == 25_000 and arguments.duration == 9000.0:
            print(f"the study: {STUDY:.0f} s, {STUDY / wall:.1f} times as long")


def main() -> int:
    """Run the benchmark; return 0, or 2 without a graphics processor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=25_000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--batches", type=int, nargs="+", help="default: 1 8 40, of a grid 40")
    parser.add_argument("--duration", type=float, help="ms recorded (default: 1000, of a grid 9000)")
    parser.add_argument(
        "--grid", type=int, default=0, metavar="SIDE", help="the published grid, SIDE × SIDE points of it"
    )
    parser.add_argument("--cores", type=int, nargs="+", default=[8, 1], help="of a grid (default: %(default)s)")
    parser.add_argument(
        "--backend",
        default="cuda",
        choices=("cuda", "hip", "single_threaded_cpu"),
        help="a CPU only to try a small grid",
    )
    parser.add_argument("--trains", action="store_true", help="of a grid: record whole trains, and no sums")
    parser.add_argument("--procedural", action="store_true", help="draw connectivity at every spike")
    parser.add_argument("--core-points", type=int, default=8, help="points that run on the core for comparison")
    arguments = parser.parse_args()
    arguments.batches = arguments.batches or ([40] if arguments.grid else [1, 8, 40])
    arguments.duration = arguments.duration or (9000.0 if arguments.grid else 1000.0)
    module = find_simulator("genn")
    settings = {name: setting.default for name, setting in module.SETTINGS.items()}
    device = {**settings, "backend": arguments.backend, "procedural": arguments.procedural}
    try:
        module.check_available(device)
    except SimulatorUnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.grid:
        show_grid(device, arguments)
        return 0
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
