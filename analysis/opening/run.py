"""What was asked of a run: axes, statistics, targets and simulators, as its points file says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulators.records.run_directory import RunDirectory

METADATA_KEY = b"gridsearch"


class RunError(ValueError):
    """A folder that is not a run, or a run that lacks what was asked for."""


@dataclass(frozen=True)
class Axis:
    """A swept parameter.

    Parameters
    ----------
    key : str
        Name of the parameter, or of an element (``p[0,1]``).
    unit, doc : str
        Unit (``"1"``: none) and meaning.
    values : tuple
        In the order of the sweep.
    zip : str or None
        Axes of the same group advance together and so make one dimension of the grid.
    log : bool
        Whether the values are spaced evenly on a logarithmic scale.
    of_network : bool
        Whether it is a parameter of the network, rather than of the simulation.
    """

    key: str
    unit: str
    doc: str
    values: tuple[Any, ...]
    zip: str | None = None
    log: bool = False
    of_network: bool = True


@dataclass(frozen=True)
class Target:
    """What a calibrated network shows in one statistic: a range, or a value with a tolerance.

    Parameters
    ----------
    statistic : str
        Column of the statistic.
    low, high : float
        Bounds, inclusive, in the unit of the statistic; infinite where there is none.
    value, tolerance : float or None
        As asked, where a value was.
    weight : float
        In the loss.
    """

    statistic: str
    low: float
    high: float
    value: float | None = None
    tolerance: float | None = None
    weight: float = 1.0

    @classmethod
    def read(cls, column: str, content: Mapping[str, Any]) -> Target:
        """Read a target as a sweep has it: ``min``, ``max``, or ``value`` and ``tolerance``, and a ``weight``."""
        value, tolerance = content.get("value"), content.get("tolerance")
        low, high = content.get("min"), content.get("max")
        if value is not None:
            low, high = value - (tolerance or 0.0), value + (tolerance or 0.0)
        return cls(
            column,
            -float("inf") if low is None else float(low),
            float("inf") if high is None else float(high),
            value,
            tolerance,
            float(content.get("weight") or 1.0),
        )


@dataclass(frozen=True)
class Run:
    """What was asked.

    Parameters
    ----------
    name, model, description : str
        Of the sweep.
    axes : tuple of Axis
        Swept parameters.
    seeds : tuple of int
        Replicates.
    statistics, populations : tuple of str
        What was measured, of whom.
    targets : tuple of Target
        What counts as calibrated; may be empty.
    metadata : mapping of str to value
        All of it, as written by the sweep (see `run_of`).
    """

    name: str
    model: str
    description: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    statistics: tuple[str, ...]
    populations: tuple[str, ...]
    targets: tuple[Target, ...]
    metadata: Mapping[str, Any]

    @property
    def dimensions(self) -> tuple[tuple[Axis, ...], ...]:
        """Axes by dimension of the grid: those of one `zip` group are one dimension.

        Unless the first of them repeats values, so that it cannot stand for the others (a list of chosen points of a
        plane, say): then each is a dimension of its own.
        """
        groups: dict[tuple[str, str], list[Axis]] = {}
        for axis in self.axes:
            groups.setdefault(("zip", axis.zip) if axis.zip else ("axis", axis.key), []).append(axis)
        dimensions: list[tuple[Axis, ...]] = []
        for group in groups.values():
            alone = len(set(group[0].values)) < len(group[0].values)
            dimensions += [(axis,) for axis in group] if alone else [tuple(group)]
        return tuple(dimensions)

    def axis(self, key: str) -> Axis:
        """Return the axis of a key.

        Raises
        ------
        RunError
            If no axis has this key.
        """
        for axis in self.axes:
            if axis.key == key:
                return axis
        raise RunError(f"run {self.name!r}: {key!r} is not an axis; the axes are {[axis.key for axis in self.axes]}")


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Read the metadata of a run's points as plain values.

    Raises
    ------
    RunError
        If the folder is not a run; the message says what is missing.
    """
    root = Path(path)
    points = RunDirectory(root).points
    if not root.is_dir():
        raise RunError(f"{root}: is not a run: there is no such folder")
    if not points.is_file():
        inside = sorted(str(found.parent) for found in root.glob(f"*/{points.name}"))
        hint = f"; runs in it: {', '.join(inside)}" if inside else ""
        raise RunError(f"{root}: is not a run: {points.name} is missing{hint}")
    try:
        metadata = pq.read_schema(points).metadata or {}
        content: dict[str, Any] = json.loads(metadata[METADATA_KEY])
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{points}: is not a readable parquet file: {error}") from error
    except (KeyError, ValueError) as error:
        raise RunError(f"{points}: has no description of the sweep in its metadata") from error
    return content


def as_run(metadata: Mapping[str, Any]) -> Run:
    """Turn the metadata of a run, as in ``table.attrs["run"]``, into a `Run`."""
    return Run(
        name=metadata["name"],
        model=metadata["model"],
        description=metadata.get("description", ""),
        axes=tuple(
            Axis(
                axis["key"],
                axis.get("unit", "1"),
                axis.get("doc", ""),
                tuple(_hashable(value) for value in axis["values"]),
                axis.get("zip"),
                bool(axis.get("log", False)),
                bool(axis.get("of_network", axis["key"] != "duration")),  # earlier runs do not say it
            )
            for axis in metadata["axes"]
        ),
        seeds=tuple(metadata["seeds"]),
        statistics=tuple(metadata["statistics"]),
        populations=tuple(metadata["populations"]),
        targets=tuple(Target.read(name, content) for name, content in metadata.get("targets", {}).items()),
        metadata=metadata,
    )


def run_of(source: pd.DataFrame | str | Path) -> Run:
    """Return what was asked of the run in a folder, or of that which a table was opened from.

    Parameters
    ----------
    source : pandas.DataFrame, str or Path
        A table from `open_run`, or the folder of a run.

    Raises
    ------
    RunError
        If the folder is not a run (the message says what is missing), or the table does not come from `open_run` or
        lost its ``attrs`` on the way.
    """
    if not isinstance(source, pd.DataFrame):
        return as_run(read_metadata(source))
    if "run" not in source.attrs:
        raise RunError(
            'the table does not say what run it is of (table.attrs["run"]): open it with analysis.open_run; where it '
            "was merged, merge into the table (table.merge(other), not other.merge(table)), or set attrs = table.attrs"
        )
    return as_run(source.attrs["run"])


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value
