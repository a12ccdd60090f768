"""What the native simulator promises beyond what all do: counts of multapses, drawn values, same bits everywhere."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import native_synapses, no_check, run_one
from scipy import stats
from workplaces import ROOT

from simulators.backends.native_simulator.synapses.layout import layout_of
from simulators.backends.simulator import PointFailure, Recording, Simulator, find_simulator
from simulators.description import (
    Bernoulli,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    OneToOne,
    PiecewiseConstant,
    PoissonDrive,
    Population,
    Projection,
    SpikeEvents,
    Uniform,
)
from simulators.models.clustered import make_network
from simulators.neurons.neuron_model import NeuronModel
from simulators.records.job import Simulation

pytestmark = pytest.mark.native

SEED = 3
CELL = {
    "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0, "tau_syn_ex": 0.5,
    "tau_syn_in": 0.5,
}  # fmt: skip

Open = Callable[..., Simulator]


@pytest.fixture
def native(cache: Path) -> Open:
    settings = default_settings("native") | {"cache": str(cache)}
    require_simulator("native", settings)

    def open_it(duration: float = 200.0, **changes: Any) -> Simulator:
        return find_simulator("native").open_simulator(Simulation(0.1, 0.0, duration, **changes), settings)

    return open_it


def pair_counts(native: Open, rule: Any, sizes: tuple[int, int] = (60, 70)) -> np.ndarray[Any, Any]:
    """Synapses of every pair of a projection, with how it was stored left to the simulator."""
    populations = tuple(Population(n, k, "lif_psc_exp", CELL) for n, k in zip("AB", sizes, strict=True))
    network = Network(populations, (Projection("p", "A", "B", rule, 1.0, 0.1, "excitatory"),))
    simulator = native()
    simulator.build(network, SEED)
    run_one(simulator, network)
    sources, targets = native_synapses(simulator, network)["p"][:2].astype(int)
    counts = np.zeros(sizes, dtype=int)
    np.add.at(counts, (sources, targets), 1)
    return counts


@pytest.mark.parametrize("mean", [0.3, 1.5, 5.0, 40.0])
def test_synapses_of_a_pair_are_distributed_as_drawn_with_replacement(native: Open, mean: float) -> None:
    n = round(60 * 70 * mean)
    counts = pair_counts(native, FixedTotalNumber(n))
    assert counts.sum() == n
    # the variance of a multinomial count, within 5 standard errors
    expected = mean * (1 - 1 / counts.size)
    assert abs(counts.var() - expected) < 5 * expected * np.sqrt(2 / counts.size) * max(1.0, mean**-0.5)
    rows = counts.sum(axis=1)
    assert stats.chisquare(rows, np.full(60, n / 60)).pvalue > 1e-4
    indegree = pair_counts(native, FixedIndegree(round(60 * mean)))
    assert set(indegree.sum(axis=0)) == {round(60 * mean)}
    assert stats.chisquare(indegree.sum(axis=1), np.full(60, indegree.sum() / 60)).pvalue > 1e-4


def test_bernoulli_columns_and_rows_are_binomial(native: Open) -> None:
    counts = pair_counts(native, Bernoulli(0.37), (900, 1100))
    for sums, n in ((counts.sum(axis=0), 900), (counts.sum(axis=1), 1100)):
        normed = (sums - 0.37 * n) / np.sqrt(n * 0.37 * 0.63)
        assert stats.kstest(normed, "norm").pvalue > 1e-3
    assert counts.max() == 1


def test_drawn_weights_and_delays_are_distributed_as_described(native: Open) -> None:
    weight, delay = Normal(-351.2, 35.12, high=0.0), Normal(0.75, 0.375, 0.1)
    populations = tuple(Population(name, 500, "lif_psc_exp", CELL) for name in "AB")
    network = Network(
        populations,
        (
            Projection("normal", "A", "B", FixedTotalNumber(80_000), weight, delay, "inhibitory"),
            Projection("uniform", "B", "A", Bernoulli(0.2), Uniform(10.0, 20.0), Uniform(1.0, 3.0), "excitatory"),
            Projection("scaled", "A", "A", Bernoulli(0.1), 0.5 * Normal(100.0, 5.0), 0.3, "excitatory"),
        ),
    )
    simulator = native()
    simulator.build(network, SEED)
    run_one(simulator, network)
    found = native_synapses(simulator, network)
    weights, steps = found["normal"][3], found["normal"][2]
    assert abs(weights.mean() + 351.2) < 5 * 35.12 / np.sqrt(80_000)
    assert abs(weights.std() / 35.12 - 1.0) < 0.02
    cut = stats.truncnorm((0.1 - 0.75) / 0.375, np.inf, 0.75, 0.375)
    observed = Counter(steps.astype(int).tolist())
    for step in range(1, 15):
        p = cut.cdf((step + 0.5) * 0.1) - cut.cdf((step - 0.5) * 0.1 if step > 1 else -np.inf)
        assert abs(observed[step] - 80_000 * p) < 5 * np.sqrt(80_000 * p) + 2
    uniform = found["uniform"]
    assert 9.9 < uniform[3].min() < 10.1
    assert 19.9 < uniform[3].max() < 20.1
    assert abs(uniform[2].mean() - 20.0) < 0.3
    assert abs(found["scaled"][3].mean() - 50.0) < 0.2


def test_a_scale_of_drawn_weights_changes_without_a_new_build(native: Open) -> None:
    def scaled(scale: float) -> Network:
        populations = (
            Population("A", 100, "lif_psc_exp", {**CELL, "I_e": 400.0}),
            Population("B", 100, "lif_psc_exp", CELL),
        )
        weight = scale * Normal(100.0, 10.0)
        return Network(populations, (Projection("p", "A", "B", Bernoulli(0.3), weight, 1.0, "excitatory"),))

    simulator = native()
    simulator.build(scaled(1.0), SEED)
    quiet, loud = run_one(simulator, scaled(1.0)), run_one(simulator, scaled(3.0))
    simulator.build(scaled(3.0), SEED)
    assert run_one(simulator, scaled(3.0)) == loud
    assert len(loud["B"]) > 1.5 * len(quiet["B"])


SHARED_ROWS = [
    pytest.param(Bernoulli(0.2), 0.1, id="drawn"),
    pytest.param(OneToOne(), 0.0, id="given"),
]


def scaled_from_one_source(rule: Any, sd: float, scales: Sequence[float]) -> Network:
    """Projections of one population with scales of their own; the last two have the same target."""
    source = Population("A", 300, "lif_psc_exp", {**CELL, "I_e": 400.0})
    targets = tuple(Population(name, 300, "lif_psc_exp", {**CELL, "I_e": 300.0}) for name in "BCDE")
    return Network(
        (source, *targets),
        tuple(
            Projection(name, "A", name[0], rule, scale * Normal(1.0, sd) if sd else scale, 1.0, "excitatory")
            for name, scale in zip(("B", "C", "D", "E", "E again"), scales, strict=True)
        ),
    )


@pytest.mark.parametrize(("rule", "sd"), SHARED_ROWS)
def test_projections_that_share_rows_keep_their_scales(native: Open, rule: Any, sd: float) -> None:
    # together: all but the second to the same target
    scales = (20.0, 40.0, 20.0, 55.0, 30.0)
    simulator = native()
    network = scaled_from_one_source(rule, sd, scales)
    layout = layout_of(network, 0.1)
    assert [[p.name for p in bundle.projections] for bundle in layout.bundles] == [["B", "C", "D", "E"], ["E again"]]
    simulator.build(network, SEED)
    run_one(simulator, network)
    together = native_synapses(simulator, network)
    for projection in network.projections:
        alone = replace(network, projections=(projection,))
        simulator.build(alone, SEED)
        run_one(simulator, alone)
        (apart,) = native_synapses(simulator, alone).values()
        # each row in some order
        pair = (found[:, np.lexsort(found)] for found in (together[projection.name], apart))
        np.testing.assert_array_equal(*pair)
        assert apart.shape[1] >= 300
        assert abs(apart[3].mean() / projection.weight_scale - 1.0) < 0.01


@pytest.mark.parametrize(("rule", "sd"), SHARED_ROWS)
def test_scales_become_equal_and_different_without_a_new_build(native: Open, rule: Any, sd: float) -> None:
    simulator = native()
    patterns = [(60.0, 120.0, 60.0, 150.0, 90.0), (60.0,) * 5, (150.0, 60.0, 60.0, 60.0, 0.0)]
    points = [scaled_from_one_source(rule, sd, tuple(50.0 / (1.0 + 49.0 * bool(sd)) * x for x in p)) for p in patterns]
    fresh = []
    for point in points:
        simulator.build(point, SEED)
        fresh.append(run_one(simulator, point))
    assert len({str(spikes) for spikes in fresh}) == 3
    for index in (0, 1, 2, 1, 0):
        assert run_one(simulator, points[index]) == fresh[index]


@pytest.mark.parametrize("rate", [1500.0, 13_000.0, 90_000.0])
def test_poisson_drive_has_the_mean_and_variance_of_its_counts(native: Open, rate: float) -> None:
    # the potential of a neuron without threshold is shot noise, of known mean and variance
    cell = {**CELL, "V_th": 1e6, "tau_syn_ex": 2.0}
    network = Network(
        (Population("A", 4000, "lif_psc_exp", cell),), (), (PoissonDrive("drive", "A", rate, 50.0, 0.1, "excitatory"),)
    )
    simulator: Any = native(300.0)
    simulator.build(network, SEED)
    run_one(simulator, network)
    # Campbell's theorem, over steps: both integrals of the response to one event
    steps = np.arange(3000)
    decay_s, decay_m = np.exp(-0.1 / 2.0), np.exp(-0.1 / 10.0)
    gain = 10.0 / 250.0 * 2.0 / (10.0 - 2.0) * (decay_m - decay_s)
    kernel = 50.0 * gain * (decay_m**steps - decay_s**steps) / (decay_m - decay_s)
    mean, variance = rate * 1e-4 * kernel.sum(), rate * 1e-4 * (kernel**2).sum()
    potentials = final_potentials(simulator, network)
    assert abs(potentials.mean() - mean) < 5 * np.sqrt(variance / 4000)
    assert abs(potentials.var() / variance - 1.0) < 5 * np.sqrt(2 / 4000)


def final_potentials(simulator: Any, network: Network) -> np.ndarray[Any, Any]:
    """Potentials of the first population after a point, relative to rest: kept in the last run's state."""
    from simulators.backends.native_simulator import engine

    kept: list[Any] = []
    before = engine.make_point

    def keep(*given: Any) -> Any:
        kept.append(before(*given))
        return kept[-1]

    engine.make_point = keep  # type: ignore[assignment]
    try:
        run_one(simulator, network)
    finally:
        engine.make_point = before
    (point,) = kept
    begin = 2 * point.populations.n_all
    return np.asarray(point.neurons.state[begin : begin + network.populations[0].size], dtype=float)


