"""The current-based network of Vogels & Abbott (2005), as the simulators' review took it for a benchmark.

It differs from the conductance-based one in the neurons alone; they rest above threshold and need no kick.

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

from simulators.description import Network
from simulators.models.vogels_abbott_coba import random_network


def make_network(parameters: Mapping[str, Any]) -> Network:
    """Describe the network for one set of parameters.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``defaults/vogels_abbott_cuba.toml``, in the units given there.

    Returns
    -------
    Network
        Populations E and I, the four projections between them, and the Poisson sources of the kick.

    Raises
    ------
    ParameterError
        If potentials, sizes or the kick make no sense together.
    """
    return random_network(parameters, "lif_psc_exp", {})
