"""How long the report of a run takes, and what it weighs, by the number of axes.

Made-up runs of 5 seeds on 2 simulators: of one, two and three axes, and of 40 × 40 points. Times are of this process,
after its imports, beside the load of the machine: a report is drawn by one core. Figures (PNG and SVG of each) and
page are timed apart. The claim: of three axes at most 8 s.

    python benchmarks/reading/report.py [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from analysis_runs import axis, write_run  # type: ignore[import-not-found]  # noqa: E402

import analysis  # noqa: E402

TARGETS = {"rate_E": {"min": 2.0, "max": 5.0}, "cv_isi_E": {"value": 1.0, "tolerance": 0.2}}
SIMULATORS = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
STATISTICS = ("rate", "cv_isi", "fano_factor")


def behave(swept: Mapping[str, Any], seed: int, simulator: str) -> dict[str, Any]:
    """A rate that rises with one drive and falls with the other; silent where it would be negative."""
    place = [round(1000 * value) for value in swept.values()]
    random = np.random.default_rng([seed, simulator == "genn", *place])
    drive = swept["I_th_E"] - 0.6 * swept.get("I_th_I", 1.0) - 0.5
    rate = max(0.0, 10 * drive + 0.8 * (swept.get("jep", 2.0) - 2) + 0.3 * random.standard_normal())
    values: dict[str, Any] = {"status": "ok", "rate_E": rate, "rate_I": 1.6 * rate, "n_spikes": int(1000 * rate)}
    if rate:
        for name in ("cv_isi", "fano_factor"):
            values |= {f"{name}_{population}": 1 + 0.1 * random.standard_normal() for population in "EI"}
    return values


def main() -> int:
    """Write the runs, draw and write their reports, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keep", type=Path, help="folder for the runs, to look at their reports")
    options = parser.parse_args()
    e, i = np.linspace(1.0, 2.0, 10).round(4).tolist(), np.linspace(0.7, 1.4, 8).round(4).tolist()
    fine_e, fine_i = np.linspace(1.0, 2.0, 40).round(4).tolist(), np.linspace(0.7, 1.4, 40).round(4).tolist()
    runs: dict[str, dict[str, list[float]]] = {
        "one axis (10)": {"I_th_E": e},
        "two axes (10 × 8)": {"I_th_E": e, "I_th_I": i},
        "three axes (10 × 8 × 7)": {"I_th_E": e, "I_th_I": i, "jep": [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]},
        "two axes (40 × 40)": {"I_th_E": fine_e, "I_th_I": fine_i},
    }
    print("grid × 5 seeds × 2 simulators | figures (s) | page (s) | both, of the processor (s) | page (MB) | load")
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder)
        for number, (name, axes) in enumerate(runs.items()):
            run = write_run(
                root / f"run{number}",
                axes=[axis(key, values, doc="a parameter") for key, values in axes.items()],
                seeds=(1, 2, 3, 4, 5),
                simulators=SIMULATORS,
                targets=TARGETS,
                behaviour=behave,
                statistics=STATISTICS,
                points_per_job=5000,
            )
            if not number:
                analysis.write_report(run.root)  # imports, and the fonts that matplotlib finds
            begin, worked = time.perf_counter(), time.process_time()
            analysis.draw_figures(run.root)
            drawn = time.perf_counter()
            page = analysis.write_report(run.root)
            done, worked = time.perf_counter(), time.process_time() - worked
            size = page.stat().st_size / 1e6
            load = os.getloadavg()[0]
            print(
                f"{name:29} | {drawn - begin:11.2f} | {done - drawn:8.2f} | {worked:26.2f} | {size:9.2f} | {load:.1f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
