"""GeNN: the synapses are those of the description, whatever the seed, and the code is compiled once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import Pairs, genn_connections, run_one
from workplaces import ROOT

from simulators.backends.genn_simulator import GennSimulator, open_simulator
from simulators.backends.genn_simulator.generated_code import synapse_code
from simulators.backends.genn_simulator.network import GennNetwork, compile_network, describe_network
from simulators.backends.genn_simulator.structure.layout import layout_of, text_of
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    Population,
    Projection,
    Uniform,
)
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

pytestmark = pytest.mark.genn

SIMULATION = Simulation(dt=0.1, warmup=0.0, duration=100.0)
SEED = 5
CPU = {**default_settings("genn"), "backend": "single_threaded_cpu"}


@pytest.fixture(autouse=True)
def _needs_genn() -> None:
    require_simulator("genn", CPU)


@pytest.fixture
def simulator(cache: Path) -> GennSimulator:
    return open_simulator(SIMULATION, {**CPU, "cache": str(cache)})


def built(simulator: GennSimulator) -> GennNetwork:
    assert simulator._built is not None
    return simulator._built


@pytest.fixture
def connect(simulator: GennSimulator) -> Callable[..., Pairs]:
    """(source, target) of every synapse, by projection."""

    def read(network: Network, seed: int = SEED) -> Pairs:
        simulator.build(network, seed)
        return genn_connections(simulator)

    return read


@pytest.mark.parametrize("probability", [0.003, 0.1, 0.5, 0.97])
def test_pairs_are_connected_independently_and_alike(probability: float, connect: Any) -> None:
    neuron = networks.microcircuit().populations[0].parameters
    n = 300
    network = Network(
        (Population("A", n, "lif_psc_exp", neuron),),
        (Projection("AA", "A", "A", Bernoulli(probability), 1.0, 0.1, "excitatory"),),
    )
    drawn = np.zeros((20, n, n), dtype=bool)
    for seed in range(20):
        pairs = np.array(connect(network, seed)["AA"])
        drawn[seed, pairs[:, 0], pairs[:, 1]] = True
    off_diagonal = ~np.eye(n, dtype=bool)
    assert not drawn[:, ~off_diagonal].any()
    variance = probability * (1.0 - probability)
    # the number of synapses, of each target and of each source, over draws
    total = drawn.sum() - 20 * n * (n - 1) * probability
    assert abs(total) < 4.5 * np.sqrt(20 * n * (n - 1) * variance)
    for axis in (1, 2):
        degrees = drawn.sum(axis=axis)
        assert abs(degrees.var() / ((n - 1) * variance) - 1.0) < 5.0 * np.sqrt(2.0 / degrees.size) + 0.01
        # first and last neurons are treated like the rest
        for edge in (degrees[:, 0], degrees[:, -1]):
            assert abs(edge.mean() - (n - 1) * probability) < 5.0 * np.sqrt((n - 1) * variance / 20)
    # neighbouring pairs, and the same pair in neighbouring seeds, know nothing of each other
    signal = (drawn - probability)[:, :-1, 1:][:, np.triu_indices(n - 1, 1)[0], np.triu_indices(n - 1, 1)[1]]
    limit = 5.0 * variance / np.sqrt(signal.size)
    assert abs((signal[:-1] * signal[1:]).mean()) < limit * 1.1
    assert abs((signal[:, :-1] * signal[:, 1:]).mean()) < limit * 1.1


def test_drawn_weights_and_delays_have_their_moments(simulator: GennSimulator) -> None:
    simulator.build(networks.microcircuit(), SEED)
    for name, mean_weight, mean_delay in (("23E_4E", 175.6, 1.5), ("23E_23I", -351.2, 0.75)):
        group = built(simulator).synapses[name]
        group.pull_connectivity_from_device()
        drawn, waited = group.vars["weight"].values, group.vars["delay"].values
        weights = drawn * (1.0 if mean_weight > 0.0 else -1.0)  # its sign is that of the projection's scale
        delays = (waited.astype(float) + 1.0) * 0.1
        assert weights.mean() == pytest.approx(mean_weight, rel=0.02)
        assert weights.std() == pytest.approx(0.1 * abs(mean_weight), rel=0.1)
        assert delays.min() >= 0.1
        assert delays.mean() == pytest.approx(mean_delay, rel=0.1)  # cut at 0.1 ms: a little more
        assert abs(np.corrcoef(weights, delays)[0, 1]) < 5.0 / np.sqrt(weights.size)


@pytest.mark.parametrize("bounds", [True, False])
def test_a_drawn_number_that_is_none_is_drawn_again(
    simulator: GennSimulator, monkeypatch: pytest.MonkeyPatch, bounds: bool
) -> None:
    """Where two of five radii are roots of negative numbers; without bounds they pass."""
    code = synapse_code._NORMAL_VALUE
    broken = code.replace("sqrt(fmax(-2.0", "sqrt((-2.0").replace(", 0.0));", " - 1.0));")
    asked = "(drawn >= given[2]) && (drawn <= given[3])"
    assert broken.count("- 1.0));") == 1 and asked in broken
    if not bounds:
        broken = broken.replace(asked, "true")
    monkeypatch.setattr(synapse_code, "_NORMAL_VALUE", broken)
    simulator.build(networks.microcircuit(), SEED)
    group = built(simulator).synapses["23E_4E"]
    group.pull_connectivity_from_device()
    weights = group.vars["weight"].values
    assert np.isfinite(weights).all() == bounds
    assert weights.min() >= 0.0 or not bounds


def test_connectivity_depends_on_the_seed_alone_and_no_seed_compiles(
    small: dict[str, Any], connect: Any, cache: Path
) -> None:
    network = make_network(small)
    first = connect(network, 1)
    folders = set(cache.iterdir())
    other = connect(network, 2)
    assert connect(make_network({**small, "I_th_E": 0.5, "jep": 1.0}), 1) == first
    assert other != first
    assert set(cache.iterdir()) == folders
    shared = len(set(first["EE_between"]) & set(other["EE_between"])) / len(first["EE_between"])
    assert abs(shared - 0.2) < 0.03
    assert first["EE_within"] != other["EE_within"]


def test_number_of_groups_and_code_do_not_grow_with_clusters(small: dict[str, Any], simulator: GennSimulator) -> None:
    lines = []
    for n_clusters in (4, 20):
        simulator.build(make_network({**small, "Q": n_clusters}), SEED)
        assert len(built(simulator).synapses) == 8
        folder = Path(built(simulator).model._path_to_model) / "gridsearch_CODE"
        lines.append(sum(len(path.read_text().splitlines()) for path in folder.glob("*.cc")))
    assert lines[0] == lines[1]
    simulator.build(make_network({**small, "Q": 1, "jep": 1.0}), SEED)
    assert len(built(simulator).synapses) == 4


@pytest.mark.parametrize("rule", [FixedTotalNumber(4000), FixedIndegree(200)], ids=["total", "indegree"])
def test_synapses_of_one_pair_are_drawn_apart(rule: FixedTotalNumber | FixedIndegree, simulator: GennSimulator) -> None:
    neuron = networks.BARE["lif_psc_exp"]
    drawn = Uniform(1.0, 2.0), Uniform(1.0, 20.0)
    network = Network(
        (Population("A", 10, "lif_psc_exp", neuron), Population("B", 20, "lif_psc_exp", neuron)),
        (Projection("BA", "A", "B", rule, *drawn, "excitatory"),),
    )
    simulator.build(network, SEED)
    group = built(simulator).synapses["BA"]
    group.pull_connectivity_from_device()
    pairs = list(zip(group.get_sparse_pre_inds().tolist(), group.get_sparse_post_inds().tolist(), strict=True))
    assert len(pairs) == 4000
    assert len(set(pairs)) == 200
    weights, delays = group.vars["weight"].values, group.vars["delay"].values.astype(float)
    # 32 bits: two of 4,000 draws are the same with a probability of 2 in 1,000, in single precision of 0.4
    assert len(np.unique(weights)) > 3990
    assert len(np.unique(delays)) > 180
    # and those of a pair know nothing of each other
    weights_of: dict[tuple[int, int], list[float]] = {}
    for pair, weight in zip(pairs, weights.tolist(), strict=True):
        weights_of.setdefault(pair, []).append(weight)
    within = np.array([first[:2] for first in weights_of.values()])
    assert abs(np.corrcoef(within.T)[0, 1]) < 5.0 / np.sqrt(len(within))
    assert np.mean([np.var(found, ddof=1) for found in weights_of.values()]) == pytest.approx(1.0 / 12.0, rel=0.1)


@pytest.mark.parametrize("neuron", ["lif_psc_exp", "lif_cond_exp"])
def test_the_scale_of_drawn_weights_changes_without_a_build(neuron: str, simulator: GennSimulator, cache: Path) -> None:
    size = networks.SYNAPSE[neuron]
    drawn = Normal(1.0, 0.3, 0.0)

    def network(excitation: float, inhibition: float) -> Network:
        bare = networks.bare(neuron)
        signs = {"excitatory": excitation * size, "inhibitory": -4.0 * inhibition * size}
        drawings = (
            replace(p, rule=FixedIndegree(8), weight=signs[p.receptor] * drawn, delay=Uniform(1.0, 3.0))
            for p in bare.projections
        )
        return replace(bare, projections=tuple(drawings))

    def listed(described: Network) -> Network:
        """The same synapses, each with its scaled weight."""
        projections = []
        for projection in described.projections:
            group = built(simulator).synapses[projection.name]
            group.pull_connectivity_from_device()
            rule = ConnectionList(
                group.get_sparse_pre_inds().astype(np.int64),
                group.get_sparse_post_inds().astype(np.int64),
                group.vars["weight"].values.astype(float) * projection.weight_scale,
                (group.vars["delay"].values + 1.0) * 0.1,
            )
            projections.append(replace(projection, rule=rule, weight=0.0, delay=1.0))
        return replace(described, projections=tuple(projections))

    points = [network(1.0, 1.0), network(3.0, 1.0), network(1.0, 0.0), network(0.0, 0.5)]
    simulator.build(points[0], SEED)
    models = set(cache.iterdir())
    found = [run_one(simulator, point) for point in points]
    lists = [listed(point) for point in points]
    # other distributions are drawn by the same code
    other = tuple(replace(p, weight=2.0 * Normal(3.0, 1.0, 0.0, 9.0)) for p in points[0].projections)
    simulator.build(replace(points[0], projections=other), SEED)
    assert set(cache.iterdir()) == models
    assert len({str(spikes) for spikes in found}) == 4
    for spikes, same in zip(found, lists, strict=True):
        simulator.build(same, SEED)
        again = run_one(simulator, same)
        # a product rounded once more moves a spike now and then
        for name in "EI":
            differing = set(again[name]) ^ set(spikes[name])
            assert len(differing) <= 2 + 0.05 * len(spikes[name])
        assert len(spikes["E"]) > 10


def test_no_axis_of_values_builds_or_compiles_anew(
    small: dict[str, Any], simulator: GennSimulator, cache: Path
) -> None:
    axes: list[dict[str, Any]] = [
        {}, {"tau_syn_cv": 0.05}, {"delta_I_E": 0.1}, {"delta_I_I": 0.1, "tau_syn_cv": 0.1}, {"jep": 1.0}, {},
    ]  # fmt: skip
    simulator.build(make_network(small), SEED)
    first, models = built(simulator), set(cache.iterdir())
    found = [run_one(simulator, make_network({**small, **changes})) for changes in axes]
    assert built(simulator) is first
    assert set(cache.iterdir()) == models
    assert len({str(spikes) for spikes in found}) == len(axes) - 1
    assert found[0] == found[-1]


def test_drawn_conductances_inhibit(simulator: GennSimulator) -> None:
    cell = {**networks.vogels_abbott().populations[0].parameters, "I_e": 150.0}
    initial = {"V_m": Uniform(-60.0, -50.0)}

    def joined(low: float, high: float) -> Network:
        return Network(
            (Population("I", 30, "lif_cond_exp", cell, initial), Population("E", 30, "lif_cond_exp", cell, initial)),
            (Projection("EI", "I", "E", Bernoulli(0.5), Uniform(low, high), 0.2, "inhibitory"),),
        )

    counts = []
    for network in (joined(0.0, 1e-6), joined(1.0, 2.0), joined(-2.0, -1.0)):
        simulator.build(network, SEED)
        counts.append(len(run_one(simulator, network)["E"]))
    assert counts[1] < 0.8 * counts[0]
    assert counts[2] < 0.8 * counts[0]


def generated(network: Network, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The code that GeNN makes of a network, without compiling it."""
    import pygenn

    layout = layout_of(network, 0.1, 1, 2000, procedural=False)
    monkeypatch.setenv("CXX", "true")
    folder.mkdir()
    compile_network(describe_network(pygenn, network, layout, seed, CPU["backend"]), folder)
    found = {path.name: path.read_text() for path in (folder / "gridsearch_CODE").iterdir() if path.suffix != ".d"}
    return {"layout": text_of(layout), **found}


