"""Neuron models, a file each: ``<name>.py`` holds `MODEL`, a `simulators.neurons.neuron_model.NeuronModel`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from simulators.neurons.neuron_model import NestNeuron, NeuronModel, Quantity, StepRule

__all__ = ["NestNeuron", "NeuronModel", "Quantity", "StepRule", "find_neuron_model", "neuron_model_names"]

_NO_MODELS = {"neuron_model", "step_code", "membrane"}


def neuron_model_names() -> list[str]:
    """Names of the neuron models there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NO_MODELS)


@cache
def find_neuron_model(name: str) -> NeuronModel:
    """Return a neuron model.

    Raises
    ------
    LookupError
        If there is none of that name.
    """
    if name not in neuron_model_names():
        raise LookupError(f"no neuron model {name!r}: there are {', '.join(neuron_model_names())}")
    model: NeuronModel = importlib.import_module(f"{__name__}.{name}").MODEL
    return model
