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

from simulators.backends.genn_simulator.cache import cache_folder, cache_key, compiled, compiler_command
from simulators.backends.genn_simulator.layout import buffered_steps, layout_of
from simulators.backends.genn_simulator.values import (
    binomial_row_limit,
    change_steps,
    current_gain,
    generator_states,
    initial_potential,
    neuron_constants,
    projection_key,
    row_limit,
    source_probability,
    step_currents,
    unpack_spikes,
)
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.description.network import StepCurrent
from simulators.models.clustered import make_network

NEURON = {
    "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -70.0, "V_th": -50.0, "t_ref": 2.0,
    "tau_syn_ex": 0.5, "tau_syn_in": 3.0, "I_e": 100.0,
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
        steps, senders = unpack_spikes(words, instance, first, 5)
        found = list(zip(steps.tolist(), senders.tolist(), strict=True))
        assert found == sorted((step + first, sender) for step, i, sender in spikes if i == instance and step < 5)


@pytest.mark.parametrize("tau_syn", [0.5, 3.0, 9.999999, 10.0, 10.1])
def test_a_step_is_the_exact_solution(tau_syn: float) -> None:
    from scipy.integrate import solve_ivp

    given = {**NEURON, "tau_syn_ex": tau_syn}
    constants = neuron_constants("lif_psc_exp", given, 0.1)
    potential, current = 3.0, 700.0
    moved = constants["decay_m"] * potential + constants["drift"] + constants["gain_ex"] * current
    exact = solve_ivp(
        lambda t, v: -v / 10.0 + (100.0 + current * np.exp(-t / tau_syn)) / 250.0, (0.0, 0.1), [potential],
        rtol=1e-12, atol=1e-12,
    )  # fmt: skip
    assert moved == pytest.approx(exact.y[0, -1], rel=1e-9)
    assert current_gain("lif_psc_exp", given, 0.1) * 100.0 == pytest.approx(constants["drift"])


def test_potentials_are_relative_to_rest_and_one_value_per_neuron_stays_so() -> None:
    constants = neuron_constants("lif_psc_exp", {**NEURON, "E_L": np.array([-65.0, -60.0])}, 0.1)
    assert constants["V_th"] == pytest.approx([15.0, 10.0])
    assert constants["V_reset"] == pytest.approx([-5.0, -10.0])
    assert np.ndim(constants["decay_m"]) == 0
    assert neuron_constants("lif_psc_exp", {**NEURON, "t_ref": 0.25}, 0.1)["refractory_steps"] == 3  # never less
    assert neuron_constants("lif_psc_exp", {**NEURON, "t_ref": 0.3}, 0.1)["refractory_steps"] == 3


def test_no_neuron_starts_at_threshold() -> None:
    given = {**NEURON, "V_m": np.array([-50.0, -50.1, -20.0])}
    start = np.asarray(initial_potential(given), dtype=np.float32)
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
    two = (
        StepCurrent("a", "E", (0, 2), 1.5, (0.0, 30.0), (10.0, 40.0)),
        StepCurrent("b", "E", (2,), 1.0, (5.0,), (35.05,)),
    )
    network = replace(network, inputs=two)
    assert change_steps(network, 0.1) == [0, 50, 100, 300, 351, 400]
    for step, expected in ((-1, [0, 0, 0, 0]), (0, [1.5, 0, 1.5, 0]), (99, [1.5, 0, 2.5, 0]), (100, [0, 0, 1, 0])):
        current = step_currents(network, network["E"], step, 0.1)
        assert current.reshape(4, 100).mean(axis=1).tolist() == expected
    sources = networks.vogels_abbott()["kick"]  # 200 Hz for 50 ms
    assert source_probability(sources, 0, 0.1) == pytest.approx(0.02, rel=0.02)
    assert source_probability(sources, 500, 0.1) == source_probability(sources, -1, 0.1) == 0.0


def test_streams_have_their_own_keys() -> None:
    keys = {projection_key(seed, name).item() for seed in range(50) for name in ("EE", "EI", "IE")}
    assert len(keys) == 150

    def states(*labels: str) -> NDArray[np.uint64]:
        return generator_states(3, 1000, *labels)

    assert np.array_equal(states("a", "drive"), states("a", "drive"))
    assert len(np.unique([states("a", "drive"), states("b", "drive"), states("a", "source")])) == 3000


# What is compiled


def test_points_of_a_structure_share_compiled_code_unless_spread_differs(small: dict[str, Any]) -> None:
    base = layout_of(make_network(small), 0.1, 1, False)
    alike = [{"I_th_E": 0.3}, {"jep": 1.0}, {"tau_syn_E": 5.0, "t_ref": 1.0}, {"V_th": 15.0}, {"ge": 2.0}]
    for changes in alike:
        assert layout_of(make_network({**small, **changes}), 0.1, 1, False) == base
    different = [{"tau_syn_cv": 0.1}, {"delta_I_E": 0.1}, {"delay": 0.2}, {"Q": 5}, {"fixed_indegree": True}]
    layouts = {repr(layout_of(make_network({**small, **changes}), 0.1, 1, False)) for changes in different}
    layouts |= {
        repr(layout_of(make_network(small), 0.05, 1, False)),
        repr(layout_of(make_network(small), 0.1, 40, False)),
    }
    assert len(layouts | {repr(base)}) == 8


def test_lists_of_equal_connections_are_one_layout() -> None:
    one, same, other = (networks.explicit_lists(seed) for seed in (3, 3, 4))
    assert layout_of(one, 0.1, 1, False) == layout_of(same, 0.1, 1, False) != layout_of(other, 0.1, 1, False)


def test_a_delay_buffer_is_shared_by_all_that_add_to_a_receptor() -> None:
    network = networks.microcircuit()
    lengths = {p.receptor: buffered_steps(network, p, 0.1) for p in network.projections}
    assert lengths == {"excitatory": 60, "inhibitory": 30}  # six standard deviations above the mean
    assert {buffered_steps(networks.vogels_abbott(), p, 0.1) for p in networks.vogels_abbott().projections} == {0}


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
    assert compiler_command().startswith("g++ -O1")
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
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert compiled(tmp_path, "key", compile_into) == tmp_path / "key"
    assert len(made) == 2


def test_what_fails_to_compile_leaves_nothing_and_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def fail(folder: Path) -> None:
        os.write(1, b"neurons.cc:3: error: no such thing\n")
        raise RuntimeError("make failed")

    with pytest.raises(SimulatorUnavailableError, match="no such thing"):
        compiled(tmp_path, "key", fail)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


def test_the_cache_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder("/some/where") == Path("/some/where")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder("") == tmp_path / "cache" / "gridsearch" / "genn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("") == tmp_path / ".cache" / "gridsearch" / "genn"
