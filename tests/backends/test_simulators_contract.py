"""What every simulator must do, run over each one that is installed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import assert_same, no_check, rates_agree, run_one, spikes_of

from simulators.backends.simulator import (
    PointFailure,
    PointStopped,
    Recording,
    Simulator,
    find_simulator,
    simulator_names,
)
from simulators.description.network import Network, expected_synapses
from simulators.models.clustered import make_network
from simulators.neurons import find_neuron_model
from simulators.records.job import Simulation
from simulators.statistics import summarise
from simulators.statistics.spike_trains import SpikeTrains

SIMULATION = Simulation(dt=0.1, warmup=100.0, duration=400.0)
SEED = 11


@dataclass(frozen=True)
class Opened:
    """A simulator with the structure of `base` built."""

    name: str
    simulator: Simulator
    base: dict[str, Any]

    def points(self) -> list[Network]:
        """Points of one structure that differ in currents, weights and neurons."""
        changes: list[dict[str, Any]] = [
            {},
            {"I_th_E": 1.4, "I_th_I": 0.9},
            {"jep": 1.5, "gie": 0.9},
            {"tau_m_E": 15.0, "t_ref": 3.0},
            {"I_th_E": 0.2, "I_th_I": 0.2},
        ]
        return [make_network({**self.base, **change}) for change in changes]


@pytest.fixture(scope="module", params=simulator_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened(name: str, small: dict[str, Any]) -> Iterator[Opened]:
    settings = default_settings(name)
    require_simulator(name, settings)
    simulator = find_simulator(name).open_simulator(SIMULATION, settings)
    simulator.build(make_network(small), SEED)
    yield Opened(name, simulator, small)
    simulator.close()


def test_modules_import_and_describe_themselves_without_their_simulator(name: str, small: dict[str, Any]) -> None:
    module = find_simulator(name)
    settings = default_settings(name)
    for key, setting in module.SETTINGS.items():
        assert setting.doc, key
        assert setting.choices is None or setting.default in setting.choices
        assert setting.minimum is None or float(setting.default) >= setting.minimum
    assert set(module.identity(settings)) <= {"backend", "threads", "gpu"}  # columns of the summary
    few, many = (make_network({**small, "N_E": 4 * n, "N_I": n}) for n in (100, 1000))
    low, high = (module.estimate(network, SIMULATION, settings) for network in (few, many))
    for estimate in (low, high):
        assert all(math.isfinite(x) and x >= 0.0 for x in (estimate.build, estimate.point, estimate.memory))
        assert estimate.memory > 1e7
    assert high.build + high.point >= low.build + low.point
    assert high.memory > low.memory
    longer = Simulation(SIMULATION.dt, SIMULATION.warmup, 100 * SIMULATION.duration)
    assert module.estimate(few, longer, settings).point > low.point


def test_structures_are_told_apart_before_anything_is_built(name: str, small: dict[str, Any]) -> None:
    structure = find_simulator(name).structure
    base = structure(make_network(small))
    assert hash(base) == hash(structure(make_network(small)))
    for changes in ({"jep": 1.0}, {"I_th_E": 2.0}, {"tau_syn_cv": 0.1}, {"ge": 1.5}):
        assert structure(make_network({**small, **changes})) == base
    for changes in ({"N_E": 800}, {"delay": 0.2}, {"Q": 1}):
        assert structure(make_network({**small, **changes})) != base


def test_a_simulator_says_what_it_cannot_do_before_it_builds(name: str, small: dict[str, Any], cache: Path) -> None:
    module = find_simulator(name)
    settings = default_settings(name)
    assert module.problems(make_network(small), SIMULATION, settings) == []
    for possible in (networks.microcircuit(), networks.explicit_lists(), networks.scaled(0.5), networks.listed(1.0)):
        assert module.problems(possible, SIMULATION, settings) == []
    known = find_neuron_model("lif_psc_exp")
    stranger = replace(known, name="stranger", nest=None, step=None)
    network = networks.bare("lif_psc_exp")
    strange = replace(network, populations=(replace(network["E"], neuron=stranger), network["I"]))
    if name == "poisson":  # asks nothing of a network
        assert module.problems(strange, SIMULATION, settings) == []
        return
    (problem,) = module.problems(strange, SIMULATION, settings)
    assert "population E" in problem
    assert "stranger" in problem
    fast = replace(network, projections=(replace(network.projections[0], delay=0.01), *network.projections[1:]))
    (problem,) = module.problems(fast, SIMULATION, settings)
    assert network.projections[0].name in problem
    assert "0.1 ms" in problem
    require_simulator(name, settings)
    simulator = module.open_simulator(SIMULATION, settings | ({"cache": str(cache)} if "cache" in settings else {}))
    try:
        for impossible, named in ((strange, "stranger"), (fast, "0.1 ms")):
            with pytest.raises(ValueError, match=named):
                simulator.build(impossible, SEED)
    finally:
        simulator.close()


@pytest.mark.parametrize("neuron", networks.BARE)
def test_a_build_for_every_point_is_estimated_and_charged_as_one(name: str, neuron: str) -> None:
    settings = default_settings(name)
    require_simulator(name, settings)
    network = networks.bare(neuron)
    cost = find_simulator(name).estimate(network, SIMULATION, settings)
    simulator = find_simulator(name).open_simulator(SIMULATION, settings)
    simulator.build(network, SEED)
    outcomes = [simulator.run([network], no_check)[0] for _ in range(2)]
    simulator.close()
    phases = [outcome.phases for outcome in outcomes if isinstance(outcome, Recording)]
    assert len(phases) == 2
    assert phases[0].get("t_build", 0.0) == 0.0
    assert (phases[1].get("t_build", 0.0) > 0.0) == cost.builds_every_point
    assert (cost.once, cost.each) == (
        (0.0, cost.build + cost.point) if cost.builds_every_point else (cost.build, cost.point)
    )


def test_an_unknown_simulator_is_named_with_those_there_are() -> None:
    with pytest.raises(LookupError, match=r"'nets'.*nest"):
        find_simulator("nets")


def test_a_recording_holds_every_population_in_the_recorded_time(opened: Opened) -> None:
    network = opened.points()[0]
    begin = time.perf_counter()
    (recording,) = opened.simulator.run([network], no_check)
    wall = time.perf_counter() - begin
    assert isinstance(recording, Recording)
    assert list(recording.spikes) == ["E", "I"]
    for population in network.populations:
        trains = recording.spikes[population.name]
        assert isinstance(trains, SpikeTrains)
        assert (trains.size, trains.n_clusters, trains.dt) == (population.size, 4, 0.1)
        assert trains.n_steps == 4000
        assert trains.n_spikes > 100
        assert trains.steps.min() >= 1
        assert trains.steps.max() <= 4000
        assert trains.steps.min() < 200  # nothing is cut off at either end
        assert trains.steps.max() > 3800
        pairs = trains.senders * 10_000 + trains.steps
        assert opened.name == "poisson" or len(np.unique(pairs)) == len(pairs)
    assert recording.phases.keys() <= {"t_reset", "t_simulate", "t_record"}
    assert all(seconds >= 0.0 for seconds in recording.phases.values())
    assert sum(recording.phases.values()) <= wall
    values = summarise(recording.spikes, ["rate", "lv"])
    assert np.isfinite([value for value in values.values() if not isinstance(value, list)]).all()


def test_a_build_reports_time_and_synapses(opened: Opened) -> None:
    network = opened.points()[0]
    begin = time.perf_counter()
    build = opened.simulator.build(network, SEED)
    assert sum(build.phases.values()) <= time.perf_counter() - begin
    assert all(seconds >= 0.0 for seconds in build.phases.values())
    mean = expected_synapses(network)
    assert abs(build.n_synapses - mean) < 5.0 * math.sqrt(mean)


def test_a_point_is_the_same_whatever_ran_before_it(opened: Opened) -> None:
    points = opened.points()
    opened.simulator.build(points[0], SEED)
    first = [run_one(opened.simulator, point) for point in points]
    n_alike = 1 if opened.name == "poisson" else 0  # weights leave the stand-in cold
    assert len({str(spikes) for spikes in first}) == len(points) - n_alike
    for index in (3, 0, 4, 1, 1, 2, 0, 3):
        assert_same(opened.simulator, run_one(opened.simulator, points[index]), first[index])
    opened.simulator.build(points[3], SEED)
    assert_same(opened.simulator, run_one(opened.simulator, points[3]), first[3])


def test_only_on_graphics_processors_bits_are_not_promised(opened: Opened) -> None:
    assert opened.simulator.exact == (not opened.simulator.gpu)


def test_points_of_a_batch_are_the_same_as_alone(opened: Opened) -> None:
    points = opened.points()
    opened.simulator.build(points[0], SEED)
    alone = [run_one(opened.simulator, point) for point in points]
    together = points[: opened.simulator.batch_size(points[0])]
    outcomes = opened.simulator.run(together, no_check)
    for outcome, expected in zip(outcomes, alone, strict=False):
        assert_same(opened.simulator, spikes_of(outcome), expected)
    assert len(outcomes) == len(together)


def test_another_seed_is_another_draw(opened: Opened) -> None:
    point = opened.points()[0]
    found = []
    for seed in (SEED, SEED + 1, SEED):
        opened.simulator.build(point, seed)
        found.append(run_one(opened.simulator, point))
    assert found[0] != found[1]
    assert_same(opened.simulator, found[2], found[0])


def test_the_watch_is_asked_and_may_stop_a_point(opened: Opened) -> None:
    points = opened.points()
    opened.simulator.build(points[0], SEED)
    expected = run_one(opened.simulator, points[1])
    calls = []

    def stop() -> None:
        calls.append(None)
        raise PointStopped("enough")

    with pytest.raises(PointStopped, match="enough"):
        opened.simulator.run([points[0]], stop)
    assert len(calls) == 1
    assert_same(opened.simulator, run_one(opened.simulator, points[1]), expected)

    opened.simulator.run([points[0]], lambda: calls.append(None))
    n_asked = len(calls) - 1
    assert n_asked >= (1 if opened.name == "poisson" else 2)  # once per 250 ms of 500


def test_a_point_that_fires_too_fast_has_diverged(name: str, small: dict[str, Any]) -> None:
    settings = default_settings(name)
    require_simulator(name, settings)
    simulation = Simulation(SIMULATION.dt, SIMULATION.warmup, SIMULATION.duration, max_rate=10.0)
    simulator = find_simulator(name).open_simulator(simulation, settings)
    try:
        quiet = make_network({**small, "I_th_E": 0.2, "I_th_I": 0.2})
        wild = make_network({**small, "I_th_E": 20.0, "gie": 0.1})
        simulator.build(quiet, SEED)
        before = run_one(simulator, quiet)
        (failure,) = simulator.run([wild], no_check)
        assert isinstance(failure, PointFailure)
        assert failure.status == "diverged"
        assert "Hz" in failure.reason
        assert_same(simulator, run_one(simulator, quiet), before)
    finally:
        simulator.close()


def test_where_bits_are_not_promised_silence_is_no_rate() -> None:
    for n in range(1, 60):
        assert not rates_agree(0, n) and not rates_agree(n, 0)
        assert rates_agree(n, n)
    assert rates_agree(0, 0)
    assert not rates_agree(5, 30)
    assert rates_agree(1100, 1000) and not rates_agree(1400, 1000)
