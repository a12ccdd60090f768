from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from analysis_runs import BACKGROUND, axis, behave, write_run
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

import analysis
from analysis.plots.figures import iterate_figures
from analysis.plots.style import COLOURS, PROBABILITY_MAP, STATES, STATISTIC_MAP, new_figure

TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}}


@pytest.fixture
def ax() -> Axes:
    return new_figure(5, 4).subplots()


@pytest.fixture(autouse=True)
def same_backend() -> Iterator[None]:
    before = mpl.get_backend(), dict(mpl.rcParams)
    yield
    assert mpl.get_backend() == before[0]
    assert {key: mpl.rcParams[key] for key in ("font.size", "axes.spines.top", "hatch.linewidth")} == {
        key: before[1][key] for key in ("font.size", "axes.spines.top", "hatch.linewidth")
    }


def _some_fail(p: dict[str, float], seed: int, name: str) -> dict[str, Any] | None:
    if p["I_th_E"] == 1.8:
        return None if p["I_th_I"] < 1 else {"status": "failed", "error": "NESTError: no"}
    if p["I_th_E"] == 1.6 and p["I_th_I"] < 0.8:
        return {"status": "diverged", "error": "E fires at 300 Hz"}
    if p["I_th_E"] == 1.4 and p["I_th_I"] == 0.9 and seed == 2:
        return {"status": "timeout", "error": "after 60 s"}
    values = behave(p, seed, name)
    return values | ({"cv_isi_E": None} if 0 < values["rate_E"] < 1.2 else {})


def _mesh(ax: Axes) -> Any:
    return next(artist for artist in (*ax.collections, *ax.images) if artist.colorbar is not None)


def _outlines(ax: Axes) -> dict[str, LineCollection]:
    """The outlines by their label; the black ground below each has none."""
    lines = {str(part.get_label()): part for part in ax.collections if isinstance(part, LineCollection)}
    return {label: part for label, part in lines.items() if not label.startswith("_")}


