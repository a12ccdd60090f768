"""The parts of the GeNN simulator that need no GeNN: numbers, layouts, and the cache of compiled models."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.neuron_code import Spread
from simulators.backends.genn_simulator.generated_code.poisson_code import (
    LARGEST_MEAN_COUNT,
    count_limits,
    draws_needed,
    source_limits,
)
from simulators.backends.genn_simulator.host.cache import cache_folder, cache_key, compiled
from simulators.backends.genn_simulator.host.compilers import cxx_command
from simulators.backends.genn_simulator.points.input_values import change_steps, source_limits_at, step_current
from simulators.backends.genn_simulator.points.points import Point
from simulators.backends.genn_simulator.structure.delays import buffer_lengths
from simulators.backends.genn_simulator.structure.layout import Layout, layout_of
from simulators.backends.genn_simulator.structure.synapse_layout import binomial_row_limit, row_limit
from simulators.backends.genn_simulator.values import (
    generator_states,
    neuron_constants,
    packed_events,
    projection_key,
    signed_weight,
    start_states,
    value_at_step,
)
from simulators.backends.recorded import unpacked_spikes
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.description import Network, Normal, PiecewiseConstant, Population, StepCurrent, Uniform
from simulators.models.clustered import make_network
from simulators.neurons import find_neuron_model

LIF = find_neuron_model("lif_psc_exp")
NEURON = {
    "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -70.0, "V_th": -50.0, "t_ref": 2.0,
    "tau_syn_ex": 0.5, "tau_syn_in": 3.0, "I_e": 100.0, "V_m": -65.0,
}  # fmt: skip


@given(
    spikes=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 69)), max_size=200),
    first=st.integers(-5, 5),
)
@settings(max_examples=50, deadline=None)
def test_spikes_come_out_of_a_recording_as_they_went_in(spikes: set[tuple[int, int, int]], first: int) -> None:
    words = np.zeros((7, 3, 3), dtype=np.uint32)
    for step, instance, sender in spikes:
        words[step, instance, sender // 32] |= np.uint32(1 << sender % 32)
    for instance in range(3):
        steps, senders = unpacked_spikes(words, instance, first, 5)
        found = list(zip(steps.tolist(), senders.tolist(), strict=True))
        expected = sorted((step + first, sender) for step, i, sender in spikes if i == instance and step < 5)
        assert found == expected
        given_steps, given_senders = (np.array([pair[k] for pair in expected], dtype=np.int64) for k in (0, 1))
        assert np.array_equal(packed_events(given_steps, given_senders, first, 5, 70), words[:5, instance])


@pytest.mark.parametrize("tau_syn", [0.5, 3.0, 9.999999, 10.0, 10.1])
def test_a_step_is_the_exact_solution(tau_syn: float) -> None:
    from scipy.integrate import solve_ivp

    given = {**NEURON, "tau_syn_ex": tau_syn}
    constants = neuron_constants(LIF, given, 0.1)
    potential, current = 3.0, 700.0
    moved = constants["decay_m"] * potential + constants["drift"] + constants["gain_ex"] * current
    exact = solve_ivp(
        lambda t, v: -v / 10.0 + (100.0 + current * np.exp(-t / tau_syn)) / 250.0, (0.0, 0.1), [potential],
        rtol=1e-12, atol=1e-12,
    )  # fmt: skip
    assert moved == pytest.approx(exact.y[0, -1], rel=1e-9)


def test_potentials_are_relative_to_rest_and_one_value_per_neuron_stays_so() -> None:
    constants = neuron_constants(LIF, {**NEURON, "E_L": np.array([-65.0, -60.0])}, 0.1)
    assert constants["V_th"] == pytest.approx([15.0, 10.0])
    assert constants["V_reset"] == pytest.approx([-5.0, -10.0])
    assert np.ndim(constants["decay_m"]) == 0
    assert neuron_constants(LIF, {**NEURON, "t_ref": 0.25}, 0.1)["refractory_steps"] == 3  # never less
    assert neuron_constants(LIF, {**NEURON, "t_ref": 0.3}, 0.1)["refractory_steps"] == 3


def test_no_neuron_starts_at_threshold() -> None:
    given = {**NEURON, "V_m": np.array([-50.0, -50.1, -20.0])}
    start = np.asarray(start_states(LIF, given, neuron_constants(LIF, given, 0.1))["state_V"], dtype=np.float32)
    assert np.all(start < np.float32(15.0))
    assert start == pytest.approx([15.0, 14.9, 15.0], abs=1e-5)


def test_row_limits_leave_room_for_every_row() -> None:
    rng = np.random.default_rng(1)
    for n, p in ((4000, 0.2), (19, 0.5), (100_000, 1e-4), (50, 0.999)):
        assert rng.binomial(n, p, 100_000).max() <= binomial_row_limit(n, p) <= n
    assert binomial_row_limit(20_000, 0.2) < 1.11 * 4000  # memory goes with it
    assert rng.poisson(300.0, 100_000).max() <= row_limit(300.0, 10**6)
    assert row_limit(300.0, 200) == 200


def test_step_currents_and_sources_change_at_their_steps(small: dict[str, Any]) -> None:
    network = make_network(small)
    some = np.array([0, 250, 399])
    three = (
        StepCurrent("a", "E", (0, 2), 1.5, (0.0, 30.0), (10.0, 40.0)),
        StepCurrent("b", "E", (2,), 1.0, (5.0,), (35.05,)),
        StepCurrent("c", "E", None, 4.0, (6.0,), (7.0,), neurons=some),
    )
    network = replace(network, inputs=three)
    assert change_steps(network, 0.1) == [0, 50, 60, 70, 100, 300, 350, 400]

    def total(step: int) -> NDArray[np.float64]:
        return sum((np.broadcast_to(step_current(x, network["E"], step, 0.1), 400) for x in three), np.zeros(400))

    for step, expected in ((-1, [0, 0, 0, 0]), (0, [1.5, 0, 1.5, 0]), (99, [1.5, 0, 2.5, 0]), (100, [0, 0, 1, 0])):
        assert total(step).reshape(4, 100).mean(axis=1).tolist() == expected
    assert np.flatnonzero(total(60) - total(59)).tolist() == some.tolist()
    assert step_current(StepCurrent("all", "E", None, 2.0, (0.0,), (1.0,)), network["E"], 0, 0.1) == 2.0
    sources = networks.vogels_abbott()["kick"]  # 200 Hz for 50 ms

    def probability(step: int) -> float:
        return (float(source_limits_at(sources, 1, step, 0.1)) + 2**31) / 2**32

    assert probability(0) == probability(499) == pytest.approx(0.02, rel=0.02)
    assert probability(500) == probability(-1) == 0.0


def test_a_piecewise_value_holds_from_its_step_on() -> None:
    value = PiecewiseConstant((-10.0, 0.3, 0.7), (1.0, 2.0, 3.0))
    at = {-200: 1.0, -100: 1.0, 2: 1.0, 3: 2.0, 6: 2.0, 7: 3.0, 10_000: 3.0}
    assert {step: value_at_step(value, step, 0.1) for step in at} == at
    assert value_at_step(4.0, 3, 0.1) == 4.0
    source = Population("source", 3, "poisson_source", {"rate": value, "start": 0.5, "stop": 1.0})
    network = Network((source,), ())
    assert change_steps(network, 0.1) == [-100, 3, 5, 7, 10]
    limits = [source_limits_at(source, 1, step, 0.1).item() for step in (4, 5, 6, 7, 9, 10)]
    assert limits == [-(2**31), *(source_limits(-np.expm1(-rate * 1e-4)).item() for rate in (2, 2, 3, 3)), -(2**31)]


@pytest.mark.parametrize("mean", [0.0, 1e-4, 0.02, 0.9, 1.28, 7.5, 40.0, LARGEST_MEAN_COUNT])
def test_limits_of_counts_are_the_poisson_distribution(mean: float) -> None:
    from scipy.stats import poisson

    first, *limits = count_limits(mean).tolist()
    assert len(limits) <= draws_needed(len(limits)) <= 128
    assert limits == sorted(limits, reverse=True)
    probabilities = (np.array(limits) + 2.0**31) / 2.0**32
    expected = poisson.sf(first + np.arange(len(limits)), mean)
    assert probabilities == pytest.approx(expected, abs=2.0**-31)
    # nothing that matters lies outside
    assert poisson.cdf(first - 1, mean) < 2.0**-32
    assert poisson.sf(first + len(limits), mean) < 2.0**-32


def test_a_weight_must_be_a_number() -> None:
    for weight in (float("nan"), np.array([1.0, np.nan]), np.inf):
        with pytest.raises(ValueError, match="not a finite number"):
            signed_weight(weight, "inhibitory", LIF)


def test_streams_have_their_own_keys() -> None:
    keys = {projection_key(seed, name).item() for seed in range(50) for name in ("EE", "EI", "IE")}
    assert len(keys) == 150

    def states(*labels: str) -> NDArray[np.uint64]:
        high, low = generator_states(3, 1000, *labels).astype(np.uint64)
        return high << np.uint64(32) | low

    assert np.array_equal(states("a", "drive"), states("a", "drive"))
    assert len(np.unique([states("a", "drive"), states("b", "drive"), states("a", "source")])) == 3000


# What is compiled


def layout(network: Network, dt: float = 0.1, batch: int = 1, procedural: bool = False) -> Layout:
    return layout_of(network, dt, batch, 2000, procedural)


def test_points_of_a_structure_share_compiled_code(small: dict[str, Any]) -> None:
    base = layout(make_network(small))
    alike: list[dict[str, Any]] = [
        {"I_th_E": 0.3}, {"jep": 1.0}, {"tau_syn_E": 5.0, "t_ref": 1.0}, {"V_th": 15.0}, {"ge": 2.0},
        {"tau_syn_cv": 0.1}, {"delta_I_E": 0.1}, {"delta_I_I": 0.2, "delta_I_E": 0.1},
    ]  # fmt: skip
    for changes in alike:
        assert layout(make_network({**small, **changes})) == base
    different: list[dict[str, Any]] = [{"delay": 0.2}, {"Q": 5}, {"fixed_indegree": True}]
    layouts = {repr(layout(make_network({**small, **changes}))) for changes in different}
    layouts |= {repr(layout(make_network(small), dt=0.05)), repr(layout(make_network(small), batch=40))}
    assert len(layouts | {repr(base)}) == 6


def test_distributions_of_weights_and_their_scales_are_no_part_of_the_code() -> None:
    network = networks.microcircuit()

    def with_weights(scale: float, mean: float) -> Network:
        drawn = tuple(replace(p, weight=scale * Normal(mean, 0.1, 0.0)) for p in network.projections)
        return replace(network, projections=drawn)

    assert layout(with_weights(1.0, 2.0)) == layout(with_weights(3.0, 5.0)) == layout(network)
    uniform = tuple(replace(p, weight=Uniform(1.0, 2.0)) for p in network.projections)
    assert layout(replace(network, projections=uniform)) != layout(network)


def test_lists_of_the_same_shape_share_compiled_code() -> None:
    one, other = (networks.explicit_lists(seed) for seed in (3, 3))
    assert layout(one) == layout(other)


def test_a_delay_buffer_is_shared_by_all_that_add_to_a_receptor() -> None:
    lengths = buffer_lengths(networks.microcircuit(), 0.1)
    assert {(receptor, steps) for (_, receptor), steps in lengths.items()} == {("excitatory", 60), ("inhibitory", 30)}
    assert len(lengths) == 8  # six standard deviations above the mean, for each population
    assert buffer_lengths(networks.vogels_abbott(), 0.1) == {}


def test_what_differs_between_neurons_depends_on_the_point_alone(small: dict[str, Any]) -> None:
    def spread(**changes: Any) -> Spread:
        return Point(make_network({**small, **changes}), 1, 0.1).spread

    stimulus = {"stim_onsets": [10.0], "stim_offsets": [20.0], "stim_amplitude": 1.0}
    assert spread() is Spread.NONE
    assert spread(delta_I_E=0.1) is Spread.DRIFT
    assert spread(stim_clusters=[1], **stimulus) is Spread.DRIFT
    assert spread(stim_clusters=[0, 1, 2, 3], **stimulus) is Spread.NONE
    assert spread(tau_syn_cv=0.1) is spread(tau_syn_cv=0.1, delta_I_E=0.1) is Spread.ALL


# The cache


def test_the_key_knows_all_that_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        cache_key("layout", "single_threaded_cpu", "5.4", ""),
        cache_key("other", "single_threaded_cpu", "5.4", ""),
        cache_key("layout", "cuda", "5.4", ""),
        cache_key("layout", "single_threaded_cpu", "5.5", ""),
        cache_key("layout", "cuda", "5.4", "some processor"),
    ]
    monkeypatch.setenv("CXX", "g++ -O1")
    assert cxx_command().startswith("g++ -O1")
    keys.append(cache_key("layout", "single_threaded_cpu", "5.4", ""))
    assert len(set(keys)) == len(keys)


def test_a_model_is_compiled_once_and_whole(tmp_path: Path) -> None:
    made: list[Path] = []
    gate = threading.Barrier(2, timeout=20.0)

    def compile_into(folder: Path) -> None:
        made.append(folder)
        (folder / "code").write_text("x")
        gate.wait()
        (folder / "library").write_text("whole")

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(compiled(tmp_path, "key", compile_into))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "key"] * 2
    assert len(set(made)) == 2, "each in a folder of its own"
    assert (found[0] / "library").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gridsearch-genn", "key"]
    assert compiled(tmp_path, "key", compile_into) == tmp_path / "key"
    assert len(made) == 2


def test_what_fails_to_compile_leaves_nothing_and_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def fail(folder: Path) -> None:
        os.write(1, b"neurons.cc:3: error: no such thing\n")
        raise RuntimeError("make failed")

    with pytest.raises(SimulatorUnavailableError, match="no such thing"):
        compiled(tmp_path, "key", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".gridsearch-genn"]
    assert capfd.readouterr().out == ""


def test_the_cache_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder("/some/where") == Path("/some/where")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder("") == tmp_path / "cache" / "gridsearch" / "genn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("") == tmp_path / ".cache" / "gridsearch" / "genn"
