import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from analysis_runs import BACKGROUND, axis, behave, write_run
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

import analysis
from analysis.plots import figures as figures_module
from analysis.plots.figures import iterate_figures
from analysis.plots.parts.cells import pieces
from analysis.plots.parts.colours import TargetNorm
from analysis.plots.parts.style import COLOURS, STATES, in_style, new_figure

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


def _bar(ax: Axes) -> Axes:
    """The colour bar of a map."""
    return next(other for other in ax.figure.axes if other.get_label() == "<colorbar>")


def _cells(ax: Axes, shape: tuple[int, int]) -> Any:
    """Colours of the cells of a map, taken from a corner of each: patterns and marks are elsewhere."""
    picture = ax.images[0].get_array()
    tall, wide = picture.shape[0] // shape[0], picture.shape[1] // shape[1]
    return picture[3::tall, 3::wide] / 255, picture.reshape(shape[0], tall, shape[1], wide, 4).swapaxes(1, 2)


def _outlines(ax: Axes) -> dict[str, Line2D]:
    """The outlines by their label; the black ground below each has none."""
    lines = {str(part.get_label()): part for part in ax.lines}
    return {label: part for label, part in lines.items() if label.startswith("all targets")}


def test_map_has_axes_units_and_extent(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    table.attrs["units"]["I_th_I"] = "nA"
    assert analysis.draw_map(table, "rate_E", ax) is ax
    assert ax.get_xlabel().splitlines()[0] == "I_th_E"
    assert "rheobase" in ax.get_xlabel()
    assert ax.get_ylabel().splitlines()[0] == "I_th_I (nA)"
    np.testing.assert_allclose([*ax.get_xlim(), *ax.get_ylim()], [0.9, 1.9, 0.6, 1.4])
    assert _bar(ax).get_ylabel() == "rate_E (Hz)"
    colours, _ = _cells(ax, (4, 5))
    means = table.groupby(["I_th_I", "I_th_E"])["rate_E"].mean().unstack().to_numpy()
    fired = means > 0
    expected = mpl.colormaps["viridis"](means / means.max())
    np.testing.assert_allclose(colours[fired], expected[fired], atol=0.01)
    np.testing.assert_allclose(ax.images[0].get_extent(), [0.9, 1.9, 0.6, 1.4])


def test_cells_without_a_value_are_patterned_and_explained(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", behaviour=_some_fail).root)
    analysis.draw_map(table, "cv_isi_E", ax)
    texts = {text.get_text() for legend in ax.figure.legends for text in legend.get_texts()}
    assert texts == {*(look.label for look in STATES.values()), "some seeds lack a value"}
    _, pixels = _cells(ax, (4, 5))
    state = analysis.grids.State
    for cell, code in {
        (0, 3): state.DIVERGED,
        (2, 4): state.FAILED,
        (0, 4): state.MISSING,
        (3, 0): state.SILENT,
    }.items():
        look = STATES[code]
        seen = {tuple(colour) for colour in pixels[cell].reshape(-1, 4) / 255}
        assert {tuple(np.round(colour, 3)) for colour in seen} == {
            tuple(np.round(to_rgba(colour), 3)) for colour in ({look.face, look.ink} if look.hatch else {look.face})
        }
    two_of_three = pixels[1, 2].reshape(-1, 4)
    assert (two_of_three == 255).all(axis=1).any()  # the dot of a mean that lacks a seed
    assert not (pixels[1, 3].reshape(-1, 4) == 255).all(axis=1).any()


def test_feasible_region_is_enclosed_along_cells(tmp_path: Path, ax: Axes) -> None:
    def step(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        inside = p["I_th_E"] == 1.4 or (p["I_th_E"] == 1.6 and seed < 3)
        return {"status": "ok", "rate_E": 3.0 if inside else 9.0, "n_spikes": 1}

    table = analysis.open_run(write_run(tmp_path / "demo", behaviour=step, targets=TARGETS).root)
    analysis.draw_map(table, "rate_E", ax)
    outlines = _outlines(ax)
    assert set(outlines) == {"all targets met, P ≥ 0.5", "all targets met, P ≥ 0.9"}
    strict = outlines["all targets met, P ≥ 0.9"].get_xdata()
    np.testing.assert_allclose([np.nanmin(strict), np.nanmax(strict)], [1.3, 1.5])
    loose = outlines["all targets met, P ≥ 0.5"].get_xdata()
    np.testing.assert_allclose([np.nanmin(loose), np.nanmax(loose)], [1.3, 1.7])
    assert np.isnan(strict).sum() == 2 * (1 + 4)
    assert [line.get_ydata()[0] for line in _bar(ax).lines] == [2.0, 5.0]
    (star,) = (line for line in ax.lines if line.get_label() == "best point")
    assert star.get_xdata()[0] == 1.4


def test_colours_diverge_about_a_target() -> None:
    norm = TargetNorm(0.0, 20.0, 2.0, 5.0)
    assert norm(np.array([0.0, 3.5, 20.0])).tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert 0.4 < norm(np.array([2.0]))[0] < 0.5 < norm(np.array([5.0]))[0] < 0.6
    values = np.linspace(0, 20, 50)
    np.testing.assert_allclose(norm.inverse(norm(values)), values)
    assert TargetNorm(0.0, 20.0, 2.0, np.inf)(np.array([2.0]))[0] == 0.5


def test_feasibility_with_one_seed_says_so(tmp_path: Path, ax: Axes) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", seeds=(1,), targets=TARGETS).root)
    analysis.draw_map(table, "feasible", ax)
    assert "1 seed, so P is 0 or 1" in ax.get_title()
    assert _bar(ax).get_ylim() == (0.0, 1.0)
    colours, _ = _cells(ax, (4, 5))
    ends = mpl.colormaps["cividis"](np.array([0.0, 1.0]))
    apart = np.abs(colours.reshape(-1, 1, 4) - ends).max(axis=2)
    assert (apart.min(axis=1) < 0.01).all()
    assert set(apart.argmin(axis=1)) == {0, 1}
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
    analysis.draw_map(table, "feasible", ax)
    line = next(line for line in ax.lines if line.get_label() == "mean over seeds")
    assert set(line.get_ydata()) == {0.0, 1.0}
    band = next(part for part in ax.collections if part.get_label() == "spread").get_paths()[0].vertices
    at_full = band[np.isclose(band[:, 0], line.get_xdata()[list(line.get_ydata()).index(1.0)]), 1]
    assert at_full.min() == pytest.approx(0.4385, abs=1e-3)  # three of three seeds, Wilson
    assert at_full.max() == 1.0
    assert {line.get_ydata()[0] for line in ax.lines if len(line.get_ydata()) == 2} == {0.5, 0.9}


def test_names_and_uneven_values_stand_one_by_one(tmp_path: Path, ax: Axes) -> None:
    axes = [
        axis("rule", ["bernoulli", "fixed"]),
        {**axis("tau", [1.0, 10.0, 100.0], unit="ms", doc="time constant"), "log": True},
    ]
    run = write_run(tmp_path / "demo", axes=axes, behaviour=lambda p, s, n: {"status": "ok", "rate_E": p["tau"]})
    analysis.draw_map(analysis.open_run(run.root), "rate_E", ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["bernoulli", "fixed"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "10", "100"]
    np.testing.assert_allclose(ax.get_ylim(), [-0.5, 2.5])  # cells of one size
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
    assert _bar(ax).get_ylim()[1] < 3
    assert len(_bar(ax).patches) or _bar(ax).get_ylim()[1] < 3


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
    names = {"map_rate", "map_cv_isi", "feasible_region", "difference_genn", "timing"}
    assert {file.name for file in files} == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    assert {drawn.name for drawn in analysis.plots.drawn_figures(run.root)} == names
    assert all(file.read_bytes()[:4] == {".png": b"\x89PNG", ".svg": b"<?xm"}[file.suffix] for file in files)
    assert sum(file.stat().st_size for file in files if file.suffix == ".svg") < 2_000_000
    write_run(run.root, simulators=simulators[:1], behaviour=_some_fail)  # neither targets nor a second simulator
    analysis.draw_figures(run.root)
    assert {file.stem for file in run.figures.glob("*.svg")} == {"map_rate", "map_cv_isi", "timing"}


def test_pdfs_are_kept_on_request_and_never_older_than_the_rest(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", targets=TARGETS)
    drawn = {file.stem for file in analysis.draw_figures(run.root)}
    assert analysis.plots.figures_are_current(run.root)
    assert not analysis.plots.figures_are_current(run.root, pdf=True)
    for pdf in (True, None):  # what was asked for once goes on being drawn
        files = [file for file in analysis.draw_figures(run.root, pdf=pdf) if file.suffix == ".pdf"]
        assert {file.stem for file in files} == drawn
        assert all(file.read_bytes().startswith(b"%PDF") for file in files)
        assert analysis.plots.figures_are_current(run.root, pdf=True)
    analysis.draw_figures(run.root, pdf=False)
    assert not list(run.figures.glob("*.pdf"))


def test_a_figure_is_laid_out_as_drawing_it_would(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", targets=TARGETS).root)
    first, second = (list(itertools.islice(iterate_figures(table), 2)) for _ in range(2))
    for (drawn, figure), (_, again) in zip(first, second, strict=True):
        (file,) = figures_module._save(figure, tmp_path, drawn.name, ("png",))
        expected = tmp_path / "expected.png"
        with in_style():
            again.savefig(expected, dpi=160)
        assert np.array_equal(mpl.image.imread(file), mpl.image.imread(expected)), drawn.name


def test_equal_runs_make_equal_figures(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / folder / "demo", targets=TARGETS) for folder in "ab")
    for one, other in zip(analysis.draw_figures(first.root), analysis.draw_figures(second.root), strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_many_cells_are_one_small_picture(tmp_path: Path, ax: Axes) -> None:
    values = [float(value) for value in range(120)]
    run = write_run(tmp_path / "demo", axes=(axis("I_th_E", values), axis("I_th_I", values)), seeds=(1,))
    analysis.draw_map(analysis.open_run(run.root), "rate_E", ax)
    assert len(ax.images) == 1
    assert ax.images[0].get_array().shape[:2] == (480, 480)


def test_a_figure_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    figure = analysis.plots.draw_maps(analysis.open_run(write_run(tmp_path / "demo").root), "rate")
    assert figure._repr_png_()[:4] == b"\x89PNG"


def test_pieces_of_an_outline_are_counted() -> None:
    cells = np.zeros((6, 7), dtype=bool)
    assert pieces(cells) == 0
    cells[1:5, 1:6] = True
    assert pieces(cells) == 1
    cells[2, 2] = cells[3, 4] = False  # holes
    assert pieces(cells) == 3
    cells[0, 0] = True  # touches a corner only
    assert pieces(cells) == 4
    assert pieces(np.ones((3, 3), dtype=bool)) == 1


def test_an_outline_in_too_many_pieces_is_left_out_and_said(tmp_path: Path) -> None:
    values = np.linspace(0.0, 1.0, 12).round(3).tolist()

    def checkered(p: dict[str, float], seed: int, name: str) -> dict[str, Any]:
        lucky = (values.index(p["x"]) + values.index(p["y"])) % 2
        return {"status": "ok", "rate_E": 3.0 if lucky or seed < 3 else 9.0, "rate_I": 1.0, "n_spikes": 1}

    for n, said in ((12, True), (4, False)):
        axes = [axis("x", values[:n]), axis("y", values[:n])]
        run = write_run(tmp_path / f"grid{n}", axes=axes, targets=TARGETS, behaviour=checkered, statistics=("rate",))
        figure = analysis.plots.draw_maps(analysis.open_run(run.root), "rate_E")
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert ("P ≥ 0.9 is in too many pieces to outline" in labels) == said
        assert ("all targets met, P ≥ 0.9" in labels) != said
        assert "all targets met, P ≥ 0.5" in labels
