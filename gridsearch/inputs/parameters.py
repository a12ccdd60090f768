"""Defaults files: every parameter of a model with value, unit, meaning and bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridsearch.inputs.input_files import InputError, Problem, choices, read_toml
from simulators import models
from simulators.description.parameters import element, split_key

DEFAULTS = Path(__file__).resolve().parents[2] / "defaults"

_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_KEYS = {"value", "unit", "doc", "min", "max", "above", "below", "choices", "type"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Parameters
    ----------
    name : str
        Its name.
    value : bool, int, float, str or (nested) list of these
        The default. A list that is not empty fixes the shape.
    kind : type
        Of the value, or of the elements of a list.
    unit, doc : str
        Unit ("1" for pure numbers) and meaning.
    min, max, above, below : float, optional
        Bounds, inclusive and exclusive.
    choices : tuple, optional
        The valid values, where there are few.
    """

    name: str
    value: Any
    kind: type
    unit: str
    doc: str
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] | None = None

    def checked(self, value: Any, indices: tuple[int, ...] = ()) -> Any:
        """Return a value for the parameter, or for one element of it, in the parameter's own type.

        Raises
        ------
        ValueError
            If it breaks a rule; the message is the rule.
        """
        return self._checked(value, self._template(indices))

    def _template(self, indices: tuple[int, ...]) -> Any:
        try:
            return element(self.value, indices)
        except IndexError as error:
            shape = "×".join(map(str, _shape(self.value))) or "a single value"
            raise ValueError(f"there is no such element: {self.name} is {shape}") from error

    def _checked(self, value: Any, template: Any) -> Any:
        if isinstance(template, list):
            if not isinstance(value, list):
                raise ValueError(f"must be a list like the default {template!r}")
            if template and len(value) != len(template):
                raise ValueError(f"must have {len(template)} elements like the default {template!r}")
            inner = template or [None] * len(value)
            return [self._checked(one, shape) for one, shape in zip(value, inner, strict=True)]
        return self.checked_scalar(value)

    def checked_scalar(self, value: Any) -> Any:
        """Return one value, or one element of a list, in the parameter's own type (see `checked`)."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.kind is float and number:
            value = float(value) + 0.0  # minus zero is zero
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
            if not -(2**63) <= value < 2**63:
                raise ValueError("must be a whole number of 64 bits")
        if type(value) is not self.kind:
            raise ValueError(f"must be {named(self.kind)}, not {named(type(value))}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must be finite")
        if self.choices is not None and value not in self.choices:
            raise ValueError(f"valid: {', '.join(map(str, self.choices))}")
        self._check_bounds(value)
        return value

    def _check_bounds(self, value: Any) -> None:
        broken = ""
        if self.min is not None and not value >= self.min:
            broken = f"at least {self.min:g}"
        elif self.max is not None and not value <= self.max:
            broken = f"at most {self.max:g}"
        elif self.above is not None and not value > self.above:
            broken = f"above {self.above:g}"
        elif self.below is not None and not value < self.below:
            broken = f"below {self.below:g}"
        if broken:
            raise ValueError(f"must be {broken}" + ("" if self.unit == "1" else f" {self.unit}"))


SIMULATION_AXES: Mapping[str, Parameter] = {
    one.name: one for one in (Parameter("duration", 9000.0, float, "ms", "recorded biological time", above=0.0),)
}
"""Axes that are no parameters of the network but fields of `simulators.records.job.Simulation`, by name."""


@dataclass(frozen=True)
class Defaults(Mapping[str, Parameter]):
    """A model's parameters, by name.

    Parameters
    ----------
    path : Path
        The file.
    description : str
        One line on the model.
    parameters : mapping of str to Parameter
        In the order of the file.
    """

    path: Path
    description: str
    parameters: Mapping[str, Parameter]

    def __getitem__(self, name: str) -> Parameter:
        """Return a parameter."""
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.parameters)

    def __len__(self) -> int:
        """Count the parameters."""
        return len(self.parameters)

    def values_by_name(self) -> dict[str, Any]:
        """Return the default values."""
        return {name: parameter.value for name, parameter in self.parameters.items()}

    def of_axis(self, name: str) -> Parameter | None:
        """Return what an axis of that name varies, a parameter or a part of the simulation; None if it is neither."""
        return SIMULATION_AXES.get(name) or self.get(name)

    def checked(self, key: str, value: Any) -> Any:
        """Check a value for a parameter or an element of one (``p[0,1]``) and return it in its own type.

        Raises
        ------
        ValueError
            If there is no such parameter or the value breaks a rule; the message is the rule.
        """
        name, indices = split_key(key)
        if name not in self.parameters:
            raise ValueError(f"unknown parameter; {choices(self.parameters, name)}")
        return self.parameters[name].checked(value, indices)


def defaults_file(model: str, folder: Path) -> Path:
    """Return the defaults file of a model: ``defaults/<model>.toml``, or the one beside a model of one's own.

    Parameters
    ----------
    model : str
        A name, or a Python file relative to `folder`.
    folder : Path
        The sweep's.
    """
    ours = DEFAULTS / f"{model}.toml"
    return ours if ours.exists() else models.model_file(model, folder).with_suffix(".toml")


def read_defaults(path: Path) -> Defaults:
    """Read a defaults file.

    Raises
    ------
    InputError
        If the file is missing, malformed, or a default breaks its own bounds.
    """
    content = read_toml(path)
    problems = [
        Problem(path, key, None, f"unknown key; {choices(('description', 'parameters'), key)}")
        for key in content.keys() - {"description", "parameters"}
    ]
    description, tables = content.get("description", ""), content.get("parameters", {})
    if not isinstance(description, str):
        problems.append(Problem(path, "description", description, "must be a string"))
    if not isinstance(tables, dict):
        problems.append(Problem(path, "parameters", tables, "must be a table: [parameters]"))
        tables = {}
    parameters = {}
    for name, table in tables.items():
        try:
            parameters[name] = _parameter(name, table)
        except ValueError as error:
            problems.append(Problem(path, f"parameters.{name}", table, str(error)))
    if problems:
        raise InputError(problems)
    return Defaults(path, description, parameters)


def _parameter(name: str, table: Any) -> Parameter:
    if not isinstance(table, dict):
        raise ValueError("must be a table with value, unit and doc")
    missing = {"value", "unit", "doc"} - table.keys()
    if missing:
        raise ValueError(f"lacks {', '.join(sorted(missing))}")
    unknown = table.keys() - _KEYS
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; {choices(_KEYS)}")
    if name in SIMULATION_AXES:
        raise ValueError("the name is taken: an axis of this name is how long a network is recorded")
    for key in ("unit", "doc"):
        if not isinstance(table[key], str):
            raise ValueError(f"{key} must be a string, not {named(type(table[key]))}")
    kind = _kind(table)
    bounds = _bounds(table, kind)
    valid = table.get("choices")
    if valid is not None and (not isinstance(valid, list) or not valid):
        raise ValueError("choices must be a list of the valid values")
    parameter = Parameter(name, table["value"], kind, table["unit"], table["doc"], **bounds)
    if valid is not None:
        parameter = replace(parameter, choices=tuple(_choice(parameter, one) for one in valid))
    parameter.checked(table["value"])
    return parameter


def _bounds(table: Mapping[str, Any], kind: type) -> dict[str, Any]:
    bounds = {key: table[key] for key in ("min", "max", "above", "below") if key in table}
    for key, bound in bounds.items():
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not math.isfinite(bound):
            raise ValueError(f"{key} must be a finite number")
    if bounds and kind not in (int, float):
        raise ValueError(f"{', '.join(bounds)}: only numbers have bounds, and the value is {named(kind)}")
    return bounds


def _kind(table: Mapping[str, Any]) -> type:
    """Return the type of a value, or of the elements of a list: its first, or for an empty list what `type` says."""
    first = table["value"]
    while isinstance(first, list) and first:
        first = first[0]
    given = table.get("type")
    if given is not None and (not isinstance(given, str) or given not in _TYPES):
        raise ValueError(f"no such type; {choices(_TYPES, str(given))}")
    if isinstance(first, list):
        if given is None:
            raise ValueError(f"an empty list needs a type; {choices(_TYPES)}")
        return _TYPES[given]
    if type(first) not in _TYPES.values():
        raise ValueError("value must be a number, a string, true or false, or a list of these")
    return type(first)


def _choice(parameter: Parameter, value: Any) -> Any:
    try:
        return parameter.checked_scalar(value)
    except ValueError as error:
        raise ValueError(f"choices: {error}") from error


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value), *_shape(value[0])) if isinstance(value, list) and value else ()


def named(kind: type) -> str:
    """Say what a type is to somebody who writes TOML."""
    names: dict[type, str] = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a table",
    }
    return names.get(kind, kind.__name__)
