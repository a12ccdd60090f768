"""Leaky integrate-and-fire neurons with exponential synaptic conductances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulators.neurons.membrane import LEAKY, POTENTIAL, REVERSAL, relative_potential, with_leak
from simulators.neurons.neuron_model import NestNeuron, NeuronModel, StepRule, Values


def constants(values: Mapping[str, Values], dt: float) -> dict[str, Values]:
    """Coefficients of the membrane equation; potentials are relative to E_L, drift is in mV/ms."""
    E_L = values["E_L"]
    found: dict[str, Values] = {
        "V_th": values["V_th"] - E_L,
        "V_reset": values["V_reset"] - E_L,
        "drift": values["I_e"] / values["C_m"],
        "leak": 1.0 / values["tau_m"],
        "inverse_C": 1.0 / values["C_m"],
    }
    for suffix in ("ex", "in"):
        found[f"half_decay_{suffix}"] = np.exp(-0.5 * dt / np.asarray(values[f"tau_syn_{suffix}"]))
        found[f"reversal_{suffix}"] = values[f"E_{suffix}"] - E_L
    return found


MODEL = NeuronModel(
    name="lif_cond_exp",
    doc="leaky integrate-and-fire, exponential synaptic conductances",
    parameters={**LEAKY, **REVERSAL},
    states=POTENTIAL,
    synapses="conductance",
    refractory="t_ref",
    # NEST's neuron keeps the step of its adaptive solver from one point to the next: nothing quenches that
    nest=NestNeuron("iaf_cond_exp", translate=with_leak),
    step=StepRule(
        states=("V",),
        start=relative_potential,
        constants=constants,
        threshold="V_th",
        reset={"V": "V_reset"},
        # Classical Runge–Kutta of dV/dt = drive − rate·V. Conductances, and so rate and drive, are known exactly at the
        # start, the middle and the end of the step; k1 to k4 are the slopes there.
        code="""
middle_ex = half_decay_ex * input_ex
middle_in = half_decay_in * input_in
next_input_ex = half_decay_ex * middle_ex
next_input_in = half_decay_in * middle_in
rate_start = leak + inverse_C * (input_ex + input_in)
rate_middle = leak + inverse_C * (middle_ex + middle_in)
rate_end = leak + inverse_C * (next_input_ex + next_input_in)
drive_start = drift + inverse_C * (input_ex * reversal_ex + input_in * reversal_in)
drive_middle = drift + inverse_C * (middle_ex * reversal_ex + middle_in * reversal_in)
drive_end = drift + inverse_C * (next_input_ex * reversal_ex + next_input_in * reversal_in)
k1 = drive_start - rate_start * V
k2 = drive_middle - rate_middle * (V + 0.5 * dt * k1)
k3 = drive_middle - rate_middle * (V + 0.5 * dt * k2)
k4 = drive_end - rate_end * (V + dt * k3)
next_V = V + dt * (k1 + 2.0 * (k2 + k3) + k4) / 6.0
""",
    ),
)
