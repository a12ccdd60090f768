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
from simulators.backends.genn_simulator.costs import LARGEST_BATCH, cpu_cost, device_memory
from simulators.backends.genn_simulator.gpu_costs import (
    automatic_batch,
    gpu_cost,
    gpu_time,
    gpu_worker_memory,
    n_launches,
)
from simulators.backends.genn_simulator.model import GennSimulator
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


H100, H200 = 3.35e12, 4.8e12  # B/s
LONG = Simulation(0.1, 1000.0, 9000.0)


def test_a_graphics_processor_is_estimated_from_what_it_moves(defaults: dict[str, Any]) -> None:
    """By hand for 40 points of 10 s on an H100: .4 s of gaps, 1.4 of states, 1.4 of synapses, .2 to fetch sums.

    Whole trains are 312 MB of bits of a point, 1 s of 40, and 7 s of decoding and statistics, shared by cores.
    """
    network = make_network(defaults)

    def cost(batch: int = 40, cores: int = 8, bandwidth: float = H100, chosen: Network = network) -> Cost:
        return gpu_cost(chosen, LONG, batch, False, cores, bandwidth)

    assert cost().together == pytest.approx(0.4), "100,000 steps of 4 gaps of 1 µs"
    assert 3.4 < 40 * cost().point < 4.5
    assert 1.2 < 40 * cost().trains < 3.0
    assert cost(cores=1).trains > 4.0 * cost(cores=8).trains
    assert cost().trains_memory > 1e9
    assert cost(cores=1).point > cost(cores=2).point > cost(cores=8).point
    assert cost(bandwidth=6e11).point > 2.0 * cost().point
    assert cost(batch=1).point > 10.0 * cost().point
    assert cost(batch=1).together == pytest.approx(1.1), "launches, behind which all work is hidden"
    assert cost(cores=8).memory > cost(cores=1).memory + 7 * 1e8
    assert cost(chosen=make_network({**defaults, "Q": 1})).point < cost().point, "fewer counts of clusters to fetch"
    larger = make_network({**defaults, "N_E": 40_000, "N_I": 10_000})
    assert cost(chosen=larger).point > 1.7 * cost().point


def test_a_step_takes_the_larger_of_launching_and_running(defaults: dict[str, Any]) -> None:
    network = make_network(defaults)
    one, two, many = (gpu_time(network, LONG, batch, 8, H100) for batch in (1, 2, 40))
    assert one.step == two.step == pytest.approx(one.launches / one.n_steps), "launches alone"
    assert many.step == pytest.approx(40 * (many.gaps + many.neurons + many.synapses) / many.n_steps)
    assert many.step > one.step
    assert many.point == many.host + many.stepping + many.sums + many.fetch + many.statistics
    for batch in (1, 40):
        full = gpu_cost(network, LONG, batch, False, 8, H100)
        assert full.point_among(batch) == pytest.approx(gpu_time(network, LONG, batch, 8, H100).point)
    slow, fast = (gpu_time(network, LONG, 40, 8, H100, rate) for rate in (1.5, 3.0))
    assert fast.synapses == pytest.approx(2.0 * slow.synapses) and fast.neurons == slow.neurons
    assert n_launches(full_microcircuit()) == n_launches(network) + 2, "delays of each synapse, and drives"


def test_statistics_are_waited_for_where_nothing_hides_them(defaults: dict[str, Any]) -> None:
    network = make_network(defaults)
    turns, beside, hidden = (gpu_time(network, LONG, 80, cores, 4.8e12) for cores in (1, 8, 64))
    assert turns.statistics > 5.0 * beside.statistics > 0.0
    assert hidden.statistics == 0.0
    slow = gpu_time(network, LONG, 40, 2, 1e11)
    assert slow.statistics < beside.point, "one other core keeps up with a slow processor"


def test_a_worker_holds_what_lies_on_the_graphics_processor_and_what_it_hands_over(defaults: dict[str, Any]) -> None:
    """It grew by 514 MB for 160 points of 2,500 neurons on the emulated processor, of which 497 MB lay there."""
    network = make_network({**defaults, "N_E": 2000, "N_I": 500})
    few, many = (gpu_worker_memory(network, LONG, batch, False, 1, trains=False) for batch in (40, 160))
    kept = 120 * (1.68e6 + 2500 * 55.0 * 5.0 * 9.0)  # by the same process: sums, and spikes of the sample
    assert many - few - kept == pytest.approx(514e6 - 141e6, rel=0.05)
    assert gpu_worker_memory(make_network(defaults), LONG, 160, False, 8, trains=False) < 8e9


def test_a_batch_is_chosen_by_what_the_worker_can_hold(defaults: dict[str, Any], areas: Network) -> None:
    assert automatic_batch(make_network(defaults), LONG) == LARGEST_BATCH
    batch = automatic_batch(areas, LONG)
    assert 1 < batch < LARGEST_BATCH, "a delay buffer for each of 406,400 neurons"
    assert gpu_worker_memory(areas, LONG, batch, True, 1, trains=False) < 12e9
    settings = {**SETTINGS, "backend": "cuda"}
    assert estimate(areas, LONG, settings).batch == batch
    assert estimate(areas, LONG, {**settings, "batch": 70}).batch == 70, "as the sweep says"
    simulator = GennSimulator(None, LONG, SETTINGS, "single_threaded_cpu")
    simulator._batch = 0  # as on a graphics processor
    assert simulator.batch_size(areas) == batch, "as it was planned"


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
