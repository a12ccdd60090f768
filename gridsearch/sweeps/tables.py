"""The tables of ``sweep.toml``: their keys, types and simple rules, checked by pydantic."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gridsearch.inputs.input_files import choices

T = TypeVar("T", bound=BaseModel)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Minutes = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Table(BaseModel):
    """Unknown keys and wrong types are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TopTable(Table):
    """Keys outside any table."""

    name: Name
    model: str
    simulators: Annotated[list[str], Field(min_length=1)]


class AxisTable(Table):
    """One axis: ``values``, or ``start`` and ``num`` with ``stop`` or ``step``."""

    values: Annotated[list[Any], Field(min_length=1)] | None = None
    start: Finite | None = None
    stop: Finite | None = None
    step: Finite | None = None
    num: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    log: bool = False
    zip: str | None = None


class ReplicatesTable(Table):
    """``[replicates]``."""

    seeds: Annotated[int, Field(ge=1, le=100_000)] | Annotated[list[Seed], Field(min_length=1)] = Field(
        1, description="must be how many (1 to 100000), or a list of seeds"
    )
    draws: Literal["shared", "per_point"] = "shared"


class SimulationTable(Table):
    """``[simulation]``."""

    dt: Positive = 0.1
    warmup: NotNegative = 1000.0
    duration: Positive = 9000.0
    max_rate: Positive = 200.0


class RecordTable(Table):
    """``[record]``."""

    statistics: Annotated[list[str], Field(min_length=1)] = ["rate", "cv_isi"]
    spikes: Literal["none", "sample", "all"] = "none"
    settings: dict[str, Any] = {}
    windows: dict[str, Any] = {}
    window_shifts: dict[str, Any] = {}


class TargetTable(Table):
    """One of ``[targets]``: a range (``min``, ``max``), or ``value`` and ``tolerance``."""

    min: Finite | None = None
    max: Finite | None = None
    value: Finite | None = None
    tolerance: Positive | None = None
    weight: Positive = 1.0


class JobsTable(Table):
    """``[jobs]`` but for the tables of the simulators."""

    executor: str = "auto"
    minutes_per_job: Minutes = 30.0
    minutes_per_point: Minutes | None = None


class PlacementTable(Table):
    """Keys of ``[jobs.<simulator>]`` that every simulator has."""

    image: str | None = None
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    max_running: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    submit: dict[str, str | int | Finite | bool] = Field(
        {}, description="must be a string, a finite number, true or false"
    )


@dataclass(frozen=True)
class TableProblem:
    """A mistake within a table: dotted key, what stands there, and the rule."""

    key: str
    value: object
    rule: str


_MOST = 50  # problems of a table that are told apart
_RULES: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "finite_number": "must be finite",
    "too_short": "must not be empty",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}


def checked_table(kind: type[T], key: str, content: Any, complain: Callable[[str, object, str], None]) -> T | None:
    """Return a table, with what is sound of it if something is wrong; None if it is none.

    Parameters
    ----------
    kind : type
        One of the tables above.
    key : str
        Its key in the file.
    content : value
        What stands there.
    complain : callable
        Told key, value and rule of every mistake.
    """
    if not isinstance(content, dict):
        complain(key, content, "must be a table")
        return None
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        for problem in problems_of(error, kind):
            complain(".".join(filter(None, (key, problem.key))), problem.value, problem.rule)
        # What is sound goes on to the checks that follow, so that one mistake does not hide another
        wrong = {detail["loc"][0] for detail in error.errors()}
        return kind.model_construct(**{name: value for name, value in content.items() if name not in wrong})


def problems_of(error: ValidationError, kind: type[BaseModel]) -> list[TableProblem]:
    """Translate what pydantic found into keys, values and rules, one problem per key or element of a list."""
    found: dict[str, TableProblem] = {}
    for detail in error.errors()[:_MOST]:  # of a long list each element may be wrong
        # pydantic names the alternative of a union within the location; only keys and indices are the user's
        location = [part for part in detail["loc"] if isinstance(part, int) or part in _known_keys(detail, kind)]
        place = ".".join(str(part) for part in location or detail["loc"][:1])
        key = ".".join(str(part) for part in location or detail["loc"][:1] if not isinstance(part, int))
        value = None if detail["type"] == "missing" else detail["input"]
        rule = _rule(detail, kind)
        if place in found and found[place].rule != rule:
            described = kind.model_fields[str(detail["loc"][0])].description
            rule = described or f"{found[place].rule}, or {rule.removeprefix('must be ')}"
        found[place] = TableProblem(key, value, rule)
    # Where an element of a list is wrong, that it could have been no list at all is no help
    return [one for place, one in found.items() if not any(re.match(rf"{re.escape(place)}\.\d", o) for o in found)]


def _known_keys(detail: Any, kind: type[BaseModel]) -> set[str]:
    keys = set(kind.model_fields)
    if detail["type"] == "extra_forbidden":
        keys |= {str(part) for part in detail["loc"]}
    if len(detail["loc"]) > 1 and detail["loc"][0] == "submit":
        keys.add(str(detail["loc"][1]))
    return keys


def _rule(detail: Any, kind: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown key; {choices(kind.model_fields, str(detail['loc'][-1]))}"
    if detail["type"] in _RULES:
        return _RULES[detail["type"]].format(**detail.get("ctx", {}))
    if detail["type"] == "string_pattern_mismatch":
        return "must start with a letter or digit and hold only letters, digits, '.', '_' and '-'"
    message: str = detail["msg"]
    return message.replace("Input should be", "must be")
