"""What a run's summaries say is done. The parquet files are the only truth there is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.plan import Observed
from simulators.records.run_directory import RunDirectory
from simulators.records.summary import CorruptSummaryError, read_summary
from simulators.records.summary_cache import read_cached
from simulators.records.wanted import Wanted

_COLUMNS = (
    *("point_id", "setting_id", "content", "simulator", "backend", "threads", "status", "error", "job", "finished"),
    *("statistics", "spikes"),
)
_TIMES = ("t_build", "t_reset", "t_simulate", "t_record", "t_statistics", "t_write", "peak_memory")


OUTDATED = "outdated"
"""What `History.outcome` calls a good row that lacks a statistic, or spikes, that are wanted now."""


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

    def outcome(self, simulator: str, identity: Mapping[str, Any], wanted: Wanted) -> dict[str, str]:
        """Status of each point that has a row of this simulator with these settings.

        Parameters
        ----------
        simulator : str
            Its name.
        identity : mapping of str to value
            Columns that must match; None matches any value.
        wanted : Wanted
            What a good row must hold.

        Returns
        -------
        dict of str to str
            By point: ``ok`` if any row is good and holds all that is wanted, else `OUTDATED` if any is good, else
            what the last row says.
        """
        mine = self._of(simulator, identity)
        sufficient = _by_value(mine, ("statistics", "spikes"), wanted.is_met_by)
        outcomes: dict[str, str] = {}
        rank = {"ok": 2, OUTDATED: 1}
        rows = zip(mine["point_id"].to_pylist(), mine["status"].to_pylist(), sufficient, strict=True)
        for point_id, status, enough in rows:
            said = OUTDATED if status == "ok" and not enough else status
            if rank.get(said, 0) >= rank.get(outcomes.get(point_id, ""), 0):
                outcomes[point_id] = said
        return outcomes

    def stored(self, simulator: str, identity: Mapping[str, Any]) -> dict[str, str]:
        """Job of each point whose spikes are all on disk, by point."""
        mine = self._of(simulator, identity)
        mine = mine.filter(pc.and_(pc.equal(mine["status"], "ok"), pc.equal(mine["spikes"], "all")))
        return dict(zip(mine["point_id"].to_pylist(), mine["job"].to_pylist(), strict=True))

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
        mine = self._of(simulator, identity)
        mine = mine.filter(pc.equal(mine["status"], "ok"))
        differing = _by_value(mine, ("content",), lambda text: ",".join(_differing(text, content)))
        found = dict(zip(mine["setting_id"].to_pylist(), differing, strict=True))
        return dict(Counter(keys for setting, keys in found.items() if keys and setting in settings))

    def observed(self, simulator: str, identity: Mapping[str, Any]) -> Observed | None:
        """What finished points took, or None if there are none."""
        mine = self._of(simulator, identity)
        mine = mine.filter(pc.equal(mine["status"], "ok"))
        if not len(mine):
            return None
        build = mine["t_build"].to_numpy()
        build = build[build > 0.0]
        point = sum(np.nan_to_num(mine[name].to_numpy()) for name in _TIMES[1:-1])
        return Observed(
            build=float(np.median(build)) if len(build) else float("nan"),
            point=float(np.median(point)),
            memory=float(pc.max(mine["peak_memory"]).as_py() or 0.0),
        )

    def _of(self, simulator: str, identity: Mapping[str, Any]) -> pa.Table:
        chosen = pc.equal(self.rows["simulator"], simulator)
        for column, value in identity.items():
            if value is not None:
                chosen = pc.and_(chosen, pc.equal(self.rows[column], value))
        return self.rows.filter(chosen)


def _by_value(table: pa.Table, columns: Sequence[str], function: Callable[..., Any]) -> list[Any]:
    """Apply a function to some columns of every row, once for each combination of values."""
    rows = list(zip(*(table[name].to_pylist() for name in columns), strict=True))
    results = {values: function(*values) for values in set(rows)}
    return [results[values] for values in rows]


def _differing(text: str | None, content: Mapping[str, str]) -> list[str]:
    """Keys of what a row was made with that are not the same now."""
    made = json.loads(text) if text else {}
    return sorted(key for key in made.keys() | content.keys() if made.get(key) != content.get(key)) if made else []


def read_history(run: RunDirectory) -> History:
    """Read the rows of a run; a summary that cannot be read is reported, not raised."""
    wanted = (*_COLUMNS, *_TIMES)
    cached = read_cached(run, wanted)
    tables, corrupt = [] if cached.rows is None else [_without_dictionaries(cached.rows)], []
    for path in cached.rest:
        try:
            table = read_summary(path, run.jobs)
        except FileNotFoundError:  # set aside since the folder was listed
            continue
        except CorruptSummaryError as error:
            corrupt.append((path, error))
        else:
            tables.append(table.select([name for name in wanted if name in table.column_names]))
    empty = pa.schema(
        [pa.field(name, pa.string()) for name in _COLUMNS if name not in ("threads", "finished")]
        + [pa.field("threads", pa.int64()), pa.field("finished", pa.timestamp("us", tz="UTC"))]
        + [pa.field(name, pa.float64()) for name in _TIMES[:-1]]
        + [pa.field("peak_memory", pa.int64())]
    ).empty_table()
    return History(pa.concat_tables([empty, *tables], promote_options="default"), tuple(corrupt))


def _without_dictionaries(table: pa.Table) -> pa.Table:
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.column_names, types, strict=True)))
