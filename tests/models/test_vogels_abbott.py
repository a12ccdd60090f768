"""The networks of Vogels & Abbott against NEST's own example scripts, and what scaling and the kick promise."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import default_settings, require_simulator

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import Recording, find_simulator
from simulators.description import Bernoulli, ConnectionList, FixedIndegree, Network, ParameterError
from simulators.models import find_model, model_names
from simulators.records.job import Simulation
from simulators.statistics.spike_trains import SpikeTrains

MODELS = ("coba", "cuba")


def parameters_of(kind: str) -> dict[str, Any]:
    return read_defaults(defaults_file(f"vogels_abbott_{kind}", Path())).values_by_name()


def network_of(kind: str, **changes: Any) -> Network:
    return find_model(f"vogels_abbott_{kind}", Path())({**parameters_of(kind), **changes})


def run(simulator: str, network: Network, seed: int, duration: float) -> dict[str, SpikeTrains]:
    settings = default_settings(simulator)
    require_simulator(simulator, settings)
    opened = find_simulator(simulator).open_simulator(Simulation(0.1, 0.0, duration), settings)
    opened.build(network, seed)
    (recording,) = opened.run([network], lambda: None)
    opened.close()
    assert isinstance(recording, Recording)
    return dict(recording.spikes)


def example_of(nest: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """NEST's own script, which its wheel carries."""
    folder = Path(nest.__file__).parent / "doc" / "examples" / "pynest" / "brette_et_al_2007"
    if not folder.is_dir():
        pytest.skip("this NEST comes without its examples")
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module(kind)


def test_models_are_found_by_their_names() -> None:
    assert {f"vogels_abbott_{kind}" for kind in MODELS} <= set(model_names())


@pytest.mark.nest
@pytest.mark.parametrize("kind", MODELS)
def test_defaults_are_the_numbers_of_nests_example(nest: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = example_of(nest, kind, monkeypatch).params
    ours, neuron, stimulus = parameters_of(kind), example["model_params"], example["stimulus_params"]
    assert (ours["N_E"], ours["N_I"], ours["p"]) == (example["NE"], example["NI"], example["epsilon"])
    assert (ours["N_kick"], ours["delay"]) == (example["Nstim"], example["delay"])
    assert ours["kick_rate"] == stimulus["rate"]
    assert ours["kick_start"] == stimulus["start"]
    assert ours["kick_start"] + ours["kick_duration"] == stimulus["stop"]
    sign = -1.0 if kind == "coba" else 1.0  # NEST tells conductances apart by their sign
    weights = (example["E_synapse_params"]["weight"], example["I_synapse_params"]["weight"])
    assert (ours["w_E"], ours["w_I"], ours["w_kick"]) == (weights[0], sign * weights[1], weights[0])
    same = [name for name in neuron if name in ours]
    assert len(same) >= 6
    assert {name: ours[name] for name in same} == {name: neuron[name] for name in same}
    assert (ours["tau_syn_E"], ours["tau_syn_I"]) == (neuron["tau_syn_ex"], neuron["tau_syn_in"])
    assert ours["tau_m"] == (neuron["C_m"] / neuron["g_L"] if kind == "coba" else neuron["tau_m"])


@pytest.mark.nest
@pytest.mark.native
@pytest.mark.parametrize("simulator", ["nest", "native", pytest.param("genn", marks=pytest.mark.genn)])
def test_current_based_network_fires_as_nests_example(
    nest: Any, simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    duration = 300.0
    settings = default_settings(simulator)
    require_simulator(simulator, settings)
    example = example_of(nest, "cuba", monkeypatch)
    framework = importlib.import_module("brette_et_al_2007_benchmark")
    parameters = {**example.params, "recorder_params": {"record_to": "memory"}}
    nest.ResetKernel()
    nest.rng_seed = 3
    _, _, excitatory, inhibitory = framework.build_network(parameters)
    nest.Simulate(duration)
    theirs = [excitatory.n_events / 500, inhibitory.n_events / 500]
    spikes = run(simulator, network_of("cuba"), 3, duration)
    ours = [np.mean(spikes[name].senders < 500) * len(spikes[name].senders) / 500 for name in "EI"]
    # About 1.6 spikes of each of 500 neurons; the kick gives the first 50 of E some more
    assert ours == pytest.approx(theirs, rel=0.12)


@pytest.mark.native
def test_conductance_based_network_is_silent_until_it_is_kicked() -> None:
    without = run("native", network_of("coba", N_kick=0), 1, 100.0)
    assert sum(len(trains.steps) for trains in without.values()) == 0
    kicked = run("native", network_of("coba", kick_start=30.0), 1, 100.0)
    assert kicked["E"].steps.min() > 300
    first = kicked["E"].senders[np.argsort(kicked["E"].steps, kind="stable")][:10]
    assert (first < 50).mean() > 0.8
    assert set(kicked) == {"E", "I"}
    assert (kicked["I"].steps > 700).any()


def test_the_kick_reaches_whom_it_says() -> None:
    own = network_of("coba").projections_by_name
    assert "Ikick" not in own
    rule = own["Ekick"].rule
    assert isinstance(rule, ConnectionList)
    assert rule.sources.tolist() == rule.targets.tolist() == list(range(50))
    shared = network_of("coba", kick="shared", N_kick=20, p_kick=0.01).projections_by_name
    assert shared["Ekick"].rule == shared["Ikick"].rule == Bernoulli(0.01)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("scaling", ["weights", "probability"])
def test_scaling_keeps_the_mean_input(kind: str, scaling: str) -> None:
    def inputs(**changes: Any) -> dict[str, float]:
        network = network_of(kind, fixed_indegree=False, scaling=scaling, N_kick=0, **changes)
        found = {}
        for projection in network.projections:
            assert isinstance(projection.rule, Bernoulli)
            assert isinstance(projection.weight, float)
            found[projection.name] = network[projection.source].size * projection.rule.probability * projection.weight
        return found

    assert inputs(N_E=12800, N_I=3200) == pytest.approx(inputs())


def test_an_indegree_stays_and_weights_of_the_published_study() -> None:
    large = network_of("coba", N_E=32000, N_I=8000).projections_by_name
    assert (large["EE"].rule, large["EI"].rule) == (FixedIndegree(64), FixedIndegree(16))
    weak = {"p": 0.1, "w_E": 0.8, "w_I": -10.2, "scaling": "weights", "N_E": 80_000, "N_I": 20_000}
    projections = network_of("cuba", **weak).projections_by_name
    assert (projections["IE"].weight, projections["II"].weight) == pytest.approx((3.2e3 / 1e5, -40.8e3 / 1e5))
    as_it_is = network_of("cuba", **{**weak, "scaling": "none"}).projections_by_name
    assert as_it_is["IE"].weight == 0.8


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"V_reset": -50.0}, ("V_th", "V_reset")),
        ({"V_init": [-50.0, -60.0]}, ("V_init",)),
        ({"N_E": 40, "p": 0.02}, ("N_kick", "N_E", "kick")),
        ({"N_E": 60, "N_I": 15}, ("scaling", "N_E", "N_I", "p")),
    ],
)
def test_what_makes_no_network_is_said(changes: dict[str, Any], keys: tuple[str, ...]) -> None:
    with pytest.raises(ParameterError) as caught:
        network_of("coba", **changes)
    assert caught.value.keys == keys
