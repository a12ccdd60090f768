"""Where the time of a graphics processor goes: by a count, without one; and by the clock, against GeNN on one core.

    python benchmarks/engines/gpu.py --model [--batches 1 40 80 160] [--cores 8] [--trains]
    python benchmarks/engines/gpu.py --steps [--neurons 25000] [--batches 1 40] [--duration 1000]
    python benchmarks/engines/gpu.py --grid 40 [--neurons 25000] [--batches 80 40] [--cores 8 1] [--trains]
    python benchmarks/engines/gpu.py [--neurons 25000] [--points 40] [--batches 1 8 40] [--duration 1000] [--procedural]

`--model` prints what `plan` expects of the published grid on some processors, term by term
(`simulators.backends.genn_simulator.gpu_costs`): at the mean rate of the published points, and at the rate that all
estimates are made for. It needs neither a graphics processor nor GeNN.

`--steps` measures a step of batches of different sizes, which tells launching from work: one point leaves a graphics
processor idle between launches, many hide them. Then GeNN's own clocks time each kernel of the largest batches; with
these it waits after each, so that only their shares are to be trusted.

`--grid` has a worker run the published grid as it does in a sweep, all statistics included, once for each size of batch
and number of cores, and holds it against the 1,208 s of simulating, 977 s of fetching spikes and 117 s of compiling of
the original study (Schmitt, Rostami & Nawrot 2023). The goal is 200 s in all on an H100. With `--trains` whole trains
are recorded and kept, in place of sums of them.

Without any, points per hour are compared with those of one core. The claims: batches of points that differ in currents
and weights run many times as many points per hour, points of a batch keep to their own values (the rates of each agree
with those of the same point on the core), and a batch that is not full gives the same. Spikes themselves differ: a
graphics processor adds up inputs in an order that changes from run to run, and the network is chaotic.

All but `--model` need a PyGeNN that was built with CUDA (or HIP: --backend hip) and a graphics processor, and say so.
"""

from __future__ import annotations

import argparse
import csv
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
from simulators.backends.accumulated import Accumulates
from simulators.backends.genn_simulator.gpu_costs import BANDWIDTH, gpu_cost, gpu_time
from simulators.backends.genn_simulator.host.devices import bandwidth_of
from simulators.backends.genn_simulator.model import GennSimulator
from simulators.backends.simulator import (
    NOMINAL_RATE,
    Cost,
    Recording,
    Simulator,
    SimulatorUnavailableError,
    find_simulator,
)
from simulators.description.network import Network, expected_synapses
from simulators.models.clustered import make_network
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.summaries.summary import PHASES, read_summary
from simulators.statistics import needs_of, with_always

SEED = 1
STUDY = {"simulating": 1208.0, "fetching spikes": 977.0, "compiling": 117.0}  # s
GOAL = 200.0  # s
CARDS = ("H200", "H100", "A100-SXM4-80GB", "L40S", "RTX 4090", "one that is not known")
PUBLISHED = Path(__file__).parents[1] / "fidelity" / "data" / "published_grid.csv"
LINES = 15  # of a worker that failed


class WorkerFailedError(Exception):
    """The worker ended without having done its job."""


def published_rate() -> float:
    """Mean rate of the published points, GeNN in batches of 40, over all neurons, Hz."""
    with PUBLISHED.open(encoding="utf-8") as file:
        rates = [[float(row[f"genn_batch40_rate_{name}"]) for name in "EI"] for row in csv.DictReader(file)]
    return float(np.mean(rates, axis=0) @ [0.8, 0.2])


