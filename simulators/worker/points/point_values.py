"""What a row says of a point's spikes; they may be kept as well."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulators.backends.simulator import PointStopped
from simulators.records.job import Job
from simulators.records.run_directory import spike_file_name
from simulators.records.spike_files import SAMPLE_SIZE, write_spikes
from simulators.statistics import Statistic, needs_of, summarise
from simulators.statistics.measures.accumulated import AccumulatedTrains
from simulators.statistics.measures.needs import Needs
from simulators.statistics.spike_trains import SpikeTrains

# What a model or a statistic may raise for which its point is not to blame, or not alone
NOT_THE_POINTS = (ImportError, OSError, MemoryError, PointStopped)

log = logging.getLogger(__name__)


def point_values(
    point_id: str,
    spikes: Mapping[str, SpikeTrains] | Mapping[str, AccumulatedTrains],
    job: Job,
    statistics: Sequence[Statistic],
) -> dict[str, Any]:
    """Count the spikes of a point and compute its statistics.

    Parameters
    ----------
    point_id : str
        Whose they are.
    spikes : mapping of str to SpikeTrains or AccumulatedTrains
        By population.
    job : Job
        With settings of the statistics, and windows.
    statistics : sequence of Statistic
        Those of the job.

    Returns
    -------
    dict of str to value
        Columns of the row; ``status`` is ``failed`` where a statistic raised.

    Raises
    ------
    ImportError, OSError
        If a statistic needs what is not here.
    MemoryError
        If a statistic needs more memory than there is.
    PointStopped
        If the point has had its time, or the worker is to stop.
    """
    values: dict[str, Any] = {"status": "ok", "n_spikes": sum(trains.n_spikes for trains in spikes.values())}
    try:
        values |= summarise(spikes, statistics, job.statistics_settings, job.windows)
    except (*NOT_THE_POINTS, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit among it: it would end the worker as if all were done
        log.exception("statistics of point %s", point_id)
        values |= {"status": "failed", "error": f"statistics: {reason_of(error)}"}
    return values


def needs_without_trains(job: Job, statistics: Sequence[Statistic]) -> Needs | None:
    """Return what a job's statistics need; None if whole trains are needed, by them or to be kept.

    A sample that is to be kept is one that they need.
    """
    needs = needs_of(statistics, job.statistics_settings, job.windows) if job.spikes != "all" else None
    if needs is None or job.spikes == "none":
        return needs
    return needs | Needs(spaced=frozenset({SAMPLE_SIZE}))


def keep_spikes(
    point_id: str,
    spikes: Mapping[str, SpikeTrains] | Mapping[str, AccumulatedTrains],
    job: Job,
    folder: Path,
) -> None:
    """Write the spikes of a point, as far as its job asks for them.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    if job.spikes != "none":
        trains = {name: one.kept_trains if isinstance(one, AccumulatedTrains) else one for name, one in spikes.items()}
        write_spikes(trains, folder / spike_file_name(point_id), sample=job.spikes == "sample")


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
