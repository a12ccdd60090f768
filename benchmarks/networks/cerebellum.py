"""The cerebellum: rates in three windows beside the published ones, responses, and peaks of afferent spikes.

Reads a finished run of ``examples/cerebellum/cerebellum.toml`` and prints medians over repeated runs with their 5 and
95 per cent, for each simulator and each point; the windows lie later by the delays in the sweep. Of points whose spikes
are stored (``spikes = "all"``), ``--peaks`` prints for each projection the step in which most spikes come.

    python -m gridsearch submit examples/cerebellum/cerebellum.toml
    python benchmarks/networks/cerebellum.py results/cerebellum [--figure cerebellum.png] \
        [--peaks [--scaffold scaffold.h5]]

References
----------
Bogdan, P. A., et al. (2021). Towards a bio-inspired real-time neuromorphic cerebellum. Frontiers in Cellular
Neuroscience 15.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

import analysis
from analysis.grids import over_repeats
from analysis.opening import afferent_peaks
from analysis.opening.run import run_of
from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.models import find_model
from simulators.models.cerebellum import CELLS

WINDOWS = ("before", "during", "after")
PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "GrC": (0.52, 3.27, 0.49),
    "GoC": (76.9, 122.0, 74.2),
    "SC": (17.4, 41.8, 17.5),
    "BC": (14.7, 36.6, 14.7),
    "PC": (44.5, 67.8, 43.6),
    "DCN": (18.6, 15.8, 19.4),
}  # Hz
IN_THE_BURST = ("excited", "inhibited", "peak_spikes")


def in_windows(table: pd.DataFrame) -> pd.DataFrame:
    """Return medians and quantiles of rates and responses: a row for each group, population, quantity and window."""
    columns = [f"rate_{name}_{window}" for name in CELLS for window in WINDOWS]
    columns += [f"{quantity}_{name}_during" for quantity in IN_THE_BURST for name in CELLS]
    found = over_repeats(table, [column for column in columns if column in table])
    parts = found["column"].str.extract(r"(?P<quantity>\w+)_(?P<population>[A-Za-z]+)_(?P<window>[a-z]+)$")
    return pd.concat([found, parts], axis=1)


def groups_of(found: pd.DataFrame, axes: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each simulator and point, with a name."""
    keys = [key for key in ("configuration", *axes) if key in found]
    named = []
    for values, rows in found.groupby(keys, observed=True, sort=False):
        parts = [
            value if isinstance(value, str) else f"{key} {value:g}" for key, value in zip(keys, values, strict=True)
        ]
        named.append((", ".join(parts), rows))
    return named


def shown(rows: pd.DataFrame) -> str:
    """Write medians, with 5 and 95 per cent where they differ."""
    texts = []
    for middle, low, high in rows[["median", "low", "high"]].to_numpy(dtype=float).tolist():
        texts.append(f"{middle:.3g}" if low == high else f"{middle:.3g} ({low:.3g}–{high:.3g})")
    return " · ".join(texts)


def print_table(groups: list[tuple[str, pd.DataFrame]]) -> None:
    """Print rates beside the published ones, and what the burst does."""
    for name, rows in groups:
        table = {}
        for population in CELLS:
            own = rows[rows["population"] == population]
            published = " · ".join(f"{rate:g}" for rate in PUBLISHED[population])
            line = {"published (Hz)": published, "rate (Hz)": shown(own[own["quantity"] == "rate"])}
            table[population] = line | {what: shown(own[own["quantity"] == what]) for what in IN_THE_BURST}
        print(f"\n{name}: median (5–95 %) of {rows['runs'].min()} runs, before · during · after\n")
        print(pd.DataFrame(table).T.to_string(), flush=True)


def print_peaks(run: Path, scaffold: Path | None) -> None:
    """Print the peaks of afferent spikes of each point whose spikes are stored."""
    resolved = pd.read_parquet(run / "points.parquet").set_index("point_id")
    defaults = read_defaults(defaults_file("cerebellum", Path())).values_by_name()
    make_network = find_model("cerebellum", Path(), None if scaffold is None else {"scaffold": scaffold})
    stored = analysis.opening.stored_points(run)
    for point, configuration in zip(stored["point_id"], stored["configuration"], strict=True):
        network = make_network({key: resolved.loc[point].get(key, value) for key, value in defaults.items()})
        spikes = analysis.read_spikes(run, point, configuration)
        dt = float(run_of(stored).metadata["simulation"]["dt"])
        print(f"\n{configuration}, {', '.join(f'{key} {value:g}' for key, value in spikes.swept.items())}\n")
        print(afferent_peaks(spikes, network, dt).to_string(float_format=lambda value: f"{value:.1f}"), flush=True)


def draw(groups: list[tuple[str, pd.DataFrame]], path: Path) -> None:
    """Draw medians and 5 to 95 per cent of the rates beside the published ones, a panel for each population."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(CELLS), figsize=(14.0, 3.2), layout="constrained")
    for ax, population in zip(axes, CELLS, strict=True):
        for index, rate in enumerate(PUBLISHED[population]):
            ax.plot([index - 0.4, index + 0.4], [rate, rate], "k-", lw=1.5, label="published" if index == 0 else None)
        for number, (name, rows) in enumerate(groups):
            own = rows[(rows["population"] == population) & (rows["quantity"] == "rate")]
            middle = own["median"].to_numpy()
            ends = np.abs(np.stack([own["low"], own["high"]]) - middle)
            at = np.arange(len(WINDOWS)) + 0.6 * ((number + 0.5) / len(groups) - 0.5)
            ax.errorbar(at, middle, ends, fmt="o", ms=4, lw=1, capsize=2, label=name)
        ax.set(title=population, xticks=range(len(WINDOWS)), xticklabels=WINDOWS, xlim=(-0.5, 2.5))
        ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(min(PUBLISHED[population]))))
        ax.set_ylim(0.0, 1.4 * ax.get_ylim()[1])
    axes[0].set_ylabel("rate (Hz)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Read the arguments, and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--figure", type=Path, help="PNG to draw")
    parser.add_argument("--peaks", action="store_true", help="of points whose spikes are stored")
    parser.add_argument("--scaffold", type=Path, help="the file with their connections, if they are not drawn")
    given = parser.parse_args()
    table = analysis.open_run(given.run)
    groups = groups_of(in_windows(table), [axis.key for axis in run_of(table).axes])
    print_table(groups)
    if given.peaks:
        print_peaks(given.run, given.scaffold)
    if given.figure is not None:
        draw(groups, given.figure)


if __name__ == "__main__":
    main()
