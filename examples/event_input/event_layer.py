"""A layer of neurons that looks at a recording of events, as through lenses that overlap."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recordings import binned_spikes, read_events

from simulators.description import ConnectionList, Network, ParameterError, Population, Projection, SpikeEvents

NEURON = ("C_m", "tau_m", "E_L", "V_reset", "V_th", "t_ref")


def make_network(parameters: Mapping[str, Any], data: Mapping[str, Path]) -> Network:
    """Describe the network for one set of parameters.

    Parameters
    ----------
    parameters : mapping of str to value
        Every parameter of ``event_layer.toml``, in the units given there.
    data : mapping of str to Path
        ``events``: a recording in the format of N-MNIST.

    Returns
    -------
    Network
        Sources, a layer, and the projection between them.
    """
    size = parameters["width"], parameters["height"], parameters["polarities"]
    if size[2] not in (1, 2):
        raise ParameterError(("polarities",), "must be 1 or 2")
    try:
        times, sources = _spikes(data["events"], *size, parameters["bin"])
    except ValueError as error:
        raise ParameterError(("width", "height"), str(error)) from error
    neuron = {name: parameters[name] for name in NEURON}
    neuron |= {"tau_syn_ex": parameters["tau_syn"], "tau_syn_in": parameters["tau_syn"]}
    side = parameters["side"]
    return Network(
        (
            Population("pixels", size[0] * size[1] * size[2], "spike_source"),
            Population("layer", side * side, "lif_psc_exp", neuron),
        ),
        (
            Projection(
                "seen",
                "pixels",
                "layer",
                _lenses(*size, side, parameters["reach"]),
                parameters["weight"],
                parameters["delay"],
                "excitatory",
            ),
        ),
        (SpikeEvents("events", "pixels", times, sources),),
    )


@lru_cache(maxsize=8)
def _spikes(
    path: Path, width: int, height: int, polarities: int, bin_size: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return binned_spikes(read_events(path), width, height, polarities, bin_size)


@lru_cache(maxsize=8)
def _lenses(width: int, height: int, polarities: int, side: int, reach: float) -> ConnectionList:
    """Connect every pixel to the neurons of the layer that lie within `reach` neurons of it; borders meet."""
    place = np.arange(side) + 0.5
    pairs = []
    for pixels in (width, height):
        away = np.abs((np.arange(pixels)[:, None] + 0.5) * side / pixels - place)
        pairs.append(np.minimum(away, side - away))
    across, down = pairs
    near = down[:, None, :, None] ** 2 + across[None, :, None, :] ** 2 <= reach**2  # [y, x, row, column]
    y, x, row, column = np.nonzero(near)
    sources = [(sheet * height + y) * width + x for sheet in range(polarities)]
    return ConnectionList(np.concatenate(sources), np.tile(row * side + column, polarities))
