"""GeNN's estimates against what was measured, and planning of networks of many populations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networks
import pytest
from conftest import default_settings, small_job
from networks import N_SYNAPSES, full_microcircuit

from simulators.backends.genn_simulator import estimate, problems, structure
from simulators.backends.genn_simulator.costs import cpu_cost, device_memory, gpu_cost
from simulators.backends.genn_simulator.points.points import Point
from simulators.backends.genn_simulator.structure.layout import layout_of, text_of
from simulators.backends.simulator import Cost
from simulators.description import FixedTotalNumber, Network, Normal, PoissonDrive, Population, Projection, StepCurrent
from simulators.models.clustered import make_network
from simulators.records.job import Simulation
from simulators.statistics import Window

SECOND = Simulation(0.1, 0.0, 1000.0)


def test_the_dense_network_of_25_000_neurons(defaults: dict[str, Any]) -> None:
    cost = cpu_cost(make_network(defaults), SECOND)
    assert 2.0 < cost.build < 3.5  # 2.3 to 3 s to connect
    assert 3.0 < cost.start < 5.0  # of which 2 to 3 to compile
    assert 0.6 < cost.point < 1.6  # from few spikes to many
    assert cost.memory == pytest.approx(555e6, rel=0.1)


def test_the_sparse_network_of_77_000_neurons() -> None:
    network = full_microcircuit()
    cost = cpu_cost(network, SECOND)
    assert cost.build == pytest.approx(22.0, rel=0.3)
    assert cost.memory == pytest.approx(2.8e9, rel=0.1)
    # 8.9 s with a current in place of the drive; a count takes less than a nanosecond, and there are 7.7e8
    current = cpu_cost(replace(network, inputs=()), SECOND)
    assert current.point == pytest.approx(8.9, rel=0.2)
    assert 0.3 < cost.point - current.point < 1.0
    shared, each = device_memory(network, 0.1, 2000, procedural=False)
    assert shared > 7.0 * N_SYNAPSES
    assert each > 4.0 * 60 * network.n_neurons, "a delay buffer for each point"


def test_a_graphics_processor_is_estimated_from_what_it_moves(defaults: dict[str, Any]) -> None:
    """By hand for 40 points of 10 s on an H100: 2 s of launches, 1.4 of states, 1.4 of synapses, .3 to fetch sums.

    Whole trains are 312 MB of bits of a point, 1 s of 40, and 7 s of decoding and statistics, shared by cores.
    """
    network, long = make_network(defaults), Simulation(0.1, 1000.0, 9000.0)

    def cost(batch: int = 40, cores: int = 8, bandwidth: float = 3.35e12, chosen: Network = network) -> Cost:
        return gpu_cost(chosen, long, batch, False, cores, bandwidth)

    assert cost().together == pytest.approx(2.0), "100,000 steps of 4 launches of 5 µs"
    assert 5.5 < 40 * cost().point < 7.0
    assert 1.2 < 40 * cost().trains < 2.5
    assert cost(cores=1).trains > 4.0 * cost(cores=8).trains
    assert cost().trains_memory > 1e9
    assert cost(cores=1).point > cost(cores=2).point > cost(cores=8).point
    assert cost(bandwidth=6e11).point > 2.0 * cost().point
    assert cost(batch=1).point > 10.0 * cost().point
    assert cost(batch=1).point - cost(batch=1).together < cost().point, "others share only launches"
    assert cost(cores=8).memory > cost(cores=1).memory + 7 * 1e8
    assert cost(chosen=make_network({**defaults, "Q": 1})).point < cost().point, "fewer counts of clusters to fetch"
    larger = make_network({**defaults, "N_E": 40_000, "N_I": 10_000})
    assert cost(chosen=larger).point > 1.7 * cost().point


def test_what_is_drawn_costs_more() -> None:
    costs = {name: cpu_cost(networks.bare(name), SECOND).point for name in networks.BARE}
    assert costs["lif_psc_exp"] < costs["lif_cond_exp"] < costs["aeif_psc_exp"]
    slow, fast = (cpu_cost(networks.bare("lif_psc_exp", rate=rate), SECOND).point for rate in (1e3, 5e5))
    assert slow < fast
    assert cpu_cost(networks.scaled(1.0), SECOND).build > cpu_cost(networks.bare("lif_psc_exp"), SECOND).build


@pytest.fixture(scope="module")
def areas() -> Network:
    """254 populations, all of which project to all, as of a model of many areas."""
    names = [f"population_{k}" for k in range(254)]
    cell = networks.BARE["lif_psc_exp"]
    weight, delay = Normal(87.8, 8.78, 0.0), Normal(1.5, 0.75, 0.1)
    return Network(
        tuple(Population(name, 1600, "lif_psc_exp", cell, {"V_m": Normal(-58.0, 5.0)}) for name in names),
        tuple(
            Projection(f"{t}<{s}", s, t, FixedTotalNumber(1000), weight, delay, "excitatory" if k % 2 else "inhibitory")
            for t in names
            for k, s in enumerate(names)
        ),
        (
            *(PoissonDrive(f"drive {name}", name, 12_000.0, 87.8, 1.5) for name in names),
            *(StepCurrent(f"current {name}", name, None, 10.0, (0.0,), (100.0,)) for name in names),
        ),
    )


SETTINGS = default_settings("genn") | {"backend": "single_threaded_cpu"}
PLANNING: dict[str, Callable[[Network], object]] = {
    "estimate": lambda network: estimate(network, SECOND, SETTINGS),
    "estimate of a graphics processor": lambda network: estimate(network, SECOND, SETTINGS | {"backend": "cuda"}),
    "problems": lambda network: problems(network, SECOND, SETTINGS),
    "structure": lambda network: hash(structure(network)),
    "layout": lambda network: text_of(layout_of(network, 0.1, 1, 2000, procedural=False)),
    "point": lambda network: Point(network, 1, 0.1).spread,
}


@pytest.mark.parametrize("what", PLANNING)
def test_a_network_of_many_populations_is_planned_in_seconds(what: str, areas: Network) -> None:
    begin = time.process_time()
    PLANNING[what](areas)
    # a few seconds; a scan of all projections for each of 64,516 takes hours
    assert time.process_time() - begin < 30.0


def test_a_job_that_needs_whole_trains_costs_more(defaults: dict[str, Any]) -> None:
    network, settings = make_network(defaults), {**SETTINGS, "backend": "cuda"}
    cost = estimate(network, SECOND, settings)
    assert cost.trains > 0.0
    job = small_job(defaults, 1, simulation=SECOND, statistics=("rate", "clusters"))
    assert cost.of(job) == cost
    window = {"late": Window(100.0, 200.0)}
    assert cost.of(replace(job, spikes="sample")) == cost
    for changes in ({"spikes": "all"}, {"windows": window}, {"statistics": ("response",)}, {"statistics": ("a:b",)}):
        whole = cost.of(replace(job, **changes))  # type: ignore[arg-type]
        assert whole.point == cost.point + cost.trains
        assert whole.memory == cost.memory + cost.trains_memory
        assert whole.of(replace(job, **changes)) == whole, "once"  # type: ignore[arg-type]
    assert estimate(network, SECOND, SETTINGS).trains == 0.0, "a core records all spikes"
