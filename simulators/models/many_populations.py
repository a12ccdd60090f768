"""Many populations of unconnected neurons, to see what a population costs a simulator beside its neurons.

References
----------
Knight, J. C., & Nowotny, T. (2021). Larger GPU-accelerated brain simulations with procedural connectivity. Nature
Computational Science 1, 136–142.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.description import Network, Normal, ParameterError, Population


def make_network(parameters: Mapping[str, Any]) -> Network:
    """Describe the network for one set of parameters.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``defaults/many_populations.toml``, in the units given there.

    Returns
    -------
    Network
        So many populations, of equal size but for one neuron; each neuron has a current of its own.

    Raises
    ------
    ParameterError
        If there are more populations than neurons.
    """
    number, n_neurons = parameters["n_populations"], parameters["N"]
    if number > n_neurons:
        raise ParameterError(("n_populations", "N"), f"{n_neurons} neurons are too few for {number} populations")
    borders = [k * n_neurons // number for k in range(number + 1)]
    neuron = {name: parameters[name] for name in ("C_m", "tau_m", "E_L", "V_reset", "V_th", "t_ref")}
    # no synapses arrive, but the neuron model has their time constants
    neuron |= {"tau_syn_ex": 1.0, "tau_syn_in": 1.0, "I_e": Normal(parameters["I_mean"], parameters["I_sd"])}
    return Network(
        tuple(Population(f"P{k}", borders[k + 1] - borders[k], "lif_psc_exp", neuron) for k in range(number)), ()
    )