def test_equal_layouts_are_equal_code_and_unequal_ones_are_not(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = networks.scaled(1.0)
    wider = tuple(replace(p, weight=3.0 * Normal(80.0, 30.0, 0.0, 500.0)) for p in scaled.projections)
    lists = networks.explicit_lists()
    lighter = tuple(
        replace(p, rule=replace(p.rule, weights=2.0 * p.rule.weights)) if isinstance(p.rule, ConnectionList) else p
        for p in lists.projections
    )
    alike = [
        (make_network(small), make_network({**small, "tau_syn_cv": 0.1, "delta_I_E": 0.1, "jep": 1.0})),
        (scaled, replace(scaled, projections=wider)),
        (lists, replace(lists, projections=lighter)),
        (networks.bare("aeif_psc_exp"), networks.bare("aeif_psc_exp", rate=5e5, t_ref=3.0)),
    ]
    layouts = set()
    for index, (one, other) in enumerate(alike):
        first = generated(one, 1, tmp_path / f"{index}", monkeypatch)
        assert len(first) > 6
        assert first == generated(other, 2, tmp_path / f"{index}-other", monkeypatch)
        layouts.add(first["layout"])
    assert len(layouts) == len(alike)
    longer = tuple(replace(p, delay=2.0) for p in alike[3][0].projections)
    changed = generated(replace(alike[3][0], projections=longer), 1, tmp_path / "longer", monkeypatch)
    assert changed["layout"] not in layouts


COMPILE = """
import sys, time
from simulators.backends.genn_simulator import SETTINGS, open_simulator
from simulators.description import Bernoulli, Network, Population, Projection
from simulators.records.job import Simulation

settings = {key: setting.default for key, setting in SETTINGS.items()}
settings |= {"backend": "single_threaded_cpu", "cache": sys.argv[1]}
neuron = dict(C_m=250.0, tau_m=10.0, E_L=-65.0, V_reset=-65.0, V_th=-50.0, t_ref=2.0, tau_syn_ex=0.5, tau_syn_in=0.5,
              I_e=500.0)
network = Network(
    (Population("A", 77, "lif_psc_exp", neuron, {"V_m": -60.0}),),
    (Projection("AA", "A", "A", Bernoulli(0.1), 100.0, 0.1, "excitatory"),),
)
simulator = open_simulator(Simulation(0.1, 0.0, 100.0), settings)
print("ready", flush=True)
sys.stdin.readline()
simulator.build(network, 1)
(recording,) = simulator.run([network], lambda: None)
print(recording.spikes["A"].n_spikes)
"""


def test_workers_may_compile_the_same_network_at_the_same_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMPILE, str(tmp_path)]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) for _ in range(3)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        outputs = [worker.communicate(timeout=120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0, 0], outputs
    # what make and the compiler say stays out of the worker's streams
    assert {stdout for stdout, _ in outputs} == {outputs[0][0]}
    assert int(outputs[0][0]) > 100
    made = {path.name for path in tmp_path.iterdir()} - {".gridsearch-genn"}
    assert len(made) == 1, "one compiled model, and nothing half done"
