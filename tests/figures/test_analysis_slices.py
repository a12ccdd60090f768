"""Maps of many axes, populations and simulators in one figure."""

from pathlib import Path
from typing import Any

import analysis_runs
import pytest
from analysis_runs import BACKGROUND, axis, write_run

import analysis
from analysis.plots.figures import iterate_figures

TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}}
BOTH = ("nest", "genn")


def _figures(path: Path, **more: Any) -> dict[str, Any]:
    table = analysis.open_run(write_run(path / "demo", **more).root)
    return {drawn.name: figure for drawn, figure in iterate_figures(table)}


def test_panels_are_populations_by_simulators_on_one_scale(tmp_path: Path) -> None:
    figures = _figures(tmp_path, simulators=({"simulator": "nest"}, {"simulator": "genn"}))
    panels = [panel for panel in figures["map_rate"].axes if panel.get_title()]
    assert [panel.get_title().splitlines()[0] for panel in panels] == ["nest", "genn"] * 2
    assert [panel.images[0].get_label() for panel in panels] == ["rate_E", "rate_E", "rate_I", "rate_I"]
    bars = [axes for axes in figures["map_rate"].axes if axes.get_label() == "<colorbar>"]
    assert [bar.get_ylabel() for bar in bars] == ["rate_E, rate_I (Hz)"]  # E and I share a unit, and so a scale
    assert "feasible_region" not in figures


def test_a_target_has_a_scale_of_its_own(tmp_path: Path) -> None:
    figures = _figures(tmp_path, targets=TARGETS)
    bars = [axes for axes in figures["map_rate"].axes if axes.get_label() == "<colorbar>"]
    assert {bar.get_ylabel() for bar in bars} == {"rate_E (Hz)", "rate_I (Hz)"}


def _slices(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_all_slices_of_a_third_axis_are_side_by_side(tmp_path: Path) -> None:
    values = [float(value) for value in range(1, 8)]
    figure = _figures(tmp_path, axes=(*BACKGROUND, axis("jep", values)), seeds=(1,))["map_rate"]
    assert _slices(figure) == [f"jep = {value:g}" for value in values]
    rows = [axes for axes in figure.axes if axes.images]
    assert [len(row.images) for row in rows] == [7, 7]
    assert [row.get_title(loc="left")[0] for row in rows] == ["E", "I"]
    assert len([axes for axes in figure.axes if axes.get_label() == "<colorbar>"]) == 1
    assert "shown" not in figure.get_suptitle()


def test_of_many_slices_a_stated_choice_with_the_best_point(tmp_path: Path) -> None:
    def one_is_good(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        good = (p["I_th_E"], p["I_th_I"], p["jep"]) == (1.4, 0.9, 14.0)
        return {"status": "ok", "n_spikes": 1, "rate_E": 3.0 if good else 9.0, "rate_I": 1.0}

    axes = (*BACKGROUND, axis("jep", [float(value) for value in range(1, 31)]))
    figure = _figures(tmp_path, axes=axes, seeds=(1,), behaviour=one_is_good, targets=TARGETS)["map_rate"]
    assert "shown: 9 of 30 values of jep" in figure.get_suptitle()
    assert "jep = 14" in _slices(figure)
    stars = [line for axes in figure.axes for line in axes.lines if line.get_label() == "best point"]
    assert len(stars) == 2  # E and I


def test_a_fourth_axis_becomes_rows(tmp_path: Path) -> None:
    def sum_of(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        return {"status": "ok", "n_spikes": 1, "rate_E": p["I_th_E"] + 100 * p["tau"], "rate_I": 1.0}

    axes = (*BACKGROUND, axis("jep", [1.0, 2.0]), axis("tau", [5.0, 10.0, 20.0]))
    figure = _figures(tmp_path, axes=axes, seeds=(1,), behaviour=sum_of)["map_rate"]
    rows = [one for one in figure.axes if one.images]
    titles = [row.get_title(loc="left") for row in rows]
    assert [title.split(" · ")[-1] for title in titles] == ["tau = 5", "tau = 10", "tau = 20"] * 2
    means = [row.images[0].get_array()[..., :3].mean() for row in rows[:3]]
    assert len(set(means)) == 3  # each row is of its own tau, none averaged


def test_of_four_axes_populations_stand_side_by_side(tmp_path: Path) -> None:
    axes = (*BACKGROUND, axis("jep", [1.0, 2.0]), axis("tau", [5.0, 10.0, 20.0]))
    figure = _figures(tmp_path, axes=axes, seeds=(1,))["map_rate"]
    rows = [one for one in figure.axes if one.images]
    width, height = rows[0].get_subplotspec().get_gridspec().ncols, rows[0].get_subplotspec().get_gridspec().nrows
    assert (width, height) == (2, 3)
    assert all(row.get_title(loc="left").startswith("E") for row in rows[:3])
    assert {row.get_subplotspec().colspan.start for row in rows[:3]} == {0}


def test_of_many_populations_maps_stand_in_several_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"P{number}" for number in range(7)]
    monkeypatch.setattr(analysis_runs, "POPULATIONS", names)
    run = write_run(
        tmp_path / "demo",
        simulators=({"simulator": "nest"}, {"simulator": "genn"}),
        behaviour=lambda *_: {"status": "ok", "n_spikes": 1, **{f"rate_{name}": 1.0 for name in names}},
        statistics=("rate",),
    )
    figure = analysis.plots.draw_maps(analysis.open_run(run.root), "rate")
    places = {}
    for panel in (axes for axes in figure.axes if axes.images):
        spec = panel.get_subplotspec()
        places[panel.get_title().split(":")[0]] = (spec.rowspan.start, spec.colspan.start)
    assert places == {f"{name}\nP{k}": (2 * (k // 4) + row, k % 4) for k in range(7) for row, name in enumerate(BOTH)}


def test_figures_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    figures = _figures(tmp_path, behaviour=lambda p, s, n: None, targets=TARGETS)
    assert set(figures) == {"map_rate", "map_cv_isi", "feasible_region", "timing"}
    assert "0 % of the points have run" in figures["map_rate"].get_suptitle()
    assert {text.get_text() for text in figures["map_rate"].legends[0].get_texts()} == {"not run yet"}
