"""The report in a real browser: every picture is there and nothing sticks out of the page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from analysis_runs import BACKGROUND, write_run
from required import skip_or_fail

import analysis

# Without these it calls home, which takes long where it cannot
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
)
BOTH = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
WIDTHS = (1280, 390)
# What the page looks like goes into the title of the page around it: a browser without a window tells in no other way
MEASURE = """<script>addEventListener("load", () => {
const width = document.documentElement.clientWidth;
const right = e => e.getBoundingClientRect().right;
parent.document.title += JSON.stringify({
  width: width,
  reach: document.documentElement.scrollWidth,
  pictures: document.images.length,
  broken: [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length,
  outside: [...document.querySelectorAll("figure, img, p, h1, h2, h3, .tile, .note")].filter(e => right(e) > width + 1
    && !(e.parentNode.matches("figure") && getComputedStyle(e.parentNode).overflowX === "auto")).length,
  readable: [...document.querySelectorAll("figure img")].every(e => e.getBoundingClientRect().width >= 600),
}) + ";";
});</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or skip_or_fail("no Chromium is installed (Debian: chromium)")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    targets = {"rate_E": {"min": 2.0, "max": 5.0}}
    run = write_run(tmp_path_factory.mktemp("report") / "demo", axes=BACKGROUND, simulators=BOTH, targets=targets)
    return analysis.write_report(run.root).read_text(encoding="utf-8")


def look_at(report: str, browser: str, folder: Path) -> list[dict[str, int]]:
    """Open a report in frames of each width and say what is seen."""
    page = html.escape(report.replace("</body>", f"{MEASURE}</body>"))
    frames = "".join(
        f'<iframe srcdoc="{page}" style="width:{width}px;height:30000px;border:0"></iframe>' for width in WIDTHS
    )
    path = folder / "frames.html"
    path.write_text(f"<!doctype html><title></title>{frames}", encoding="utf-8")
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    seen = [json.loads(part) for part in html.unescape(title[1]).split(";") if part]
    return sorted(seen, key=lambda one: -int(one["width"]))


def test_nothing_is_missing_or_cut_off(report: str, browser: str, tmp_path: Path) -> None:
    seen = look_at(report, browser, tmp_path)
    assert [one["width"] for one in seen] == list(WIDTHS)
    for one in seen:
        assert one["pictures"] >= 5
        assert (one["broken"], one["outside"]) == (0, 0)
        assert one["reach"] <= one["width"]
        assert one["readable"] or one["width"] > 600  # on a phone figures are scrolled, not shrunk


def test_the_browser_sees_what_is_wrong(report: str, browser: str, tmp_path: Path) -> None:
    broken = '<img src="data:image/png;base64,AAAA"><img src="frames.html"><h2 style="width:2000px">wide</h2>'
    for one in look_at(report.replace("</body>", f"{broken}</body>"), browser, tmp_path):
        assert one["broken"] == 2
        assert one["outside"] >= 1
        assert one["reach"] > one["width"]
