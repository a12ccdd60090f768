"""Network models: ``make_network(parameters)`` returns a `simulators.description.network.Network`.

A model is a module of this folder, a Python file of a user's own, or what an installed package names by an entry point
of the group ``gridsearch.models``. One that reads data files is ``make_network(parameters, data)``, with a path for
each name; ``data=None`` makes them optional.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from simulators.description.network import Network
from simulators.guests.content import code_digest
from simulators.guests.installed import installed, load_reference
from simulators.guests.loading import GuestError, load_file

Model = Callable[[Mapping[str, Any]], Network]

_SUFFIX = ".py"


def model_names() -> list[str]:
    """Names of the models there are, ours and installed ones."""
    return sorted({*(module.name for module in pkgutil.iter_modules(__path__)), *installed("models")})


def is_file(reference: str) -> bool:
    """Whether a model is referred to as a file, rather than by its name."""
    return reference.endswith(_SUFFIX)


def find_model(reference: str, root: Path, data: Mapping[str, Path] | None = None) -> Model:
    """Return the function that makes a model's network from its parameters.

    Parameters
    ----------
    reference : str
        A name, ``package.module`` of an installed package, or a file relative to `root`.
    root : Path
        The folder that files are relative to.
    data : mapping of str to Path, optional
        Data files by name, for a model that takes them.

    Raises
    ------
    LookupError
        If there is no model of that name.
    GuestError
        If a user's file cannot be used.
    """
    module = _module_of(reference, root)
    make: Callable[..., Network] | None = getattr(module, "make_network", None)
    if not callable(make):
        raise GuestError(f"{module.__file__}: has no function make_network(parameters)")
    try:
        more = list(inspect.signature(make).parameters.values())[1:]
    except (TypeError, ValueError) as error:  # of what is written in C
        raise GuestError(f"{module.__file__}: make_network must be a function of Python") from error
    takes_data = bool(more)
    if takes_data and more[0].default is inspect.Parameter.empty and not data:
        raise GuestError(f"{module.__file__}: make_network reads data: name them in [data] of a sweep")
    if data and not takes_data:
        raise GuestError(f"{module.__file__}: make_network reads no data: write make_network(parameters, data)")
    given = (dict(data),) if data else ()

    def make_checked(parameters: Mapping[str, Any]) -> Network:
        try:
            network = make(dict(parameters), *given)  # a copy: the model may change it
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit, or what somebody made of his own
            raise RuntimeError(f"make_network ended with {type(error).__name__}: {error}") from error
        if not isinstance(network, Network):
            raise TypeError(f"make_network must return a Network, not {type(network).__name__}")
        return network

    return make_checked


def importable(reference: str) -> str:
    """Return a model's name as it can be found where entry points are not: an installed one by its module."""
    if any(module.name == reference for module in pkgutil.iter_modules(__path__)):
        return reference
    return installed("models")[reference].value if reference in installed("models") else reference


def model_file(reference: str, root: Path) -> Path:
    """Return the file that a model is in.

    Raises
    ------
    LookupError
        If there is no model of that name.
    GuestError
        If it is none of the user's files, or cannot be imported.
    """
    if is_file(reference):
        return root / reference
    return Path(str(_module_of(reference, root).__file__))


def model_digest(reference: str, root: Path) -> str:
    """Hash a model by its content: its file and what that imports from its own folder, but no comments."""
    if is_file(reference):
        return code_digest(root / reference)
    module = _module_of(reference, root)
    return code_digest(Path(str(module.__file__)), module.__name__.rpartition(".")[0])


def _module_of(reference: str, root: Path) -> ModuleType:
    if is_file(reference):
        return load_file(root / reference)
    if any(module.name == reference for module in pkgutil.iter_modules(__path__)):
        return importlib.import_module(f"{__name__}.{reference}")
    if reference in installed("models"):
        reference = installed("models")[reference].value
    elif "." not in reference:
        raise LookupError(f"no model {reference!r}: there are {', '.join(model_names())}")
    module = load_reference(reference.partition(":")[0])
    assert isinstance(module, ModuleType)
    return module
