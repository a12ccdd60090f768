"""Several at work in one folder of results at the same time: real processes, on the stand-in for a simulator."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line import SLOW, every_point_once, gridsearch, start
from sweeps import write_sweep

from gridsearch.submitting.owner import Busy
from gridsearch.submitting.run_lock import lock_owner, locked
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import read_summary

AXIS = "I_th_E = {{ start = 1.0, step = 0.01, num = {} }}"


def rows(folder: Path, name: str = "small") -> pd.DataFrame:
    files = RunDirectory(folder / "results" / name).summary_files()
    return pd.concat([read_summary(path).to_pandas() for path in files]).set_index("point_id").sort_index()


def test_submits_at_once(tmp_path: Path) -> None:
    write_sweep(tmp_path, axes=AXIS.format(6), more=SLOW)
    both = [start(tmp_path, "submit", "sweep.toml") for _ in range(2)]
    said = ["".join(process.communicate(timeout=180)) for process in both]
    for process, words in zip(both, said, strict=True):
        assert process.returncode in (0, 2) and "Traceback" not in words, words
        assert process.returncode == 0 or "another submit is at work (process" in words, words
    assert any("6 of 6" in words for words in said), said
    assert every_point_once(tmp_path, 6)


def test_a_submit_during_reports(tmp_path: Path) -> None:
    write_sweep(tmp_path, axes=AXIS.format(4))
    gridsearch(tmp_path, "submit", "sweep.toml")
    write_sweep(tmp_path, axes=AXIS.format(24), more=SLOW)
    report = RunDirectory(tmp_path / "results" / "small").report
    submit = start(tmp_path, "submit", "sweep.toml")
    n_reports = 0
    while submit.poll() is None or not n_reports:
        process = start(tmp_path, "report", "results/small")
        words = "".join(process.communicate(timeout=120))
        assert process.returncode in (0, 1) and "Traceback" not in words, words  # 1: points are missing yet
        assert report.read_text().rstrip().endswith("</html>"), "a whole page, at any time"
        n_reports += 1
    words = "".join(submit.communicate(timeout=120))
    assert submit.returncode == 0 and "24 of 24" in words and "Traceback" not in words, words
    assert every_point_once(tmp_path, 24)


def test_sweeps_that_share_points(tmp_path: Path) -> None:
    """Of one name: one folder, and what one did the other need not; of two names: nothing to do with each other."""
    write_sweep(tmp_path, "small.toml", axes=AXIS.format(6), more=SLOW)
    write_sweep(tmp_path, "large.toml", axes=AXIS.format(12), more=SLOW)
    write_sweep(tmp_path, "other.toml", axes=AXIS.format(12), more=SLOW, name="other")
    at_once = [start(tmp_path, "submit", f"{name}.toml") for name in ("small", "large", "other")]
    said = ["".join(process.communicate(timeout=180)) for process in at_once]
    assert not [words for words in said if "Traceback" in words], said
    assert at_once[2].returncode == 0 and "12 of 12" in said[2], said[2]
    # The second of one name was refused: by the lock, or as the smaller after the larger, whose points it lacks
    assert {process.returncode for process in at_once[:2]} <= {0, 2}
    before = rows(tmp_path)
    gridsearch(tmp_path, "submit", "large.toml")
    assert every_point_once(tmp_path, 12)
    after = rows(tmp_path)
    assert (after.loc[before.index, "finished"] == before["finished"]).all(), "shared points were not run again"
    other = rows(tmp_path, "other")
    statistics = [name for name in after if name.startswith(("rate_", "n_"))]
    pd.testing.assert_frame_equal(after[statistics], other[statistics], check_exact=True)


def test_who_looks_at_a_run_does_not_keep_a_submit_from_it(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with locked(run):
        pass
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            lock_owner(run)

    watchers = [threading.Thread(target=look) for _ in range(4)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            with locked(run):
                time.sleep(0.0005)
    finally:
        ended.set()
        for watcher in watchers:
            watcher.join()
    with locked(run), pytest.raises(Busy, match="another submit is at work"), locked(run):
        pass
