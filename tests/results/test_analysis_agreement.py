from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_runs import write_run
from scipy import stats

import analysis
from analysis.agreement import compare, difference_grid, kl_divergence

BOTH = ({"simulator": "nest"}, {"simulator": "genn"})


def _table(path: Path, n_seeds: int, shift: float, spread: float = 0.2) -> pd.DataFrame:
    """Two simulators whose maps are shifted as a whole by each seed, and by `shift` between them."""

    def values(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        random = np.random.default_rng([seed, name == "genn"])
        level = spread * random.standard_normal() + (shift if name == "genn" else 0.0)
        rate = 5 * p["I_th_E"] - 2 * p["I_th_I"] + level
        return {"status": "ok", "rate_E": rate, "rate_I": rate, "n_spikes": 1}

    run = write_run(path / "demo", simulators=BOTH, seeds=tuple(range(n_seeds)), behaviour=values, statistics=("rate",))
    return analysis.open_run(run.root)


def _row(table: pd.DataFrame, **more: Any) -> Any:
    return compare(table, "nest", "genn", statistics=["rate_E"], **more).iloc[0]


def test_same_distribution_agrees_and_a_shift_does_not(tmp_path: Path) -> None:
    same, apart = _row(_table(tmp_path / "a", 6, 0.0)), _row(_table(tmp_path / "b", 6, 2.0))
    assert same["agrees"] is True
    assert same["p"] > 0.05
    assert "No more apart than their seeds" in same["verdict"]
    assert apart["agrees"] is False
    assert apart["p"] == apart["p_smallest"] == pytest.approx(2 / 924)
    assert apart["difference"] == pytest.approx(2.0, abs=0.4)
    assert apart["emd"] > 5 * apart["emd_within"]
    assert apart["ks"] > apart["ks_within"]
    assert apart["kl"] > 0


@pytest.mark.parametrize(
    ("n_seeds", "words"),
    [(1, "Cannot be told from 1 and 1 seeds"), (3, "smallest p that 3 and 3 seeds could give is 0.1")],
)
def test_few_seeds_allow_no_verdict(tmp_path: Path, n_seeds: int, words: str) -> None:
    row = _row(_table(tmp_path, n_seeds, 50.0))
    assert row["agrees"] is None
    assert words in row["verdict"]


def test_permutation_test_holds_its_level(tmp_path: Path) -> None:
    rejected = sum(_row(_reseeded(_table(tmp_path, 5, 0.0), trial))["agrees"] is False for trial in range(60))
    assert rejected <= 8  # 5 % of 60 is 3


def _reseeded(table: pd.DataFrame, trial: int) -> pd.DataFrame:
    random = np.random.default_rng(trial)
    maps = list(zip(table["configuration"], table["seed"], strict=True))
    level = {key: random.standard_normal() for key in sorted(set(maps))}
    return table.assign(rate_E=5 * table["I_th_E"] + [level[key] for key in maps])


def test_distances_are_those_of_scipy(tmp_path: Path) -> None:
    table = _table(tmp_path, 1, 0.3)
    row = _row(table)
    nest, genn = (table.loc[table["simulator"] == name, "rate_E"].to_numpy() for name in ("nest", "genn"))
    assert row["ks"] == pytest.approx(stats.ks_2samp(nest, genn).statistic)
    assert row["emd"] == pytest.approx(stats.wasserstein_distance(nest, genn))
    assert row["distance"] == pytest.approx(np.abs(nest - genn).mean())
    assert np.isnan(row["emd_within"])


def test_points_of_one_group_only_do_not_count(tmp_path: Path) -> None:
    table = _table(tmp_path, 5, 0.0)
    nest = table["simulator"] == "nest"
    table.loc[nest & (table["I_th_E"] > 1.5) & (table["seed"] == 1), "status"] = "failed"
    row = _row(table)
    assert (row["n_points"], row["n_incomplete"]) == (20, 8)
    table.loc[nest & (table["I_th_E"] > 1.5), "status"] = "failed"
    row = _row(table)
    assert (row["n_points"], row["only_b"]) == (12, 8)
    table.loc[nest, "status"] = "missing"
    assert "no point in common" in _row(table)["verdict"]


def test_any_column_can_tell_the_groups_apart(tmp_path: Path) -> None:
    table = _table(tmp_path, 6, 0.0)
    table["half"] = np.where(table["seed"] < 3, "early", "late")
    found = compare(table[table["simulator"] == "nest"], "early", "late", group_on="half", statistics=["rate_E"])
    assert found.loc[0, "seeds_a"] == 3
    with pytest.raises(analysis.RunError, match=r"half = 'never'.*early"):
        compare(table, "early", "never", group_on="half")
    with pytest.raises(analysis.RunError, match="no column 'colour'"):
        compare(table, "a", "b", group_on="colour")


def test_difference_map_with_its_error(tmp_path: Path) -> None:
    table = _table(tmp_path, 5, 2.0)
    difference = difference_grid(table, "rate_E", "nest", "genn")
    cells = table.groupby(["configuration", "I_th_I", "I_th_E"], observed=True)["rate_E"]
    means, variances = cells.mean().unstack(0), cells.var().unstack(0)
    shown = difference.transpose("I_th_I", "I_th_E")
    np.testing.assert_allclose(shown["mean"].values.ravel(), means["genn"] - means["nest"])
    np.testing.assert_allclose(shown["error"].values.ravel(), np.sqrt(variances.sum(axis=1) / 5))
    assert difference["beyond"].all()
    assert not difference_grid(_table(tmp_path / "b", 1, 2.0), "rate_E", "nest", "genn")["beyond"].any()


def test_difference_keeps_the_state_of_either(tmp_path: Path) -> None:
    table = _table(tmp_path, 2, 0.0)
    cell = (table["I_th_E"] == 1.0) & (table["I_th_I"] == 0.7) & (table["simulator"] == "genn")
    table.loc[cell, "status"] = "diverged"
    difference = difference_grid(table, "rate_E", "nest", "genn")
    cell_of = difference.sel(I_th_E=1.0, I_th_I=0.7)
    assert cell_of["state"] == analysis.grids.State.DIVERGED
    assert np.isnan(cell_of["mean"])


def test_kl_of_two_normal_samples_is_near_the_true_one() -> None:
    random = np.random.default_rng(1)
    sample: Callable[[float], Any] = lambda mean: random.normal(mean, 1.0, 50_000)  # noqa: E731
    assert kl_divergence(sample(1.0), sample(0.0)) == pytest.approx(0.5, abs=0.03)
    assert kl_divergence(sample(0.0), sample(0.0)) < 0.005
    assert np.isfinite(kl_divergence(np.zeros(10), np.ones(10)))
    assert np.isnan(kl_divergence(np.zeros(0), np.ones(10)))
