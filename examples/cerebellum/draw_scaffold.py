"""Draw connection lists with the published numbers of synapses, and write them as the file that the model reads.

In place of a scaffold that was grown in space: every target gets as many synapses as any other, give or take one, from
sources drawn among all, none of them itself. Glomeruli get places in a slab of 400 × 400 × 60 µm.

    python draw_scaffold.py scaffold.h5 [--seed 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.models.cerebellum import PROJECTIONS, SOURCE

SLAB = (400.0, 400.0, 60.0)  # µm


def draw_connections(number: int, n_sources: int, n_targets: int, itself: bool, seed: int) -> NDArray[np.int32]:
    """Draw synapses, shape (number, 2): source and target.

    Parameters
    ----------
    number : int
        How many.
    n_sources, n_targets : int
        Cells of the two populations.
    itself : bool
        Whether they are one population, in which no cell connects to itself.
    seed : int
        Of the draw.
    """
    rng = np.random.default_rng(seed)
    targets = rng.permutation(n_targets)[np.arange(number) % n_targets]
    sources = rng.integers(0, n_sources - itself, number)
    if itself:
        sources += sources >= targets
    return np.column_stack([sources, targets]).astype(np.int32)


def write_scaffold(path: Path, parameters: Mapping[str, int], seed: int) -> None:
    """Write a file with all projections, and the places of the glomeruli."""
    with h5py.File(path, "w") as file:
        for index, (name, (source, target)) in enumerate(PROJECTIONS.items()):
            sizes = parameters[f"N_{source}"], parameters[f"N_{target}"]
            table = draw_connections(parameters[f"n_{name}"], *sizes, source == target, seed * 100 + index)
            file.create_dataset(f"connections/{name}", data=table, compression="gzip", compression_opts=1)
        places = np.random.default_rng(seed).uniform(0.0, SLAB, (parameters[f"N_{SOURCE}"], 3))
        file.create_dataset(f"positions/{SOURCE}", data=places)


def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    parameters = read_defaults(defaults_file("cerebellum", Path())).values_by_name()
    write_scaffold(arguments.path, parameters, arguments.seed)


if __name__ == "__main__":
    main()
