"""The explorer in a real browser: what follows a moved target is what Python computes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_runs import BACKGROUND, axis, behave, write_run
from chromium import Page, open_browser

import analysis
from analysis.deciding import best_points, feasibility_grid
from analysis.page import Explorer, explorer_data
from analysis.plots.parts.cells import MOST_PIECES, pieces

BOTH = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}, "cv_isi_E": {"value": 1.0, "tolerance": 0.2, "weight": 0.5}}
THREE = (*BACKGROUND, axis("g", [4.0, 5.0, 7.0], doc="relative inhibition"))
READY = "window.gridsearchExplorer"
ANSWER = """
const { decided, data } = window.gridsearchExplorer, text = (x) => (Number.isFinite(x) ? x : String(x));
const told = (one, keys) => ({
  cell: data.cells.map((cell) => cell[one.point]), ...Object.fromEntries(keys.map((key) => [key, text(one[key])])) });
return decided.simulators.map(({ name, points, best }) => ({ name,
  points: points.map((one) => told(one, ["p", "low", "high"])),
  best: best.map((one) => told(one, ["low", "margin", "loss", "neighbours"])) }));
"""
OUTSIDE = """
const width = document.documentElement.clientWidth, all = document.querySelectorAll(
  ".explorer button, .explorer input, .explorer select, .explorer p, .explorer pre, .explorer .main-svg");
return { width, reach: document.documentElement.scrollWidth, plots: document.querySelectorAll(".main-svg").length,
  outside: [...all].filter((one) => !one.closest(".scroll") && one.getBoundingClientRect().right > width + 1).length };
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """The browser, which must have had nothing to complain of."""
    browser.resize(1280)
    browser.console.clear()
    yield browser
    browser.settle()
    assert browser.console == []


def show(page: Page, explorer: Explorer, folder: Path, link: str = "") -> None:
    page.open(explorer.save(folder / "explorer.html").as_uri() + link, READY)
    page.settle(0.2)


def choose(page: Page, field: str, value: str) -> None:
    page.run(
        f"const field = document.getElementById('explorer-{field}'); field.value = '{value}';"
        "field.dispatchEvent(new Event('change', { bubbles: true }));"
    )
    page.settle()


def bound(column: str, key: str) -> str:
    return f'input[data-target="{column}"][data-bound="{key}"]'


def with_gaps(p: Mapping[str, Any], seed: int, name: str) -> dict[str, Any] | None:
    """Rates with failed, diverged, silent and missing rows among them."""
    turned = {**p, "I_th_E": p["I_th_E"] + 0.1 * (p.get("g", 5.0) - 5.0)}
    if p["I_th_E"] == 1.8 and p["I_th_I"] < 0.8:
        return None
    if p["I_th_E"] == 1.4 and seed == 2:
        return {"status": "failed", "error": "because"}
    if p["I_th_I"] == 1.3 and seed == 3:
        return {"status": "diverged", "rate_E": 180.0, "n_spikes": 9}
    return behave(turned, seed, name)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("explorer") / "demo"
    return analysis.open_run(
        write_run(folder, axes=THREE, simulators=BOTH, targets=TARGETS, behaviour=with_gaps, seeds=(1, 2, 3, 4)).root
    )


def agrees(told: list[dict[str, Any]], table: pd.DataFrame, targets: Mapping[str, Any], rel: float = 1e-12) -> int:
    """Hold what a page tells against what Python computes; return the number of feasible points."""
    feasible = 0
    for one in told:
        own = table[table["configuration"] == one["name"]]
        grid = feasibility_grid(own, targets)
        assert len(one["points"]) == grid["mean"].size
        for point in one["points"]:
            for ours, theirs in (("mean", "p"), ("low", "low"), ("high", "high")):
                expected = float(grid[ours].to_numpy()[tuple(point["cell"])])
                assert np.array_equal(float(point[theirs]), expected, equal_nan=True)
            feasible += float(point["p"]) >= 0.5
        best = best_points(own, None, targets)
        axes = table.attrs["run"]["axes"]
        places = [[item["values"].index(row[item["key"]]) for item in axes] for _, row in best.iterrows()]
        assert [point["cell"] for point in one["best"]] == places
        for ours, theirs in (("p_low", "low"), ("margin", "margin"), ("loss", "loss"), ("neighbours", "neighbours")):
            values = [float(point[theirs]) for point in one["best"]]
            assert values == pytest.approx(best[ours].tolist(), rel=rel, nan_ok=True)
    return feasible


