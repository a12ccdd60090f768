"""Axes: the ways to give their values, and what they have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridsearch.inputs.parameters import Parameter
from gridsearch.sweeps.axes import Axis, combinations, expand_axis, zip_groups
from gridsearch.sweeps.tables import AxisTable

FLOAT = Parameter("x", 1.0, float, "ms", "a parameter", max=1e6)
VECTOR = Parameter("v", [1.0, 2.0], float, "1", "a vector")


def expand(parameter: Parameter = FLOAT, indices: tuple[int, ...] = (), **table: Any) -> tuple[Any, ...]:
    return expand_axis("x", AxisTable(**table), parameter, indices).values


def axis(key: str, n_values: int, group: str | None = None) -> Axis:
    return Axis(key, tuple(float(i) for i in range(n_values)), "1", "", zip=group)


def test_values_keep_their_order() -> None:
    assert expand(values=[3, 1.5, 2]) == (3.0, 1.5, 2.0)


def test_start_stop_num_includes_both_ends() -> None:
    assert expand(start=0.7, stop=1.675, num=40)[:2] == (0.7, 0.725)
    assert expand(start=0.7, stop=1.675, num=40)[-1] == 1.675


def test_start_step_num() -> None:
    assert expand(start=0.95, step=0.05, num=4) == (0.95, 1.0, 1.05, 1.1)
    assert expand(start=1.0, step=-0.5, num=3) == (1.0, 0.5, 0.0)
    assert expand(start=-0.3, step=0.1, num=5) == (-0.3, -0.2, -0.1, 0.0, 0.1)


def test_logarithmic() -> None:
    assert expand(start=0.01, stop=100.0, num=5, log=True) == (0.01, 0.1, 1.0, 10.0, 100.0)


@given(st.integers(-1000, 1000), st.integers(1, 100), st.integers(2, 60))
def test_steps_and_ends_give_the_values_one_would_type(start: int, step: int, num: int) -> None:
    typed = tuple(float(f"{(start + i * step) / 100:.2f}") for i in range(num))
    assert expand(start=start / 100, step=step / 100, num=num) == typed
    assert expand(start=start / 100, stop=typed[-1], num=num) == typed
    assert expand(values=list(typed)) == typed


def test_elements_and_whole_vectors() -> None:
    assert expand(VECTOR, (1,), values=[3, 4]) == (3.0, 4.0)
    assert expand(VECTOR, values=[[1, 2], [3, 4]]) == ((1.0, 2.0), (3.0, 4.0))
    with pytest.raises(ValueError, match="2 elements"):
        expand(VECTOR, values=[[1, 2, 3]])


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ({"values": [1.0], "num": 3}, "give either values"),
        ({"start": 1.0, "stop": 2.0}, "give either values"),
        ({"start": 1.0, "stop": 2.0, "step": 0.5, "num": 3}, "give either values"),
        ({"start": 1.0, "step": 0.5}, "give either values"),
        ({}, "give either values"),
        ({"values": [1.0, 2.0], "log": True}, "give either values"),
        ({"start": 1.0, "step": 2.0, "num": 3, "log": True}, "start, stop and num"),
        ({"start": 0.0, "stop": 2.0, "num": 3, "log": True}, "above 0"),
        ({"start": 0.0, "stop": 2.0, "num": 1}, "at least 2"),
        ({"values": [1.0, 2, 1]}, "values repeat: 1.0"),
        ({"start": 1.0, "step": 0.0, "num": 2}, "values repeat"),
        ({"values": [1.0, float("nan")]}, "value nan: must be finite"),
        ({"values": [1.0, 1e7]}, "at most 1e"),
        ({"values": ["a"]}, "must be a number, not a string"),
    ],
)
def test_mistakes(table: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        expand(**table)


def test_a_zip_group_advances_together() -> None:
    axes = [axis("a", 2, "g"), axis("b", 3), axis("c", 2, "g")]
    assert [[one.key for one in group] for group in zip_groups(axes)] == [["a", "c"], ["b"]]
    points = list(combinations(axes))
    assert len(points) == 6
    assert all(point["a"] == point["c"] for point in points)
    assert [point["b"] for point in points[:3]] == [0.0, 1.0, 2.0], "the last axis is the fastest"


def test_a_zip_group_named_like_an_axis_is_not_that_axis() -> None:
    assert len(zip_groups([axis("a", 2), axis("b", 2, "a")])) == 2


def test_unequal_zip_lengths_are_all_named() -> None:
    axes = [axis("a", 2, "g"), axis("b", 3, "g"), axis("c", 1, "h"), axis("d", 2, "h")]
    with pytest.raises(ValueError, match=r'"g" a has 2 values, b has 3 values.*"h" c has 1 values, d has 2 values'):
        zip_groups(axes)


@given(st.lists(st.integers(1, 4), max_size=4))
def test_the_grid_is_the_product(lengths: list[int]) -> None:
    axes = [axis(f"k{i}", n) for i, n in enumerate(lengths)]
    points = [tuple(point.items()) for point in combinations(axes)]
    assert len(points) == len(set(points)) == np.prod(lengths, initial=1)


def test_zipped_axes_may_repeat_values_but_not_combinations() -> None:
    first = Axis("a", (1, 1, 2), "1", "", zip="g")
    assert list(combinations([first, Axis("b", (1, 2, 1), "1", "", zip="g")])) == [
        {"a": 1, "b": 1},
        {"a": 1, "b": 2},
        {"a": 2, "b": 1},
    ]
    with pytest.raises(ValueError, match="combinations repeat"):
        zip_groups([first, Axis("b", (3, 3, 1), "1", "", zip="g")])
