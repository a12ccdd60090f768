"""Connecting in PyNN a list of synapses that is drawn already.

PyNN's own connector of lists goes from target to target, on Brian 2 from synapse to synapse. The two simulators that
take a list at once are given it at once; they are reached through PyNN's objects.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN.connectors import Connector

from simulators.backends.pynn_simulator.drawing import Synapses


class _AtOnce(Connector):  # type: ignore[misc]
    """Makes all synapses of a list in one call of the simulator.

    Parameters
    ----------
    synapses : Synapses
        Which.
    weights : ndarray of float64, shape (n_synapses,)
        nA or µS, with PyNN's sign.
    delays : ndarray of float64, shape (n_synapses,)
        ms.
    """

    parameter_names = ()

    def __init__(self, synapses: Synapses, weights: NDArray[np.float64], delays: NDArray[np.float64]) -> None:
        super().__init__(safe=False)
        self._synapses, self._weights, self._delays = synapses, weights, delays


class _InNest(_AtOnce):
    def connect(self, projection: Any) -> None:
        nest = sys.modules[type(projection).__module__].nest
        first_source, first_target = (
            int(end.node_collection[0].global_id) for end in (projection.pre, projection.post)
        )
        # There inhibition by conductance is negative, too
        sign = -1.0 if projection.receptor_type == "inhibitory" and projection.post.conductance_based else 1.0
        nest.Connect(
            self._synapses.sources + first_source,
            self._synapses.targets + first_target,
            "one_to_one",
            {
                "synapse_model": projection.nest_synapse_model,
                "synapse_label": projection.nest_synapse_label,
                "weight": self._weights * sign * 1e3,
                "delay": self._delays,
            },
        )


class _InBrian(_AtOnce):
    def connect(self, projection: Any) -> None:
        brian2 = sys.modules[type(projection).__module__].brian2
        ((synapses,),) = (row.values() for row in projection._brian2_synapses.values())
        synapses.connect(i=self._synapses.sources, j=self._synapses.targets)
        synapses.weight = self._weights * (brian2.uS if projection.post.conductance_based else brian2.nA)
        synapses.delay = self._delays * brian2.ms


_AT_ONCE: dict[str, type[_AtOnce]] = {"nest": _InNest, "brian2": _InBrian}


def make_connector(
    pynn: Any, implementation: str, synapses: Synapses, weights: NDArray[np.float64], delays: NDArray[np.float64]
) -> Any:
    """Return a connector of PyNN that makes the synapses; see `_AtOnce`."""
    if implementation in _AT_ONCE:
        return _AT_ONCE[implementation](synapses, weights, delays)
    columns = np.column_stack([synapses.sources, synapses.targets, weights, delays])
    return pynn.FromListConnector(columns, column_names=["weight", "delay"])