def test_rates_that_change_in_time(native: Open) -> None:
    rate = PiecewiseConstant((0.0, 100.0, 200.0), (50.0, 300.0, 0.0))
    populations = (
        Population("source", 500, "poisson_source", {"rate": rate}),
        Population("A", 500, "lif_psc_exp", {**CELL, "t_ref": 4.0}),
    )
    # every spike of a source makes its target fire
    network = Network(populations, (Projection("p", "source", "A", OneToOne(), 1.2e4, 0.1, "excitatory"),))
    simulator = native(300.0, max_rate=1e4)
    simulator.build(network, SEED)
    steps = np.array([step for step, _ in run_one(simulator, network)["A"]])
    counts = np.histogram(steps, [0, 1000, 2000, 2040, 3001])[0]
    assert abs(counts[0] - 500 * 5.0) < 600  # those within the refractory time are lost
    assert 3.0 < counts[1] / counts[0] < 6.5
    assert counts[3] == 0


def test_room_grows_with_the_spikes(native: Open) -> None:
    # all fire in every second step, through synapses with delays of their own: far more than there is room for at first
    cell = {**CELL, "t_ref": 0.1, "I_e": 1e5}
    network = Network(
        (Population("A", 3000, "lif_psc_exp", cell),),
        (Projection("p", "A", "A", FixedTotalNumber(60_000), Normal(1.0, 0.1), Uniform(0.1, 2.0), "excitatory"),),
    )
    simulator = native(50.0, max_rate=1e5)
    simulator.build(network, SEED)
    spikes = run_one(simulator, network)["A"]
    per_neuron = Counter(neuron for _, neuron in spikes)
    assert len(per_neuron) == 3000
    assert min(per_neuron.values()) >= 240


