"""Vogels–Abbott networks: the time to build, to simulate and to write over size and biological time, with its fits.

Reads a finished run of ``examples/vogels_abbott/coba_scan.toml`` or ``cuba_scan.toml`` and prints, for each simulator
and stage, the fit t = a·N + b·N·T and, with a part that no neuron has, t = c + a·N + b·N·T; the figure has the second
fit as lines: above over size at the longest time, below over time at the largest size.

    python -m gridsearch submit examples/vogels_abbott/coba_scan.toml
    python benchmarks/networks/vogels_abbott_timing.py results/vogels_abbott_coba_scan [--figure timing.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import analysis
from analysis.timing import fit_per_neuron
from analysis.timing.per_neuron import STAGES
from analysis.timing.phases import SIZE, biological_times


def print_fits(table: pd.DataFrame) -> None:
    """Print both fits of every simulator and stage."""
    for constant in (False, True):
        print("\nt = c + a·N + b·N·T" if constant else "\nt = a·N + b·N·T", "(ms, N in neurons, T in s)")
        print(fit_per_neuron(table, constant).to_string(float_format=lambda value: f"{value:.3f}"))


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw measurements and fits, a column for each stage."""
    import matplotlib.pyplot as plt

    ok = table[(table["status"] == "ok").to_numpy()].copy()
    ok["time"] = biological_times(ok)
    fits = fit_per_neuron(table, constant=True)
    longest, largest = float(ok["time"].max()), float(ok[SIZE].max())
    figure, axes = plt.subplots(2, len(STAGES), figsize=(10.0, 5.6), layout="constrained")
    for column, (stage, phases) in enumerate(STAGES.items()):
        for number, (name, rows) in enumerate(ok.groupby("configuration", observed=True, sort=False)):
            a, b, c = fits.loc[(str(name), stage), ["a", "b", "c"]].to_numpy(dtype=float) * 1e-3
            over_size, over_time = rows[rows["time"] == longest], rows[rows[SIZE] == largest]
            sizes, times = np.linspace(0.0, largest, 50), np.linspace(0.0, longest, 50)
            for ax, part, x, key, line in (
                (axes[0, column], over_size, sizes, SIZE, c + (a + b * longest) * sizes),
                (axes[1, column], over_time, times, "time", c + (a + b * times) * largest),
            ):
                ax.plot(part[key], part[list(phases)].sum(axis=1), "o", ms=4, color=f"C{number}", label=str(name))
                ax.plot(x, line, lw=1, color=f"C{number}")
        axes[0, column].set(title=stage, xlabel=f"neurons, {longest:g} s of biological time")
        axes[1, column].set(xlabel=f"biological time (s), {largest:,.0f} neurons")
    for ax in axes.flat:
        ax.set(ylim=(0.0, None), xlim=(0.0, None))
        ax.grid(alpha=0.3)
    for ax in axes[:, list(STAGES).index("simulate")]:  # simulators are orders of magnitude apart
        ax.set(yscale="log", ylim=(0.01, None))
    for ax in axes[:, 0]:
        ax.set_ylabel("wall time (s)")
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Read the arguments, print and draw."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--figure", type=Path, help="PNG to draw")
    given = parser.parse_args()
    table = analysis.open_run(given.run)
    print_fits(table)
    if given.figure is not None:
        draw(table, given.figure)


if __name__ == "__main__":
    main()
