"""What a run's summaries say is done. The parquet files are the only truth there is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.plan import Pace
from simulators.backends.simulator import FIRST_REVISION
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import EXPECTED, CorruptSummaryError, read_summary
from simulators.records.summaries.summary_cache import read_cached
from simulators.records.summaries.wanted import Wanted

_COLUMNS = (
    *("point_id", "setting_id", "content", "simulator", "backend", "threads", "status", "error", "job", "finished"),
    *("statistics", "spikes", "revision"),
)
_NUMBERS = ("threads", "revision")
_MACHINES = ("host", "cpu")
_EACH = ("t_reset", "t_simulate", "t_record", "t_statistics", "t_write")
_TIMES = ("t_load", "t_build", *_EACH, *EXPECTED, "duration", "peak_memory")
_WANTED = (*_COLUMNS, *_MACHINES, *_TIMES)
_NO_REVISIONS: Mapping[str, int] = MappingProxyType({})
_LATEST = 500  # rows that say how long things take: a machine may be busier now than it was


OUTDATED = "outdated"
"""What `History.outcome` calls a good row that lacks a statistic, or spikes, that are wanted now."""

SUPERSEDED = "superseded"
"""What it calls a good row of an earlier revision of the simulator, whose spikes were others."""

_RANK = {"ok": 2, OUTDATED: 1}


@dataclass(frozen=True, eq=False)
class History:
    """Rows of a run.

    Parameters
    ----------
    rows : pyarrow.Table
        The columns that planning needs, of all readable summaries.
    corrupt : tuple of CorruptSummaryError
        One for each summary that cannot be read.
    """

    rows: pa.Table
    corrupt: tuple[tuple[Path, CorruptSummaryError], ...]

    def __eq__(self, other: object) -> bool:
        """Whether the same is done: a submit looks twice, before and behind its lock."""
        if not isinstance(other, History):
            return NotImplemented
        paths = [[path for path, _ in one.corrupt] for one in (self, other)]
        return paths[0] == paths[1] and bool(self.rows.equals(other.rows))

    __hash__ = None  # type: ignore[assignment]

    def outcome(
        self, simulator: str, identity: Mapping[str, Any], wanted: Wanted, revisions: Mapping[str, int] = _NO_REVISIONS
    ) -> dict[str, str]:
        """Status of each point that has a row of this simulator with these settings.

        Parameters
        ----------
        simulator : str
            Its name.
        identity : mapping of str to value
            Columns that must match; None matches any value.
        wanted : Wanted
            What a good row must hold.
        revisions : mapping of str to int, optional
            Revision of the simulator that is wanted of each point, where it is not the first.

        Returns
        -------
        dict of str to str
            By point: ``ok`` if any row is good and holds all that is wanted, else `OUTDATED` if any is good, else
            what the latest row says, of which a good one of an earlier revision is `SUPERSEDED`.
        """
        mine = self._of(simulator, identity, ("point_id", "status", "statistics", "spikes", "revision", "finished"))

        def said_by(status: str, statistics: str | None, spikes: str | None) -> str:
            return OUTDATED if status == "ok" and not wanted.is_met_by(statistics, spikes) else status

        said = _by_value(mine, ("status", "statistics", "spikes"), said_by)
        points = mine["point_id"].to_pylist()
        for row in _superseded(mine, points, revisions):
            said[row] = SUPERSEDED if said[row] in _RANK else said[row]
        outcomes = dict(zip(points, said, strict=True))
        if len(outcomes) == len(points):
            return outcomes
        outcomes = {}
        order = np.argsort(pc.fill_null(mine["finished"].cast(pa.int64()), 0).to_numpy(), kind="stable").tolist()
        for point_id, told in ((points[row], said[row]) for row in order):
            if _RANK.get(told, 0) >= _RANK.get(outcomes.get(point_id, ""), 0):
                outcomes[point_id] = told
        return outcomes

    def stored(
        self, simulator: str, identity: Mapping[str, Any], revisions: Mapping[str, int] = _NO_REVISIONS
    ) -> dict[str, str]:
        """Job of each point whose spikes are all on disk and still those it has, by point (see `outcome`)."""
        mine = self._of(simulator, identity, ("point_id", "status", "spikes", "job", "revision"))
        mine = mine.filter(pc.and_(pc.equal(mine["status"], "ok"), pc.equal(mine["spikes"], "all")))
        points, jobs = mine["point_id"].to_pylist(), mine["job"].to_pylist()
        former = _superseded(mine, points, revisions)
        return {
            point_id: job for row, (point_id, job) in enumerate(zip(points, jobs, strict=True)) if row not in former
        }

    def former(
        self, simulator: str, identity: Mapping[str, Any], settings: Collection[str], content: Mapping[str, str]
    ) -> dict[str, int]:
        """Count the settings that were done with another model or other data.

        Parameters
        ----------
        simulator, identity
            As for `outcome`.
        settings : collection of str
            Ids of the settings to look for.
        content : mapping of str to str
            What model and data are now.

        Returns
        -------
        dict of str to int
            How many, by the keys of `content` that differed, joined by commas.
        """
        if not settings:
            return {}
        mine = self._of(simulator, identity, ("setting_id", "status", "content"))
        mine = mine.filter(pc.equal(mine["status"], "ok"))
        differing = _by_value(mine, ("content",), lambda text: ",".join(_differing(text, content)))
        found = dict(zip(mine["setting_id"].to_pylist(), differing, strict=True))
        return dict(Counter(keys for setting, keys in found.items() if keys and setting in settings))

    def pace(
        self, simulator: str, identity: Mapping[str, Any], cpu: str | None = None, jobs: Collection[str] | None = None
    ) -> Pace | None:
        """What the latest good rows took of what was expected of them, or None if there are none.

        Parameters
        ----------
        simulator, identity
            As for `outcome`.
        cpu : str, optional
            Only rows of machines with this processor.
        jobs : collection of str, optional
            Only rows of these jobs.
        """
        mine = self._of(simulator, identity)
        chosen = pc.and_(pc.equal(mine["status"], "ok"), pc.greater(mine["expected_point"], 0.0))
        if cpu is not None:
            chosen = pc.and_(chosen, pc.equal(mine["cpu"], cpu))
        if jobs is not None:
            chosen = pc.and_(chosen, pc.is_in(mine["job"], pa.array(list(jobs), pa.string())))
        mine = mine.filter(chosen)
        return None if not len(mine) else _pace(mine)

    def _of(self, simulator: str, identity: Mapping[str, Any], columns: Sequence[str] = _WANTED) -> pa.Table:
        chosen = pc.equal(self.rows["simulator"], simulator)
        for column, value in identity.items():
            if value is not None:
                chosen = pc.and_(chosen, pc.equal(self.rows[column], value))
        rows = self.rows.select([name for name in columns if name in self.rows.column_names])
        return rows if pc.all(chosen, skip_nulls=False).as_py() else rows.filter(chosen)


def _superseded(rows: pa.Table, points: Sequence[str], revisions: Mapping[str, int]) -> set[int]:
    """Find the rows that were made with an earlier revision than is wanted of their points."""
    made = pc.fill_null(rows["revision"], FIRST_REVISION).to_numpy()
    older = np.flatnonzero(made < max(revisions.values(), default=FIRST_REVISION))
    return {row for row in older.tolist() if made[row] < revisions.get(points[row], FIRST_REVISION)}


def _pace(rows: pa.Table) -> Pace:
    latest = pc.select_k_unstable(rows["finished"], _LATEST, [("finished", "descending")])
    n_rows, memory = len(rows), pc.max(rows["peak_memory"]).as_py()
    rows = rows.take(latest)
    seconds = {name: np.nan_to_num(rows[name].to_numpy()) for name in _TIMES[:-1]}
    built = seconds["expected_build"] > 0.0
    started = seconds["t_load"] > 0.0
    point = float(sum(seconds[name].sum() for name in _EACH) / seconds["expected_point"].sum())
    build = seconds["t_build"][built].sum() / seconds["expected_build"][built].sum() if built.any() else point
    return Pace(
        build=float(build),
        point=point,
        # without the compiler: it has left its code in a cache
        start=float(seconds["t_load"][started].mean()) if started.any() else None,
        memory=float(memory or 0.0),
        n_points=n_rows,
    )


def _by_value(table: pa.Table, columns: Sequence[str], function: Callable[..., Any]) -> list[Any]:
    """Apply a function to some columns of every row, once for each combination of values."""
    codes, values = np.zeros(len(table), dtype=np.int64), []
    for name in columns:
        encoded = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
        values.append(encoded.dictionary.to_pylist())
        codes = codes * max(1, len(values[-1])) + encoded.indices.to_numpy()
    distinct, inverse = np.unique(codes, return_inverse=True)
    places = np.unravel_index(distinct, [max(1, len(own)) for own in values])
    results = [
        function(*(own[place] for own, place in zip(values, found, strict=True)))
        for found in zip(*(place.tolist() for place in places), strict=True)
    ]
    return [results[number] for number in inverse.tolist()]


def _differing(text: str | None, content: Mapping[str, str]) -> list[str]:
    """Keys of what a row was made with that are not the same now."""
    made = json.loads(text) if text else {}
    return sorted(key for key in made.keys() | content.keys() if made.get(key) != content.get(key)) if made else []


def read_history(run: RunDirectory) -> History:
    """Read the rows of a run; a summary that cannot be read is reported, not raised."""
    cached = read_cached(run, _WANTED)
    tables, corrupt = [] if cached.rows is None else [_without_dictionaries(cached.rows)], []
    for path in cached.rest:
        try:
            tables.append(_read(path, run.jobs))
        except FileNotFoundError:  # set aside since the folder was listed
            continue
        except CorruptSummaryError as error:
            corrupt.append((path, error))
    return History(_joined(tables), tuple(corrupt))


def rows_of(paths: Iterable[Path]) -> pa.Table:
    """Return the rows of some summaries, with the columns of a history; one that cannot be read is left out."""
    tables = []
    for path in paths:
        with suppress(FileNotFoundError, CorruptSummaryError):
            tables.append(_read(path))
    return _joined(tables)


def _read(path: Path, jobs: Path | None = None) -> pa.Table:
    table = read_summary(path, jobs)
    return table.select([name for name in _WANTED if name in table.column_names])


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    empty = pa.schema(
        [pa.field(name, pa.string()) for name in (*_COLUMNS, *_MACHINES) if name not in (*_NUMBERS, "finished")]
        + [pa.field(name, pa.int64()) for name in _NUMBERS]
        + [pa.field("finished", pa.timestamp("us", tz="UTC"))]
        + [pa.field(name, pa.float64()) for name in _TIMES[:-1]]
        + [pa.field("peak_memory", pa.int64())]
    ).empty_table()
    return pa.concat_tables([empty, *tables], promote_options="default")


def _without_dictionaries(table: pa.Table) -> pa.Table:
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.column_names, types, strict=True)))
