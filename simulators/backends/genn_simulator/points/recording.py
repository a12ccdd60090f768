"""What is fetched of a chunk of steps where GeNN records all spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.network import GennNetwork, array_of
from simulators.backends.genn_simulator.structure.layout import Layout
from simulators.backends.simulator import PointFailure
from simulators.description.population import Population


class BitRecording:
    """The spikes of a batch, a bit for each neuron and step.

    Parameters
    ----------
    built : GennNetwork
        The loaded model.
    layout : Layout
        What it was compiled from.
    populations : sequence of Population
        Those that are recorded.

    Attributes
    ----------
    failures : mapping of int to PointFailure
        None: who decodes the spikes counts them.
    """

    def __init__(self, built: GennNetwork, layout: Layout, populations: Sequence[Population]) -> None:
        self._built = built
        self._layout = layout
        self._populations = populations
        self.failures: Mapping[int, PointFailure] = {}

    def take(self, begin: int, end: int) -> dict[str, NDArray[np.uint32]]:
        """Fetch the words of a chunk, by population, shape (chunk_steps, batch, n_words)."""
        del begin, end
        self._built.model.pull_recording_buffers_from_device()
        words = {}
        for population in self._populations:
            found = array_of(self._built, self._built.neurons[population.name], "recordSpk", np.uint32, pull=False)
            shape = (self._layout.chunk_steps, self._layout.batch, -(-population.size // 32))
            words[population.name] = found.reshape(shape)
        return words

    def sums(self) -> dict[str, NDArray[np.uint32]]:
        """Return nothing: spikes are all that there is."""
        return {}
