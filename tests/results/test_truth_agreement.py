"""Verdicts on simulators that are known to agree, or known to differ."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from truth_runs import NEST_GENN, open_truth

from analysis.agreement import compare, difference_grid, kl_divergence

GRID = {"a": list(range(8)), "b": list(range(8))}


def _rates(
    folder: Path,
    *,
    shift: float = 0.0,
    level: float = 0.2,
    noise: float = 0.1,
    seeds: int = 6,
    trial: int = 0,
    lost: Any = None,
) -> pd.DataFrame:
    """Maps that each seed shifts as a whole (its draw of the connectivity) and each cell a little."""

    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        if lost is not None and lost(p, seed, name):
            return "failed"
        draw = np.random.default_rng([trial, seed, name == "genn"])
        rate = 5 + p["a"] - 0.5 * p["b"] + level * draw.standard_normal() + noise * random.standard_normal()
        return {"rate_E": rate + shift * (name == "genn")}

    return open_truth(folder, law, GRID, seeds=seeds, simulators=NEST_GENN, statistics=("rate",), trial=trial)


def _row(table: pd.DataFrame, **more: Any) -> Any:
    return compare(table, "nest", "genn", statistics=["rate_E"], **more).iloc[0]


def test_equal_simulators_are_equivalent_within_a_wide_margin(tmp_path: Path) -> None:
    row = _row(_rates(tmp_path / "run"), margin=0.6)
    assert row["equivalent"] is True
    assert row["difference_low"] < 0.0 < row["difference_high"]
    assert "equivalent within ±0.6" in row["verdict"]


def test_equal_simulators_are_not_shown_equivalent_within_a_narrow_margin(tmp_path: Path) -> None:
    row = _row(_rates(tmp_path / "run"), margin=0.01)
    assert row["equivalent"] is False
    assert row["agrees"] is True  # not rejected, which is no proof
    assert "not shown" in row["verdict"]


def test_a_small_difference_that_is_sure_can_be_equivalent(tmp_path: Path) -> None:
    row = _row(_rates(tmp_path / "run", shift=0.2, level=0.02), margin=0.5)
    assert row["agrees"] is False
    assert row["equivalent"] is True
    assert row["difference_low"] < 0.2 < row["difference_high"]
    assert "Differ" in row["verdict"]
    assert "equivalent within ±0.5" in row["verdict"]


def test_equivalence_holds_its_level_at_the_margin(tmp_path: Path) -> None:
    wrong = sum(
        _row(_rates(tmp_path / f"run{trial}", shift=0.3, trial=trial), margin=0.3)["equivalent"] is True
        for trial in range(40)
    )
    assert wrong <= 6  # 5 % of 40 is 2


def test_interval_of_the_difference_covers_it(tmp_path: Path) -> None:
    covered = 0
    for trial in range(40):
        row = _row(_rates(tmp_path / f"run{trial}", shift=0.3, trial=trial))
        covered += row["difference_low"] <= 0.3 <= row["difference_high"]
    assert covered >= 31  # 90 % of 40 is 36


def test_targets_imply_the_margin(tmp_path: Path) -> None:
    table = _rates(tmp_path / "run")
    row = _row(table, targets={"rate_E": (2.0, 5.0)})
    assert row["margin"] == pytest.approx(0.3)  # a tenth of the width
    assert np.isnan(_row(table)["margin"])
    assert _row(table)["equivalent"] is None


def test_points_that_lack_a_seed_stay(tmp_path: Path) -> None:
    # every point lacks one seed of one simulator, but for one point: the verdict is on all 64 of them
    def lost(p: Mapping[str, Any], seed: int, name: str) -> bool:
        return name == "nest" and (p["a"], p["b"]) != (0, 0) and seed == 1 + (p["a"] * 8 + p["b"]) % 6

    row = _row(_rates(tmp_path / "run", shift=0.5, lost=lost))
    assert row["n_points"] == 64
    assert row["n_incomplete"] == 63
    assert row["difference"] == pytest.approx(0.5, abs=0.4)
    assert "63 of them lack seeds" in row["verdict"]


def test_missing_seeds_do_not_bias_the_difference(tmp_path: Path) -> None:
    # a seed that is absent exactly where rates are high must not look like a quiet seed
    def lost(p: Mapping[str, Any], seed: int, name: str) -> bool:
        return name == "genn" and seed <= 3 and bool(p["a"] > 3)

    row = _row(_rates(tmp_path / "run", lost=lost, level=0.05))
    assert row["difference"] == pytest.approx(0.0, abs=0.1)
    assert row["difference_high"] - row["difference_low"] < 0.3


def test_points_with_values_of_one_simulator_only_are_said(tmp_path: Path) -> None:
    row = _row(_rates(tmp_path / "run", lost=lambda p, s, n: n == "genn" and p["a"] > 1))
    assert row["n_points"] == 16
    assert row["only_a"] == 48
    assert row["agrees"] is None
    assert "48 points have values of nest only" in row["verdict"]


def test_many_tests_of_equal_simulators_seldom_find_a_difference(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(12)]
    wrong = 0
    for trial in range(25):
        table = _rates(tmp_path / f"run{trial}", trial=trial)
        random = np.random.default_rng(trial)
        maps = table["configuration"].astype(str) + table["seed"].astype(str)
        for name in names:
            level = {key: random.standard_normal() for key in sorted(set(maps))}
            table[name] = table["rate_E"] * 0.01 + maps.map(level)
        found = compare(table, "nest", "genn", statistics=names)
        assert (found["p_adjusted"] >= found["p"] - 1e-12).all()
        wrong += any(verdict is False for verdict in found["agrees"])
    assert wrong <= 4  # one test in twenty errs, and there are twelve: half of the trials would without a correction


def test_a_large_difference_is_seen_among_many_tests(tmp_path: Path) -> None:
    table = _rates(tmp_path / "run", shift=3.0)
    random = np.random.default_rng(5)
    for number in range(17):
        table[f"m{number}"] = random.standard_normal(len(table))
    found = compare(table, "nest", "genn", statistics=["rate_E", *(f"m{number}" for number in range(17))])
    assert found.loc[0, "agrees"] is False


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_marks_of_difference_are_rare_where_there_is_none(tmp_path: Path, level: float) -> None:
    marked = []
    for trial in range(20):
        table = _rates(tmp_path / f"run{trial}", trial=trial, level=level, seeds=5)
        marked.append(float(difference_grid(table, "rate_E", "nest", "genn")["beyond"].mean()))
    # a draw that shifts a whole map marks all of its cells or none, in one run of twenty
    assert np.mean(np.array(marked) > 0) <= 0.15
    assert np.median(marked) == 0.0


def test_marks_of_difference_are_where_it_is(tmp_path: Path) -> None:
    table = _rates(tmp_path / "run", level=0.0, seeds=6)
    half = (table["configuration"] == "genn") & (table["a"] >= 4)
    table["rate_E"] = table["rate_E"] + 1.0 * half
    beyond = difference_grid(table, "rate_E", "nest", "genn")["beyond"]
    assert beyond.sel(a=slice(4, 7)).mean() > 0.9
    assert beyond.sel(a=slice(0, 3)).mean() < 0.15


def test_kl_of_mostly_silent_cells(tmp_path: Path) -> None:
    # 80 % of the cells are at 0, the rest normal: the divergence is that of the parts that differ
    random = np.random.default_rng(3)

    def sample(share: float, mean: float) -> Any:
        values = random.normal(mean, 1.0, 20_000)
        values[random.random(20_000) < share] = 0.0
        return values

    apart = 0.2 * 2.0**2 / 2  # KL of normals 2 SD apart, weighted
    assert kl_divergence(sample(0.8, 12.0), sample(0.8, 10.0)) == pytest.approx(apart, rel=0.15)
    shares = stats.entropy([0.8, 0.2], [0.5, 0.5])
    assert kl_divergence(sample(0.8, 10.0), sample(0.5, 10.0)) == pytest.approx(shares, rel=0.1)
    assert kl_divergence(sample(0.8, 10.0), sample(0.8, 10.0)) < 0.01


def test_kl_with_an_outlier_stays_small_and_right() -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(1.0, 1.0, 5000), random.normal(0.0, 1.0, 5000)
    tracemalloc.start()
    with_outlier = kl_divergence(np.append(a, 1e12), b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert with_outlier == pytest.approx(0.5, abs=0.05)
    assert peak < 20e6


def test_kl_between_equal_simulators_is_that_within(tmp_path: Path) -> None:
    between, within = [], []
    for trial in range(10):
        row = _row(_rates(tmp_path / f"run{trial}", trial=trial))
        between.append(row["kl"])
        within.append(row["kl_within"])
    assert np.median(between) == pytest.approx(np.median(within), rel=0.25)
