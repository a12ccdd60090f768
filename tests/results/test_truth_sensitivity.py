"""Sensitivities where the dependence is known, and cells are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from truth_runs import open_truth

from analysis.deciding import sensitivities

SQUARE = {"a": [0.0, 1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 2.0, 3.0, 4.0]}


def _linear(p: Mapping[str, Any], random: np.random.Generator, noise: float) -> float:
    return float(50.0 + 4.0 * p["a"] - 6.0 * p["b"] + noise * random.standard_normal())


def _of(table: Any, statistic: str = "cv_isi_E") -> Any:
    return sensitivities(table, [statistic]).set_index("axis")


def test_slopes_and_shares_of_a_full_grid(tmp_path: Path) -> None:
    found = _of(open_truth(tmp_path / "run", lambda p, s, n, r: {"cv_isi_E": _linear(p, r, 2.0)}, SQUARE, seeds=20))
    total = 16 * 2 + 36 * 2 + 4  # the variance of 0…4 is 2
    assert found.loc["a", "share"] == pytest.approx(32 / total, abs=0.02)
    assert found.loc["b", "share"] == pytest.approx(72 / total, abs=0.02)
    assert found["seeds"].iloc[0] == pytest.approx(4 / total, abs=0.02)
    assert found["interactions"].iloc[0] == pytest.approx(0.0, abs=0.02)
    for key, slope in (("a", 4.0), ("b", -6.0)):
        assert found.loc[key, "slope"] == pytest.approx(slope, abs=0.2)
        assert found.loc[key, "slope_low"] < slope < found.loc[key, "slope_high"]


@pytest.mark.parametrize("hole", ["silent", "missing"])
def test_cells_that_lack_a_value_change_neither_slope_nor_share(tmp_path: Path, hole: str) -> None:
    # what is missing follows both axes: along b alone the straight line through what is left has a slope near −2
    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        if p["b"] > p["a"] + 1:
            silent = {"rate_E": 0.0, "cv_isi_E": None, "n_spikes": 0}
            return silent if hole == "silent" else None
        return {"cv_isi_E": _linear(p, random, 0.1)}

    found = _of(open_truth(tmp_path / "run", law, SQUARE))
    assert found.loc["b", "slope"] == pytest.approx(-6.0, abs=0.05)
    assert found.loc["a", "slope"] == pytest.approx(4.0, abs=0.05)
    assert found.loc["a", "share"] == pytest.approx(16 / 52, abs=0.01)
    assert found.loc["b", "share"] == pytest.approx(36 / 52, abs=0.01)
    assert found["share"].sum() <= 1.0
    assert found["cells"].iloc[0] == 19


def test_parts_of_the_variance_add_up_to_one(tmp_path: Path) -> None:
    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        if random.random() < 0.3:
            return None
        return {"cv_isi_E": 50.0 + (p["a"] - 2) * (p["b"] - 2) + p["a"] + random.standard_normal()}

    found = _of(open_truth(tmp_path / "run", law, SQUARE, seeds=8))
    assert found["share"].sum() + found["interactions"].iloc[0] + found["seeds"].iloc[0] == pytest.approx(1.0, abs=1e-9)
    assert found["interactions"].iloc[0] == pytest.approx(4 / 7, abs=0.06)  # variances 4, 2 and 1
    assert found.loc["a", "share"] == pytest.approx(2 / 7, abs=0.06)
    assert found.loc["b", "share"] == pytest.approx(0.0, abs=0.03)


def test_one_seed_says_nothing_of_seeds(tmp_path: Path) -> None:
    found = _of(open_truth(tmp_path / "run", lambda p, s, n, r: {"cv_isi_E": _linear(p, r, 0.5)}, SQUARE, seeds=1))
    assert np.isnan(found["seeds"]).all()
    assert found.loc["a", "share"] == pytest.approx(16 / 52, abs=0.05)


def test_axes_that_cannot_be_told_apart_have_no_share(tmp_path: Path) -> None:
    law = lambda p, s, n, r: {"cv_isi_E": p["a"]} if p["a"] == p["b"] else None  # noqa: E731
    found = _of(open_truth(tmp_path / "run", law, SQUARE))
    assert found["share"].isna().all()
    assert found["slope"].isna().all()


def test_a_column_that_says_nothing(tmp_path: Path) -> None:
    found = _of(open_truth(tmp_path / "run", lambda p, s, n, r: {"cv_isi_E": 1.0}, SQUARE))
    assert found["share"].isna().all()
    assert found["slope"].tolist() == pytest.approx([0.0, 0.0], abs=1e-9)
    found = _of(open_truth(tmp_path / "none", lambda p, s, n, r: {"cv_isi_E": None}, SQUARE))
    assert found[["share", "slope", "seeds"]].isna().all(axis=None)


def test_three_axes_of_which_one_has_no_numbers(tmp_path: Path) -> None:
    effect = {"few": -1.0, "some": 0.0, "all": 1.0}

    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        if p["rule"] == "all" and p["a"] > 2:
            return None
        return {"cv_isi_E": 10.0 + p["a"] + 2 * effect[p["rule"]] + 0.1 * random.standard_normal()}

    axes = {"a": [0.0, 1.0, 2.0, 3.0, 4.0], "rule": list(effect), "b": [0.0, 1.0]}
    found = _of(open_truth(tmp_path / "run", law, axes, seeds=3))
    assert found.loc["a", "slope"] == pytest.approx(1.0, abs=0.03)
    assert np.isnan(found.loc["rule", "slope"])
    assert found.loc["a", "share"] == pytest.approx(2 / (2 + 8 / 3), abs=0.02)
    assert found.loc["rule", "share"] == pytest.approx(8 / 3 / (2 + 8 / 3), abs=0.02)
    assert found.loc["b", "share"] == pytest.approx(0.0, abs=0.01)
