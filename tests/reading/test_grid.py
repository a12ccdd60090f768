"""Points and their identities."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import SMALL, ids, make_grid

from gridsearch.planning.grid import Grid


def grid(folder: Path, **sections: Any) -> Grid:
    return make_grid(folder, **{"axes": "", **sections})


def identity(folder: Path, **sections: Any) -> str:
    (point_id,) = ids(grid(folder, **sections))
    return point_id


def test_order_and_replicates(tmp_path: Path) -> None:
    points = grid(
        tmp_path,
        axes="I_th_E = { values = [2, 1] }\nI_th_I = { values = [3, 4] }",
        replicates="seeds = [7, 5]",
    ).points
    assert [(p.swept["I_th_E"], p.swept["I_th_I"], p.seed) for p in points[:5]] == [
        *((2.0, 3.0, 7), (2.0, 3.0, 5), (2.0, 4.0, 7), (2.0, 4.0, 5)),
        (1.0, 3.0, 7),
    ]


@given(st.integers(0, 200), st.integers(1, 40), st.integers(0, 20))
@settings(max_examples=15, deadline=None)
def test_identity_does_not_depend_on_how_a_value_was_come_by(first: int, step: int, n_steps: int) -> None:
    value = f"{(first + n_steps * step) / 100:.2f}"
    with TemporaryDirectory() as name:
        folder = Path(name)
        fixed = identity(folder, parameters=f"{SMALL}\nI_th_E = {value}")
        stepped = f"I_th_E = {{ start = {first / 100}, step = {step / 100}, num = {n_steps + 1} }}"
        assert identity(folder, axes=f"I_th_E = {{ values = [{value}] }}") == fixed
        assert grid(folder, axes=stepped).points[-1].point_id == fixed


def test_identity_does_not_depend_on_what_is_swept_or_in_which_order(tmp_path: Path) -> None:
    e, i = "I_th_E = { values = [1.0, 2.0] }", "I_th_I = { values = [0.5, 1] }"
    both = ids(grid(tmp_path, axes=f"{e}\n{i}"))
    assert len(both) == 4
    assert ids(grid(tmp_path, axes=f"{i}\n{e}")) == both
    assert ids(grid(tmp_path, parameters=f"{SMALL}\nI_th_I = 1", axes=e)) < both
    assert ids(grid(tmp_path, parameters=f"{SMALL}\nI_th_I = 1.0\nI_th_E = 2")) < both


def test_identity_does_not_depend_on_how_a_matrix_is_given(tmp_path: Path) -> None:
    whole = identity(tmp_path, parameters=f"{SMALL}\np = [[0.2, 0.4], [0.5, 0.5]]")
    assert identity(tmp_path, parameters=f'{SMALL}\n"p[0,1]" = 0.4') == whole
    assert identity(tmp_path, axes='"p[0,1]" = { values = [0.4] }') == whole
    assert identity(tmp_path, axes="p = { values = [[[0.2, 0.4], [0.5, 0.5]]] }") == whole


def test_what_leaves_the_result_as_it_is(tmp_path: Path) -> None:
    plain = identity(tmp_path, record='statistics = ["rate", "lv"]')
    assert identity(tmp_path, record='statistics = ["lv", "rate"]') == plain
    assert identity(tmp_path, record='statistics = ["cv_isi"]') == plain, "which are shown"
    for measured in (
        'statistics = ["rate"]\nsettings = { fano_window = 100.0 }',
        'statistics = ["rate"]\nspikes = "all"',
        "[record.windows]\nearly = [0, 50]",
    ):
        assert identity(tmp_path, record=measured) == plain, "what is measured and kept"
    same = {"record": 'statistics = ["rate", "lv"]'}
    assert identity(tmp_path, name="other", jobs="minutes_per_job = 3", **same) == plain
    assert identity(tmp_path, simulators=["nest"], targets="rate_E = { min = 1 }", **same) == plain
    assert identity(tmp_path, parameters=f"{SMALL}\ngie = 1.0\nE_L = -0.0", **same) == plain, "defaults, spelled out"


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": f"{SMALL}\nge = 1.3"},
        {"parameters": f"{SMALL}\nI_th_E = 2.1300000000000003"},
        {"parameters": f'{SMALL}\n"p[1,0]" = 0.4'},
        {"parameters": f"{SMALL}\nfixed_indegree = true"},
        {"replicates": "seeds = [2]"},
        {"replicates": 'draws = "per_point"'},
        {"simulation": "warmup = 0.0\nduration = 200.0"},
        {"simulation": "warmup = 10.0\nduration = 100.0"},
        {"simulation": "dt = 0.05\nwarmup = 0.0\nduration = 100.0"},
        {"simulation": "max_rate = 20.0\nwarmup = 0.0\nduration = 100.0"},
    ],
)
def test_what_changes_the_result_changes_the_identity(tmp_path: Path, change: dict[str, str]) -> None:
    assert identity(tmp_path, **change) != identity(tmp_path)


def test_shared_and_own_draws(tmp_path: Path) -> None:
    axes, seeds = "I_th_E = { values = [1, 2, 3] }", "seeds = [1, 2]"
    shared = grid(tmp_path, axes=axes, replicates=seeds).points
    assert all(point.network_seed == point.seed for point in shared)
    own = grid(tmp_path, axes=axes, replicates=f'{seeds}\ndraws = "per_point"').points
    assert len({point.network_seed for point in own}) == 6
    again = grid(tmp_path, axes="I_th_E = { values = [2] }", replicates='seeds = [2]\ndraws = "per_point"').points
    assert again[0] in own, "a draw depends on seed and point alone"
    assert all(0 <= point.network_seed < 2**31 for point in own)


def test_points_of_one_structure_share_it(tmp_path: Path) -> None:
    made = grid(tmp_path, axes='I_th_E = { values = [1, 2] }\njep = { values = [1, 2] }\nN_E = { values = [80, 160] }',
                parameters="N_I = 20\nQ = 4")  # fmt: skip
    assert len(made.networks["poisson"]) == 2
    sizes = [made.networks["poisson"][i]["E"].size for i in made.structures["poisson"]]
    assert sizes == [point.swept["N_E"] for point in made.points]
    assert made.populations == ("E", "I")


def test_a_hundred_thousand_identities_differ(tmp_path: Path) -> None:
    axes = "I_th_E = { start = 0, step = 0.01, num = 250 }\nI_th_I = { start = 0, step = 0.01, num = 200 }"
    made = grid(tmp_path, axes=axes, replicates="seeds = 2")
    assert len(ids(made)) == len(made.points) == 100_000
