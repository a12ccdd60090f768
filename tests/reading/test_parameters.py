"""Defaults files and the rules of single parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridsearch.inputs import parameters
from gridsearch.inputs.input_files import InputError
from gridsearch.inputs.parameters import Parameter, defaults_file, read_defaults
from simulators.models import model_names


def parameter(value: Any, kind: type = float, **rules: Any) -> Parameter:
    return Parameter("x", value, kind, "ms", "a parameter", **rules)


def read_text(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> parameters.Defaults:
    (folder / "toy.toml").write_text(text)
    monkeypatch.setattr(parameters, "DEFAULTS", folder)
    return read_defaults(defaults_file("toy", Path()))


@pytest.mark.parametrize("model", model_names())
def test_every_model_has_defaults_within_their_bounds(model: str) -> None:
    defaults = read_defaults(defaults_file(model, Path()))
    assert len(defaults) and defaults.description
    for one in defaults.values():
        assert one.unit and one.doc, one.name
        assert one.checked(one.value) == one.value


@pytest.mark.parametrize(
    ("rules", "good", "bad", "rule"),
    [
        ({"min": 0.0}, 0.0, -0.1, "at least 0 ms"),
        ({"max": 1.0}, 1.0, 1.1, "at most 1 ms"),
        ({"above": 0.0}, 0.1, 0.0, "above 0 ms"),
        ({"below": 1.0}, 0.9, 1.0, "below 1 ms"),
        ({"choices": (1.0, 2.0)}, 2.0, 3.0, "valid: 1.0, 2.0"),
        ({}, 1.0, float("nan"), "must be finite"),
        ({}, 1.0, float("inf"), "must be finite"),
        ({}, 1.0, "one", "must be a number, not a string"),
        ({}, 1.0, True, "must be a number, not true or false"),
        ({}, 1.0, [1.0], "must be a number, not a list"),
    ],
)
def test_bounds(rules: dict[str, Any], good: float, bad: object, rule: str) -> None:
    one = parameter(1.0, **rules)
    assert one.checked(good) == good
    with pytest.raises(ValueError, match=rule):
        one.checked(bad)


def test_numbers_come_out_in_the_parameters_own_type() -> None:
    assert type(parameter(1.0).checked(2)) is float
    assert type(parameter(1, int).checked(2.0)) is int
    assert str(parameter(1.0).checked(-0.0)) == "0.0", "minus zero is zero, and has its identity"
    with pytest.raises(ValueError, match="must be an integer"):
        parameter(1, int).checked(2.5)
    with pytest.raises(ValueError, match="must be true or false, not an integer"):
        parameter(False, bool).checked(1)


def test_matrices_keep_their_shape_and_check_each_element() -> None:
    matrix = parameter([[0.2, 0.5], [0.5, 0.5]], max=1.0)
    assert matrix.checked([[0, 1], [1, 0]]) == [[0.0, 1.0], [1.0, 0.0]]
    assert matrix.checked(0.3, (0, 1)) == 0.3
    for bad, rule in (([0.1, 0.2], "must be a list"), ([[0.1], [0.2]], "2 elements"), ([[0, 2], [0, 0]], "at most 1")):
        with pytest.raises(ValueError, match=rule):
            matrix.checked(bad)
    with pytest.raises(ValueError, match="no such element: x is 2×2"):
        matrix.checked(0.3, (0, 2))
    with pytest.raises(ValueError, match="no such element: x is a single value"):
        parameter(1.0).checked(0.3, (0,))


def test_an_empty_list_takes_any_length() -> None:
    times = parameter([], min=0.0)
    assert times.checked([1, 2]) == [1.0, 2.0]
    with pytest.raises(ValueError, match="at least 0"):
        times.checked([-1.0])


def test_elements_and_near_misses_by_key() -> None:
    defaults = read_defaults(defaults_file("clustered", Path()))
    assert defaults.checked("p[0,1]", 0.4) == 0.4
    with pytest.raises(ValueError, match="did you mean 'tau_m_E'"):
        defaults.checked("tau_mE", 1.0)


def test_every_mistake_of_a_defaults_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    describtion = "x"
    [parameters]
    a = 3
    b = { value = 1.0, unit = "ms" }
    c = { value = 1.0, unit = "ms", doc = "c", minimum = 0.0 }
    d = { value = -1.0, unit = "ms", doc = "d", min = 0.0 }
    e = { value = [], unit = "ms", doc = "e" }
    f = { value = 1.0, unit = "ms", doc = "f" }
    """
    with pytest.raises(InputError) as caught:
        read_text(text, tmp_path, monkeypatch)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 6
    wanted = ("did you mean 'description'", "must be a table", "lacks doc", "unknown minimum", "at least 0", "a type")
    for part in wanted:
        assert sum(part in one for one in said) == 1, part
