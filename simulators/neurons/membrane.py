"""What leaky membranes have in common: their parameters, and the potential they start from."""

from __future__ import annotations

from collections.abc import Mapping

from simulators.neurons.neuron_model import Quantity, Values

LEAKY: Mapping[str, Quantity] = {
    "C_m": Quantity("pF", "membrane capacitance"),
    "tau_m": Quantity("ms", "membrane time constant"),
    "E_L": Quantity("mV", "resting potential"),
    "V_reset": Quantity("mV", "potential after a spike"),
    "V_th": Quantity("mV", "threshold"),
    "t_ref": Quantity("ms", "absolute refractory time", 0.0),
    "tau_syn_ex": Quantity("ms", "excitatory synaptic time constant"),
    "tau_syn_in": Quantity("ms", "inhibitory synaptic time constant"),
    "I_e": Quantity("pA", "constant current", 0.0),
}

REVERSAL: Mapping[str, Quantity] = {
    "E_ex": Quantity("mV", "excitatory reversal potential"),
    "E_in": Quantity("mV", "inhibitory reversal potential"),
}

POTENTIAL: Mapping[str, Quantity] = {"V_m": Quantity("mV", "membrane potential", "E_L")}


def relative_potential(values: Mapping[str, Values]) -> dict[str, Values]:
    """Return the potential relative to E_L, which single precision likes better."""
    return {"V": values["V_m"] - values["E_L"]}


def with_leak(values: Mapping[str, Values]) -> dict[str, Values]:
    """Return the values with NEST's leak conductance in nS in place of the membrane time constant."""
    translated = dict(values)
    translated["g_L"] = values["C_m"] / translated.pop("tau_m")
    return translated
