"""Fidelity: points of the published grid at full size, beside the published values.

Submits a sweep whose points lie on the grid of Schmitt, Rostami & Nawrot (2023) and prints the mean rates over
seeds next to those of the original study. One draw of the connectivity shifts a whole map by up to about 4 %, so look
at the spread between seeds before judging a difference.

    python benchmarks/fidelity/fidelity.py [examples/fidelity.toml] [--results results] [--figure FILE]

`--figure` draws the differences from the published NEST runs, with those of the published GeNN runs, for this sweep and
other runs that `--beside` names.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import analysis

PUBLISHED = Path(__file__).parent / "data" / "published_grid.csv"


def main() -> int:
    """Submit the sweep, print the table, and return the exit code of the submit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sweep", type=Path, nargs="?", default=Path("examples/fidelity.toml"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--figure", type=Path, help="PNG to draw")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="folders of further runs")
    options = parser.parse_args()
    command = [sys.executable, "-m", "gridsearch", "submit", str(options.sweep), "--results", str(options.results)]
    code = subprocess.run(command, check=False).returncode
    if code in (0, 1):
        table = compare(analysis.open_run(options.results / options.sweep.stem))
        print(table.to_string(float_format=lambda value: f"{value:.3f}"))
        others = [compare(analysis.open_run(folder)) for folder in options.beside]
        table = pd.concat([table, *others], ignore_index=True)
        print(differences(table).to_string(index=False, float_format=lambda value: f"{value:.4f}"))
        if options.figure is not None:
            draw(table, options.figure)
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


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Differences from the published runs over all points of a table of `compare`.

    Returns
    -------
    pandas.DataFrame
        A row per simulator, published run and population: points and draws; median and 95th percentile of the absolute
        difference and the median spread between draws (largest less smallest), Hz; difference of all rates, per cent.
    """
    rows = []
    published = table.drop_duplicates(["I_th_E", "I_th_I"])
    parts = [(str(name), part, "rate") for name, part in table.groupby("simulator", observed=True)]
    for name, part, ours in [*parts, ("GeNN, published", published, "GeNN")]:
        for source in ("NEST", "GeNN", "GeNN×40") if ours == "rate" else ("NEST",):
            for population in "EI":
                theirs = part[f"{source} {population}"]
                apart = part[f"rate_{population}" if ours == "rate" else f"{ours} {population}"] - theirs
                spread = (part[f"max_{population}"] - part[f"min_{population}"]).median()
                rows.append(
                    {
                        "simulator": name,
                        "published": source,
                        "population": population,
                        "points": len(part),
                        "draws": int(part["seeds"].max()) if ours == "rate" else 1,
                        "median": apart.abs().median(),
                        "95 %": apart.abs().quantile(0.95),
                        "spread": spread if ours == "rate" else float("nan"),
                        "all, %": 100.0 * apart.sum() / theirs.sum(),
                    }
                )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw each point's difference from the published NEST run, and where the published GeNN run lies."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained")
    names = [str(name) for name in table["simulator"].unique()]
    colours = dict(zip(names, ("tab:blue", "tab:orange", "tab:red"), strict=False))
    published = table.drop_duplicates(["I_th_E", "I_th_I"])
    for axis, population in zip(axes, "EI", strict=True):
        base = published[f"NEST {population}"]
        axis.axhline(0.0, color="0.7", lw=0.8)
        axis.plot(base, published[f"GeNN {population}"] - base, "x", color="0.45", ms=4, label="GeNN, published")
        for name in names:
            part = table[table["simulator"] == name]
            base = part[f"NEST {population}"]
            low, mean, high = (part[f"{what}_{population}"] for what in ("min", "rate", "max"))
            axis.errorbar(
                base, mean - base, (mean - low, high - mean), fmt="o", ms=3, lw=0.7, color=colours[name], alpha=0.8,
                label=f"{name}, {part['seeds'].max()} draws" if part["seeds"].max() > 1 else f"{name}, 1 draw",
            )  # fmt: skip
        axis.set_xlabel(f"rate of {population}, NEST as published (Hz)")
        axis.set_ylabel("difference (Hz)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.suptitle("Mean rates less those of the published NEST runs; bars from the lowest to the highest draw")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
