"""Sums that GeNN's code makes of spikes while it runs: those of the same spikes recorded, on the CPU backend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from accumulation import SHORT, accumulated, assert_close, assert_sums
from conftest import default_settings
from recordings import no_check
from required import require_simulator

from simulators.backends.accumulated import Accumulates, plans_of
from simulators.backends.genn_simulator import gpu_costs, open_simulator
from simulators.backends.genn_simulator.costs import LARGEST_BATCH
from simulators.backends.genn_simulator.model import GennSimulator
from simulators.backends.genn_simulator.structure import accumulation_layout, layout
from simulators.backends.recorded import recorded_populations
from simulators.backends.simulator import PointFailure, PointStopped, Recording, UnsupportedNetworkError
from simulators.description import Network, Uniform
from simulators.records.job import Simulation
from simulators.records.spike_files import recorded_neurons
from simulators.statistics import STATISTICS, needs_of, summarise
from simulators.statistics.measures.needs import Needs

pytestmark = pytest.mark.genn

SEED = 3
WITH_SUMS = [name for name, one in STATISTICS.items() if one.needs is not None]


def clustered(network: Network, n_clusters: int) -> Network:
    populations = (p if p.is_source else replace(p, n_clusters=n_clusters) for p in network.populations)
    return replace(network, populations=tuple(populations))


def with_t_ref(network: Network, t_ref: Any) -> Network:
    populations = (replace(p, parameters={**p.parameters, "t_ref": t_ref}) for p in network.populations)
    return replace(network, populations=tuple(populations))


def every_step() -> Network:
    """Neurons that each fire once, some in every step from the warm-up to the end."""
    n = 400
    return networks.played((np.arange(n) * 0.1 - 10.0).round(1).tolist(), list(range(n)), size=n)


# Longer than 65,536 steps, whose square 32 bits do not hold
LONG = Simulation(0.1, 5.0, 9000.0)
LONG_INTERVALS = networks.played([1.0, 8000.0, 20.0], [0, 0, 1], size=2)

MICROCIRCUIT = clustered(networks.microcircuit(14_000.0), 5)
CASES: dict[str, tuple[Network, Simulation, Mapping[str, float]]] = {
    "several chunks, none of them whole": (MICROCIRCUIT, Simulation(0.1, 33.3, 505.7), {}),
    "bins that divide nothing": (MICROCIRCUIT, Simulation(0.1, 7.7, 391.9), SHORT),
    "warm-up of several chunks": (MICROCIRCUIT, Simulation(0.1, 450.1, 260.0), SHORT),
    "no warm-up": (networks.vogels_abbott(), Simulation(0.1, 0.0, 150.0), SHORT),
    "a spike in every step": (every_step(), Simulation(0.1, 5.0, 20.0), SHORT),
    "nobody fires": (clustered(networks.microcircuit(0.0), 5), Simulation(0.1, 5.0, 230.0), SHORT),
    "refractory times of their own": (
        with_t_ref(MICROCIRCUIT, Uniform(1.0, 3.0)),
        Simulation(0.1, 10.0, 210.0),
        SHORT,
    ),
    "an interval of 8 s": (LONG_INTERVALS, LONG, {}),
}


@pytest.fixture(autouse=True)
def _needs_genn() -> None:
    require_simulator("genn", {**default_settings("genn"), "backend": "single_threaded_cpu"})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def opened(cache: Path) -> Iterator[Callable[[Simulation], GennSimulator]]:
    simulators = []

    def open_one(simulation: Simulation) -> GennSimulator:
        settings = {**default_settings("genn"), "backend": "single_threaded_cpu", "cache": str(cache)}
        simulators.append(open_simulator(simulation, settings))
        return simulators[-1]

    yield open_one
    for simulator in simulators:
        simulator.close()


def run(simulator: GennSimulator, network: Network) -> Recording:
    (outcome,) = simulator.run([network], no_check)
    assert isinstance(outcome, Recording), outcome
    return outcome


def both(simulator: GennSimulator, network: Network, needs: Needs) -> tuple[Recording, Recording]:
    """A point recorded, and accumulated."""
    simulator.build(network, SEED)
    recorded = run(simulator, network)
    simulator.accumulate(needs)
    simulator.build(network, SEED)
    return recorded, run(simulator, network)


def assert_same(
    recorded: Recording, summed: Recording, network: Network, simulation: Simulation, settings: Mapping[str, float]
) -> None:
    """Every sum and every statistic are those of the spikes."""
    needs = needs_of(WITH_SUMS, settings)
    assert needs is not None
    plans = plans_of(recorded_populations(network), simulation, needs)
    assert summed.spikes == {}
    assert summed.sums.keys() == recorded.spikes.keys()
    for name, trains in recorded.spikes.items():
        assert_sums(summed.sums[name], accumulated(trains, plans[name]))
    assert_close(summarise(summed.sums, WITH_SUMS, settings), summarise(recorded.spikes, WITH_SUMS, settings))


@pytest.mark.parametrize("case", CASES)
def test_sums_and_statistics_are_those_of_spikes(opened: Callable[[Simulation], GennSimulator], case: str) -> None:
    network, simulation, settings = CASES[case]
    needs = needs_of(WITH_SUMS, settings)
    assert needs is not None
    simulator = opened(simulation)
    recorded, summed = both(simulator, network, needs)
    assert_same(recorded, summed, network, simulation, settings)
    steps = np.concatenate([trains.steps for trains in recorded.spikes.values()])
    if case == "a spike in every step":
        assert np.array_equal(np.sort(steps), np.arange(1, simulation.n_steps + 1))
    assert (steps.size == 0) == (case == "nobody fires")
    if case == "an interval of 8 s":
        assert summed.sums["E"].interval_squares.tolist() == [79_990**2, 0]


def test_a_sample_that_is_kept_is_cut_from_whole_trains(opened: Callable[[Simulation], GennSimulator]) -> None:
    needs = Needs(spaced=frozenset({100}))
    recorded, summed = both(opened(Simulation(0.1, 33.3, 505.7)), MICROCIRCUIT, needs)
    for name, trains in recorded.spikes.items():
        chosen = np.isin(trains.senders, recorded_neurons(trains.size, sample=True))
        kept = summed.sums[name].kept_trains
        assert sorted(zip(kept.steps, kept.senders, strict=True)) == sorted(
            zip(trains.steps[chosen], trains.senders[chosen], strict=True)
        )
        assert kept.steps.size > 0
        facts = [(one.size, one.n_steps, one.dt, one.n_clusters, one.t_ref) for one in (kept, trains)]
        assert facts[0] == facts[1]


def test_nothing_is_left_of_the_points_before(opened: Callable[[Simulation], GennSimulator]) -> None:
    """Other refractory times, a point that was given up in mid-run, and one that ran to its end."""
    simulation = Simulation(0.1, 10.0, 420.0)
    points = [with_t_ref(MICROCIRCUIT, t_ref) for t_ref in (2.0, 4.0)]
    needs = needs_of(WITH_SUMS, SHORT)
    assert needs is not None
    simulator = opened(simulation)
    simulator.build(points[0], SEED)
    recorded = [run(simulator, point) for point in points]
    simulator.accumulate(needs)
    simulator.build(points[0], SEED)
    looks = iter(range(50))

    def stop() -> None:
        if next(looks) == 45:  # in the second chunk
            raise PointStopped

    with pytest.raises(PointStopped):
        simulator.run([points[1]], stop)
    for k in (0, 1, 0):
        assert_same(recorded[k], run(simulator, points[k]), points[k], simulation, SHORT)


def test_points_that_fire_too_fast_say_the_same(opened: Callable[[Simulation], GennSimulator]) -> None:
    simulation = Simulation(0.1, 5.0, 600.0, max_rate=15.0)
    simulator = opened(simulation)
    found = []
    for needs in (None, Needs()):
        if needs is not None:
            simulator.accumulate(needs)
        simulator.build(MICROCIRCUIT, SEED)
        (outcome,) = simulator.run([MICROCIRCUIT], no_check)
        assert isinstance(outcome, PointFailure)
        found.append(outcome)
    assert found[0].status == "diverged"
    assert "above max_rate = 15 Hz" in found[0].reason
    assert found[1] == found[0]


def test_sums_that_could_overflow_are_refused(opened: Callable[[Simulation], GennSimulator]) -> None:
    simulator = opened(Simulation(0.1, 5.0, 1e9))
    simulator.accumulate(Needs())
    simulator._batch = 0  # as on a graphics processor, whose memory is asked for before
    assert simulator.batch_size(MICROCIRCUIT) == LARGEST_BATCH
    with pytest.raises(UnsupportedNetworkError, match="more than counts of 32 bits hold"):
        simulator.build(MICROCIRCUIT, SEED)


def test_a_batch_that_is_chosen_is_one_whose_sums_can_be_indexed(
    opened: Callable[[Simulation], GennSimulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of arrays that are never made: only numbers of neurons are told."""
    monkeypatch.setattr(gpu_costs, "_SIDE_BY_SIDE", 1e15)  # a worker of any memory
    cells, most = LONG_INTERVALS["E"], 2**32 - 1
    simulator = opened(Simulation(0.1, 5.0, 20.0))
    simulator.accumulate(Needs())
    for size in (1_800_000, 3_000_000):
        network = Network((replace(cells, size=size),), ())
        simulator._batch = 0  # as on a graphics processor
        chosen = simulator.batch_size(network)
        (plan,) = plans_of(recorded_populations(network), Simulation(0.1, 5.0, 20.0), Needs()).values()
        assert chosen == most // (63 * size) < LARGEST_BATCH, "63 words of 2,000 steps are the largest array"
        accumulation_layout.accumulation_updates(plan, chosen, 2000)
        said = f"arrays of {63.0 * size * (chosen + 1):.3g} numbers, more than 32 bits can index; take a batch of at "
        said += f"most {chosen}"
        with pytest.raises(ValueError, match=re.escape(said)):
            accumulation_layout.accumulation_updates(plan, chosen + 1, 2000)
        simulator._batch = 40
        assert simulator.batch_size(network) == 40, "what a sweep asks for is refused, not changed"
    huge = replace(plan, extent=replace(plan.extent, size=70_000_000))
    with pytest.raises(ValueError, match="keep whole trains"):
        accumulation_layout.accumulation_updates(huge, 1, 2000)


