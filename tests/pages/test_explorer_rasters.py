"""Rasters and copies of the explorer in a real browser, and how many rasters a page holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_runs import write_run
from chromium import Page, open_browser

import analysis
from analysis.opening import stored_points
from analysis.page import Explorer, rasters
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import write_spikes
from simulators.statistics.spike_trains import SpikeTrains

BOTH = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}}
SIZES = {"E": 400, "I": 60}
READY = "window.gridsearchExplorer"
INK = """
return [...document.querySelectorAll(".explorer-raster canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let blue = 0;
  for (let i = 0; i < data.length; i += 4) blue += data[i + 3] > 128 && data[i + 2] > 150 && data[i] < 60;
  return { key: canvas.key, blue, width: canvas.getBoundingClientRect().right };
});
"""
WORDS = """const all = document.querySelectorAll("#explorer-detail p.soft, #explorer-detail figcaption");
return [...all].map((one) => one.innerText);"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as page:
        page.resize(1280)
        yield page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Spikes of all points but one of every simulator: few of seed 1, many of seed 2."""
    directory = write_run(
        tmp_path_factory.mktemp("rasters") / "demo", simulators=BOTH, targets=TARGETS, seeds=(1, 2), spikes="all"
    )
    table = analysis.open_run(directory.root)
    for number, row in table.iterrows():
        if (row["I_th_E"], row["I_th_I"]) == (1.8, 1.3):
            continue
        random = np.random.default_rng(int(str(number)))
        n = 10_000 if row["I_th_E"] == 1.4 else 300
        trains = {
            name: SpikeTrains(random.integers(1, 90_000, n), random.integers(0, size, n), size, 90_000, 0.1)
            for name, size in SIZES.items()
        }
        write_spikes(trains, directory.spike_file(row["job"], row["point_id"]), sample=False)
    return directory


def show(page: Page, explorer: Explorer, folder: Path, link: str = "") -> None:
    page.console.clear()
    page.open(explorer.save(folder / "explorer.html").as_uri() + link, READY)
    page.settle(0.3)


def packed(explorer: Explorer) -> dict[str, Any]:
    text = explorer.page.split('id="explorer-rasters">')[1].split("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def expected(
    run: RunDirectory, table: pd.DataFrame, point: int, configuration: str, end: float
) -> list[tuple[float, int]]:
    """Times and rows of the spikes that a raster shows, from the files."""
    ids = table.loc[(table["configuration"] == configuration) & (table["seed"] == 1), "point_id"]
    spikes = analysis.read_spikes(run.root, ids.iloc[point], configuration)
    found, base = list[tuple[float, int]](), 0
    for name, size in SIZES.items():
        shown = np.linspace(0, size, min(size, 100), endpoint=False).astype(int).tolist()
        for time, sender in zip(spikes.times[name].tolist(), spikes.senders[name].tolist(), strict=True):
            if sender in shown and time < end:
                found.append((time, base + shown.index(sender)))
        base += len(shown)
    return found


@pytest.mark.parametrize("point", [0, 9])  # a few spikes; more than a raster holds
def test_a_raster_shows_the_stored_spikes(run: RunDirectory, point: int, browser: Page, tmp_path: Path) -> None:
    table = analysis.open_run(run.root)
    explorer = analysis.explore(table)
    show(browser, explorer, tmp_path, f"#explorer?point={point}")
    drawn = browser.run(INK)
    assert [one["key"] for one in drawn] == [f"0:{point}", f"1:{point}"]
    assert all(one["blue"] > 300 for one in drawn)
    for number, name in enumerate(("nest", "genn")):
        one = packed(explorer)["rasters"][f"{number}:{point}"]
        told = browser.run(f"return {READY}.raster('{number}:{point}')")
        true = sorted(expected(run, table, point, name, one["end"] if point else np.inf))
        assert len(true) == one["n"] == len(told["times"]) <= rasters.MOST_SPIKES
        assert (one["end"] < 9000.0) == (point == 9)
        assert np.abs(np.array(told["times"]) - [time for time, _ in true]).max() <= one["end"] / 65535
        assert sorted(told["rows"]) == sorted(row for _, row in true)
    words = browser.run(WORDS)
    assert words[0].startswith("nest, seed 1: 100 of 400 E, 60 I neurons, the first ")
    assert browser.console == []


def test_what_cannot_be_shown_is_said(
    run: RunDirectory, browser: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(browser, analysis.explore(run.root), tmp_path, "#explorer?point=19")
    assert browser.run(WORDS) == [f"{name}: no spikes of this point are stored." for name in ("nest", "genn")]
    monkeypatch.setattr(rasters, "MOST_RASTERS", 4)
    explorer = analysis.explore(run.root)
    best = browser.run(f"return {READY}.best.point")
    assert {key.split(":")[1] for key in packed(explorer)["rasters"]} >= {str(best)}
    assert len(packed(explorer)["rasters"]) == 4
    left_out = next(point for point in range(19) if f"0:{point}" not in packed(explorer)["rasters"])
    show(browser, explorer, tmp_path, f"#explorer?point={left_out}")
    assert "the page had no room for them" in browser.run(WORDS)[0]
    bare = write_run(tmp_path / "bare")
    show(browser, analysis.explore(bare.root), tmp_path, "#explorer?point=3")
    assert browser.run(WORDS) == [
        'No spikes are stored, so there is no raster: ask for them with spikes = "sample" or "all" under [record].'
    ]
    assert browser.console == []


def test_a_phone_shows_it_within_its_width(run: RunDirectory, browser: Page, tmp_path: Path) -> None:
    browser.resize(390)
    try:
        show(browser, analysis.explore(run.root), tmp_path, "#explorer?point=9")
        assert all(200 < one["width"] <= 390 for one in browser.run(INK))
        assert browser.run("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.resize(1280)


def test_rasters_of_a_large_run_are_few(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    size = Path(stored_points(run.root)["spike_file"].iloc[0]).stat().st_size
    monkeypatch.setattr(rasters, "_MOST_READ", 5 * size)
    assert 1 <= len(packed(analysis.explore(run.root))["rasters"]) <= 5
    two = analysis.open_run([run.root, run.root])
    two["seed"] += np.repeat([0, 2], len(two) // 2)
    assert packed(analysis.explore(two))["rasters"] == {}  # whose spikes?


def press(page: Page, title: str, frame: str = "document") -> None:
    x, y = page.run(f"""const buttons = [...{frame}.querySelectorAll("button")];
        const button = buttons.find((one) => one.textContent === "{title}");
        button.scrollIntoView({{ block: "center" }});
        const outer = {frame}.defaultView.frameElement?.getBoundingClientRect() ?? {{ left: 0, top: 0 }};
        const box = button.getBoundingClientRect();
        return [outer.left + box.left + box.width / 2, outer.top + box.top + box.height / 2];""")
    page.move(x, y, click=True)


@pytest.mark.parametrize("where", ["page", "notebook"])
def test_copy_buttons_copy(run: RunDirectory, where: str, browser: Page, tmp_path: Path) -> None:
    explorer = analysis.explore(run.root)
    frame = "document"
    if where == "page":
        show(browser, explorer, tmp_path)
    else:  # a frame may not use the clipboard as a page may
        path = tmp_path / "notebook.html"
        path.write_text(f"<!doctype html><title></title>{explorer._repr_html_()}", encoding="utf-8")
        browser.open(path.as_uri(), "frames[0] && frames[0].gridsearchExplorer")
        browser.settle(0.3)
        frame = "frames[0].document"
    shown = browser.run(f"return {frame}.querySelector('#explorer-detail pre').textContent")
    press(browser, "Copy [parameters]", frame)
    assert browser.paste() == shown
    assert shown.startswith("[parameters]")
    press(browser, "Copy [targets]", frame)
    assert browser.paste() == "[targets]\nrate_E = { min = 2, max = 5 }"
    assert browser.run(f"return {frame}.querySelector('#explorer-targets').innerText.includes('Copied')")
