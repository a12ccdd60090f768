"""Sources of independent Poisson spike trains."""

from __future__ import annotations

import math

from simulators.neurons.neuron_model import NeuronModel, Quantity

MODEL = NeuronModel(
    name="poisson_source",
    doc="independent Poisson spike trains",
    parameters={
        "rate": Quantity("Hz", "rate of each train"),
        "start": Quantity("ms", "when they begin, counted from the end of the warm-up", 0.0),
        "stop": Quantity("ms", "when they end, counted from the end of the warm-up", math.inf),
    },
    source="poisson",
)
