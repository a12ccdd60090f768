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
        # dV/dt = drive − rate·V by the three-stage Lobatto IIIC rule, of fourth order. Conductances, and so rate and
        # drive, are known exactly at its nodes: the start, the middle and the end of the step. Its stages, linear
        # equations in V there, are solved for the last. It holds where conductances settle the membrane within a step,
        # too, where the classical Runge–Kutta rule runs away (rate·dt > 2.8). n_* and s_* are rate·dt and drive·dt.
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
n_start = dt * rate_start
n_middle = dt * rate_middle
n_end = dt * rate_end
s_middle = dt * drive_middle
s_end = dt * drive_end
of_middle = n_middle * (4.0 + n_start) / 6.0
of_end = 1.0 + (n_start + n_end) / 6.0
told = V + (dt * drive_start + 4.0 * s_middle + s_end + n_start * s_middle) / 6.0
rest = 1.0 - 0.25 * n_middle
next_V = (0.25 * of_middle * (s_middle + s_end) + rest * told) / (of_middle * (1.0 + 0.25 * n_end) + of_end * rest)
""",
    ),
)
