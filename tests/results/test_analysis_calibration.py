from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_runs import axis, behave, write_run
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis.deciding import (
    best_points,
    feasibility_grid,
    losses,
    sensitivities,
    target_failures,
    targets_met,
)
from analysis.deciding.feasibility import wilson_interval

TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}, "cv_isi_E": {"value": 1.0, "tolerance": 0.2, "weight": 0.5}}
LINE = (axis("x", [1.0, 2.0, 3.0, 4.0]),)


def _open(
    path: Path, rates: dict[float, Any], targets: dict[str, Any] = TARGETS, seeds: tuple[int, ...] = (1, 2)
) -> Any:
    def values(p: dict[str, float], seed: int, name: str) -> dict[str, Any] | None:
        given = rates[p["x"]]
        if given is None or isinstance(given, str):
            return None if given is None else {"status": given, "error": "because"}
        rate, cv = given[seed - 1] if isinstance(given, list) else given
        return {"status": "ok", "rate_E": rate, "cv_isi_E": cv, "n_spikes": 1}

    return analysis.open_run(write_run(path / "demo", axes=LINE, seeds=(1, 2), targets=targets, behaviour=values).root)


def test_verdicts(tmp_path: Path) -> None:
    table = _open(tmp_path, {1.0: (3.0, 1.0), 2.0: (5.1, 1.0), 3.0: (3.0, None), 4.0: "diverged"})
    met = targets_met(table).iloc[::2]
    assert met["rate_E"].tolist() == [1, 0, 1, 0]
    assert met["cv_isi_E"].tolist() == [1, 1, 0, 0]
    assert met["feasible"].tolist() == [1, 0, 0, 0]


def test_bounds_are_met_and_half_open_ranges_work(tmp_path: Path) -> None:
    table = _open(tmp_path, {1.0: (2.0, 0.8), 2.0: (5.0, 1.2), 3.0: (1.9, 1), 4.0: (100, 1)}, {"rate_E": {"min": 2.0}})
    assert targets_met(table)["feasible"].tolist() == [1, 1, 1, 1, 0, 0, 1, 1]


def test_failed_and_missing_points_are_unknown(tmp_path: Path) -> None:
    table = _open(tmp_path, {1.0: "failed", 2.0: "timeout", 3.0: None, 4.0: (3.0, 1.0)})
    assert targets_met(table)["feasible"].isna().tolist() == [True] * 6 + [False] * 2
    assert losses(table).isna().sum() == 6


def test_feasibility_is_not_the_mean_within_the_targets(tmp_path: Path) -> None:
    # one seed too quiet, one too loud: the mean rate of 3.5 Hz is a network that does not exist
    table = _open(tmp_path, {1.0: [(1.0, 1.0), (6.0, 1.0)], 2.0: [(3.0, 1.0), (6.0, 1.0)], 3.0: (3.0, 1.0), 4.0: None})
    grid = feasibility_grid(table)
    assert grid["mean"][:3].values.tolist() == [0.0, 0.5, 1.0]
    assert grid["state"][3] == analysis.grids.State.MISSING
    assert grid["low"][2] == pytest.approx(0.342, abs=1e-3)  # two of two seeds prove little


def test_loss_by_hand(tmp_path: Path) -> None:
    table = _open(tmp_path, {1.0: (3.0, 1.1), 2.0: (8.0, 1.0), 3.0: (3.0, None), 4.0: (0.5, 0.8)})
    loss = losses(table).iloc[::2].tolist()
    assert loss[0] == pytest.approx(0.5 * 0.25 / 1.5)
    assert loss[1] == pytest.approx(4.0 / 1.5)
    assert loss[2] == np.inf
    assert loss[3] == pytest.approx((1.0 + 0.5) / 1.5)


