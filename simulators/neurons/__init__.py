"""Neuron models of the network description: their parameters, states and units.

A simulator translates these names in its own module; a unit stated here is the unit of the number in a
`simulators.description.network.Population`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NeuronModel:
    """Names and units of one neuron model.

    Parameters
    ----------
    doc : str
        What it is.
    parameters : mapping of str to str
        Parameter name to unit.
    states : mapping of str to str
        Settable state variable to unit; empty for spike sources.
    """

    doc: str
    parameters: Mapping[str, str]
    states: Mapping[str, str]


_LIF = {
    "C_m": "pF",
    "tau_m": "ms",
    "E_L": "mV",
    "V_reset": "mV",
    "V_th": "mV",
    "t_ref": "ms",
    "tau_syn_ex": "ms",
    "tau_syn_in": "ms",
    "I_e": "pA",
}

NEURON_MODELS: Mapping[str, NeuronModel] = {
    "lif_psc_exp": NeuronModel("leaky integrate-and-fire, exponential synaptic currents", _LIF, {"V_m": "mV"}),
    "lif_cond_exp": NeuronModel(
        "leaky integrate-and-fire, exponential synaptic conductances",
        {**_LIF, "E_ex": "mV", "E_in": "mV"},
        {"V_m": "mV"},
    ),
    "poisson_source": NeuronModel("independent Poisson spike trains", {"rate": "Hz", "start": "ms", "stop": "ms"}, {}),
}