def test_other_settings_and_durations_compile_nothing_new(
    opened: Callable[[Simulation], GennSimulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    for settings, duration in ((SHORT, 391.9), ({**SHORT, "fano_window": 17.0, "cluster_bin": 0.8}, 77.7)):
        simulator = opened(Simulation(0.1, 7.7, duration))
        assert isinstance(simulator, Accumulates)
        assert not simulator.accumulates, "a core takes longer to make sums than to record and decode"
        needs = needs_of(WITH_SUMS, settings)
        assert needs is not None
        simulator.accumulate(needs)
        simulator.build(MICROCIRCUIT, SEED)
        monkeypatch.setattr("simulators.backends.genn_simulator.model.compile_network", None)


TABLE, GATHER, ACCUMULATE = ((accumulation_layout, name) for name in ("TABLE_CODE", "GATHER_CODE", "accumulate_code"))
FAULTS = {
    "a spike marked at the step after": ((layout, "MARK_CODE"), "row % 32U", "(row + 1U) % 32U"),
    "a bin without its last step": (TABLE, "? ((bin + 1) * width - offset)", "? ((bin + 1) * width - offset - 1)"),
    "a bin that chunks share overwritten": (TABLE, "(uint32_t)bin] += total", "(uint32_t)bin] = total"),
    "the sample of other neurons": (GATHER, "chosen[id]", "chosen[(id + 1U) % n_sample]"),
    "a chunk that is not cleared": (ACCUMULATE, "+ id] = 0U;", "+ id] = word;"),
    "squares of intervals forgotten": (ACCUMULATE, "interval_squares +=", "interval_squares ="),
    "a window too few": (ACCUMULATE, "< (uint32_t)facts[2]", "+ 1U < (uint32_t)facts[2]"),
    "squares of intervals in 32 bits": (
        ACCUMULATE,
        "(uint64_t)interval * (uint64_t)interval",
        "(uint64_t)(interval * interval)",
    ),
    "warm-up counted": (ACCUMULATE, "since >= 0", "since >= -1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_code_is_caught(
    opened: Callable[[Simulation], GennSimulator], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (module, name), text, changed = FAULTS[fault]
    right = getattr(module, name)

    assert text in (right if isinstance(right, str) else right(2)), "nothing is changed"
    wrong = right.replace(text, changed) if isinstance(right, str) else lambda n: right(n).replace(text, changed)
    monkeypatch.setattr(module, name, wrong)
    network, simulation, settings = CASES["bins that divide nothing"]
    if fault == "warm-up counted":
        network, simulation, settings = CASES["a spike in every step"]
    if fault == "squares of intervals in 32 bits":
        network, simulation, settings = CASES["an interval of 8 s"]
    needs = needs_of(WITH_SUMS, settings)
    assert needs is not None
    simulator = opened(simulation)
    simulator.build(network, SEED)
    recorded = run(simulator, network)
    simulator.accumulate(needs)
    simulator.build(network, SEED)
    with pytest.raises((AssertionError, ValueError)):  # of sums that are none of any trains
        assert_same(recorded, run(simulator, network), network, simulation, settings)