def test_potentials_that_are_not_finite_are_a_diverged_point(native: Open, small: dict[str, Any]) -> None:
    network = make_network(small)
    broken = tuple(
        replace(population, initial={"V_m": float("nan")}) if population.name == "E" else population
        for population in network.populations
    )
    simulator = native()
    simulator.build(network, SEED)
    before = run_one(simulator, network)
    (failure,) = simulator.run([replace(network, populations=broken)], no_check)
    assert isinstance(failure, PointFailure)
    assert failure.status == "diverged"
    assert "population E are not finite" in failure.reason
    assert run_one(simulator, network) == before


def test_what_cannot_be_run_is_said(small: dict[str, Any]) -> None:
    module = find_simulator("native")
    stepless = NeuronModel("stranger", "has no step", {}, synapses="current")
    network = Network(
        (Population("A", 10, stepless),),
        (Projection("p", "A", "A", Bernoulli(0.5), 1.0, 0.02, "excitatory"),),
    )
    found = module.problems(network, Simulation(0.1, 0.0, 100.0), default_settings("native"))
    assert any("stranger has no step rule" in line for line in found)
    assert any("delay is 0.02 ms; at least one step of 0.1 ms" in line for line in found)
    assert module.problems(make_network(small), Simulation(0.1, 0.0, 100.0), default_settings("native")) == []


