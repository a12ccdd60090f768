"""The clustered E/I network of Schmitt, Rostami & Nawrot (2023), and its special case, the balanced network.

References
----------
Schmitt, F. J., Rostami, V., & Nawrot, M. P. (2023). Efficient parameter calibration and real-time simulation of
large-scale spiking neural networks with GeNN and NEST. Frontiers in Neuroinformatics 17.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from simulators.description import (
    Bernoulli,
    FiringPhase,
    FixedIndegree,
    Network,
    Pairs,
    ParameterError,
    Population,
    Projection,
    Receptor,
    StepCurrent,
    Uniform,
)

Matrix = tuple[tuple[float, float], tuple[float, float]]

# Matrices are [target, source] over these.
NAMES = ("E", "I")
RECEPTORS: tuple[Receptor, Receptor] = ("excitatory", "inhibitory")

# The membrane of a neuron without current only approaches its reset potential; the published initial states
# measure its period from this distance on.
RELAXED = 1e-10  # mV


def make_network(parameters: Mapping[str, Any]) -> Network:
    """Describe the network for one set of parameters.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``defaults/clustered.toml``, in the units given there.

    Returns
    -------
    Network
        Populations E and I of Q clusters each; per pair of populations one projection, or, if Q > 1, one within
        and one between the clusters; a step current where one is asked for.

    Raises
    ------
    ParameterError
        If sizes are not divisible by Q, Q is smaller than jep, or the thresholds or stimulus make no sense.
    """
    _check(parameters)
    (p_ee, p_ei), (p_ie, p_ii) = parameters["p"]
    synaptic = (p_ee, p_ei, p_ie, p_ii, *[parameters[name] for name in _SYNAPTIC])
    return Network(
        populations=(_population(parameters, 0), _population(parameters, 1)),
        projections=_all_projections(synaptic),
        inputs=_stimulus(parameters),
    )


# What the projections depend on besides p. Most grids sweep something else, and then describe them only once.
_SYNAPTIC = (
    *("N_E", "N_I", "Q", "jep", "jip_ratio", "fixed_indegree", "ge", "gi", "gie", "delay"),
    *("C_m", "E_L", "V_th", "tau_m_E", "tau_m_I", "tau_syn_E", "tau_syn_I"),
)


@lru_cache(maxsize=1024)
def _all_projections(synaptic: tuple[Any, ...]) -> tuple[Projection, ...]:
    p_ee, p_ei, p_ie, p_ii, *rest = synaptic
    parameters = {"p": ((p_ee, p_ei), (p_ie, p_ii)), **dict(zip(_SYNAPTIC, rest, strict=True))}
    mean_weights = weights(parameters)
    return tuple(
        projection
        for target in range(2)
        for source in range(2)
        for projection in _projections(parameters, target, source, mean_weights[target][source])
    )


def psp_peaks(parameters: Mapping[str, Any]) -> Matrix:
    """Peak postsynaptic potential of a unit weight.

    Returns
    -------
    tuple of tuple of float, shape (2, 2)
        mV per pA, [target, source].
    """
    C_m = parameters["C_m"]
    tau_m_e, tau_m_i = parameters["tau_m_E"], parameters["tau_m_I"]
    tau_syn_e, tau_syn_i = parameters["tau_syn_E"], parameters["tau_syn_I"]
    return (
        (psp_peak(tau_m_e, tau_syn_e, C_m), psp_peak(tau_m_e, tau_syn_i, C_m)),
        (psp_peak(tau_m_i, tau_syn_e, C_m), psp_peak(tau_m_i, tau_syn_i, C_m)),
    )


def psp_peak(tau_m: float, tau_syn: float, C_m: float) -> float:
    """Peak potential after one exponential synaptic current of unit weight.

    Parameters
    ----------
    tau_m, tau_syn : float
        Membrane and synaptic time constant in ms.
    C_m : float
        Membrane capacitance in pF.

    Returns
    -------
    float
        mV per pA.
    """
    if math.isclose(tau_m, tau_syn, rel_tol=1e-9):
        return tau_m / C_m / math.e
    t_max = math.log(tau_syn / tau_m) / (1.0 / tau_m - 1.0 / tau_syn)
    scale = tau_m * tau_syn / C_m / (tau_syn - tau_m)
    return scale * (math.exp(-t_max / tau_syn) - math.exp(-t_max / tau_m))


def weights(parameters: Mapping[str, Any]) -> Matrix:
    """Mean synaptic weights that balance the network: J/√N.

    A neuron crosses threshold when √K of its excitatory inputs arrive together; inhibition is scaled to excitation
    by ``ge``, ``gi`` and ``gie``.

    Returns
    -------
    tuple of tuple of float, shape (2, 2)
        pA, [target, source]; negative from I.
    """
    n_e, n_i = parameters["N_E"], parameters["N_I"]
    (p_ee, p_ei), (p_ie, p_ii) = parameters["p"]
    (psp_ee, psp_ei), (psp_ie, psp_ii) = psp_peaks(parameters)
    gap = parameters["V_th"] - parameters["E_L"]
    j_ee = gap / math.sqrt(n_e * p_ee) / psp_ee
    j_ei = -parameters["ge"] * j_ee * p_ee * n_e * psp_ee / (p_ei * n_i * psp_ei)
    j_ie = parameters["gie"] * gap / math.sqrt(n_e * p_ie) / psp_ie
    j_ii = -parameters["gi"] * j_ie * p_ie * n_e * psp_ie / (p_ii * n_i * psp_ii)
    return ((j_ee, j_ei), (j_ie, j_ii))


def _check(parameters: Mapping[str, Any]) -> None:
    n_clusters = parameters["Q"]
    for name in NAMES:
        if parameters[f"N_{name}"] % n_clusters:
            raise ParameterError(
                (f"N_{name}", "Q"),
                f"N_{name} = {parameters[f'N_{name}']} must be divisible by Q = {n_clusters}",
            )
    strongest = max(parameters["jep"], _jplus(parameters)[0][1])
    if n_clusters > 1 and strongest > n_clusters:
        raise ParameterError(
            ("jep", "jip_ratio", "Q"),
            f"weights within a cluster are {strongest:g} times the mean, more than Q = {n_clusters}: "
            "those between clusters would change sign",
        )
    if not max(parameters["V_reset"], parameters["E_L"]) < parameters["V_th"]:
        raise ParameterError(
            ("V_th", "V_reset", "E_L"),
            f"V_th = {parameters['V_th']} must be above V_reset = {parameters['V_reset']} "
            f"and E_L = {parameters['E_L']}",
        )
    outside = [cluster for cluster in parameters["stim_clusters"] if cluster >= n_clusters]
    if outside:
        raise ParameterError(("stim_clusters", "Q"), f"clusters {outside} are not among 0 to {n_clusters - 1}")
    edges = [edge for pair in zip(parameters["stim_onsets"], parameters["stim_offsets"], strict=False) for edge in pair]
    if len(parameters["stim_onsets"]) != len(parameters["stim_offsets"]) or edges != sorted(set(edges)):
        raise ParameterError(
            ("stim_onsets", "stim_offsets"),
            "each onset needs an end after it and before the next onset, got "
            f"{list(parameters['stim_onsets'])} and {list(parameters['stim_offsets'])}",
        )


def _population(parameters: Mapping[str, Any], index: int) -> Population:
    name = NAMES[index]
    tau_m, C_m, E_L, V_th = (
        parameters[f"tau_m_{name}"],
        parameters["C_m"],
        parameters["E_L"],
        parameters["V_th"],
    )
    current = parameters[f"I_th_{name}"] * (V_th - E_L) / tau_m * C_m
    return Population(
        name=name,
        size=parameters[f"N_{name}"],
        neuron="lif_psc_exp",
        parameters={
            "C_m": C_m,
            "tau_m": tau_m,
            "E_L": E_L,
            "V_reset": parameters["V_reset"],
            "V_th": V_th,
            "t_ref": parameters["t_ref"],
            "tau_syn_ex": _spread(parameters["tau_syn_E"], parameters["tau_syn_cv"] * math.sqrt(3.0)),
            "tau_syn_in": _spread(parameters["tau_syn_I"], parameters["tau_syn_cv"] * math.sqrt(3.0)),
            "I_e": _spread(current, parameters[f"delta_I_{name}"] / 2.0),
        },
        initial={
            "V_m": _initial_potential(
                parameters, tau_m, E_L + tau_m / C_m * current if parameters["init_at_current"] else E_L
            )
        },
        n_clusters=parameters["Q"],
    )


def _spread(mean: float, half_width: float) -> float | Uniform:
    if not half_width or not mean:
        return mean
    low, high = sorted((mean * (1.0 - half_width), mean * (1.0 + half_width)))
    return Uniform(low, high)


def _initial_potential(parameters: Mapping[str, Any], tau_m: float, drive: float) -> FiringPhase:
    V_th = parameters["V_th"]
    to_reset, to_threshold = drive - parameters["V_reset"], drive - V_th
    if abs(to_reset) < RELAXED:
        to_reset = -RELAXED
    period = 10.0  # a current too weak ever to reach threshold
    if to_reset / to_threshold > 0.0:
        period = parameters["t_ref"] + tau_m * math.log(to_reset / to_threshold)
    return FiringPhase(drive, V_th, period, tau_m)


def _jplus(parameters: Mapping[str, Any]) -> tuple[tuple[float, float], tuple[float, float]]:
    jep = parameters["jep"]
    jip = 1.0 + parameters["jip_ratio"] * (jep - 1.0)
    return ((jep, jip), (jip, jip))


def _projections(parameters: Mapping[str, Any], target: int, source: int, weight: float) -> list[Projection]:
    n_clusters = parameters["Q"]
    jplus = _jplus(parameters)[target][source]
    if n_clusters == 1:
        parts: list[tuple[Pairs, float, float]] = [("all", 1.0, 1.0)]
    else:
        jminus = (n_clusters - jplus) / (n_clusters - 1)
        parts = [("within", jplus, 1 / n_clusters), ("between", jminus, 1 - 1 / n_clusters)]
    probability = parameters["p"][target][source]
    n_sources = parameters[f"N_{NAMES[source]}"]
    return [
        Projection(
            name=f"{NAMES[target]}{NAMES[source]}" + ("" if pairs == "all" else f"_{pairs}"),
            source=NAMES[source],
            target=NAMES[target],
            rule=FixedIndegree(round(probability * n_sources * share))
            if parameters["fixed_indegree"]
            else Bernoulli(probability),
            weight=weight * factor,
            delay=parameters["delay"],
            receptor=RECEPTORS[source],
            pairs=pairs,
        )
        for pairs, factor, share in parts
    ]


def _stimulus(parameters: Mapping[str, Any]) -> tuple[StepCurrent, ...]:
    if not parameters["stim_clusters"] or not parameters["stim_onsets"]:
        return ()
    return (
        StepCurrent(
            name="stimulus",
            target="E",
            clusters=tuple(parameters["stim_clusters"]),
            amplitude=parameters["stim_amplitude"],
            onsets=tuple(parameters["stim_onsets"]),
            offsets=tuple(parameters["stim_offsets"]),
        ),
    )
