"""The clustered network against the numbers of Schmitt, Rostami & Nawrot (2023)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.description import Bernoulli, FiringPhase, FixedIndegree, Network, ParameterError, StepCurrent, Uniform
from simulators.description.distributions import draw_values
from simulators.description.network import expected_synapses
from simulators.models import find_model, model_names
from simulators.models.clustered import make_network, psp_peak, psp_peaks, weights

PSP = ((2.14647, 1.54853), (1.79073, 1.33748))  # mV/pA, [target, source]
WEIGHTS = ((0.147324, -0.392087), (0.111686, -0.598140))  # pA, at N = 25,000


def projections(network: Network) -> dict[str, Any]:
    return {projection.name: projection for projection in network.projections}


def test_the_model_is_found_by_its_name(defaults: dict[str, Any]) -> None:
    assert "clustered" in model_names()
    assert find_model("clustered", Path())(defaults) == make_network(defaults)
    with pytest.raises(LookupError, match="clustered"):
        find_model("clusterd", Path())


def test_peaks_of_postsynaptic_potentials(defaults: dict[str, Any]) -> None:
    assert np.array(psp_peaks(defaults)) == pytest.approx(np.array(PSP), abs=5e-6)


@given(st.floats(1.0, 50.0), st.floats(0.2, 50.0))
def test_psp_peak_is_the_maximum_of_the_integrated_membrane(tau_m: float, tau_syn: float) -> None:
    time = np.linspace(0.0, 12.0 * max(tau_m, tau_syn), 200_001)
    if abs(tau_m - tau_syn) < 1e-6 * tau_m:
        potential = time * np.exp(-time / tau_m)
    else:
        potential = tau_m * tau_syn / (tau_m - tau_syn) * (np.exp(-time / tau_m) - np.exp(-time / tau_syn))
    assert psp_peak(tau_m, tau_syn, 1.0) == pytest.approx(potential.max(), rel=1e-4)


def test_weights_of_the_published_network(defaults: dict[str, Any]) -> None:
    assert np.array(weights(defaults)) == pytest.approx(np.array(WEIGHTS), abs=5e-7)


def test_ge_gi_gie_scale_the_weights_they_name(defaults: dict[str, Any]) -> None:
    scaled = np.array(weights({**defaults, "ge": 2.4, "gi": 3.0, "gie": 2.0})) / np.array(weights(defaults))
    assert scaled == pytest.approx(np.array([[1.0, 2.0], [2.0, 6.0]]))


@pytest.mark.parametrize(("n_clusters", "jep"), [(20, 2.75), (20, 10.0), (4, 1.0), (2, 2.0)])
def test_clustering_keeps_the_mean_weight(defaults: dict[str, Any], n_clusters: int, jep: float) -> None:
    found = projections(make_network({**defaults, "Q": n_clusters, "jep": jep}))
    plain = projections(make_network({**defaults, "Q": 1}))
    assert len(found) == 8
    for name, projection in plain.items():
        within, between = found[f"{name}_within"], found[f"{name}_between"]
        mean = (within.weight + (n_clusters - 1) * between.weight) / n_clusters
        assert mean == pytest.approx(projection.weight, rel=1e-12)
        assert within.weight / projection.weight == pytest.approx(jep if name == "EE" else 1.0 + 0.75 * (jep - 1.0))
        assert (within.pairs, between.pairs) == ("within", "between")


def test_one_cluster_is_four_projections_whatever_jep(defaults: dict[str, Any]) -> None:
    network = make_network({**defaults, "Q": 1, "jep": 10.0})
    assert {p.name for p in network.projections} == {"EE", "EI", "IE", "II"}
    assert {p.pairs for p in network.projections} == {"all"}
    assert [p.weight for p in network.projections] == pytest.approx(np.ravel(weights(defaults)))


def test_matrices_are_target_source(defaults: dict[str, Any]) -> None:
    found = projections(make_network({**defaults, "Q": 1, "p": [[0.1, 0.2], [0.3, 0.4]]}))
    assert (found["EI"].source, found["EI"].target, found["EI"].receptor) == ("I", "E", "inhibitory")
    assert {name: p.rule for name, p in found.items()} == {
        "EE": Bernoulli(0.1), "EI": Bernoulli(0.2), "IE": Bernoulli(0.3), "II": Bernoulli(0.4),
    }  # fmt: skip


@pytest.mark.parametrize("n_clusters", [1, 20])
@pytest.mark.parametrize("fixed", [False, True])
def test_expected_synapses(defaults: dict[str, Any], n_clusters: int, fixed: bool) -> None:
    network = make_network({**defaults, "Q": n_clusters, "jep": 1.0, "fixed_indegree": fixed})
    assert expected_synapses(network) == pytest.approx(0.308 * 25_000**2, rel=1e-3)


def test_fixed_indegree_is_the_mean_of_the_bernoulli_rule(defaults: dict[str, Any]) -> None:
    found = projections(make_network({**defaults, "fixed_indegree": True}))
    assert found["EE_within"].rule == FixedIndegree(200)  # 0.2 · 20,000 / 20
    assert found["EE_between"].rule == FixedIndegree(3800)
    assert found["EI_within"].rule == FixedIndegree(125)
    assert found["EI_between"].rule == FixedIndegree(2375)


def test_background_current_is_in_units_of_the_rheobase(defaults: dict[str, Any]) -> None:
    network = make_network({**defaults, "I_th_E": 1.5, "I_th_I": 0.7})
    assert network["E"].parameters["I_e"] == pytest.approx(1.5)
    assert network["I"].parameters["I_e"] == pytest.approx(1.4)


def test_published_initial_state_is_log_uniform(defaults: dict[str, Any]) -> None:
    network = make_network(defaults)
    for name, period, tau in (("E", -515.0, 20.0), ("I", -255.0, 10.0)):
        phase = network[name].initial["V_m"]
        assert isinstance(phase, FiringPhase)
        assert phase.period == pytest.approx(period, abs=0.5)
        assert (phase.drive, phase.V_th, phase.tau) == (0.0, 20.0, tau)
        values = np.asarray(draw_values(phase, 20_000, 1, name))
        assert values.max() <= 20.0
        assert values.min() > 1e-10
        exponents = np.log(values / 20.0) / (phase.period / tau)
        assert np.allclose(np.histogram(exponents, 10, (0.0, 1.0))[0], 2000, atol=200)


def test_initial_state_at_a_current_above_threshold(defaults: dict[str, Any]) -> None:
    phase = make_network({**defaults, "init_at_current": True, "I_th_E": 2.0})["E"].initial["V_m"]
    assert isinstance(phase, FiringPhase)
    assert phase.drive == pytest.approx(40.0)
    assert phase.period == pytest.approx(5.0 + 20.0 * math.log(2.0))


def test_initial_state_at_a_current_below_threshold(defaults: dict[str, Any]) -> None:
    phase = make_network({**defaults, "init_at_current": True, "I_th_E": 0.5})["E"].initial["V_m"]
    assert isinstance(phase, FiringPhase)
    assert (phase.drive, phase.period) == (pytest.approx(10.0), 10.0)


def test_synaptic_time_constants_spread(defaults: dict[str, Any]) -> None:
    network = make_network({**defaults, "tau_syn_cv": 0.05})
    for name in ("E", "I"):
        for parameter, mean in (("tau_syn_ex", 3.0), ("tau_syn_in", 2.0)):
            spread = network[name].parameters[parameter]
            assert isinstance(spread, Uniform)
            values = np.asarray(draw_values(spread, 100_000, 1, name, parameter))
            assert values.mean() == pytest.approx(mean, rel=1e-3)
            assert values.std() / values.mean() == pytest.approx(0.05, rel=0.01)
            assert (spread.low, spread.high) == pytest.approx((mean * (1 - 0.05 * 3**0.5), mean * (1 + 0.05 * 3**0.5)))


@pytest.mark.parametrize("current", [2.0, -2.0])
def test_current_heterogeneity_is_a_full_width(defaults: dict[str, Any], current: float) -> None:
    network = make_network({**defaults, "I_th_E": current, "delta_I_E": 0.1})
    spread = network["E"].parameters["I_e"]
    assert isinstance(spread, Uniform)
    assert sorted((spread.low, spread.high)) == pytest.approx(sorted((current * 0.95, current * 1.05)))
    assert spread.low < spread.high
    assert isinstance(network["I"].parameters["I_e"], float)


def test_step_current(defaults: dict[str, Any]) -> None:
    stimulus = {
        "stim_clusters": [0, 3],
        "stim_amplitude": 0.2,
        "stim_onsets": [0.0, 500.0],
        "stim_offsets": [100.0, 600.0],
    }
    (given,) = make_network({**defaults, **stimulus}).inputs
    assert isinstance(given, StepCurrent)
    assert (given.name, given.target, given.clusters, given.neurons) == ("stimulus", "E", (0, 3), None)
    assert (given.amplitude, given.onsets, given.offsets) == (0.2, (0.0, 500.0), (100.0, 600.0))
    assert make_network({**defaults, "stim_amplitude": 0.2}).inputs == ()


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"N_E": 20_001}, {"N_E", "Q"}),
        ({"N_I": 4_999}, {"N_I", "Q"}),
        ({"Q": 4, "jep": 4.5}, {"jep", "jip_ratio", "Q"}),
        ({"Q": 4, "jep": 3.0, "jip_ratio": 2.0}, {"jep", "jip_ratio", "Q"}),
        ({"V_reset": 20.0}, {"V_th", "V_reset", "E_L"}),
        ({"E_L": 25.0}, {"V_th", "V_reset", "E_L"}),
        ({"stim_clusters": [20]}, {"stim_clusters", "Q"}),
        ({"stim_onsets": [1.0, 2.0], "stim_offsets": [3.0]}, {"stim_onsets", "stim_offsets"}),
        ({"stim_onsets": [1.0, 2.0], "stim_offsets": [3.0, 4.0]}, {"stim_onsets", "stim_offsets"}),
        ({"stim_onsets": [3.0], "stim_offsets": [3.0]}, {"stim_onsets", "stim_offsets"}),
    ],
)  # fmt: skip
def test_impossible_parameters_name_the_keys_and_values(
    defaults: dict[str, Any], changes: dict[str, Any], keys: set[str]
) -> None:
    with pytest.raises(ParameterError) as caught:
        make_network({**defaults, **changes})
    assert set(caught.value.keys) == keys
    assert all(key in str(caught.value) for key in keys)


def test_jep_equal_to_q_is_still_a_network(defaults: dict[str, Any]) -> None:
    found = projections(make_network({**defaults, "Q": 4, "jep": 4.0}))
    assert found["EE_between"].weight == 0.0
