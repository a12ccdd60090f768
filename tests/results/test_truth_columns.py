"""A map is of the column that was asked for, of one simulator, or of none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from truth_runs import NEST_GENN, open_truth

import analysis
from analysis.agreement import compare
from analysis.grids import statistic_columns, statistic_grid
from simulators.statistics import columns

SQUARE = {"a": [0.0, 1.0, 2.0], "b": [0.0, 1.0]}
CLUSTERS = list(columns(["clusters"], ["E", "I"]))


def test_a_typo_in_a_column_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": p["a"]}, SQUARE)
    for wrong in (
        lambda: statistic_grid(table, "rate_e"),
        lambda: analysis.draw_map(table, "rate_e"),
        lambda: analysis.sensitivities(table, ["rate_e"]),
        lambda: compare(table, 1, 2, group_on="seed", statistics=["rate_e"]),
    ):
        with pytest.raises(analysis.RunError, match=r"no column 'rate_e'.*did you mean.*'rate_E'"):
            wrong()


def test_a_column_that_was_asked_for_but_never_written_is_missing(tmp_path: Path) -> None:
    table = open_truth(tmp_path / "run", lambda *_: None, SQUARE)
    assert (statistic_grid(table.drop(columns="rate_E", errors="ignore"), "rate_E")["state"] == 5).all()


def test_two_simulators_or_runs_in_one_map_are_an_error(tmp_path: Path) -> None:
    law = lambda p, s, name, r: {"rate_E": 1.0 if name == "nest" else 9.0}  # noqa: E731
    table = open_truth(tmp_path / "run", law, SQUARE, simulators=NEST_GENN)
    for wrong in (lambda: statistic_grid(table, "rate_E"), lambda: analysis.draw_map(table, "rate_E")):
        with pytest.raises(analysis.RunError, match=r"several simulators.*nest.*genn"):
            wrong()
    open_truth(tmp_path / "other", law, SQUARE)
    both = analysis.open_run([tmp_path / "run", tmp_path / "other"])
    with pytest.raises(analysis.RunError, match=r"several runs.*run.*other"):
        statistic_grid(both[both["configuration"] == "nest"], "rate_E")


def test_every_column_of_every_statistic_can_be_mapped(tmp_path: Path) -> None:
    assert len(CLUSTERS) > 20
    table = open_truth(
        tmp_path / "run",
        lambda p, *_: {name: number + p["a"] for number, name in enumerate(CLUSTERS)} | {"rate_E": 1.0},
        SQUARE,
        statistics=("rate", "clusters"),
    )
    assert {name for name in CLUSTERS if not name.startswith("n_")} <= set(statistic_columns(table))
    for number, name in enumerate(CLUSTERS):
        np.testing.assert_allclose(statistic_grid(table, name)["mean"].sel(a=2.0), number + 2)
    figures = {path.stem for path in analysis.draw_figures(tmp_path / "run")}
    shown = {name.removesuffix("_E") for name in CLUSTERS if name.endswith("_E") and not name.startswith("n_")}
    assert {f"map_{name}" for name in shown} <= figures


def test_a_fourth_axis_is_not_averaged_without_a_word(tmp_path: Path) -> None:
    axes = {"a": [0.0, 1.0], "b": [0.0, 1.0], "c": [0.0, 10.0], "d": [0.0, 100.0]}
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": sum(p.values())}, axes, seeds=1)
    grid = statistic_grid(table, "rate_E")
    assert dict(grid.sizes) == {"a": 2, "b": 2, "c": 2, "d": 2}
    assert float(grid["mean"].sel(a=1, b=0, c=10, d=100)) == 111
    with pytest.raises(analysis.RunError, match="'c', 'd' are neither shown nor held"):
        analysis.draw_map(table, "rate_E")
    averaged = statistic_grid(table, "rate_E", over=["d"])
    assert float(averaged["mean"].sel(a=1, b=0, c=10)) == 61


def test_what_a_run_is_survives_merge_concat_and_join(tmp_path: Path) -> None:
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": p["a"]}, SQUARE)
    more = pd.DataFrame({"point_id": table["point_id"], "extra": np.arange(len(table), dtype=float)})
    for changed in (
        table.merge(more, on="point_id"),
        table.join(more[["extra"]]),
        pd.concat([table, more[["extra"]]], axis=1),
        table.set_index("point_id").join(more.set_index("point_id")).reset_index(),
        table.assign(extra=1.0).query("a > 0").sort_values("rate_E"),
    ):
        assert analysis.run_of(changed).name == "run"
        assert changed.attrs["units"]["rate_E"] == "Hz"
        statistic_grid(changed, "extra")


def test_what_pandas_loses_is_said_with_the_remedy(tmp_path: Path) -> None:
    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": p["a"]}, SQUARE)
    plain = pd.DataFrame({"point_id": table["point_id"], "extra": np.arange(len(table), dtype=float)})
    lost = plain.merge(table, on="point_id")  # pandas asks the left table alone what it makes
    with pytest.raises(analysis.RunError, match=r"table\.merge\(other\), not other\.merge\(table\)"):
        analysis.run_of(lost)
    lost.attrs = table.attrs
    assert analysis.run_of(lost).name == "run"
    assert analysis.run_of(table.merge(plain, on="point_id", how="right")).name == "run"
    assert float(statistic_grid(lost, "extra")["mean"].max()) == 27.0  # of the last five seeds, 25 to 29


def test_a_grid_can_be_kept_as_a_file_and_cut(tmp_path: Path) -> None:
    import xarray as xr

    table = open_truth(tmp_path / "run", lambda p, *_: {"rate_E": 10 * p["a"] + p["b"]}, SQUARE)
    grid = statistic_grid(table, "rate_E")
    assert grid["mean"].attrs["units"] == "Hz"
    assert float(grid["mean"].sel(a=2.0, b=1.0)) == 21.0
    assert grid["state"].attrs["flag_meanings"].split()[:2] == ["value", "silent"]
    grid.to_netcdf(tmp_path / "grid.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "grid.nc", engine="scipy") as again:
        np.testing.assert_allclose(again["mean"], grid["mean"])