def test_a_cache_is_its_owners_alone(native: Open, cache: Path, small: dict[str, Any]) -> None:
    network = make_network(small)
    simulator = native()
    simulator.build(network, SEED)
    run_one(simulator, network)
    programs = list(cache.rglob("program.py"))
    assert programs
    for path in (programs[0].parent.parent, *(program.parent for program in programs)):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    assert all(list((program.parent / "__pycache__").glob("*.nbc")) for program in programs[:1])


IN_A_PROCESS = """
import hashlib, json, sys
from recordings import run_one
from simulators.backends.simulator import find_simulator
from simulators.records.job import Simulation
from test_native_simulator import everything
from pathlib import Path

simulator = find_simulator("native").open_simulator(Simulation(0.1, 10.0, 60.0), {"cache": sys.argv[1], "threads": 1})
found = {}
for name, network in everything().items():
    simulator.build(network, 3)
    spikes = run_one(simulator, network)
    found[name] = [sum(map(len, spikes.values())), hashlib.sha256(repr(spikes).encode()).hexdigest()]
print(json.dumps(found))
"""


def everything() -> dict[str, Network]:
    from gridsearch.inputs.parameters import defaults_file, read_defaults

    defaults = read_defaults(defaults_file("clustered", Path())).values_by_name()
    small = {**defaults, "N_E": 400, "N_I": 100, "Q": 4, "jep": 2.5}
    # sources of both kinds, and populations of some stretches, the last of them part of one
    sources = (
        Population("poisson", 1100, "poisson_source", {"rate": 20.0}),
        Population("given", 30, "spike_source"),
    )
    cells = tuple(Population(name, 1300, "lif_psc_exp", {**CELL, "I_e": 300.0}) for name in "AB")
    rng = np.random.default_rng(4)
    given = SpikeEvents("events", "given", rng.uniform(0.0, 60.0, 400), rng.integers(0, 30, 400))
    projections = (
        Projection("pA", "poisson", "A", FixedIndegree(20), 90.0, 0.5, "excitatory"),
        Projection("gB", "given", "B", Bernoulli(0.3), 120.0, 0.1, "excitatory"),
        Projection("AB", "A", "B", Bernoulli(0.3), 10.0, 0.7, "excitatory"),
        Projection("BA", "B", "A", FixedTotalNumber(9000), 40.0, Uniform(0.5, 2.0), "inhibitory"),
    )
    drives = tuple(PoissonDrive(f"to {name}", name, 4000.0, 40.0, 0.1, "excitatory") for name in "AB")
    return {
        "clustered": make_network(small),
        "microcircuit": networks.microcircuit(),
        "sources": Network((*sources, *cells), projections, (given, *drives)),
    }


def test_every_instruction_set_gives_the_same_bits(cache: Path) -> None:
    found = []
    for name, features in (("", ""), ("generic", "+sse2"), ("haswell", "+avx2,+fma,+bmi2")):
        folders = (ROOT, ROOT / "tests", Path(__file__).parent)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
        if name:
            if "avx2" in features and "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
                continue
            environment |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
        done = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS, str(cache)],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert all(count > 100 for count, _ in found[0].values())
    assert all(one == found[0] for one in found[1:])


def test_recordings_of_many_populations(native: Open) -> None:
    populations = tuple(Population(f"P{k}", 5 + k, "lif_psc_exp", {**CELL, "I_e": 380.0 + 10.0 * k}) for k in range(30))
    projections = tuple(
        Projection(f"p{k}", f"P{k}", f"P{(7 * k + 1) % 30}", Bernoulli(0.5), 20.0, 0.1 * (1 + k % 5), "excitatory")
        for k in range(30)
    )
    network = Network(populations, projections)
    simulator = native()
    simulator.build(network, SEED)
    (outcome,) = simulator.run([network], no_check)
    assert isinstance(outcome, Recording)
    for population in populations:
        trains = outcome.spikes[population.name]
        assert trains.n_spikes > population.size
        assert set(trains.senders) == set(range(population.size))
