"""Network models, one module each: ``make_network(parameters)`` returns a `simulators.description.network.Network`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, cast

from simulators.description.network import Network

Model = Callable[[Mapping[str, Any]], Network]


def model_names() -> list[str]:
    """Names of the models there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find_model(name: str) -> Model:
    """Return the function that makes a model's network from its parameters.

    Raises
    ------
    LookupError
        If there is no model of that name.
    """
    if name not in model_names():
        raise LookupError(f"no model {name!r}: there are {', '.join(model_names())}")
    return cast(Model, importlib.import_module(f"{__name__}.{name}").make_network)
