"""The cortical microcircuit of Potjans & Diesmann (2014): four layers of excitatory and inhibitory neurons.

References
----------
Potjans, T. C., & Diesmann, M. (2014). The cell-type specific cortical microcircuit: relating structure and activity in
a full-scale spiking network model. Cerebral Cortex 24, 785–806.

van Albada, S. J., Helias, M., & Diesmann, M. (2015). Scalability of asynchronous networks is limited by one-to-one
mapping between effective connectivity and correlations. PLoS Computational Biology 11, e1004490.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from simulators.description import (
    FixedTotalNumber,
    Network,
    Normal,
    ParameterError,
    PoissonDrive,
    Population,
    Projection,
    Scaled,
)

# Lists are over these, matrices [target][source].
NAMES = ("23E", "23I", "4E", "4I", "5E", "5I", "6E", "6I")
KINDS = tuple(name[-1] for name in NAMES)
"""``E`` or ``I`` of each population."""

_MEMBRANE = ("C_m", "tau_m", "E_L", "V_reset", "V_th", "t_ref")


def make_network(parameters: Mapping[str, Any]) -> Network:
    """Describe the microcircuit for one set of parameters.

    Weights are drawn as shares of their mean, so that `weight`, `g` and `factor_23E_4E` change nothing of the
    structure; nor do the rate of the drive and the current that makes up for synapses left out.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``defaults/microcircuit.toml``, in the units given there.

    Returns
    -------
    Network
        Eight populations, a projection for each pair that has synapses, and a Poisson drive for each population unless
        ``drive`` is ``dc``.

    Raises
    ------
    ParameterError
        If V_th is not above V_reset.
    """
    _check(parameters)
    weights = [[_mean_weight(parameters, target, source) for source in range(8)] for target in range(8)]
    synapses = [[_full_synapses(parameters, target, source) for source in range(8)] for target in range(8)]
    return Network(
        tuple(_population(parameters, index, weights[index], synapses[index]) for index in range(8)),
        tuple(
            _projection(parameters, target, source, weights[target][source], synapses[target][source])
            for target in range(8)
            for source in range(8)
            if parameters["p"][target][source]
        ),
        _drives(parameters),
    )


def _check(parameters: Mapping[str, Any]) -> None:
    if not parameters["V_reset"] < parameters["V_th"]:
        raise ParameterError(
            ("V_th", "V_reset"), f"V_th = {parameters['V_th']} must be above V_reset = {parameters['V_reset']}"
        )


def _mean_weight(parameters: Mapping[str, Any], target: int, source: int) -> float:
    """Mean weight in pA of a synapse of the full network."""
    factor = parameters["factor_23E_4E"] if (NAMES[target], NAMES[source]) == ("23E", "4E") else 1.0
    sign = 1.0 if KINDS[source] == "E" else -parameters["g"]
    return float(sign * factor * parameters["weight"])


def _full_synapses(parameters: Mapping[str, Any], target: int, source: int) -> float:
    """Synapses with multapses of the full network for which a pair is connected at all with its probability."""
    pairs = parameters["N"][target] * parameters["N"][source]
    return math.log(1.0 - parameters["p"][target][source]) / math.log(1.0 - 1.0 / pairs)


def _population(parameters: Mapping[str, Any], index: int, weights: list[float], synapses: list[float]) -> Population:
    """Describe a population, whose current stands for the drive and for the synapses that scaling leaves out."""
    current = _compensation(parameters, index, weights, synapses)
    if parameters["drive"] == "dc":
        current += _charge(parameters, parameters["weight"]) * _external_rate(parameters, index)
    neuron = {name: parameters[name] for name in _MEMBRANE}
    tau_syn = parameters["tau_syn"]
    return Population(
        name=NAMES[index],
        size=_size(parameters, index),
        neuron="lif_psc_exp",
        parameters={**neuron, "tau_syn_ex": tau_syn, "tau_syn_in": tau_syn, "I_e": current},
        initial={"V_m": Normal(parameters["V_init_mean"][index], parameters["V_init_sd"][index])},
    )


def _size(parameters: Mapping[str, Any], index: int) -> int:
    return max(1, round(float(parameters["N"][index] * parameters["N_scale"])))


def _charge(parameters: Mapping[str, Any], weight: float) -> float:
    """Mean current in pA of synapses of a weight that together get a spike per second."""
    return float(1e-3 * parameters["tau_syn"] * weight)


def _external_rate(parameters: Mapping[str, Any], index: int) -> float:
    """Spikes per second that a neuron of the full network gets from outside."""
    return float(parameters["K_ext"][index] * parameters["bg_rate"])


def _compensation(parameters: Mapping[str, Any], index: int, weights: list[float], synapses: list[float]) -> float:
    """Mean current that weights of 1/√K_scale and in-degrees of K_scale take from a neuron.

    The variance of its input stays what it was; the mean is taken at the rates of the full network.
    """
    lost = 1.0 - math.sqrt(parameters["K_scale"])
    if not lost:
        return 0.0
    current = sum(
        _charge(parameters, weight) * number / parameters["N"][index] * rate
        for weight, number, rate in zip(weights, synapses, parameters["full_rates"], strict=True)
    )
    if parameters["drive"] == "poisson":
        current += _charge(parameters, parameters["weight"]) * _external_rate(parameters, index)
    return float(lost * current)


def _projection(parameters: Mapping[str, Any], target: int, source: int, weight: float, synapses: float) -> Projection:
    kind = KINDS[source]
    spread = parameters["weight_sd"]
    mean = weight / math.sqrt(parameters["K_scale"])
    delay, delay_sd = parameters[f"delay_{kind}"], parameters[f"delay_{kind}"] * parameters["delay_sd"]
    return Projection(
        name=f"{NAMES[target]}_{NAMES[source]}",
        source=NAMES[source],
        target=NAMES[target],
        rule=FixedTotalNumber(round(synapses * parameters["N_scale"] * parameters["K_scale"])),
        weight=Scaled(mean, Normal(1.0, spread, 0.0)) if spread else mean,
        delay=Normal(delay, delay_sd, parameters["delay_min"]) if delay_sd else delay,
        receptor="excitatory" if kind == "E" else "inhibitory",
    )


def _drives(parameters: Mapping[str, Any]) -> tuple[PoissonDrive, ...]:
    if parameters["drive"] == "dc":
        return ()
    scale = parameters["K_scale"]
    return tuple(
        PoissonDrive(
            name=f"drive_{name}",
            target=name,
            rate=_external_rate(parameters, index) * scale,
            weight=parameters["weight"] / math.sqrt(scale),
            delay=parameters["delay_E"],
        )
        for index, name in enumerate(NAMES)
    )
