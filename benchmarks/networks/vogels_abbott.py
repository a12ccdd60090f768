"""Vogels–Abbott networks: our description on every simulator beside NEST's own example scripts.

NEST's wheel carries the benchmarks of Brette et al. (2007) as scripts. They are run as they are, except that every
neuron is recorded, into memory, and that the seed changes; then each simulator runs our model with its defaults, which
are the scripts' numbers. The same time is compared: from the first step on, the kick within it. With conductances the
activity may go out by itself, so runs in which it did are counted and left out of the means. The claim: rates and CVs
are those of the examples within the standard errors of their difference.

    python benchmarks/networks/vogels_abbott.py [--models coba cuba] [--simulators nest genn native] [--seeds 10]

References
----------
Brette, R., et al. (2007). Simulation of networks of spiking neurons: a review of tools and strategies. Journal of
Computational Neuroscience 23, 349–398.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.models import find_model
from simulators.records import machine
from simulators.records.job import Simulation
from simulators.statistics import summarise
from simulators.statistics.spike_trains import SpikeTrains

STATISTICS = ["rate", "cv_isi", "synchrony"]
SETTINGS = {"cv_min_spikes": 3}  # a second is short for a CV, but as short for one simulator as for the other
LAST = 50.0  # ms at the end of a run that tell whether it goes on
COLUMNS = [f"{statistic}_{name}" for statistic in STATISTICS for name in "EI"]
EXAMPLES = Path("doc", "examples", "pynest", "brette_et_al_2007")  # in NEST's package


def of_example(model: str, seed: int, duration: float) -> Mapping[str, Any]:
    """Run NEST's own script of a model and return the statistics of all its neurons."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    folder = str(Path(nest.__file__).parent / EXAMPLES)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    script = importlib.import_module(model)
    framework = importlib.import_module("brette_et_al_2007_benchmark")
    sizes = {"E": script.params["NE"], "I": script.params["NI"]}
    parameters = {**script.params, "recorder_params": {"record_to": "memory"}, "Nrec": min(sizes.values())}
    nest.ResetKernel()
    nest.rng_seed = seed
    with contextlib.redirect_stdout(io.StringIO()):
        excitatory, inhibitory, *recorders = framework.build_network(parameters)
        nest.Connect(excitatory[parameters["Nrec"] :], recorders[0])
    nest.Simulate(duration)
    dt, spikes = parameters["dt"], {}
    for name, neurons, recorder in zip("EI", (excitatory, inhibitory), recorders, strict=True):
        events = recorder.events
        spikes[name] = SpikeTrains(
            steps=np.rint(events["times"] / dt).astype(np.int64),
            senders=events["senders"].astype(np.int64) - neurons[0].global_id,
            size=sizes[name],
            n_steps=round(duration / dt),
            dt=dt,
        )
    return measured(spikes)


def measured(spikes: Mapping[str, SpikeTrains]) -> Mapping[str, Any]:
    """Return the statistics of a run, and whether it still fires at its end."""
    ends = [trains.steps.max(initial=0) > trains.n_steps - LAST / trains.dt for trains in spikes.values()]
    return {**summarise(spikes, STATISTICS, SETTINGS), "goes on": all(ends)}


def of_simulator(name: str, model: str, seeds: list[int], duration: float) -> list[Mapping[str, Any]]:
    """Run our description of a model and return the statistics of each seed."""
    parameters = read_defaults(defaults_file(f"vogels_abbott_{model}", Path())).values_by_name()
    network = find_model(f"vogels_abbott_{model}", Path())(parameters)
    module = find_simulator(name)
    settings = {key: setting.default for key, setting in module.SETTINGS.items()} | dict(module.SUGGESTED or {})
    module.check_available(settings)
    simulator = module.open_simulator(Simulation(0.1, 0.0, duration), settings)
    found = []
    for seed in seeds:
        simulator.build(network, seed)
        (recording,) = simulator.run([network], lambda: None)
        assert isinstance(recording, Recording), recording
        found.append(measured(recording.spikes))
    simulator.close()
    return found


def compare(rows: dict[str, list[Mapping[str, Any]]]) -> pd.DataFrame:
    """Tell means over the seeds that go on, their standard errors and their distance from NEST's example."""
    table = {}
    living = {name: runs[runs["goes on"]][COLUMNS] for name, runs in ((n, pd.DataFrame(v)) for n, v in rows.items())}
    reference = living["NEST's example"]
    for name, own in living.items():
        error = own.std(ddof=1) / np.sqrt(len(own))
        table[name] = own.mean().map("{:.4g}".format) + " ± " + error.map("{:.2g}".format)
        if own is not reference:
            of_both = np.hypot(error, reference.std(ddof=1) / np.sqrt(len(reference)))
            table[name] += ((own.mean() - reference.mean()) / of_both).map(" ({:+.1f})".format)
        table[name]["go on"] = f"{len(own)} of {len(rows[name])}"
    return pd.DataFrame(table).T


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", choices=["coba", "cuba"], default=["coba", "cuba"])
    parser.add_argument("--simulators", nargs="+", default=["nest", "genn", "native"])
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms from the first step on (default: 1000)")
    options = parser.parse_args()
    seeds = list(range(1, options.seeds + 1))
    print(f"{options.seeds} seeds on {machine.processor()}, load before {os.getloadavg()[0]:.1f}")
    print("mean ± standard error (distance from NEST's example in standard errors of the difference)")
    with pd.option_context("display.width", 250, "display.max_columns", 20):
        for model in options.models:
            rows = {"NEST's example": [of_example(model, seed, options.duration) for seed in seeds]}
            for name in options.simulators:
                rows[name] = of_simulator(name, model, seeds, options.duration)
            print(f"\n{model}, {options.duration:g} ms\n{compare(rows).to_string()}", flush=True)


if __name__ == "__main__":
    main()