def parameters_of(n_neurons: int) -> dict[str, Any]:
    """Parameters of the published network at some size."""
    sizes = {"N_E": n_neurons * 4 // 5, "N_I": n_neurons // 5}
    return read_defaults(defaults_file("clustered", Path())).values_by_name() | sizes


def describe_points(n_neurons: int, n_points: int) -> list[Network]:
    """Points of one structure along background current and clustering."""
    base = parameters_of(n_neurons)
    currents = np.linspace(1.2, 2.2, n_points)
    return [
        make_network({**base, "I_th_E": float(current), "jep": 1.0 + 0.5 * (k % 4)})
        for k, current in enumerate(currents)
    ]


def show_model(arguments: argparse.Namespace) -> None:
    """Print the terms of the published grid on some processors."""
    duration, batches, cores = arguments.duration, arguments.batches, arguments.cores
    network = make_network(parameters_of(arguments.neurons))
    simulation = Simulation(0.1, round(duration / 9.0), duration)
    print(
        f"1600 points of {arguments.neurons} neurons, {simulation.warmup / 1e3:g} + {duration / 1e3:g} s: an estimate, "
        f"of which nothing was measured on a graphics processor.\n{study()}.\nms a point; s in all, compiling apart"
    )
    names = ("host", "launches", "gaps", "neurons", "synapses", "sums", "fetch", "statistics")
    for rate, others in itertools.product((published_rate(), NOMINAL_RATE), cores):
        print(f"\nat {rate:.2f} Hz, {others} cores")
        print(f"{'':22}{'batch':>6}{'µs/step':>9}{''.join(f'{name:>11}' for name in names)}{'point':>9}{'all':>7}")
        for card, batch in itertools.product(CARDS, batches):
            terms = gpu_time(
                network, simulation, batch, others, bandwidth_of(card) or BANDWIDTH, rate, arguments.trains
            )
            parts = "".join(f"{1e3 * getattr(terms, name):11.2f}" for name in names)
            step, point, whole = 1e6 * terms.step, 1e3 * terms.point, 1600 * terms.point
            print(f"{card:22}{batch:6}{step:9.1f}{parts}{point:9.2f}{whole:7.0f}")
    cost = gpu_cost(network, simulation, max(batches), False, max(cores))
    print(
        "\na step takes its launches, or its gaps, neurons and synapses where these are longer; to compile and connect "
        f"{cost.start + cost.build:.0f} s; memory of the worker, batches of {max(batches)}, {max(cores)} cores: "
        f"{(cost.memory + arguments.trains * cost.trains_memory) / 1e9:.1f} GB"
    )


def study() -> str:
    """What the original study took, and the goal, in a sentence."""
    parts = ", ".join(f"{seconds:,.0f} s {name}" for name, seconds in STUDY.items())
    return f"The study: {parts}, {sum(STUDY.values()):,.0f} s in all; the goal: {GOAL:.0f} s"


class Clocked:
    """PyGeNN, whose models time their kernels.

    Parameters
    ----------
    pygenn : module
        PyGeNN.

    Attributes
    ----------
    models : list of pygenn.GeNNModel
        Those that were made.
    """

    def __init__(self, pygenn: Any) -> None:
        self._pygenn = pygenn
        self.models: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pygenn, name)

    def GeNNModel(self, *arguments: Any, **named: Any) -> Any:
        """Make a model."""
        model = self._pygenn.GeNNModel(*arguments, **named)
        model.timing_enabled = True
        self.models.append(model)
        return model

    def times(self) -> dict[str, float]:
        """Time of each kernel of the model that was made last, s."""
        model = self.models[-1]
        kernels = ("neuron_update", "presynaptic_update", "postsynaptic_update", "synapse_dynamics")
        updates = {update.update_group_name for update in model.custom_updates.values()}
        return {name: getattr(model, f"{name}_time") for name in kernels} | {
            name: model.get_custom_update_time(name) for name in updates
        }


