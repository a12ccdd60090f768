"""Leaky integrate-and-fire neurons with exponential synaptic currents."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulators.neurons.membrane import LEAKY, POTENTIAL, relative_potential
from simulators.neurons.neuron_model import NestNeuron, NeuronModel, StepRule, Values


def constants(values: Mapping[str, Values], dt: float) -> dict[str, Values]:
    """Exact solution of the subthreshold equation over one step; potentials are relative to E_L.

    References
    ----------
    Rotter, S., & Diesmann, M. (1999). Exact digital simulation of time-invariant linear systems with applications to
    neuronal modeling. Biological Cybernetics 81, 381–402.
    """
    tau_m, C_m, E_L = values["tau_m"], values["C_m"], values["E_L"]
    found: dict[str, Values] = {
        "V_th": values["V_th"] - E_L,
        "V_reset": values["V_reset"] - E_L,
        "drift": tau_m / C_m * -np.expm1(-dt / np.asarray(tau_m)) * values["I_e"],
        "decay_m": np.exp(-dt / np.asarray(tau_m)),
    }
    for suffix in ("ex", "in"):
        tau_syn = values[f"tau_syn_{suffix}"]
        found[f"decay_{suffix}"] = np.exp(-dt / np.asarray(tau_syn))
        found[f"gain_{suffix}"] = _synaptic_gain(tau_syn, tau_m, C_m, dt)
    return found


def _synaptic_gain(tau_syn: Values, tau_m: Values, C_m: Values, dt: float) -> Values:
    """Potential after one step per initial synaptic current, mV/pA; continuous where the time constants meet."""
    tau_syn, tau_m = np.asarray(tau_syn), np.asarray(tau_m)
    difference = dt * (1.0 / tau_m - 1.0 / tau_syn)
    # dt·expm1(x)/x, whose limit at x = 0 is dt
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(difference == 0.0, 1.0, np.expm1(difference) / difference)
    gain: Values = dt / C_m * np.exp(-dt / tau_m) * ratio
    return gain


MODEL = NeuronModel(
    name="lif_psc_exp",
    doc="leaky integrate-and-fire, exponential synaptic currents",
    parameters=LEAKY,
    states=POTENTIAL,
    synapses="current",
    refractory="t_ref",
    # A synaptic time constant whose decay over a step underflows to exactly zero, a threshold that nobody reaches
    nest=NestNeuron("iaf_psc_exp", quench={"tau_syn_ex": 1e-5, "tau_syn_in": 1e-5, "V_th": 1e12}),
    step=StepRule(
        states=("V",),
        start=relative_potential,
        constants=constants,
        threshold="V_th",
        reset={"V": "V_reset"},
        # The synaptic current is taken at the start of the step: the order of NEST's iaf_psc_exp
        code="""
next_V = decay_m * V + drift + gain_ex * input_ex + gain_in * input_in
next_input_ex = decay_ex * input_ex
next_input_in = decay_in * input_in
""",
    ),
)
