"""The conductance-based network of Vogels & Abbott (2005), as the simulators' review took it for a benchmark.

Sparsely connected excitatory and inhibitory neurons that go on firing once they were kicked.

References
----------
Vogels, T. P., & Abbott, L. F. (2005). Signal propagation and logic gating in networks of integrate-and-fire neurons.
Journal of Neuroscience 25, 10786–10795.

Brette, R., et al. (2007). Simulation of networks of spiking neurons: a review of tools and strategies. Journal of
Computational Neuroscience 23, 349–398.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    Network,
    ParameterError,
    Population,
    Projection,
    Receptor,
    Uniform,
)

PUBLISHED_SIZE = 4000
"""Neurons, E and I, at which the weights and the connection probability are those of the parameters."""

NAMES = ("E", "I")
RECEPTORS: Mapping[str, Receptor] = {"E": "excitatory", "I": "inhibitory"}

_MEMBRANE = ("C_m", "tau_m", "E_L", "V_reset", "V_th", "t_ref")
_REVERSAL = ("E_ex", "E_in")


def make_network(parameters: Mapping[str, Any]) -> Network:
    """Describe the network for one set of parameters.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``defaults/vogels_abbott_coba.toml``, in the units given there.

    Returns
    -------
    Network
        Populations E and I, the four projections between them, and the Poisson sources of the kick.

    Raises
    ------
    ParameterError
        If potentials, sizes or the kick make no sense together.
    """
    reversal = {name: parameters[name] for name in _REVERSAL}
    return random_network(parameters, "lif_cond_exp", reversal)


def random_network(parameters: Mapping[str, Any], neuron: str, further: Mapping[str, float]) -> Network:
    """Describe the network of either kind of synapse.

    Parameters
    ----------
    parameters : mapping of str to value
        Sizes, scaling, membrane, weights and kick.
    neuron : str
        The neuron model.
    further : mapping of str to float
        What it needs besides the membrane and the synaptic time constants.
    """
    _check(parameters)
    membrane = {name: parameters[name] for name in _MEMBRANE}
    synapses = {"tau_syn_ex": parameters["tau_syn_E"], "tau_syn_in": parameters["tau_syn_I"]}
    low, high = parameters["V_init"]
    initial = {"V_m": Uniform(low, high) if low < high else low}
    populations = [
        Population(name, parameters[f"N_{name}"], neuron, {**membrane, **synapses, **further, "I_e": 0.0}, initial)
        for name in NAMES
    ]
    weight, probability = scaled(parameters)
    projections = [
        Projection(
            name=target + source,
            source=source,
            target=target,
            rule=FixedIndegree(round(probability * parameters[f"N_{source}"]))
            if parameters["fixed_indegree"]
            else Bernoulli(probability),
            weight=parameters[f"w_{source}"] * weight,
            delay=parameters["delay"],
            receptor=RECEPTORS[source],
        )
        for target in NAMES
        for source in NAMES
    ]
    if parameters["N_kick"] and parameters["kick_rate"]:
        populations.append(_kick(parameters))
        projections += _kick_projections(parameters)
    return Network(tuple(populations), tuple(projections))


def scaled(parameters: Mapping[str, Any]) -> tuple[float, float]:
    """Return the factor on the weights, and the connection probability, of a network of another size.

    Returns
    -------
    tuple of float
        Both published ways keep the mean input of a neuron: ``weights`` connects ever more neurons ever more weakly,
        ``probability`` lets each have as many inputs as at the published size. ``none`` keeps both as they are.
    """
    share = PUBLISHED_SIZE / (parameters["N_E"] + parameters["N_I"])
    way, probability = parameters["scaling"], parameters["p"]
    return (share if way == "weights" else 1.0), (probability * share if way == "probability" else probability)


def _kick(parameters: Mapping[str, Any]) -> Population:
    start = parameters["kick_start"]
    timing = {"rate": parameters["kick_rate"], "start": start, "stop": start + parameters["kick_duration"]}
    return Population("kick", parameters["N_kick"], "poisson_source", timing)


def _kick_projections(parameters: Mapping[str, Any]) -> list[Projection]:
    weight, delay = parameters["w_kick"], parameters["delay"]
    if parameters["kick"] == "shared":
        rule = Bernoulli(parameters["p_kick"])
        return [Projection(f"{name}kick", "kick", name, rule, weight, delay, "excitatory") for name in NAMES]
    each = np.arange(parameters["N_kick"], dtype=np.int64)
    return [Projection("Ekick", "kick", "E", ConnectionList(each, each), weight, delay, "excitatory")]


def _check(parameters: Mapping[str, Any]) -> None:
    if not parameters["V_reset"] < parameters["V_th"]:
        raise ParameterError(
            ("V_th", "V_reset"), f"V_th = {parameters['V_th']} must be above V_reset = {parameters['V_reset']}"
        )
    low, high = parameters["V_init"]
    if low > high:
        raise ParameterError(("V_init",), f"V_init = [{low}, {high}] must be lowest and highest value, in this order")
    if parameters["kick"] == "own" and parameters["N_kick"] > parameters["N_E"]:
        raise ParameterError(
            ("N_kick", "N_E", "kick"),
            f'with kick = "own" each source has a neuron of E: N_kick = {parameters["N_kick"]} is more than '
            f"N_E = {parameters['N_E']}",
        )
    probability = scaled(parameters)[1]
    if probability > 1.0:
        raise ParameterError(
            ("scaling", "N_E", "N_I", "p"),
            f"a network of {parameters['N_E'] + parameters['N_I']} neurons is too small for as many inputs as at "
            f"{PUBLISHED_SIZE}: the connection probability would be {probability:.3g}",
        )
