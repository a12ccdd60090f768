"""GeNN's code for CUDA on an emulated graphics processor: spikes equal to the CPU backend's, whatever the order."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networks
import pytest
from accumulation import accumulated, assert_close, assert_sums
from conftest import default_settings, small_job
from emulated_machine import Machine
from emulated_networks import DRIVEN, LIVELY, clustered, conductances, driven, enlarged, with_clusters
from recordings import Spikes, assert_same, no_check, run_fresh, spikes_of

from simulators.backends.accumulated import plans_of
from simulators.backends.genn_simulator import GennSimulator, model, open_simulator
from simulators.backends.genn_simulator.structure import accumulation_layout, synapse_layout
from simulators.backends.recorded import recorded_populations
from simulators.backends.simulator import PointFailure, Recording, SimulatorUnavailableError
from simulators.description import Network
from simulators.records.job import Simulation
from simulators.statistics import STATISTICS, needs_of, summarise
from simulators.statistics.measures.needs import Needs
from simulators.statistics.sorted_trains import SortedTrains
from simulators.worker.finishing import Finishing
from simulators.worker.points.point_values import point_values

pytestmark = pytest.mark.genn
pytest_plugins = ["emulated_fixtures"]

SIMULATION = Simulation(dt=0.1, warmup=5.0, duration=25.0)
SEED = 3
WITH_SUMS = tuple(name for name, one in STATISTICS.items() if one.needs is not None)
SHORT = {
    "fano_window": 3.0,
    "fano_min_windows": 4,
    "fano_min_intervals": 1,
    "cv_min_spikes": 3,
    "synchrony_bin": 0.7,
    "cluster_bin": 0.4,
    "correlation_neurons": 17,
    "autocorrelation_neurons": 20,
    "correlogram_neurons": 41,
}
NEEDS = needs_of(WITH_SUMS)
BLOCK = 32  # threads, as GeNN chooses them for networks as small as these


@pytest.fixture(autouse=True)
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take populations for large that do not fit into the emulation's blocks, which are small."""
    if "large" not in request.node.name:
        monkeypatch.setattr(synapse_layout, "_LARGEST_BLOCK", BLOCK)


@dataclass(frozen=True)
class Runner:
    """Both backends of GeNN."""

    machine: Machine
    cache: Path

    def open(self, backend: str, batch: int, **changes: Any) -> GennSimulator:
        settings = {**default_settings("genn"), "backend": backend, "batch": batch, "cache": str(self.cache), **changes}
        try:
            return open_simulator(SIMULATION, settings)
        except SimulatorUnavailableError as missing:
            pytest.exit(f"CUDA cannot be emulated here: {missing}", returncode=2)

    def on_cpu(self, points: Sequence[Network]) -> list[Spikes]:
        simulator = self.open("single_threaded_cpu", 1)
        try:
            return run_fresh(simulator, points, SEED)
        finally:
            simulator.close()

    def built(self, network: Network, batch: int, needs: Needs | None = None, **changes: Any) -> GennSimulator:
        simulator = self.open("cuda", batch, **changes)
        assert simulator.gpu == "emulation of CUDA"
        if needs is not None:
            simulator.accumulate(needs)
        simulator.build(network, SEED)
        return simulator


