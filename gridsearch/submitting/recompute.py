"""Statistics of points that are done, from their stored spikes: nothing is simulated again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gridsearch.planning.plan import Plan
from simulators.records import machine
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory
from simulators.records.spike_files import read_spikes
from simulators.records.summaries.job_rows import recomputed_text
from simulators.records.summaries.summary import column_field, read_summary, write_table
from simulators.statistics import Window, columns, summarise
from simulators.statistics.references import find_statistics


def recompute(plan: Plan, report: Callable[[int], None]) -> int:
    """Write rows with the statistics that are wanted now, for points whose spikes are stored.

    The rows are those there are, with the new columns and a later time; they go to a summary file of their own, whole
    or not at all. Earlier rows stay where they are.

    Parameters
    ----------
    plan : Plan
        The plan, written down.
    report : callable
        Called with the number of points that are done.

    Returns
    -------
    int
        How many points there were.
    """
    total = 0
    for name, share in plan.simulators.items():
        if share.recomputed:
            total = _recompute(plan, name, share.recomputed, report, total)
    return total


def _recompute(plan: Plan, simulator: str, jobs: Mapping[str, str], report: Callable[[int], None], before: int) -> int:
    run, guests = plan.run, plan.sweep.guests
    asked = (guests.folder, guests.computed, dict(plan.sweep.statistics_settings), dict(plan.sweep.windows))
    work = partial(_values, *asked)
    paths = [run.spike_file(job, point_id) for point_id, job in jobs.items()]
    values: dict[str, dict[str, Any]] = {}
    # started afresh, not forked: this process has threads
    with ProcessPoolExecutor(machine.n_cores(), mp_context=get_context("spawn")) as pool:
        for point_id, computed in zip(jobs, pool.map(work, paths), strict=True):
            values[point_id] = computed
            report(before + len(values))
    digest = hashlib.sha256(json.dumps([simulator, sorted(jobs), sorted(guests.statistics)]).encode())
    digest.update(datetime.now(UTC).isoformat().encode())
    table = _with_values(_rows(run, jobs), values, plan)
    name = f"{simulator}-recomputed-{digest.hexdigest()[:10]}"
    with replacing(run.job(name)) as temporary:
        temporary.write_text(recomputed_text(set(jobs.values())), encoding="utf-8")
    write_table(table, run.summary(name))
    return before + len(values)


def _values(
    folder: Path,
    statistics: Sequence[str],
    settings: Mapping[str, float],
    windows: Mapping[str, Window],
    path: Path,
) -> dict[str, Any]:
    return dict(summarise(read_spikes(path), find_statistics(statistics, folder), settings, windows))


def _rows(run: RunDirectory, jobs: Mapping[str, str]) -> pa.Table:
    """The good rows of some points, one each."""
    tables = []
    for job in sorted(set(jobs.values())):
        table = read_summary(run.summary(job))
        own = [point_id for point_id, of in jobs.items() if of == job]
        chosen = pc.and_(pc.is_in(table["point_id"], pa.array(own)), pc.equal(table["status"], "ok"))
        tables.append(table.filter(chosen))
    return pa.concat_tables(tables, promote_options="default")


def _with_values(rows: pa.Table, values: Mapping[str, Mapping[str, Any]], plan: Plan) -> pa.Table:
    sweep, guests = plan.sweep, plan.sweep.guests
    told = guests.fingerprint(guests.computed, sweep.statistics_settings, sweep.windows)
    made = [json.dumps(json.loads(text) | told, sort_keys=True) for text in rows["statistics"].to_pylist()]
    now = datetime.now(UTC)
    ids = rows["point_id"].to_pylist()
    described = columns(guests.found_computed, plan.grid.populations, sweep.windows)
    new = [(column_field(name, column), [values[i][name] for i in ids]) for name, column in described.items()]
    new.append((rows.schema.field("statistics"), made))
    new.append((rows.schema.field("finished"), [now] * len(ids)))
    for field, column in new:
        array = pa.array(column, field.type)
        place = rows.schema.get_field_index(field.name)
        rows = rows.append_column(field, array) if place < 0 else rows.set_column(place, field, array)
    return rows
