"""Small sweeps for the tests of the command line, the grid and the planner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gridsearch.planning.grid import Grid, expand
from gridsearch.sweeps.sweep import Sweep, read_sweep

# 100 neurons in 4 clusters: every simulator takes next to no time
SMALL = "N_E = 80\nN_I = 20\nQ = 4"


def sweep_text(
    *,
    name: str = "small",
    model: str = "clustered",
    simulators: Sequence[str] = ("poisson",),
    parameters: str = SMALL,
    axes: str = "I_th_E = { values = [1.0, 1.5, 2.0] }",
    replicates: str = "",
    simulation: str = "warmup = 0.0\nduration = 100.0",
    record: str = 'statistics = ["rate"]',
    targets: str = "",
    jobs: str = 'executor = "local"',
    more: str = "",
) -> str:
    """Return a sweep as text, section by section."""
    listed = ", ".join(f'"{simulator}"' for simulator in simulators)
    sections = {
        "parameters": parameters,
        "axes": axes,
        "replicates": replicates,
        "simulation": simulation,
        "record": record,
        "targets": targets,
        "jobs": jobs,
    }
    top = f'name = "{name}"\nmodel = "{model}"\nsimulators = [{listed}]\n'
    return top + "".join(f"[{key}]\n{text}\n" for key, text in sections.items()) + more


def write_sweep(folder: Path, file: str = "sweep.toml", **sections: object) -> Path:
    """Write a sweep (see `sweep_text`) and return its path."""
    path = folder / file
    path.write_text(sweep_text(**sections), encoding="utf-8")  # type: ignore[arg-type]
    return path


def make_sweep(folder: Path, **sections: object) -> Sweep:
    """Write and read a sweep."""
    return read_sweep(write_sweep(folder, **sections))


def make_grid(folder: Path, **sections: object) -> Grid:
    """Write, read and expand a sweep."""
    return expand(make_sweep(folder, **sections))


def ids(grid: Grid) -> set[str]:
    """Return the identities of a grid's points."""
    return {point.point_id for point in grid.points}