@pytest.fixture(scope="session")
def runner(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(machine, tmp_path_factory.mktemp("models"))


def spikes_on(simulator: GennSimulator, points: Sequence[Network]) -> list[Spikes]:
    return [spikes_of(outcome) for outcome in simulator.run(points, no_check)]


def check_equal(runner: Runner, points: Sequence[Network], batch: int, least: int, **changes: Any) -> None:
    """Spikes of batches, some part-filled and in other orders, are those of points run alone on the CPU backend."""
    expected = runner.on_cpu(points)
    for found in expected:
        assert sum(len(trains) for trains in found.values()) >= least
    assert len({repr(found) for found in expected}) == len(points), "the points must differ"
    simulator = runner.built(points[0], batch, **changes)
    try:
        places = list(range(len(points)))
        part = places[::-1][: len(places) // 2]  # in other places, some of which stay empty
        for chosen in [places, part] if part else [places]:
            assert spikes_on(simulator, [points[k] for k in chosen]) == [expected[k] for k in chosen]
        with runner.machine.running(exact=True):
            in_order = spikes_on(simulator, points)
        with runner.machine.running(order=1, exact=True):
            assert spikes_on(simulator, points) == in_order, "the order of threads and blocks shows"
    finally:
        simulator.close()


@pytest.mark.parametrize("batch", [1, 5])
def test_driven_networks_with_multapses(runner: Runner, batch: int) -> None:
    check_equal(runner, DRIVEN[:batch], batch, least=50)


def test_large_and_small_populations(runner: Runner) -> None:
    points = [enlarged(point, 6) for point in DRIVEN[:2]]
    assert points[0]["E"].size > 1024 > points[0]["I"].size
    check_equal(runner, points, 2, least=50)


@pytest.mark.parametrize("procedural", [False, True], ids=["stored", "procedural"])
def test_clustered_networks(runner: Runner, defaults: dict[str, Any], procedural: bool) -> None:
    points = [clustered(defaults, current, clustering) for current, clustering in ((2.0, 1.0), (2.5, 2.5), (3.0, 2.0))]
    check_equal(runner, points, 3, least=50, procedural=procedural)


def test_conductances_and_sources(runner: Runner) -> None:
    check_equal(runner, [conductances(1.0), conductances(2.0)], 2, least=50)


def test_drawn_weights_and_delays(runner: Runner) -> None:
    check_equal(runner, [networks.microcircuit(12_000.0), networks.microcircuit(15_000.0)], 2, least=50)


def test_lists_with_weights_and_delays_of_their_own(runner: Runner) -> None:
    first = networks.explicit_lists()
    faster = replace(
        first,
        populations=tuple(
            replace(p, parameters={**p.parameters, "rate": 300.0}) if p.is_source else p for p in first.populations
        ),
    )
    check_equal(runner, [first, faster], 2, least=20)


def test_given_spikes(runner: Runner) -> None:
    points = [networks.played([0.1, 15.0, 15.0], [0, 33, 7], size=40), networks.played([-5.0, 0.2], [39, 2], size=40)]
    check_equal(runner, points, 2, least=1)


def test_populations_smaller_than_a_block(runner: Runner) -> None:
    points = [networks.bare("lif_psc_exp", rate=rate, weight=2.0) for rate in (9000.0, 12_000.0)]
    assert all(population.size <= BLOCK for population in points[0].populations)
    check_equal(runner, points, 2, least=5)


def test_what_populations_smaller_than_a_block_are_kept_from(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once this fails, GeNN adds up in blocks without loss, and `SynapseLayout.by_spike` can go."""
    points = [networks.bare("lif_psc_exp", rate=9000.0, weight=2.0)]
    expected = runner.on_cpu(points)
    monkeypatch.setattr(synapse_layout, "_LARGEST_BLOCK", 0)
    simulator = runner.built(points[0], 1)
    found = spikes_on(simulator, points)
    simulator.close()
    assert found != expected


def test_a_point_that_fails_leaves_its_neighbours_alone(runner: Runner) -> None:
    points = DRIVEN[:2]
    expected = runner.on_cpu(points)
    simulator = runner.built(points[0], 5)
    broken = driven(1.0, 9000.0, 1e6)  # all fire as often as they can
    found = simulator.run([points[0], broken, points[1]], no_check)
    simulator.close()
    assert isinstance(found[1], PointFailure)
    assert "max_rate" in found[1].reason
    assert [spikes_of(found[0]), spikes_of(found[2])] == expected


def test_kernels_that_run_late_give_the_same_and_their_time_is_that_of_simulating(
    runner: Runner, defaults: dict[str, Any]
) -> None:
    points = [clustered(defaults, current, 2.0) for current in (2.0, 2.5)]  # nothing is sent there in mid-run
    simulator = runner.built(points[0], 2)
    expected = spikes_on(simulator, points)
    with runner.machine.running(deferred=True):
        found = simulator.run(points, no_check)
    simulator.close()
    assert [spikes_of(outcome) for outcome in found] == expected
    (phases, _) = [outcome.phases for outcome in found if isinstance(outcome, Recording)]
    assert phases["t_simulate"] > 10.0 * phases["t_record"], phases


@pytest.mark.parametrize("needs", [None, NEEDS], ids=["spikes", "sums"])
def test_what_other_processes_finish_is_what_is_finished_here(
    runner: Runner, tmp_path: Path, small: dict[str, Any], needs: Needs | None
) -> None:
    broken = driven(1.0, 9000.0, 1e6)  # all fire as often as they can
    points = [DRIVEN[0], broken, *DRIVEN[1:]]
    simulator = runner.built(points[0], 4, needs, cores=8)
    statistics = [STATISTICS[name] for name in WITH_SUMS]
    kept = "all" if needs is None else "none"
    job = small_job(small, len(points), simulation=SIMULATION, spikes=kept, statistics=WITH_SUMS)
    finishing = Finishing(job, tmp_path, tmp_path, 2)
    found: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    failed = []
    try:
        for batch in ([0, 1, 2, 3], [5, 4]):
            chosen = [points[k] for k in batch]
            for k, outcome in zip(batch, simulator.run(chosen, no_check), strict=True):
                if isinstance(outcome, Recording):
                    expected[f"p{k}"] = point_values(f"p{k}", outcome.sums or outcome.spikes, job, statistics)
            failed += [
                (batch[k], one.status)
                for k, one in enumerate(
                    simulator.run_into(chosen, no_check, lambda given, needs: finishing.open(given, no_check, needs))
                )
                if isinstance(one, PointFailure)
            ]
            finishing.settle()
            failed += [(batch[k], one.status) for k, one in finishing.failures.items() if needs is None]
            kept_back = {k for k, place in enumerate(batch) if (place, "diverged") in failed}
            finishing.finish({i: f"p{k}" for i, k in enumerate(batch) if i not in kept_back})
        finishing.wait(no_check)
        found = finishing.take()
    finally:
        finishing.close()
        simulator.close()
    assert repr(dict(sorted(found.items()))) == repr(dict(sorted(expected.items())))  # NaN is nan
    assert set(failed) == {(1, "diverged")}
    assert len(found) == 5


def check_sums(found: Sequence[Recording | PointFailure], expected: Sequence[Recording], network: Network) -> None:
    """Sums are those of the spikes that the CPU backend has recorded, and so are statistics."""
    needs = needs_of(WITH_SUMS, SHORT)
    assert needs is not None
    plans = plans_of(recorded_populations(network), SIMULATION, needs)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Recording), one
        for name, trains in other.spikes.items():
            assert_sums(one.sums[name], accumulated(trains, plans[name]))
        assert_close(summarise(one.sums, WITH_SUMS, SHORT), summarise(other.spikes, WITH_SUMS, SHORT))


def recorded_on_cpu(runner: Runner, points: Sequence[Network]) -> list[Recording]:
    simulator = runner.open("single_threaded_cpu", 1)
    simulator.build(points[0], SEED)
    found = [outcome for point in points for outcome in simulator.run([point], no_check)]
    simulator.close()
    assert all(isinstance(one, Recording) for one in found)
    return [one for one in found if isinstance(one, Recording)]


def test_sums_are_those_of_spikes(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches, full and part-filled, with a neighbour that diverges, over chunks that are no whole words."""
    monkeypatch.setattr(model, "WINDOW", 7.0)
    monkeypatch.setitem(globals(), "SIMULATION", replace(SIMULATION, max_rate=400.0))  # over so few ms
    points = [with_clusters(point) for point in (*DRIVEN[:3], *LIVELY)]
    broken = with_clusters(driven(1.0, 9000.0, 1e6))
    expected = recorded_on_cpu(runner, points)
    for one in expected[3:]:
        assert SortedTrains(one.spikes["E"]).contrasts.sum() > 10.0, "neurons with several intervals"
    simulator = runner.built(points[0], 5, needs_of(WITH_SUMS, SHORT))
    check_sums(simulator.run(points, no_check), expected, points[0])
    found = simulator.run([points[3], broken, points[1]], no_check)
    assert isinstance(found[1], PointFailure)
    assert "max_rate" in found[1].reason
    check_sums([found[0], found[2]], [expected[3], expected[1]], points[0])
    with runner.machine.running(exact=True):
        in_order = simulator.run(points, no_check)
    with runner.machine.running(order=1, exact=True):
        shuffled = simulator.run(points, no_check)
    with runner.machine.running(deferred=True, exact=True):
        late = simulator.run(points, no_check)
    simulator.close()
    for one, *others in zip(in_order, shuffled, late, strict=True):
        assert isinstance(one, Recording)
        for other in others:
            assert isinstance(other, Recording)
            for name, sums in one.sums.items():
                assert_sums(other.sums[name], sums)


# Pattern in the generated code, and what it is changed to
SUM_FAULTS = {
    "spikes marked at another point's place": (r"group->trains\[\(batch \* (.+?) \|= ", r"group->trains[(0 * \1 |= "),
    "counts of another point": (r"group->counts\[\(batch \* ", "group->counts[(0 * "),
    "the refractory time of another point": (r"group->revision\[batch\]", "group->revision[0]"),
}


@pytest.mark.parametrize("fault", SUM_FAULTS)
def test_a_fault_in_sums_is_caught(runner: Runner, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setitem(globals(), "SIMULATION", replace(SIMULATION, max_rate=400.0))
    points = [with_clusters(point) for point in LIVELY]
    expected = recorded_on_cpu(runner, points)
    with runner.machine.with_change(*SUM_FAULTS[fault]) as n_changes:
        simulator = runner.built(points[0], 2, needs_of(WITH_SUMS, SHORT))
        found = simulator.run(points, no_check)
        simulator.close()
    assert n_changes[0] > 0, "nothing was changed"
    with pytest.raises((AssertionError, ValueError)):
        for one, other, point in zip(found, expected, points, strict=True):
            check_sums([one], [other], point)


@pytest.mark.parametrize("product", ["(uint64_t)interval * (uint64_t)interval", "(uint64_t)(interval * interval)"])
def test_squares_of_long_intervals_have_64_bits(runner: Runner, monkeypatch: pytest.MonkeyPatch, product: str) -> None:
    """With spikes at 1 and 8,000 ms; steps in which nothing is under way and nobody fires are left out."""
    monkeypatch.setitem(globals(), "SIMULATION", replace(SIMULATION, duration=9000.0))
    monkeypatch.setattr(model, "WINDOW", 50.0)
    right, run_chunk = accumulation_layout.accumulate_code, GennSimulator._run_chunk
    in_64 = "(uint64_t)interval * (uint64_t)interval"
    assert in_64 in right(0)
    monkeypatch.setattr(accumulation_layout, "accumulate_code", lambda n: right(n).replace(in_64, product))
    ran = []

    def run_busy(self: Any, built: Any, instances: Any, begin: int, *others: Any) -> None:
        if begin in (0, 80_000):
            ran.append(begin)
            run_chunk(self, built, instances, begin, *others)

    monkeypatch.setattr(GennSimulator, "_run_chunk", run_busy)
    network = networks.played([1.0, 8000.0, 20.0], [0, 0, 1], size=2)
    simulator = runner.built(network, 1, Needs())
    (found,) = simulator.run([network], no_check)
    simulator.close()
    assert isinstance(found, Recording), found
    assert ran == [0, 80_000]
    assert found.sums["E"].counts.tolist() == [2, 1]
    assert found.sums["E"].spans.tolist() == [79_990, 0]
    assert (found.sums["E"].interval_squares.tolist() == [79_990**2, 0]) == (product == in_64)


def test_bits_are_not_promised_where_sums_are_added_in_any_order_but_rates_are(runner: Runner) -> None:
    points = DRIVEN[:2]
    simulator = runner.built(points[0], 2)
    expected = spikes_on(simulator, points)
    with runner.machine.running(order=1):
        found = spikes_on(simulator, points)
    simulator.close()
    assert not simulator.exact
    for one, other in zip(found, expected, strict=True):
        assert_same(simulator, one, other)


# Pattern in the generated code, and what it is changed to
FAULTS = {
    "weights of another point": (r"group->scale\[batch\]", "group->scale[0]"),
    "a wait for the other threads left out": (r"__syncthreads\(\);(\s*// loop through all incoming)", r"\1"),
    "spikes recorded at another instance's place": (
        r"\+ \(batch \* numRecordingWords\)\]",
        "+ ((batch == 0 ? 1 : 0) * numRecordingWords)]",
    ),
    "a sum that is not atomic": (
        r"atomicAdd\((&group->outPost\[.+?\]), (.+)\);",
        r"::emulation::add_in_shared(*(\1), \2);",
    ),
}


EQUAL, DIFFERENT = 10, 11


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_code_is_caught(runner: Runner, fault: str) -> None:
    points = DRIVEN[:2]
    expected = runner.on_cpu(points)
    with runner.machine.with_change(*FAULTS[fault]) as n_changes:
        child = os.fork()  # it may read or write anywhere
        if child == 0:
            found = 1
            try:
                simulator = runner.built(points[0], 2)
                found = EQUAL if spikes_on(simulator, points) == expected else DIFFERENT
            finally:
                os._exit(found)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert n_changes[0] > 0, "nothing was changed"
    assert status in {DIFFERENT, -signal.SIGSEGV, -signal.SIGABRT}