def run_steps(
    simulator: Simulator, points: Sequence[Network], clocks: Clocked | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Run points side by side, sums made of them where the simulator would; return phases and times of kernels in s."""
    needs = needs_of(with_always(()))
    if isinstance(simulator, Accumulates) and simulator.accumulates and needs is not None:
        simulator.accumulate(needs)
    simulator.build(points[0], SEED, len(points))
    before = clocks.times() if clocks else {}
    outcomes = simulator.run(points, lambda: None)
    after = clocks.times() if clocks else {}
    simulator.close()
    return totals(outcomes), {name: seconds - before[name] for name, seconds in after.items()}


def totals(outcomes: Sequence[object]) -> dict[str, float]:
    """Phases of points, added up."""
    phases: dict[str, float] = {}
    for outcome in outcomes:
        if not isinstance(outcome, Recording):
            raise RuntimeError(outcome)
        for name, seconds in outcome.phases.items():
            phases[name] = phases.get(name, 0.0) + seconds
    return phases


def show_steps(device: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Time steps of batches of some sizes, and the kernels of the largest."""
    import pygenn

    simulation = Simulation(0.1, round(arguments.duration / 5.0), arguments.duration)
    n_steps = simulation.warmup_steps + simulation.n_steps
    found: dict[int, float] = {}
    for batch in arguments.batches:
        simulator = find_simulator("genn").open_simulator(simulation, {**device, "batch": batch})
        points = describe_points(arguments.neurons, batch)
        name = simulator.gpu
        expected = gpu_time(points[0], simulation, batch, 1, bandwidth_of(name) or BANDWIDTH)
        phases, _ = run_steps(simulator, points)
        found[batch] = 1e6 * phases["t_simulate"] / n_steps
        each = format_phases({phase: seconds / batch for phase, seconds in phases.items()})
        print(
            f"{name or 'a core'}, batches of {batch}: {found[batch]:.1f} µs a step, {1e6 * expected.step:.1f} expected "
            f"of a graphics processor; a point: {each}"
        )
    least, most = min(found), max(found)
    if most > least:
        work = (found[most] - found[least]) / (most - least)
        print(
            f"work: {work:.2f} µs a point and step; launching and gaps, if work is hidden: {found[least]:.1f} µs a step"
        )
    clocks = Clocked(pygenn)
    with tempfile.TemporaryDirectory() as cache:
        settings = {**device, "batch": most, "cache": cache}
        timed = GennSimulator(clocks, simulation, settings, device["backend"])
        _, kernels = run_steps(timed, describe_points(arguments.neurons, most), clocks)
    print(f"kernels, batches of {most}, by GeNN's clocks; µs a step:")
    for name, seconds in sorted(kernels.items(), key=lambda item: -item[1]):
        print(f"  {name:22}{1e6 * seconds / n_steps:9.2f} {seconds / (sum(kernels.values()) or 1.0):5.0%}")


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
            for name, seconds in totals([outcome]).items():
                phases[name] = phases.get(name, 0.0) + seconds
            assert isinstance(outcome, Recording)
            rates.append([s.n_spikes / s.size / (s.duration * 1e-3) for s in outcome.spikes.values()])
    phases["points"] = time.perf_counter() - begin
    simulator.close()
    return phases, np.array(rates)


def run_grid(
    settings: Mapping[str, Any], n_neurons: int, side: int, duration: float, trains: bool
) -> tuple[float, Table, Cost]:
    """Have a worker run side × side points of the published grid; return its wall time in s, its rows, the estimate.

    Raises
    ------
    WorkerFailedError
        If it did not, with what it said last.
    """
    parameters = parameters_of(n_neurons)
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
        ran = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        wall = time.perf_counter() - begin
        if ran.returncode:
            said = "\n".join(ran.stderr.strip().splitlines()[-LINES:])
            raise WorkerFailedError(f"the worker ended with {ran.returncode}; it said last:\n{said}")
        return wall, read_summary(summary), cost


def show_grid(device: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Run the published grid for each number of cores and say what it took."""
    for batch, cores in itertools.product(arguments.batches, arguments.cores):
        settings = {**device, "batch": batch, "cores": cores}
        wall, rows, cost = run_grid(settings, arguments.neurons, arguments.grid, arguments.duration, arguments.trains)
        expected = cost.start + cost.build + len(rows) * cost.point
        phases = {name: float(pc.sum(rows[name]).as_py()) for name in PHASES}
        n_good = rows["status"].to_pylist().count("ok")
        print(
            f"{len(rows)} points ({n_good} good) on {rows['gpu'][0].as_py() or 'a core'}, batches of {batch}, "
            f"{cores} cores: {wall:.1f} s, {wall / len(rows):.3f} s a point, {expected:.0f} s expected"
        )
        named = {
            "simulating": phases.pop("t_simulate"),
            "fetching": phases.pop("t_record"),
            "statistics": phases.pop("t_statistics"),
            "compiling": phases.pop("t_compile"),
        }
        print(f"  {format_phases(named)}; {format_phases(phases)}")
        print(f"  peak memory {max(rows['peak_memory'].to_pylist()) / 1e9:.2f} GB; load {os.getloadavg()[0]:.1f}")
        for reason in rows.filter(pc.not_equal(rows["status"], "ok"))["error"].unique().to_pylist():
            print(f"  {reason}")
        if len(rows) == 1600 and arguments.neurons == 25_000 and arguments.duration == 9000.0:
            print(f"  {study()}; here {sum(STUDY.values()) / wall:.1f} times as fast as the study")


def main() -> int:
    """Run the benchmark; return 0, 1 if a worker failed, or 2 without a graphics processor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", action="store_true", help="print what is expected; needs no graphics processor")
    parser.add_argument("--steps", action="store_true", help="time steps and kernels")
    parser.add_argument("--neurons", type=int, default=25_000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--batches", type=int, nargs="+", help="default: 1 8 40; of steps 1 40, of a grid 80 40")
    parser.add_argument("--duration", type=float, help="ms recorded (default: 1000, of a grid 9000)")
    parser.add_argument(
        "--grid", type=int, default=0, metavar="SIDE", help="the published grid, SIDE × SIDE points of it"
    )
    parser.add_argument("--cores", type=int, nargs="+", help="of a grid (default: 8 1)")
    parser.add_argument(
        "--backend",
        default="cuda",
        choices=("cuda", "hip", "single_threaded_cpu"),
        help="a CPU only to try a few steps or a small grid",
    )
    parser.add_argument(
        "--trains", action="store_true", help="of a grid, and of what is expected: whole trains, no sums"
    )
    parser.add_argument("--procedural", action="store_true", help="draw connectivity at every spike")
    parser.add_argument("--core-points", type=int, default=8, help="points that run on the core for comparison")
    arguments = parser.parse_args()
    kind = "model" if arguments.model else "steps" if arguments.steps else "grid" if arguments.grid else "points"
    usual = {"model": [1, 40, 80, 160], "steps": [1, 40], "grid": [80, 40], "points": [1, 8, 40]}
    arguments.batches = arguments.batches or usual[kind]
    arguments.cores = arguments.cores or ([8] if arguments.model else [8, 1])
    arguments.duration = arguments.duration or (9000.0 if kind in ("model", "grid") else 1000.0)
    if arguments.model:
        show_model(arguments)
        return 0
    module = find_simulator("genn")
    settings = {name: setting.default for name, setting in module.SETTINGS.items()}
    device = {**settings, "backend": arguments.backend, "procedural": arguments.procedural}
    try:
        module.check_available(device)
    except SimulatorUnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.steps or arguments.grid:
        try:
            (show_steps if arguments.steps else show_grid)(device, arguments)
        except WorkerFailedError as error:
            print(error, file=sys.stderr)
            return 1
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
