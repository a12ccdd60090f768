"""Where receptors are alike, native adds up both inputs: only there, and with the spikes of two inputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import run_one

from simulators.backends.native_simulator import points
from simulators.backends.native_simulator.one_input import one_input
from simulators.backends.simulator import find_simulator
from simulators.description import Bernoulli, Network, Normal, PoissonDrive, Population, Projection, Uniform
from simulators.neurons import find_neuron_model
from simulators.neurons.neuron_model import StepRule, Values
from simulators.records.job import Simulation

pytestmark = pytest.mark.native

CELL = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0}


def rule_of(name: str) -> tuple[StepRule, dict[str, Values]]:
    model = find_neuron_model(name)
    given = {key: 1.5 for key, quantity in model.parameters.items() if quantity.default is None}
    assert model.step is not None
    return model.step, dict(model.step.constants(model.complete(given), 0.1))


def joined(rule: StepRule, constants: Mapping[str, Values]) -> dict[str, str] | None:
    found = one_input(rule, frozenset(constants))
    return None if found is None else {line.name: ast.unparse(line.expression) for line in found.lines}


def test_the_inhibitory_terms_are_left_out() -> None:
    assert joined(*rule_of("lif_psc_exp")) == {
        "next_V": "decay_m * V + drift + gain_ex * input_ex",
        "next_input_ex": "decay_ex * input_ex",
    }
    lines = joined(*rule_of("aeif_psc_exp"))
    assert lines is not None
    assert lines["middle_ex"] == "half_decay_ex * input_ex"
    assert not any(re.search(r"_in\b", text) for text in lines.values())


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("lif_psc_exp", "decay_in"),
        ("lif_psc_exp", "gain_in"),
        ("aeif_psc_exp", "half_decay_in"),
        ("lif_cond_exp", "reversal_in"),
    ],
)
def test_constants_must_be_alike(name: str, constant: str) -> None:
    rule, constants = rule_of(name)
    found = one_input(rule, frozenset(constants))
    assert found is not None
    same = constants | {key: constants[key.removesuffix("_in") + "_ex"] for key in found.alike}
    assert found.holds_for(same)
    assert not found.holds_for(same | {constant: np.asarray(same[constant]) + 0.001})


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("gain_ex * input_ex + gain_in * input_in", "gain_ex * input_ex - gain_in * input_in"),
        ("gain_ex * input_ex + gain_in * input_in", "gain_ex * input_ex + gain_in * input_in + input_in"),
        ("gain_ex * input_ex + gain_in * input_in", "gain_ex * input_ex + gain_in * input_in * input_in"),
        ("gain_ex * input_ex + gain_in * input_in", "exp(input_ex) + exp(input_in)"),
        ("gain_ex * input_ex + gain_in * input_in", "gain_ex * input_ex"),
        ("decay_in * input_in", "decay_in * input_in * decay_in"),
        ("decay_in * input_in", "decay_in * input_in + drift"),
        ("decay_in * input_in", "min(decay_in * input_in, drift)"),
    ],
)
def test_arithmetic_that_tells_receptors_apart(line: str, other: str) -> None:
    rule, constants = rule_of("lif_psc_exp")
    assert line in rule.code
    assert joined(replace(rule, code=rule.code.replace(line, other)), constants) is None


def test_spikes_are_those_of_two_inputs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {**CELL, "tau_syn_ex": 0.5, "tau_syn_in": 0.5}
    network = Network(
        (Population("E", 400, "lif_psc_exp", cell, {"V_m": Uniform(-65.0, -50.0)}),
         Population("I", 200, "lif_psc_exp", cell, {"V_m": Uniform(-65.0, -50.0)})),
        (
            Projection("EE", "E", "E", Bernoulli(0.1), 60.0, 1.5, "excitatory"),  # bits
            Projection("EI", "I", "E", Bernoulli(0.1), -250.0, 1.5, "inhibitory"),
            Projection("IE", "E", "I", Bernoulli(0.1), Normal(60.0, 10.0, 0.0), Uniform(0.5, 2.0), "excitatory"),
            Projection("II", "I", "I", Bernoulli(0.1), Normal(-250.0, 20.0), Uniform(0.5, 2.0), "inhibitory"),
        ),
        tuple(PoissonDrive(f"to {name}", name, 9000.0, 90.0, 0.1) for name in "EI"),
    )  # fmt: skip
    settings = default_settings("native") | {"cache": str(cache)}
    require_simulator("native", settings)
    spikes = []
    for two in (False, True):
        if two:
            monkeypatch.setattr(points, "_is_joined", lambda *_: False)
        simulator = find_simulator("native").open_simulator(Simulation(0.1, 0.0, 200.0), settings)
        simulator.build(network, 3)
        spikes.append(run_one(simulator, network))
    one, other = (sorted((step, name, k) for name in "EI" for step, k in run[name]) for run in spikes)
    assert one[:200] == other[:200]  # until rounding tells, as it must in a chaotic network
    assert one != other  # it did: the two runs are not one program
    assert abs(len(one) / len(other) - 1.0) < 0.05