def test_the_page_says_what_python_says_before_and_after_a_target_moves(
    table: pd.DataFrame, page: Page, tmp_path: Path
) -> None:
    show(page, analysis.explore(table), tmp_path)
    first = page.run(ANSWER)
    assert agrees(first, table, TARGETS) > 0
    page.type(bound("rate_E", "low"), "3.25")
    page.type(bound("rate_E", "high"), "7")
    moved = page.run(ANSWER)
    assert moved != first
    targets: dict[str, Any] = {**TARGETS, "rate_E": {"min": 3.25, "max": 7.0}}
    assert agrees(moved, table, targets) > 0
    field = bound("cv_isi_E", "tolerance")
    page.run(f"document.querySelector('{field}').parentNode.querySelector('[type=range]').focus()")
    page.press(*["ArrowLeft"] * 9)  # the slider
    tolerance = float(page.run(f"return document.querySelector('{field}').value"))
    assert 0.0 < tolerance < 0.2
    targets["cv_isi_E"] = {"value": 1.0, "tolerance": tolerance, "weight": 0.5}
    agrees(page.run(ANSWER), table, targets)
    page.type(bound("rate_E", "high"), "")
    agrees(page.run(ANSWER), table, {**targets, "rate_E": {"min": 3.25}})
    page.run("document.getElementById('explorer-reset').click()")
    page.settle()
    assert page.run(ANSWER) == first


PARALLEL = """const plot = document.querySelector("#explorer-parallel .explorer-plot");
    return [plot.data[0].y.length, plot.layout.annotations.map(({ text }) => text)];"""


def test_parallel_coordinates_keep_room_for_a_target(table: pd.DataFrame, page: Page, tmp_path: Path) -> None:
    show(page, analysis.explore(table), tmp_path)
    wide, ends = page.run(PARALLEL)
    assert wide > 0
    page.type(bound("rate_E", "low"), "3")
    page.type(bound("rate_E", "high"), "3.1")
    page.settle(0.5)  # these are drawn last
    drawn, ends = page.run(PARALLEL)
    assert drawn == wide  # points beyond the ends stand at the ends, which say so
    upper = next(number for number, text in enumerate(ends) if "rate_E" in text)
    assert ends[upper : upper + 2] == ["<b>rate_E</b><br>≥ 3.5", "≤ 2.6"]
    page.type(bound("rate_E", "high"), "1e6")
    page.type(bound("rate_E", "low"), "999999")  # where no point is: all of them are shown as they are
    page.settle(0.5)  # these are drawn last
    drawn, ends = page.run(PARALLEL)
    assert drawn == wide
    assert not any("≥" in text or "≤" in text for text in ends)


def test_targets_on_columns_of_seven_digits(
    table: pd.DataFrame, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer_data, "BUDGET", 8 * len(table) * 3)
    explorer = analysis.explore(table)
    assert '"float32"' in explorer.page
    show(page, explorer, tmp_path)
    value = float(table.loc[table["status"] == "ok", "rate_I"].iloc[7])  # one that is there: the bound must meet it
    page.run("""const choice = document.querySelector("#explorer-targets select"); choice.value = "rate_I";
        choice.nextElementSibling.click();""")
    page.type(bound("rate_I", "low"), repr(value))
    page.type(bound("rate_I", "high"), "12")
    assert agrees(page.run(ANSWER), table, {**TARGETS, "rate_I": (value, 12.0)}, rel=1e-5) > 0


