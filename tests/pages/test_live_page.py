"""The report of a run that goes on, in a real browser: it follows the run, keeps what is shown, and comes to rest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from analysis_runs import behave, write_run
from chromium import Page, PageError, open_browser
from sweeps import write_sweep
from workplaces import ROOT

import analysis
from gridsearch.commands.live_page import LivePage

KNOWN = """
const { data } = window.gridsearchExplorer, missing = data.statuses.indexOf("missing");
return { known: [...data.status].filter((one) => one !== missing && one !== 255).length, hash: location.hash,
  live: Boolean(document.getElementById("live")), scroll: scrollY, column: gridsearchExplorer.state.column,
  images: document.images.length };
"""
READY = "window.gridsearchExplorer"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as page:
        page.resize(1280)
        yield page


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gridsearch", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(folder: Path, name: str, process: subprocess.Popen[str], seconds: float = 90.0) -> Path:
    until = time.monotonic() + seconds
    while not (folder / name).is_file():
        assert time.monotonic() < until and process.poll() is None, f"{name} is not there"
        time.sleep(0.05)
    return folder / name


def ask(page: Page, script: str) -> Any:
    """Run a script in the page, also when it is just being loaded again."""
    for _ in range(200):
        try:
            if page.run(f"return Boolean({READY})"):
                return page.run(script)
        except PageError:
            pass
        time.sleep(0.1)
    raise AssertionError("the page does not answer")


def test_an_open_page_follows_a_run_and_comes_to_rest(browser: Page, tmp_path: Path) -> None:
    sweep = write_sweep(
        tmp_path,
        axes="I_th_E = { start = 1.0, stop = 2.0, num = 6 }\nI_th_I = { start = 0.5, stop = 1.0, num = 5 }",
        targets="rate_E = { min = 1.0, max = 9.0 }",
        jobs='executor = "local"\n[jobs.local]\nmax_running = 1\n[jobs.poisson]\nseconds_per_point = 1.5',
    )
    submit = start(tmp_path, "submit", str(sweep))
    watch = None
    try:
        run = tmp_path / "results" / "small"
        wait_for(run, "points.parquet", submit)
        while not list(run.glob("summaries/*.parquet")):
            assert submit.poll() is None
            time.sleep(0.05)
        watch = start(tmp_path, "status", "results/small", "--watch", "--html")
        report = wait_for(run, "report.html", watch)
        browser.console.clear()
        browser.open(f"{report.as_uri()}#explorer?column=rate_I&target.rate_E=2%7E7&targets=1", READY)
        ask(browser, "scrollTo(0, 300)")
        seen: list[dict[str, Any]] = [ask(browser, KNOWN)]
        assert seen[0]["live"]
        until = time.monotonic() + 180
        while seen[-1]["live"]:  # nobody loads it again but itself
            assert time.monotonic() < until, seen
            time.sleep(0.5)
            seen.append(ask(browser, KNOWN))
        known = [one["known"] for one in seen]
        assert known == sorted(known)
        assert len(set(known)) >= 3, known  # the first, the last, and some between
        assert known[-1] == 30
        assert {one["hash"] for one in seen} == {"#explorer?column=rate_I&targets=1&target.rate_E=2%7E7"}
        assert {one["column"] for one in seen} == {"rate_I"}
        browser.settle()
        assert ask(browser, "return scrollY") == 300
        assert seen[-1]["images"] > 0
        browser.run("window.stayed = true")
        time.sleep(7.0)
        assert browser.run("return window.stayed"), "a page of a run that has ended loads itself again"
        assert browser.console == []
        assert submit.wait(60) == 0
        assert watch.wait(60) == 0
    finally:
        for process in (submit, watch):
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.communicate()


def test_a_page_opened_before_the_first_row_keeps_what_its_link_asks_for(browser: Page, tmp_path: Path) -> None:
    targets = {"rate_E": {"min": 1.0, "max": 9.0}}
    run = write_run(tmp_path / "run", behaviour=lambda p, s, n: None, targets=targets)
    report = analysis.write_report(run.root, live=1.0)
    asked = "#explorer?column=rate_I"
    browser.open(f"{report.as_uri()}{asked}", READY)
    assert ask(browser, "return [gridsearchExplorer.state.column, location.hash]") == ["P", asked]
    write_run(tmp_path / "run", behaviour=behave, targets=targets)
    analysis.write_report(run.root)
    until = time.monotonic() + 60
    while ask(browser, "return gridsearchExplorer.state.column") != "rate_I":
        assert time.monotonic() < until
        time.sleep(0.5)
    assert ask(browser, "return location.hash") == asked


def test_a_page_in_use_is_left_alone(browser: Page, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", behaviour=lambda p, s, n: behave(p, s, n) if s < 3 else None)
    report = analysis.write_report(run.root, live=5.0)
    browser.open(report.as_uri(), READY)
    browser.run("""window.stayed = true;
        window.hand = setInterval(() => dispatchEvent(new PointerEvent("pointerdown")), 100);""")
    time.sleep(7.0)
    assert ask(browser, "return window.stayed")
    browser.run("clearInterval(window.hand)")
    until = time.monotonic() + 60
    while ask(browser, "return Boolean(window.stayed)"):
        assert time.monotonic() < until
        time.sleep(0.5)


def test_a_watch_that_is_interrupted_leaves_a_page_at_rest(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, jobs='executor = "local"\n[jobs.poisson]\nseconds_per_point = 600')
    submit = start(tmp_path, "submit", str(sweep))
    try:
        run = tmp_path / "results" / "small"
        wait_for(run, "points.parquet", submit)
        watch = start(tmp_path, "status", "results/small", "--watch", "--html")
        report = wait_for(run, "report.html", watch)
        assert 'id="live"' in report.read_text(encoding="utf-8")
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=60)
        assert 'id="live"' not in report.read_text(encoding="utf-8")
        assert not list(run.glob("figures/*"))
    finally:
        submit.send_signal(signal.SIGINT)
        submit.communicate(timeout=60)


def test_pages_are_written_where_there_is_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", behaviour=lambda p, s, n: behave(p, s, n) if s < 3 else None)
    table = analysis.open_run(run.root)
    written: list[float | None] = []
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(analysis, "write_report", lambda path, live=None: written.append(live))
    page = LivePage(run)
    for seconds, n_written in ((0, 1), (2, 1), (30, 1), (40, 2)):  # once, and again to say that somebody is there
        clock[0] += seconds
        page.show(table)
        assert len(written) == n_written
    clock[0] += 1
    page.show(table[table["status"] == "ok"])
    page.end()
    page.end(whole=False)
    assert written == [5.0, 5.0, 5.0, None]
