"""Networks for the emulated graphics processor: small, and of more neurons than its blocks have threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import networks
import numpy as np

from simulators.description import Network, StepCurrent, Uniform
from simulators.models.clustered import make_network


def enlarged(network: Network, factor: int = 6) -> Network:
    return replace(network, populations=tuple(replace(p, size=factor * p.size) for p in network.populations))


def driven(weight: float, rate: float, current: float, **changes: Any) -> Network:
    """Fixed in-degrees with multapses under Poisson drive and a step of current."""
    network = enlarged(networks.bare("lif_psc_exp", rate=rate, weight=weight, I_e=current, **changes))
    step = StepCurrent("step", "E", None, 3.0 * current, (10.0,), (18.0,), neurons=np.arange(0, 192, 3))
    return replace(network, inputs=(*network.inputs, step))


DRIVEN = [
    driven(1.0, 9000.0, 0.0),
    driven(2.0, 12_000.0, 50.0),
    driven(0.5, 10_000.0, 100.0, tau_m=Uniform(9.0, 11.0)),
    driven(1.5, 500.0, 500.0),
    driven(0.25, 11_000.0, -30.0, V_th=-52.0),
]


# Whose neurons fire several times
LIVELY = [driven(1.5, 2000.0, 600.0, t_ref=1.0), driven(1.5, 1000.0, 650.0, t_ref=2.5)]


def clustered(defaults: Mapping[str, Any], current: float, clustering: float) -> Network:
    return make_network({**defaults, "N_E": 400, "N_I": 160, "Q": 4, "jep": clustering, "I_th_E": current})


def conductances(weight: float) -> Network:
    """Neurons with conductances, each with a time constant of its own, and sources that fire for a while."""
    network = networks.vogels_abbott(weight_E=100.0 * weight, kick=400.0 * weight)
    cells = [p if p.is_source else replace(p, parameters={**p.parameters, "tau_m": Uniform(18.0, 22.0)})
             for p in network.populations]  # fmt: skip
    return replace(network, populations=tuple(cells))


def with_clusters(network: Network) -> Network:
    cells = (p if p.is_source else replace(p, n_clusters=4) for p in network.populations)
    return replace(network, populations=tuple(cells))
