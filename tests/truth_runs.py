"""Runs whose truth is known: what a point does is drawn from a law that the test states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from analysis_runs import axis, write_run

import analysis

NEST_GENN = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})
Law = Callable[[Mapping[str, Any], int, str, np.random.Generator], "dict[str, Any] | str | None"]


def open_truth(
    folder: Path,
    law: Law,
    axes: Mapping[str, Sequence[Any]],
    seeds: int = 5,
    simulators: Sequence[Mapping[str, Any]] = NEST_GENN[:1],
    targets: Mapping[str, Mapping[str, Any]] | None = None,
    statistics: Sequence[str] = ("rate", "cv_isi"),
    trial: int = 0,
) -> pd.DataFrame:
    """Open a run whose values a law gives.

    The law takes the swept parameters, the seed, the simulator and a generator of its own for each of them, and
    returns the columns of the row, a status other than ok, or None where the point has no row.
    """
    numbers = {key: {value: number for number, value in enumerate(values)} for key, values in axes.items()}

    def behave(swept: Mapping[str, Any], seed: int, simulator: str) -> dict[str, Any] | None:
        place = [numbers[key][value] for key, value in swept.items()]
        random = np.random.default_rng([trial, seed, len(simulator), ord(simulator[0]), *place])
        given = law(swept, seed, simulator, random)
        if isinstance(given, str):
            return {"status": given, "error": "because"}
        return given if given is None else {"status": "ok", "n_spikes": 1000, **given}

    run = write_run(
        folder,
        axes=[axis(key, values) for key, values in axes.items()],
        seeds=tuple(range(1, seeds + 1)),
        simulators=simulators,
        targets=targets,
        behaviour=behave,
        statistics=statistics,
        points_per_job=10_000,
    )
    return analysis.open_run(run.root)
