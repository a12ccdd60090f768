"""Neuron models, a file each: ``<name>.py`` holds `MODEL`, a `simulators.neurons.neuron_model.NeuronModel`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from simulators.guests.content import code_digest
from simulators.neurons.neuron_model import NestNeuron, NeuronModel, Quantity, StepRule

__all__ = [
    "NestNeuron",
    "NeuronModel",
    "Quantity",
    "StepRule",
    "find_neuron_model",
    "neuron_model_digest",
    "neuron_model_names",
]

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


def neuron_model_digest(name: str) -> str:
    """Hash a neuron model of this folder by its content: its file, and what that imports from here."""
    find_neuron_model(name)
    return code_digest(Path(__file__).with_name(f"{name}.py"), __name__, without=("neuron_model", "step_code"))
