"""Code of neurons in GeNN's C-like language, written from the arithmetic of their models (`StepRule`).

A step is cut in two. `integration_code` propagates all neurons; it has no branch, so that the compiler can turn it
into vector instructions, which GeNN's own loop over neurons (it may emit a spike at every turn) never becomes. What
is left to that loop is one comparison (`THRESHOLD_CODE`).

Every value that may differ between points is a variable, not a constant of the code. A constant of the neuron model
has two: one number per point (``C_shared``) and one for each neuron (``C_each``). The code is written three times
(`Spread`), and each point runs the one that its values need: no axis compiles or builds anew.

States and sums carry the tiny current `REST`, far below anything that matters, in place of zero: without it, the
currents of a silent network decay into denormal numbers, which processors handle many times slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from simulators.neurons.neuron_model import SUFFIXES, NeuronModel, StepRule
from simulators.neurons.step_code import assignments, expression, written

REST = 1e-30  # pA or nS, and mV or whatever a state has per step
REFRACTORY_STEPS = "refractory_steps"
DRIFT = "drift"
INPUTS = tuple(f"input_{suffix}" for suffix in SUFFIXES.values())

# What arithmetic calls the functions, and what GeNN does
_FUNCTIONS = {"exp": "exp", "min": "fmin", "max": "fmax"}


class Spread(IntEnum):
    """Which constants of a point differ between the neurons of a population."""

    NONE = 0
    """None: every constant is one number."""
    DRIFT = 1
    """At most the one on which currents act."""
    ALL = 2
    """Any."""

    @property
    def launch(self) -> str:
        """Name under which GeNN launches the integration that reads constants so."""
        return f"integrate_{self.name.lower()}"

    def variable(self, constant: str) -> str:
        """Return the variable that holds a constant."""
        each = self is Spread.ALL or (self is Spread.DRIFT and constant == DRIFT)
        return f"{constant}_{'each' if each else 'shared'}"


THRESHOLD_CODE = "state_V >= threshold"
"""Condition of a spike; ``threshold`` is one for each neuron."""


def state_variables(model: NeuronModel) -> tuple[str, ...]:
    """Variables that a step changes, inputs left out."""
    assert model.step is not None
    refractory = () if model.refractory is None else ("refractory",)
    return (*(f"state_{name}" for name in model.step.states), *refractory)


def integration_code(model: NeuronModel, constants: frozenset[str], spread: Spread) -> str:
    """Code that propagates a neuron by one step; spikes then add to its ``input_ex`` and ``input_in``.

    Generates, for a membrane that only decays and constants that neurons share ::

        const bool fired = state_V >= (scalar)V_th_shared;
        const scalar start_V = fired ? ((scalar)V_reset_shared) : state_V;
        const scalar waiting = fired ? (scalar)refractory_steps_shared : refractory;
        const scalar line_next_V = (scalar)decay_m_shared * start_V + (scalar)drift_shared;
        ...
        state_V = (waiting > 0.0) ? start_V : line_next_V;
        refractory = (waiting > 1.0) ? (waiting - 1.0) : 0.0;
        input_ex = line_next_input_ex + 1e-30;

    Parameters
    ----------
    model : NeuronModel
        A model with a step.
    constants : frozenset of str
        Names that its `StepRule.constants` yields.
    spread : Spread
        Which of them are read for each neuron.
    """
    rule = model.step
    assert rule is not None
    read = {name: f"(scalar){spread.variable(name)}" for name in {*constants, REFRACTORY_STEPS}}
    before = read | {name: f"state_{name}" for name in rule.states}
    lines = [f"const bool fired = state_V >= {read[rule.threshold]};"]
    for name in rule.states:
        started = f"state_{name}"
        if name in rule.reset:
            started = f"fired ? ({_in_c(rule.reset[name], before)}) : state_{name}"
        lines.append(f"const scalar start_{name} = {started};")
    if model.refractory is not None:
        lines.append(f"const scalar waiting = fired ? {read[REFRACTORY_STEPS]} : refractory;")
    names = read | {name: f"start_{name}" for name in rule.states}
    for line in assignments(rule):
        lines.append(f"const scalar line_{line.name} = {written(line.expression, names, _FUNCTIONS)};")
        names[line.name] = f"line_{line.name}"
    for name in rule.states:
        following = f"line_next_{name}{_rest(rule, name, constants)}"
        if model.refractory is not None and name in rule.held:
            following = f"(waiting > 0.0) ? start_{name} : {following}"
        lines.append(f"state_{name} = {following};")
    if model.refractory is not None:
        lines.append("refractory = (waiting > 1.0) ? (waiting - 1.0) : 0.0;")
    lines += [f"{name} = line_next_{name} + {REST};" for name in INPUTS]
    return "\n".join(lines)


def _in_c(text: str, names: Mapping[str, str]) -> str:
    return written(expression(text), names, _FUNCTIONS)


def _rest(rule: StepRule, state: str, constants: frozenset[str]) -> str:
    """What keeps a state from denormal numbers; the potential's is part of its drift, where it has one."""
    assert state in rule.states
    return "" if state == "V" and DRIFT in constants else f" + {REST}"
