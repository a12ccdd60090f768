"""Agreement of the native simulator with NEST on small networks of each kind, over many draws.

Kinds: rows of bits, compressed rows (weights and delays of their own), conductances, adaptive exponential neurons.
Every seed is another draw of connectivity, initial potentials and Poisson drive. The claims: means of rates and CVs of
native and NEST are no farther apart than those of draws (Welch's t, the smallest p of a kind's statistics, times their
number, above .01), while native with inhibitory weights wrong by 3 % differs from NEST.

    python benchmarks/fidelity/agreement.py [--seeds 48] [--kinds bits compressed conductance adapting]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from simulators.backends.simulator import Recording, find_simulator
from simulators.description import (
    FixedIndegree,
    Network,
    Normal,
    PoissonDrive,
    Population,
    Projection,
    Receptor,
    Uniform,
)
from simulators.records.job import Simulation
from simulators.statistics import summarise

SIMULATION = Simulation(dt=0.1, warmup=100.0, duration=1000.0)
STATISTICS = ("rate_E", "rate_I", "cv_isi_E", "cv_isi_I")
SIGNIFICANCE = 0.01  # of a kind, for all of its statistics

_CELL = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0}


def _network(
    neuron: str,
    cell: Mapping[str, float],
    weights: tuple[float | Normal, float | Normal],
    drive: float,
    delay: float | Normal = 1.5,
    initial: Mapping[str, Uniform] | None = None,
) -> Network:
    """Describe 320 excitatory and 80 inhibitory neurons under Poisson drive, with strong inhibition."""
    populations = tuple(
        Population(name, size, neuron, {**_CELL, **cell}, {"V_m": Uniform(-65.0, -50.0), **(initial or {})})
        for name, size in (("E", 320), ("I", 80))
    )
    sources: tuple[tuple[str, int, float | Normal, Receptor], ...] = (
        ("E", 40, weights[0], "excitatory"),
        ("I", 20, weights[1], "inhibitory"),
    )
    projections = tuple(
        Projection(target + source, source, target, FixedIndegree(count), weight, delay, receptor)
        for source, count, weight, receptor in sources
        for target in "EI"
    )
    return Network(populations, projections, tuple(PoissonDrive(f"to_{x}", x, 9000.0, drive, 1.5) for x in "EI"))


def bits() -> Network:
    """Synapses of one weight and delay."""
    return _network("lif_psc_exp", {"tau_syn_ex": 0.5, "tau_syn_in": 1.0}, (90.0, -400.0), 90.0)


def compressed() -> Network:
    """Synapses with weights and delays of their own."""
    weights = Normal(90.0, 20.0, 0.0), Normal(-400.0, 80.0, high=0.0)
    cell = {"tau_syn_ex": 0.5, "tau_syn_in": 1.0}
    return _network("lif_psc_exp", cell, weights, 90.0, Normal(1.5, 0.75, 0.1))


def conductance() -> Network:
    """Synapses that change a conductance."""
    cell = {"tau_syn_ex": 3.0, "tau_syn_in": 6.0, "E_ex": 0.0, "E_in": -80.0}
    return _network("lif_cond_exp", cell, (0.3, 1.2), 0.3)


def adapting() -> Network:
    """Adaptive exponential neurons."""
    cell = {"tau_syn_ex": 0.5, "tau_syn_in": 1.0, "Delta_T": 2.0, "tau_w": 100.0, "a": 2.0, "b": 40.0}
    return _network("aeif_psc_exp", cell, (60.0, -200.0), 90.0, initial={"w": Uniform(0.0, 80.0)})


KINDS: Mapping[str, Callable[[], Network]] = {
    "bits": bits, "compressed": compressed, "conductance": conductance, "adapting": adapting,
}  # fmt: skip


def with_inhibition(network: Network, factor: float) -> Network:
    """Multiply all inhibitory weights."""
    changed = []
    for projection in network.projections:
        weight = projection.weight
        assert isinstance(weight, (int, float, Normal))
        inhibitory = projection.receptor == "inhibitory"
        changed.append(replace(projection, weight=factor * weight) if inhibitory else projection)
    return replace(network, projections=tuple(changed))


def run_seeds(simulator: str, network: Network, seeds: Iterable[int], **changes: Any) -> pd.DataFrame:
    """Return one row of statistics per seed."""
    module = find_simulator(simulator)
    settings = {key: setting.default for key, setting in module.SETTINGS.items()} | changes
    opened = module.open_simulator(SIMULATION, settings)
    rows = []
    for seed in seeds:
        opened.build(network, seed)
        (recording,) = opened.run([network], lambda: None)
        if not isinstance(recording, Recording):
            raise RuntimeError(f"{simulator}: {recording.reason}")
        # A second is short for a CV, but as short for one simulator as for the other
        rows.append(summarise(recording.spikes, ["rate", "cv_isi"], {"cv_min_spikes": 3}))
    opened.close()
    return pd.DataFrame(rows)[list(STATISTICS)]


def smallest_p(rows: pd.DataFrame, others: pd.DataFrame, statistics: Sequence[str] = STATISTICS) -> float:
    """Smallest p of Welch's t over the statistics, times their number."""
    found = [float(stats.ttest_ind(rows[name], others[name], equal_var=False).pvalue) for name in statistics]
    return min(1.0, len(found) * min(found))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=48)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    arguments = parser.parse_args()
    seeds = range(1, arguments.seeds + 1)
    failed = 0
    print(f"{arguments.seeds} seeds each, load before {os.getloadavg()[0]:.1f}", flush=True)
    for kind in arguments.kinds:
        network = KINDS[kind]()
        nest = run_seeds("nest", network, seeds, threads=1)
        native = run_seeds("native", network, seeds)
        print(f"{kind}: p = {smallest_p(nest, native):.2g}")
        for name in STATISTICS:
            shown = (
                f"{rows[name].mean():.4f} ± {rows[name].std(ddof=1) / np.sqrt(len(rows)):.4f}"
                for rows in (nest, native)
            )
            print(f"  {name:10} NEST {' · native '.join(shown)}")
        failed += smallest_p(nest, native) <= SIGNIFICANCE
        for factor in (0.97, 1.03):
            wrong = smallest_p(nest, run_seeds("native", with_inhibition(network, factor), seeds))
            print(f"  inhibition × {factor}: p = {wrong:.2g}", flush=True)
            failed += wrong > SIGNIFICANCE
    print("all as claimed" if not failed else f"{failed} are not as claimed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