def test_a_target_that_is_none_is_said_and_not_followed(table: pd.DataFrame, page: Page, tmp_path: Path) -> None:
    show(page, analysis.explore(table), tmp_path)
    before = page.run(ANSWER)
    page.type(bound("rate_E", "low"), "9")
    assert page.run("return document.getElementById('explorer-target-trouble').innerText") == (
        "rate_E: has its lower bound above its upper one."
    )
    assert page.run(f"return document.querySelector('{bound('rate_E', 'low')}').ariaInvalid") == "true"
    assert page.run(ANSWER) == before
    page.type(bound("rate_E", "low"), "1")
    assert agrees(page.run(ANSWER), table, {**TARGETS, "rate_E": (1, 5)}) > 0


def test_keys_move_over_the_map_and_choose(table: pd.DataFrame, page: Page, tmp_path: Path) -> None:
    show(page, analysis.explore(table), tmp_path)
    choose(page, "column", "rate")
    page.run("document.getElementById('explorer-y').focus()")
    page.press("Tab", "Tab", "ArrowRight")  # past the slider of g, to the map
    start = page.run("return gridsearchExplorer.cursor")
    page.press("ArrowLeft", "ArrowDown")
    cursor = page.run("return gridsearchExplorer.cursor")
    assert cursor == [start[0] - 1, start[1] - 1]
    said = page.run("return document.getElementById('explorer-cursor').textContent")
    assert "rate_E = " in said
    assert "seeds: " in said
    page.press("Enter")
    cell = page.run("return gridsearchExplorer.data.cells.map((cell) => cell[gridsearchExplorer.state.point])")
    assert cell[:2] == cursor
    values = [item["values"][at] for item, at in zip(THREE, cell, strict=True)]
    point = pd.Series(dict(zip([item["key"] for item in THREE], values, strict=True)))
    shown = page.run("return document.querySelector('#explorer-detail pre').textContent")
    assert shown == analysis.parameters_table(point, analysis.run_of(table))
    assert page.run("return document.querySelector('#explorer-detail tbody').children.length") == 2 * 4
    assert page.run("return document.activeElement.className").startswith("explorer-plot")
    page.press("Escape")
    assert page.run("return gridsearchExplorer.state.point") is None
    page.run("document.getElementById('explorer-at-g').focus()")
    held = page.run("return gridsearchExplorer.held[2]")
    page.press("ArrowLeft" if held else "ArrowRight")
    assert page.run("return gridsearchExplorer.held[2]") == (held - 1 if held else 1)
    assert page.run("return document.activeElement.id") == "explorer-at-g"


def test_the_mouse_shows_and_chooses_a_cell(table: pd.DataFrame, page: Page, tmp_path: Path) -> None:
    show(page, analysis.explore(table), tmp_path)
    choose(page, "column", "rate")
    left, top, width, height = page.run("""const box = document.querySelector(".explorer-plot .nsewdrag");
        const { left, top, width, height } = box.getBoundingClientRect(); return [left, top, width, height];""")
    x, y = left + width * 2.5 / 5, top + height * 2.5 / 4  # third column, second row from below
    page.move(x - 30, y)
    page.move(x, y, click=True)
    tip = page.run("return document.getElementById('explorer-tip').textContent")
    assert "I_th_E = 1.4" in tip
    assert "I_th_I = 0.9" in tip
    assert "failed" in tip  # its second seed
    cell = page.run("return gridsearchExplorer.data.cells.map((cell) => cell[gridsearchExplorer.state.point])")
    assert cell[:2] == [2, 1]