def test_map_has_axes_units_and_extent(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    table.attrs["units"]["I_th_I"] = "nA"
    assert analysis.draw_map(table, "rate_E", ax) is ax
    assert ax.get_xlabel().splitlines()[0] == "I_th_E"
    assert "rheobase" in ax.get_xlabel()
    assert ax.get_ylabel().splitlines()[0] == "I_th_I (nA)"
    np.testing.assert_allclose([*ax.get_xlim(), *ax.get_ylim()], [0.9, 1.9, 0.6, 1.4])
    mesh = _mesh(ax)
    assert mesh.colorbar.ax.get_ylabel() == "rate_E (Hz)"
    assert mesh.get_cmap().name == STATISTIC_MAP
    np.testing.assert_allclose(
        mesh.get_array()[~mesh.get_array().mask],
        table.groupby(["I_th_I", "I_th_E"])["rate_E"].mean().loc[lambda r: r > 0],
    )


def test_cells_without_a_value_are_hatched_and_explained(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", behaviour=_some_fail).root)
    analysis.draw_map(table, "cv_isi_E", ax)
    hatched = {str(artist.get_label()): artist for artist in ax.collections if isinstance(artist, PolyCollection)}
    expected = {look.label: look.hatch for look in STATES.values() if look.hatch}
    assert {label: artist.get_hatch() for label, artist in hatched.items()} == expected
    (failed,) = hatched["failed or timed out"].get_paths()[:1]
    np.testing.assert_allclose(failed.get_extents().extents, [1.7, 1.0, 1.9, 1.2])
    texts = {text.get_text() for legend in ax.figure.legends for text in legend.get_texts()}
    assert texts == {*expected, "not run yet", "some seeds lack a value"}
    shown = _mesh(ax).get_array()
    assert shown.mask.reshape(4, 5)[0, 3]  # diverged: no colour
    assert not shown.mask.reshape(4, 5)[1, 2]  # two of three seeds


def test_feasible_region_is_enclosed_along_cells(tmp_path: Path, ax: Axes) -> None:
    def step(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        inside = p["I_th_E"] == 1.4 or (p["I_th_E"] == 1.6 and seed < 3)
        return {"status": "ok", "rate_E": 3.0 if inside else 9.0, "n_spikes": 1}

    table = analysis.open_run(write_run(tmp_path / "demo", behaviour=step, targets=TARGETS).root)
    analysis.draw_map(table, "rate_E", ax)
    outlines = _outlines(ax)
    assert set(outlines) == {"all targets met, P ≥ 0.5", "all targets met, P ≥ 0.9"}
    strict = np.array(outlines["all targets met, P ≥ 0.9"].get_segments())
    np.testing.assert_allclose([strict[..., 0].min(), strict[..., 0].max()], [1.3, 1.5])
    loose = np.array(outlines["all targets met, P ≥ 0.5"].get_segments())
    np.testing.assert_allclose([loose[..., 0].min(), loose[..., 0].max()], [1.3, 1.7])
    assert len(strict) == 2 * (1 + 4)
    bounds = [line.get_ydata()[0] for line in _mesh(ax).colorbar.ax.lines]
    assert bounds == [2.0, 5.0]


def test_feasibility_with_one_seed_says_so(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", seeds=(1,), targets=TARGETS).root)
    analysis.plots.draw_feasibility(table, ax)
    assert "1 seed, so P is 0 or 1" in ax.get_title()
    mesh = _mesh(ax)
    assert set(mesh.get_array().compressed()) == {0.0, 1.0}
    assert mesh.get_clim() == (0.0, 1.0)
    assert mesh.get_cmap().name == PROBABILITY_MAP
    assert set(_outlines(ax)) == {"all targets met"}


def test_one_axis_is_a_curve_with_seeds_and_target(tmp_path: Path, ax: Axes) -> None:
    axes = (BACKGROUND[0], axis("I_th_I", [0.9]))
    table = analysis.open_run(write_run(tmp_path / "demo", axes=axes, behaviour=_some_fail, targets=TARGETS).root)
    analysis.draw_map(table, "rate_E", ax)
    line = next(line for line in ax.lines if line.get_label() == "mean over seeds")
    means = table[table["status"] == "ok"].groupby("I_th_E")["rate_E"].mean()
    np.testing.assert_allclose(line.get_ydata()[:4], means)
    assert np.isnan(line.get_ydata()[4])
    assert ax.get_ylabel() == "rate_E (Hz)"
    spans = {str(patch.get_label()): patch for patch in ax.patches}
    np.testing.assert_allclose(spans["target"].get_extents().transformed(ax.transData.inverted()).y0, 2.0)
    assert "not run yet" in spans
    assert any(collection.get_label() == "spread" for collection in ax.collections)


def test_feasibility_along_one_axis_has_an_interval_of_a_fraction(tmp_path: Path, ax: Axes) -> None:
    axes = (BACKGROUND[0], axis("I_th_I", [0.9]))
    table = analysis.open_run(write_run(tmp_path / "demo", axes=axes, targets=TARGETS).root)
    analysis.plots.draw_feasibility(table, ax)
    line = next(line for line in ax.lines if line.get_label() == "mean over seeds")
    assert set(line.get_ydata()) == {0.0, 1.0}
    band = next(part for part in ax.collections if part.get_label() == "spread").get_paths()[0].vertices
    at_full = band[np.isclose(band[:, 0], line.get_xdata()[list(line.get_ydata()).index(1.0)]), 1]
    assert at_full.min() == pytest.approx(0.4385, abs=1e-3)  # three of three seeds, Wilson
    assert at_full.max() == 1.0
    assert {line.get_ydata()[0] for line in ax.lines if len(line.get_ydata()) == 2} == {0.5, 0.9}


def test_names_are_ticks_and_logarithmic_axes_are_logarithmic(tmp_path: Path, ax: Axes) -> None:
    axes = [
        axis("rule", ["bernoulli", "fixed"]),
        {**axis("tau", [1.0, 10.0, 100.0], unit="ms", doc="time constant"), "log": True},
    ]
    run = write_run(tmp_path / "demo", axes=axes, behaviour=lambda p, s, n: {"status": "ok", "rate_E": p["tau"]})
    analysis.draw_map(analysis.open_run(run.root), "rate_E", ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["bernoulli", "fixed"]
    assert ax.get_yscale() == "log"
    np.testing.assert_allclose(ax.get_ylim(), [10**-0.5, 10**2.5])
    assert ax.get_ylabel().splitlines() == ["tau (ms)", "time constant"]


def test_a_few_extreme_cells_do_not_set_the_scale(tmp_path: Path, ax: Axes) -> None:
    axes = (axis("I_th_E", list(range(20))), axis("I_th_I", list(range(10))))

    def one_bursts(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        return {
            "status": "ok",
            "n_spikes": 1,
            "rate_E": 200.0 if p == {"I_th_E": 3, "I_th_I": 4} else 1 + p["I_th_E"] / 10,
        }

    table = analysis.open_run(write_run(tmp_path / "demo", axes=axes, seeds=(1,), behaviour=one_bursts).root)
    analysis.draw_map(table, "rate_E", ax)
    assert _mesh(ax).get_clim()[1] < 3
    assert _mesh(ax).colorbar.extend == "max"


def test_phases_are_stacked_to_the_total(tmp_path: Path, ax: Axes) -> None:
    run = write_run(tmp_path / "demo", simulators=({"simulator": "nest"}, {"simulator": "genn"}))
    table = analysis.open_run(run.root)
    analysis.plots.draw_phases(table, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["nest", "genn"]
    ends = max(bar.get_x() + bar.get_width() for bar in ax.patches)
    assert ends == pytest.approx(2.0 + 0.5 + 6 * 0.01)
    assert ax.get_xlabel() == "wall time per point (s)"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "simulate (78 %, 78 %)" in labels


def test_realtime_factors_reach_all_points(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    table["realtime_factor"] = np.linspace(0.5, 1.5, len(table))
    analysis.plots.draw_realtime_factors(table, ax)
    curve = ax.lines[0]
    assert curve.get_color() == COLOURS[0]
    assert curve.get_ydata()[-1] == 1.0
    below = curve.get_ydata()[np.searchsorted(curve.get_xdata(), 1.0) - 1]
    assert below == pytest.approx(0.5)
    assert "median 1" in ax.get_legend().get_texts()[0].get_text()


def test_figures_of_a_run(tmp_path: Path) -> None:
    simulators = ({"simulator": "nest"}, {"simulator": "genn"})
    run = write_run(tmp_path / "demo", simulators=simulators, behaviour=_some_fail, targets=TARGETS)
    files = analysis.draw_figures(run.root)
    names = {"map_rate", "map_cv_isi", "feasible_region", "timing"}
    assert {file.name for file in files} == {f"{name}.{suffix}" for name in names for suffix in ("png", "pdf")}
    assert {file.name for file in run.figures.iterdir()} == {file.name for file in files}
    assert all(file.read_bytes()[:4] in (b"\x89PNG", b"%PDF") for file in files)


def test_panels_are_populations_by_simulators_on_one_scale(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", simulators=({"simulator": "nest"}, {"simulator": "genn"}))
    figures = dict(iterate_figures(analysis.open_run(run.root)))
    panels = [panel for panel in figures["map_rate"].axes if panel.get_title()]
    assert [panel.get_title().splitlines()[0] for panel in panels] == ["nest", "nest", "genn", "genn"]
    assert [_mesh(panel).get_label() for panel in panels] == ["rate_E", "rate_I"] * 2
    assert _mesh(panels[0]).get_clim() == _mesh(panels[2]).get_clim()
    assert "feasible_region" not in figures


def test_third_axis_becomes_slices(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", axes=(*BACKGROUND, axis("jep", [1.0, 2.0, 3.0])), seeds=(1,))
    figure = dict(iterate_figures(analysis.open_run(run.root)))["map_rate"]
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert [title.splitlines()[-1] for title in titles[::2]] == ["jep = 1", "jep = 2", "jep = 3"]


def test_figures_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", behaviour=lambda p, s, n: None, targets=TARGETS)
    files = analysis.draw_figures(run.root)
    assert len(files) == 8
    figure = dict(iterate_figures(analysis.open_run(run.root)))["map_rate"]
    assert "0 % of the points have run" in figure.get_suptitle()
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"not run yet"}


def test_many_cells_are_one_image(ax: Axes, tmp_path: Path) -> None:
    # 250,000 cells as an image, not as so many polygons
    from analysis.grids.grid import Dimension, Grid
    from analysis.opening.run import Axis
    from analysis.plots.cells import draw_grid

    values = tuple(float(value) for value in range(500))
    dimensions = [Dimension((Axis(key, "1", "", values),), values) for key in "xy"]
    ones, counts = np.ones((500, 500)), np.ones((500, 500), np.int64)
    x, y = dimensions
    grid = Grid("rate_E", y, x, ones, ones, counts, counts, np.zeros((500, 500), np.int8), {}, ())
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    draw_grid(table, grid, ax, STATISTIC_MAP, (0, 1), "rate_E")
    assert len(ax.images) == 1
    assert not ax.collections
