"""Size of the explorer and how long a browser takes to open it and to follow a moved target.

The run is made of random numbers: 40 × 40 points, 5 seeds, 2 simulators, 20 columns. The claims: the page is at most
3 MB, and opens in at most 2 s on a laptop. The clock on the wall tells what else the machine does, so the processor
time of the page's main thread is printed beside it.

    python benchmarks/reading/explorer.py [--side 40] [--seeds 5] [--columns 20]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import analysis
from simulators.statistics import columns

SIMULATORS = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}, "cv_isi_E": {"value": 1.0, "tolerance": 0.2}}
STATISTICS = ("rate", "cv_isi", "lv", "fano_factor", "cv2")
READY = "window.gridsearchExplorer"
MOVE = """const field = document.querySelector('[data-bound="low"]'); field.value = Number(field.value) + 0.1;
field.dispatchEvent(new Event("input", { bubbles: true }));"""


def made_of_noise(n_columns: int) -> Any:
    """Return a behaviour with a region that meets the targets, and noise in all columns."""
    random = np.random.default_rng(1)
    names = [name for name in columns(STATISTICS, ("E", "I")) if not name.startswith("n_") and "hist" not in name]
    names = list(dict.fromkeys(["rate_E", "rate_I", "cv_isi_E", *names]))[:n_columns]

    def behave(swept: Mapping[str, Any], seed: int, simulator: str) -> dict[str, Any]:
        values = dict(zip(names, (1.0 + 0.1 * random.standard_normal(len(names))).tolist(), strict=True))
        values["rate_E"] = max(0.0, 8 * swept["I_th_E"] - 5 * swept["I_th_I"] + 0.5 * float(random.standard_normal()))
        return {**values, "status": "ok", "n_spikes": 1000}

    return behave


def processor_time(page: Any) -> float:
    """Return the s that the page's main thread has worked."""
    found = {one["name"]: one["value"] for one in page.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])


def main() -> None:
    """Print sizes and times."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
    runs, chromium = import_module("analysis_runs"), import_module("chromium")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = runs.write_run(
            folder / "run",
            axes=[runs.axis(key, np.linspace(0.9, 1.9, asked.side).tolist()) for key in ("I_th_E", "I_th_I")],
            seeds=range(1, asked.seeds + 1),
            simulators=SIMULATORS,
            targets=TARGETS,
            behaviour=made_of_noise(asked.columns),
            statistics=STATISTICS,
            points_per_job=10_000,
        )
        table = analysis.open_run(run.root)
        start = time.perf_counter()
        explorer = analysis.explore(table)
        print(f"{len(table):,} results: page made in {time.perf_counter() - start:.2f} s")
        header = explorer.page.split('id="explorer-header">')[1].split("</script>")[0]
        shown = header.count('"statistic":')
        print(f"page of {shown} columns: {len(explorer.page.encode()) / 1e6:.2f} MB (at most 3)")
        library = explorer.page.split('id="explorer-plotly">')[1].split("</script>")[0]
        print(f"of that the library: {len(library) / 1e6:.2f} MB")
        path = explorer.save(folder / "explorer.html")
        with chromium.open_browser(folder) as page:
            page.resize(1280)
            page.send("Performance.enable", timeDomain="threadTicks")
            opened, worked = [], []
            for _ in range(asked.times):
                opened.append(page.open(path.as_uri(), READY))
                page.settle(0.3)
                worked.append(processor_time(page))
            print(f"opens in {statistics.median(opened):.2f} s (fastest {min(opened):.2f}), at most 2 on a laptop")
            print(f"processor time of that: {statistics.median(worked):.2f} s")
            before = processor_time(page)
            for _ in itertools.repeat(None, 10):
                page.run(MOVE)
                page.settle()
            print(f"a moved target costs {(processor_time(page) - before) / 10 * 1e3:.0f} ms of processor time")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