def test_best_points_rank_by_probability_then_loss(tmp_path: Path) -> None:
    table = _open(
        tmp_path, {1.0: [(3.0, 1.0), (6.0, 1.0)], 2.0: (3.0, 1.15), 3.0: [(3.0, 1.0), (3.2, 1.05)], 4.0: (9.0, 1.0)}
    )
    best = best_points(table)
    assert best["x"].tolist() == [3.0, 2.0, 1.0, 4.0]
    assert best["p_feasible"].tolist() == [1.0, 1.0, 0.5, 0.0]
    first = best.iloc[0]
    assert first["rate_E"] == pytest.approx(3.1)
    assert first["rate_E_sd"] == pytest.approx(np.std([3.0, 3.2], ddof=1))
    assert first["n_seeds"] == 2
    assert 0.3 < first["p_low"] < 0.4  # two of two seeds prove little
    assert first["p_high"] == 1.0
    assert len(best_points(table, 1)) == 1


def test_failures_add_up_and_name_the_obstacle(tmp_path: Path) -> None:
    table = _open(tmp_path, {1.0: (1.0, 1.0), 2.0: (9.0, 3.0), 3.0: (3.0, None), 4.0: "diverged"})
    failures = target_failures(table)
    fractions = ["met", "too_low", "too_high", "undefined", "diverged"]
    np.testing.assert_allclose(failures[fractions].sum(axis=1), 1.0)
    assert failures.loc["rate_E"].tolist() == [0.25, 0.25, 0.25, 0.0, 0.25, 0.25]
    assert failures.loc["cv_isi_E", "only_obstacle"] == 0.25


def test_run_without_targets_says_how_to_give_them(tmp_path: Path) -> None:
    table = _open(tmp_path, dict.fromkeys([1.0, 2.0, 3.0, 4.0], (1.0, 1.0)), targets={})
    for function in (targets_met, losses, best_points, target_failures, feasibility_grid):
        with pytest.raises(analysis.RunError, match=r"no targets; give them under \[targets\]"):
            function(table)


def test_sensitivities_of_a_sum(tmp_path: Path) -> None:
    axes = (axis("a", [0.0, 1.0, 2.0]), axis("b", [0.0, 1.0, 2.0]))

    def values(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        return {"status": "ok", "rate_E": 10 + 2 * p["a"] - p["b"], "rate_I": p["a"] + 3 * seed, "n_spikes": 1}

    table = analysis.open_run(write_run(tmp_path / "demo", axes=axes, seeds=(1, 2), behaviour=values).root)
    found = sensitivities(table, ["rate_E", "rate_I"]).set_index(["statistic", "axis"])
    assert found.loc[("rate_E", "a"), "share"] == pytest.approx(0.8)
    assert found.loc[("rate_E", "b"), "share"] == pytest.approx(0.2)
    assert found.loc[("rate_E", "a"), "slope"] == pytest.approx(2.0)
    assert found.loc[("rate_E", "b"), "slope"] == pytest.approx(-1.0)
    assert found.loc[("rate_E", "a"), "seeds"] == pytest.approx(0.0, abs=1e-12)
    within = 4.5 / (4.5 + 2 / 3)
    assert found.loc[("rate_I", "a"), "seeds"] == pytest.approx(within)


def test_each_simulator_has_its_best_points(tmp_path: Path) -> None:
    simulators = ({"simulator": "nest"}, {"simulator": "genn"})
    table = analysis.open_run(
        write_run(tmp_path / "demo", simulators=simulators, targets=TARGETS, behaviour=behave).root
    )
    best = best_points(table, 3)
    assert best["configuration"].value_counts().to_dict() == {"nest": 3, "genn": 3}
    assert isinstance(best, pd.DataFrame)


@given(st.integers(1, 200), st.data())
def test_wilson_interval_encloses_the_fraction(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    low, high = wilson_interval(np.array([hits / n]), np.array([n]))
    assert 0 <= low[0] <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high[0] <= 1
    assert high[0] - low[0] < 2 / np.sqrt(n) + 1e-9