def test_a_link_keeps_what_is_shown(table: pd.DataFrame, page: Page, tmp_path: Path) -> None:
    explorer = analysis.explore(table)
    show(page, explorer, tmp_path)
    choose(page, "column", "cv_isi")
    choose(page, "population", "cv_isi_I")
    choose(page, "simulator", "genn")
    choose(page, "x", "g")
    page.type(bound("rate_E", "low"), "1e-3")
    page.run("document.querySelector('#explorer-best button').click()")
    page.settle()
    seen = "return [location.hash, gridsearchExplorer.state, gridsearchExplorer.held]"
    before, told = page.run(seen), page.run(ANSWER)
    assert before[1]["x"] == "g"
    assert before[1]["column"] == "cv_isi_I"
    assert before[1]["targets"][0]["low"] == 1e-3
    show(page, explorer, tmp_path, before[0])
    assert page.run(seen) == before
    assert page.run(ANSWER) == told
    show(page, explorer, tmp_path, "#explorer?column=no&x=no&point=99999&at.g=77&targets=1&target.rate_E=9~1")
    state = page.run("return gridsearchExplorer.state")
    assert (state["column"], state["x"], state["point"], state["targets"]) == ("rate_E", "I_th_E", None, [])


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("n_axes", [1, 2, 3, 4])
def test_nothing_sticks_out(n_axes: int, width: int, page: Page, tmp_path: Path) -> None:
    def law(p: Mapping[str, Any], seed: int, name: str) -> dict[str, Any]:
        return behave({"I_th_I": 0.9, **p}, seed, name)

    axes = (*THREE, axis("rule", ["all", "some"]))[:n_axes]
    run = write_run(tmp_path / "run", axes=axes, simulators=BOTH, targets=TARGETS, behaviour=law)
    page.resize(width)
    for link in ("", "#explorer?column=rate_E&point=3"):
        show(page, analysis.explore(run.root), tmp_path, link)
        seen = page.run(OUTSIDE)
        assert width - 20 < seen["width"] <= width  # a bar to scroll with may take some
        assert seen["reach"] <= seen["width"]
        assert seen["outside"] == 0
        assert seen["plots"] >= 2


def test_an_outline_in_too_many_pieces_is_left_out_as_on_the_figures(page: Page, tmp_path: Path) -> None:
    values = np.linspace(0.0, 1.0, 14).round(3).tolist()

    def scattered(p: Mapping[str, Any], seed: int, name: str) -> dict[str, Any]:
        place = [values.index(p[key]) for key in ("x", "y")]
        likely = 0.97 if name == "nest" else 0.8
        inside = np.random.default_rng([seed, *place]).random() < likely
        return {"status": "ok", "rate_E": 3.0 if inside else 9.0, "rate_I": 1.0, "n_spikes": 1}

    axes = (axis("x", values), axis("y", values))
    run = write_run(tmp_path / "run", axes=axes, simulators=BOTH, behaviour=scattered, statistics=("rate",))
    table = analysis.open_run(run.root)
    show(page, analysis.explore(table, targets={"rate_E": (2, 5)}), tmp_path)
    told = page.run("return gridsearchExplorer.pieces")
    for name, number in zip(("nest", "genn"), told, strict=True):
        grid = feasibility_grid(table[table["configuration"] == name], {"rate_E": (2, 5)})
        assert number == pieces((grid["mean"] >= 0.9).to_numpy()), name
    assert told[0] > 2
    assert told[1] > MOST_PIECES
    assert "P ≥ 0.9 is in too many pieces to outline" in page.run(
        "return document.getElementById('explorer-legend').innerText"
    )


def test_ticks_are_round_numbers_where_values_are_even(page: Page, tmp_path: Path) -> None:
    def law(p: Mapping[str, Any], seed: int, name: str) -> dict[str, Any]:
        return {"status": "ok", "rate_E": p["x"] + 3, "rate_I": 1.0, "n_spikes": 1}

    x, y = np.linspace(-1.0, 1.0, 40), 2.0 ** np.arange(12)
    axes = (axis("x", x.round(6).tolist()), axis("y", y.tolist(), log=True))
    run = write_run(tmp_path / "run", axes=axes, behaviour=law, statistics=("rate",), seeds=(1,))
    show(page, analysis.explore(run.root), tmp_path)
    across, up = page.run("""return ["x", "y"].map((one) => [...document.querySelectorAll(`.${one}tick text`)].map(
        (text) => text.textContent));""")
    numbers = [float(text.replace("−", "-")) for text in across]
    assert len(numbers) >= 4
    assert np.ptp(np.diff(numbers)) < 1e-9
    assert all(abs(number / 0.25 - round(number / 0.25)) < 1e-9 for number in numbers), numbers
    assert {float(text.replace(",", "")) for text in up} <= set(y)
    assert len(up) >= 4


