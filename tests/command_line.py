"""Commands as a user types them, and what they leave in a run's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from workplaces import ROOT

from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import read_summary

SLOW = "\n[jobs.poisson]\nseconds_per_point = 0.15\n"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gridsearch", *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def gridsearch(folder: Path, *arguments: str, code: int = 0, **more: str) -> str:
    """Run a command to its end, check its exit code, and return what it said."""
    process = start(folder, *arguments, **more)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == code, stdout + stderr
    assert "Traceback" not in stdout + stderr
    return stdout + stderr


def listing(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def ok_rows(folder: Path, name: str = "small") -> Counter[str]:
    """Count rows with status ok per point over all summaries."""
    rows: Counter[str] = Counter()
    for path in RunDirectory(folder / "results" / name).summary_files():
        rows.update(row["point_id"] for row in read_summary(path).to_pylist() if row["status"] == "ok")
    return rows


def every_point_once(folder: Path, n_points: int) -> bool:
    rows = ok_rows(folder)
    return len(rows) == n_points and set(rows.values()) == {1}
