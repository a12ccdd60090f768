"""Fidelity: points of the published grid at full size, beside the published values.

Submits a sweep whose points lie on the grid of Schmitt, Rostami & Nawrot (2023) and prints the mean rates over
seeds next to those of the original study. One draw of the connectivity shifts a whole map by up to about 4 %, so look
at the spread between seeds before judging a difference.

    python benchmarks/fidelity.py [examples/fidelity.toml] [--results results]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd

import analysis

PUBLISHED = Path(__file__).parent / "data" / "published_grid.csv"


def main() -> int:
    """Submit the sweep, print the table, and return the exit code of the submit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sweep", type=Path, nargs="?", default=Path("examples/fidelity.toml"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    command = [sys.executable, "-m", "gridsearch", "submit", str(options.sweep), "--results", str(options.results)]
    code = subprocess.run(command, check=False).returncode
    if code in (0, 1):
        table = compare(analysis.open_run(options.results / options.sweep.stem))
        print(table.to_string(float_format=lambda value: f"{value:.3f}"))
    return code


def compare(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the rates of a run beside the published ones.

    Parameters
    ----------
    rows : pandas.DataFrame
        As `analysis.open_run` returns it.

    Returns
    -------
    pandas.DataFrame
        One row per simulator and grid point that was published: per population the mean over seeds, its lowest and
        highest seed, and the published rates, all in Hz.
    """
    published = pd.read_csv(PUBLISHED)
    for column in ("I_th_E", "I_th_I"):
        published[column] = published[column].round(6)
    good = rows[rows["status"] == "ok"].copy()
    good["I_th_E"], good["I_th_I"] = good["I_th_E"].round(6), good["I_th_I"].round(6)
    grouped = good.groupby(["simulator", "I_th_E", "I_th_I"], observed=True)
    table = pd.DataFrame({"seeds": grouped["seed"].nunique()})
    for name in ("E", "I"):
        rates = grouped[f"rate_{name}"]
        table[f"rate_{name}"] = rates.mean()
        table[f"min_{name}"], table[f"max_{name}"] = rates.min(), rates.max()
    table = table.reset_index().merge(published, on=["I_th_E", "I_th_I"])
    sources = {"nest": "NEST", "genn": "GeNN", "genn_batch40": "GeNN×40"}
    columns = ["simulator", "I_th_E", "I_th_I", "seeds"]
    for name in ("E", "I"):
        columns += [f"rate_{name}", f"min_{name}", f"max_{name}"]
        for source, title in sources.items():
            table = table.rename(columns={f"{source}_rate_{name}": f"{title} {name}"})
            columns.append(f"{title} {name}")
    return table[columns]


if __name__ == "__main__":
    sys.exit(main())
