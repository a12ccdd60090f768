"""Best points of runs whose best point is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from truth_runs import open_truth

import analysis
from analysis.deciding import best_points, feasibility_grid, losses, target_failures, targets_met

RATE = {"rate_E": {"min": 2.0, "max": 5.0}}
LINE = {"x": [1.0, 2.0, 3.0, 4.0, 5.0]}


def test_one_good_seed_of_five_does_not_beat_five_of_five(tmp_path: Path) -> None:
    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        if p["x"] == 1.0:  # in the centre of the target, but four seeds have failed
            return {"rate_E": 3.5} if seed == 1 else "failed"
        return {"rate_E": 2.2 if p["x"] == 4.0 else 9.0}

    best = best_points(open_truth(tmp_path / "run", law, LINE, targets=RATE))
    assert best["x"].iloc[0] == 4.0
    assert best["n_seeds"].iloc[0] == 5
    assert best["x"].iloc[1] == 1.0


def test_among_equals_the_one_farthest_from_the_boundary_wins(tmp_path: Path) -> None:
    rates = {1.0: 2.1, 2.0: 2.6, 3.0: 3.5, 4.0: 4.4, 5.0: 4.9}
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": rates[p["x"]]}, LINE, targets=RATE)
    best = best_points(table)
    assert best["x"].tolist()[:3] == [3.0, 2.0, 4.0] or best["x"].tolist()[:3] == [3.0, 4.0, 2.0]
    assert best["margin"].iloc[0] == pytest.approx(1.0)  # the centre, in units of half the width
    assert best["margin"].iloc[-1] == pytest.approx(0.1 / 1.5)


def test_among_equals_the_one_with_good_neighbours_wins(tmp_path: Path) -> None:
    # the same rate at two places: alone in bad company, and within a region
    axes = {"x": list(range(8)), "y": list(range(8))}

    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        alone = (p["x"], p["y"]) == (0, 3)
        region = 4 <= p["x"] <= 6 and 4 <= p["y"] <= 6
        return {"rate_E": 3.0 if alone or region else 9.0}

    best = best_points(open_truth(tmp_path / "run", law, axes, targets=RATE))
    assert best.loc[0, ["x", "y"]].tolist() == [5, 5]
    assert best["neighbours"].iloc[0] > 0.5
    lone = best[(best["x"] == 0) & (best["y"] == 3)].iloc[0]
    assert lone["neighbours"] == 0.0


@pytest.mark.parametrize("targets", [RATE, {"rate_E": {"max": 20.0}, "cv_isi_E": {"min": 0.5}}])
def test_a_silent_run_has_no_best_point(tmp_path: Path, targets: dict[str, Any]) -> None:
    table = open_truth(
        tmp_path / "run",
        lambda *_: {"rate_E": 0.0, "rate_I": 0.0, "cv_isi_E": None, "n_spikes": 0},
        LINE,
        targets=targets,
    )
    assert best_points(table).empty
    page = analysis.write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "No point" in page
    assert "<pre>[parameters]" not in page


def test_targets_can_be_handed_over_and_be_on_any_column(tmp_path: Path) -> None:
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": p["x"], "t_build": 6 - p["x"]}, LINE)
    if_faster = {"rate_E": (2.5, 4.5), "t_build": {"max": 2.0}}
    assert best_points(table, targets=if_faster)["x"].iloc[0] == 4.0
    assert targets_met(table, targets=if_faster).columns.tolist() == ["rate_E", "t_build", "feasible"]
    assert feasibility_grid(table, targets=if_faster)["mean"].values.tolist() == [0, 0, 0, 1, 0]
    assert losses(table, targets=if_faster).iloc[15] == 0.0
    assert target_failures(table, targets=if_faster).loc["rate_E", "met"] == pytest.approx(0.4)
    asked = open_truth(tmp_path / "asked", lambda p, *_: {"rate_E": p["x"]}, LINE, targets=RATE)
    assert best_points(asked, targets={"rate_E": (0.5, 1.5)})["x"].iloc[0] == 1.0


def test_a_target_on_a_column_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": p["x"]}, LINE)
    with pytest.raises(analysis.RunError, match=r"no column 'rate_Ee'.*did you mean.*'rate_E'"):
        best_points(table, targets={"rate_Ee": (2.0, 4.0)})
    with pytest.raises(analysis.RunError, match=r"target 'rate_E'.*min 5.*max 2"):
        best_points(table, targets={"rate_E": (5.0, 2.0)})


def test_the_truly_best_point_is_found_in_noise(tmp_path: Path) -> None:
    # a bump of the rate: the target is met within a disc, most surely at its centre
    axes = {"x": list(range(9)), "y": list(range(9))}

    def law(p: Mapping[str, Any], seed: int, name: str, random: np.random.Generator) -> Any:
        distance = np.hypot(p["x"] - 6, p["y"] - 3)
        return {"rate_E": max(0.0, 3.5 + 0.9 * distance + 0.4 * random.standard_normal())}

    hits = 0
    for trial in range(20):
        best = best_points(open_truth(tmp_path / f"run{trial}", law, axes, targets=RATE, trial=trial)).iloc[0]
        hits += np.hypot(best["x"] - 6, best["y"] - 3) <= 1.0
    assert hits >= 18
