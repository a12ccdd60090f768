"""Points per hour at full size, in one run: NEST built anew for every point, NEST with one build, GeNN, native.

The claim: on the network of the published grid (25,000 neurons, 1.93·10⁸ synapses, 10 s of biology per point) GeNN's
CPU backend runs at least 25 times as many points per hour on the same cores as NEST does with a build for every
point, in at most 600 MB per worker, and the native simulator at least 200 times as many, in at most 400 MB. Real
workers run real jobs, one kind after the other: NEST as one process with a thread per core, then GeNN and the native
simulator as one process per core. Every figure is from the rows they write; nothing is extrapolated
but the length of a job: a build that points share is spread over a job of half an hour. The mean rates stand beside,
as a comparison of speed counts only where they agree.

    python benchmarks/engines/points_per_hour.py [--neurons 25000] [--duration 9000] [--cores 2] \
        [--simulators nest genn native]

At full size and on two cores it takes some seven minutes and 7.5 GB.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gridsearch.inputs.parameters import defaults_file, read_defaults
from jobs.local_executor import run_jobs
from jobs.plan import PlannedJob
from simulators.backends.simulator import find_simulator
from simulators.description.network import expected_synapses
from simulators.models.clustered import make_network
from simulators.records import machine
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import PHASES

# Of the published grid: a quiet point, one in its middle, a lively one
POINTS = ({"I_th_E": 1.35, "I_th_I": 0.95}, {"I_th_E": 1.95, "I_th_I": 1.2}, {"I_th_E": 2.55, "I_th_I": 1.2})
JOB = 1800.0  # s


@dataclass(frozen=True)
class Speed:
    """What a way of running points reaches on all cores together, and what a worker of it takes."""

    points_per_hour: float
    memory: float

    def __str__(self) -> str:
        return f"{self.points_per_hour:8.1f} points per hour, {self.memory / 1e6:6.0f} MB per worker"


def plan_job(
    simulator: str,
    changes: Mapping[str, Any],
    n_neurons: int,
    simulation: Simulation,
    points: Sequence[tuple[int, int]],
) -> PlannedJob:
    """Plan a job of points, given as (index into `POINTS`, seed)."""
    settings = {name: setting.default for name, setting in find_simulator(simulator).SETTINGS.items()} | {**changes}
    job = Job(
        name="-".join([simulator, *(f"{index}{seed}" for index, seed in points)]),
        model="clustered",
        simulator=simulator,
        settings=settings,
        simulation=simulation,
        statistics=("rate", "cv_isi", "lv", "fano_factor"),
        parameters=read_defaults(defaults_file("clustered", Path())).values_by_name()
        | {"N_E": n_neurons * 4 // 5, "N_I": n_neurons // 5},
        points=tuple(Point(f"{index}-{seed}", seed, seed, POINTS[index]) for index, seed in points),
        populations=("E", "I"),
    )
    return PlannedJob(job, int(settings.get("threads", 1)), 0.0, 0.0)


def run(planned: Sequence[PlannedJob], folder: Path) -> pd.DataFrame:
    """Run jobs side by side and return their rows, with the time of each apart from building as ``t_point``."""
    directory = RunDirectory(folder)
    for one in planned:
        write_job(one.job, directory.job(one.job.name))
    failures = run_jobs(planned, directory, lambda progress: None)
    if failures:
        raise RuntimeError(f"{failures[0].job} {failures[0].reason}")
    rows = pd.concat([pd.read_parquet(directory.summary(one.job.name)) for one in planned], ignore_index=True)
    if not (rows["status"] == "ok").all():
        raise RuntimeError(f"a point failed: {rows['error'].dropna().iloc[0]}")
    apart = ("t_load", "t_compile", "t_build")
    return rows.assign(t_point=rows[[name for name in PHASES if name not in apart]].sum(axis=1))


def reusing(rows: pd.DataFrame, processes: int) -> Speed:
    """Speed where start and build are spread over a job of half an hour."""
    start = rows.loc[rows["t_build"] > 0.0, ["t_load", "t_compile", "t_build"]].sum(axis=1).max()
    per_job = (JOB - start) / rows["t_point"].mean()
    return Speed(per_job * 3600.0 / JOB * processes, rows["peak_memory"].max())


def describe(name: str, rows: pd.DataFrame) -> str:
    """Times and rates of the rows as text."""
    built = rows[rows["t_build"] > 0.0]
    rates = "; ".join(
        f"{point}: {values['rate_E']:.3f} and {values['rate_I']:.3f} Hz"
        for point, values in rows.groupby("I_th_E")[["rate_E", "rate_I"]].mean().iterrows()
    )
    return (
        f"{name}: build {built['t_build'].mean():.1f} s, code {built['t_compile'].max():.1f} s, start "
        f"{rows['t_load'].max():.1f} s; a point {rows['t_point'].min():.1f} to {rows['t_point'].max():.1f} s, of which "
        f"propagation {rows['t_simulate'].mean():.1f} s\n  mean rates of E and I at I_th_E = {rates}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--neurons", type=int, default=25_000, help="a multiple of 100 (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=9000.0, help="ms recorded, after 1000 ms of warm-up")
    parser.add_argument("--cores", type=int, default=machine.n_cores(), help="default: all, here %(default)s")
    parser.add_argument("--simulators", nargs="+", default=["nest", "genn", "native"], help="default: all")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])  # of this process and its workers
    simulation = Simulation(0.1, 1000.0, arguments.duration)
    # One job holds both ways of NEST: its second point reuses the build of the first, the third one builds its own
    points = [(0, 1), (1, 1), (2, 2)]
    nest = plan_job("nest", {"threads": arguments.cores}, arguments.neurons, simulation, points)
    network = make_network(nest.job.parameters)
    print(
        f"{arguments.neurons} neurons, {expected_synapses(network):.3g} synapses, "
        f"{(1000.0 + arguments.duration) * 1e-3:g} s of biology per point, {arguments.cores} cores of "
        f"{machine.processor()}, load before {os.getloadavg()[0]:.1f}, OMP_WAIT_POLICY = "
        f"{os.environ.get('OMP_WAIT_POLICY', 'not set')}",
        flush=True,
    )
    own = {
        "genn": ("GeNN on the CPU", {"backend": "single_threaded_cpu"}),
        "native": ("native", {}),
    }
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        if "nest" in arguments.simulators:
            rows = run([nest], Path(folder))
            print(describe(f"NEST, {arguments.cores} threads", rows), flush=True)
            rebuilt = rows[rows["t_build"] > 0.0]
            per_point = (rebuilt["t_build"] + rebuilt["t_point"]).mean()
            speeds["NEST, a build for every point"] = Speed(3600.0 / per_point, rows["peak_memory"].max())
            speeds["NEST, one build"] = reusing(rows, 1)
        for simulator, (title, changes) in own.items():
            if simulator not in arguments.simulators:
                continue
            settings = {**changes, "cache": f"{folder}/compiled"}
            jobs = [
                plan_job(simulator, settings, arguments.neurons, simulation, [(k, seed) for k in range(len(POINTS))])
                for seed in range(1, arguments.cores + 1)
            ]
            if simulator == "native":
                run(jobs[:1], Path(folder) / "cold")  # compiles, as the first job on a machine does
            rows = run(jobs, Path(folder))
            print(describe(f"{title}, {arguments.cores} processes", rows), flush=True)
            speeds[title] = reusing(rows, arguments.cores)
    base = next(iter(speeds.values())).points_per_hour
    for name, speed in speeds.items():
        print(f"{name:30} {speed}, {speed.points_per_hour / base:5.1f} ×")


if __name__ == "__main__":
    main()
