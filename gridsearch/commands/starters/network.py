"""A network of one's own: two populations of leaky neurons, random connections, a Poisson drive.

`make_network` describes the network for one set of parameters; every simulator translates the description. All units
are ms, mV, pF, pA and Hz. Try it:

    python -m gridsearch check NAME.py
"""

from collections.abc import Mapping
from typing import Any

from simulators.description import FixedIndegree, Network, ParameterError, PoissonDrive, Population, Projection, Uniform

# Other rules: Bernoulli(p), FixedTotalNumber(n), OneToOne(), ConnectionList(sources, targets, weights, delays).
# Other inputs: StepCurrent, SpikeEvents; a rate may be PiecewiseConstant(times, values).
# Distributions: Uniform(low, high), Normal(mean, sd, low, high) for parameters, initial states, weights and delays.
# Of a weight ``scale * Normal(…)`` the scale may change between points without building the network anew.


def make_network(parameters: Mapping[str, Any]) -> Network:
    """Describe the network; ``parameters`` has every name of the defaults file beside this one.

    A model that reads data is ``make_network(parameters, data)``: ``data["cells"]`` is then the path that a sweep names
    under ``[data]`` as ``cells = "cells.h5"``.
    """
    n_e, n_i = parameters["N_E"], parameters["N_I"]
    indegree = {"E": round(parameters["p"] * n_e), "I": round(parameters["p"] * n_i)}
    if not indegree["I"]:
        raise ParameterError(("p", "N_I"), f"p = {parameters['p']} leaves no inhibitory synapse on a neuron")
    neuron = {
        "C_m": parameters["C_m"],
        "tau_m": parameters["tau_m"],
        "E_L": -65.0,
        "V_reset": -65.0,
        "V_th": -50.0,
        "t_ref": 2.0,
        "tau_syn_ex": parameters["tau_syn"],
        "tau_syn_in": parameters["tau_syn"],
    }
    start = {"V_m": Uniform(-65.0, -50.0)}
    populations = (
        Population("E", n_e, "lif_psc_exp", neuron, start),
        Population("I", n_i, "lif_psc_exp", neuron, start),
    )
    weights = {"E": parameters["J"], "I": -parameters["g"] * parameters["J"]}
    projections = tuple(
        Projection(
            name=f"{target}{source}",
            source=source,
            target=target,
            rule=FixedIndegree(indegree[source]),
            weight=weights[source],
            delay=1.5,
            receptor="excitatory" if source == "E" else "inhibitory",
        )
        for target in ("E", "I")
        for source in ("E", "I")
    )
    drives = tuple(
        PoissonDrive(f"drive_{target}", target, parameters["rate_ext"], parameters["J"], 1.5) for target in ("E", "I")
    )
    return Network(populations, projections, drives)
