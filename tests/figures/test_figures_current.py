"""Figures are drawn where there is news, and left alone where there is none."""

from __future__ import annotations

from pathlib import Path

from sweeps import write_sweep

import analysis
from gridsearch.commands.cli import main


def _submit(folder: Path, **sections: object) -> int:
    sweep = write_sweep(folder, **sections)
    assert main(["submit", str(sweep), "--results", str(folder)]) == 0
    return (folder / "small" / "figures" / "map_rate.png").stat().st_mtime_ns


def test_a_submit_without_news_leaves_the_figures(tmp_path: Path) -> None:
    run = tmp_path / "small"
    first = _submit(tmp_path)
    assert analysis.plots.figures_are_current(run)
    assert _submit(tmp_path) == first
    targets = "rate_E = { min = 1.0, max = 5.0 }"
    second = _submit(tmp_path, targets=targets)
    assert second > first
    assert (run / "figures" / "feasible_region.png").is_file()
    third = _submit(tmp_path, targets=targets, axes="I_th_E = { values = [1.0, 1.5, 2.0, 2.5] }")
    assert third > second
    assert main(["report", str(run)]) == 0
    assert (run / "figures" / "map_rate.png").stat().st_mtime_ns > third


def test_figures_that_are_missing_or_unfinished_are_not_current(tmp_path: Path) -> None:
    _submit(tmp_path)
    run = tmp_path / "small"
    (run / "figures" / "timing.svg").unlink()
    assert not analysis.plots.figures_are_current(run)
    _submit(tmp_path)
    assert analysis.plots.figures_are_current(run)