def test_a_run_without_targets_takes_some(page: Page, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    table = analysis.open_run(run.root)
    show(page, analysis.explore(table), tmp_path)
    assert page.run("return gridsearchExplorer.decided") is None
    page.run("document.querySelector('#explorer-targets select').nextElementSibling.click()")
    page.settle()
    (target,) = page.run("return gridsearchExplorer.state.targets")
    assert agrees(page.run(ANSWER), table, {target["column"]: (target["low"], target["high"])}) > 0


def test_the_report_has_it_and_is_a_page_without_scripts_too(page: Page, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", simulators=BOTH, targets=TARGETS)
    report = analysis.write_report(run.root)
    page.open(report.as_uri(), READY)
    page.settle(0.2)
    both = page.run("return ['#verdict p', '#explorer-verdict'].map((one) => document.querySelector(one).innerText)")
    assert "of 40 finished points" in both[0]  # silent ones too
    assert both[1].count("of 20 finished points") == 2
    assert agrees(page.run(ANSWER), analysis.open_run(run.root), TARGETS) > 0
    assert page.run("return document.querySelectorAll('.explorer .main-svg').length") > 0
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.send("Page.navigate", url=report.as_uri())
        time.sleep(2.0)
        script = """[document.images.length, document.querySelectorAll(".main-svg").length,
            document.querySelector("noscript").innerText, document.getElementById("explorer-root").checkVisibility()]"""
        told = page.send("Runtime.evaluate", expression=script, returnByValue=True)["result"]["value"]
        assert told[0] == report.read_text(encoding="utf-8").count("<img ") > 0
        assert told[1] == 0
        assert "The explorer needs JavaScript" in told[2]
        assert not told[3]
    finally:
        page.send("Emulation.setScriptExecutionDisabled", value=False)
        page.open("data:text/html,done")


def test_a_notebook_shows_it_in_a_frame(table: pd.DataFrame, page: Page, tmp_path: Path) -> None:
    explorer = analysis.explore(table, targets={"rate_E": (3, 6)}, statistics=["rate_E"])
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><title></title>{explorer._repr_html_()}", encoding="utf-8")
    page.open(path.as_uri(), "frames[0] && frames[0].gridsearchExplorer")
    page.settle(0.2)
    told = page.run(ANSWER.replace("window.", "frames[0]."))
    assert agrees(told, table, {"rate_E": (3, 6)}) > 0


def test_a_page_cannot_hold_everything(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer_data, "BUDGET", 8 * len(table) * 2 + 4 * len(table))
    assert "without rate_I" not in analysis.explore(table).page
    assert "is without cv_isi_I;" in analysis.explore(table).page
    monkeypatch.setattr(explorer_data, "BUDGET", 100)
    with pytest.raises(analysis.RunError, match=r"480 results are more than a page can hold; analysis\.explore takes"):
        analysis.explore(table)
    assert len(explorer_data.explorer_data(table, statistics=["rate_E"]).header["columns"]) == 2


def test_what_cannot_be_explored_says_why(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", axes=(axis("I_th_E", [1.4]), axis("I_th_I", [0.9])))
    with pytest.raises(analysis.RunError, match="nothing was swept"):
        analysis.explore(run.root)
    swept = write_run(tmp_path / "swept")
    with pytest.raises(analysis.RunError, match=r"no column 'rate_e'.*rate_E"):
        analysis.explore(swept.root, statistics=["rate_e"])
    assert "</script>" not in analysis.explore(swept.root).page.split('id="explorer-header">')[1].split("\n")[0][:-9]
