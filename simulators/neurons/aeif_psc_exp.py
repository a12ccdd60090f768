"""Adaptive exponential integrate-and-fire neurons (Brette & Gerstner 2005) with exponential synaptic currents.

References
----------
Brette, R., & Gerstner, W. (2005). Adaptive exponential integrate-and-fire model as an effective description of
neuronal activity. J Neurophysiol 94, 3637–3642.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulators.neurons.membrane import LEAKY, POTENTIAL, relative_potential, with_leak
from simulators.neurons.neuron_model import NestNeuron, NeuronModel, Quantity, StepRule, Values


def start(values: Mapping[str, Values]) -> dict[str, Values]:
    """Potential relative to E_L, and adaptation."""
    return {**relative_potential(values), "w": values["w"]}


def constants(values: Mapping[str, Values], dt: float) -> dict[str, Values]:
    """Coefficients of both equations; potentials are relative to E_L, drift and upstroke are in mV/ms."""
    E_L = values["E_L"]
    found: dict[str, Values] = {
        "V_peak": values["V_peak"] - E_L,
        "V_th": values["V_th"] - E_L,
        "V_reset": values["V_reset"] - E_L,
        "drift": values["I_e"] / values["C_m"],
        "leak": 1.0 / values["tau_m"],
        "inverse_C": 1.0 / values["C_m"],
        "upstroke": values["Delta_T"] / values["tau_m"],
        "inverse_Delta_T": 1.0 / values["Delta_T"],
        "a": values["a"],
        "b": values["b"],
        "rate_w": 1.0 / values["tau_w"],
    }
    for suffix in ("ex", "in"):
        found[f"half_decay_{suffix}"] = np.exp(-0.5 * dt / np.asarray(values[f"tau_syn_{suffix}"]))
    return found


MODEL = NeuronModel(
    name="aeif_psc_exp",
    doc="adaptive exponential integrate-and-fire, exponential synaptic currents",
    parameters={
        **LEAKY,
        "V_th": Quantity("mV", "threshold of the exponential upstroke"),
        "V_peak": Quantity("mV", "potential at which a spike is counted", 0.0),
        "Delta_T": Quantity("mV", "sharpness of the upstroke, above 0"),
        "a": Quantity("nS", "adaptation to the potential", 0.0),
        "b": Quantity("pA", "adaptation to each spike", 0.0),
        "tau_w": Quantity("ms", "time constant of adaptation"),
    },
    states={**POTENTIAL, "w": Quantity("pA", "adaptation current", 0.0)},
    synapses="current",
    refractory="t_ref",
    # NEST's neuron keeps the step of its adaptive solver from one point to the next: nothing quenches that
    nest=NestNeuron("aeif_psc_exp", translate=with_leak),
    step=StepRule(
        states=("V", "w"),
        start=start,
        constants=constants,
        threshold="V_peak",
        reset={"V": "V_reset", "w": "w + b"},
        # Classical Runge–Kutta; kn and ln are the slopes of V and w. As in NEST, slopes beyond V_peak are those at
        # V_peak, so that the upstroke of a spike stays finite.
        code="""
middle_ex = half_decay_ex * input_ex
middle_in = half_decay_in * input_in
next_input_ex = half_decay_ex * middle_ex
next_input_in = half_decay_in * middle_in
V1 = min(V, V_peak)
k1 = drift + inverse_C * (input_ex + input_in - w) - leak * V1 + upstroke * exp((V1 - V_th) * inverse_Delta_T)
l1 = rate_w * (a * V1 - w)
V2 = min(V + 0.5 * dt * k1, V_peak)
w2 = w + 0.5 * dt * l1
k2 = drift + inverse_C * (middle_ex + middle_in - w2) - leak * V2 + upstroke * exp((V2 - V_th) * inverse_Delta_T)
l2 = rate_w * (a * V2 - w2)
V3 = min(V + 0.5 * dt * k2, V_peak)
w3 = w + 0.5 * dt * l2
k3 = drift + inverse_C * (middle_ex + middle_in - w3) - leak * V3 + upstroke * exp((V3 - V_th) * inverse_Delta_T)
l3 = rate_w * (a * V3 - w3)
V4 = min(V + dt * k3, V_peak)
w4 = w + dt * l3
end = next_input_ex + next_input_in
k4 = drift + inverse_C * (end - w4) - leak * V4 + upstroke * exp((V4 - V_th) * inverse_Delta_T)
l4 = rate_w * (a * V4 - w4)
next_V = V + dt * (k1 + 2.0 * (k2 + k3) + k4) / 6.0
next_w = w + dt * (l1 + 2.0 * (l2 + l3) + l4) / 6.0
""",
    ),
)
