"""What a run's summaries say is done. The parquet files are the only truth there is."""

from __future__ import annotations

from collections.abc import Mapping
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

_COLUMNS = ("point_id", "simulator", "backend", "threads", "status", "error", "job", "finished")
_TIMES = ("t_build", "t_reset", "t_simulate", "t_record", "t_statistics", "t_write", "peak_memory")


@dataclass(frozen=True)
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

    def outcome(self, simulator: str, identity: Mapping[str, Any]) -> dict[str, str]:
        """Status of each point that has a row of this simulator with these settings; ok wins over any other.

        Parameters
        ----------
        simulator : str
            Its name.
        identity : mapping of str to value
            Columns that must match; None matches any value.
        """
        mine = self._of(simulator, identity)
        outcomes: dict[str, str] = {}
        ids, statuses = mine["point_id"].to_pylist(), mine["status"].to_pylist()
        for point_id, status in zip(ids, statuses, strict=True):
            if outcomes.get(point_id) != "ok":
                outcomes[point_id] = status
        return outcomes

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


def read_history(run: RunDirectory) -> History:
    """Read the rows of a run; a summary that cannot be read is reported, not raised."""
    wanted = (*_COLUMNS, *_TIMES)
    cached = read_cached(run, wanted)
    tables, corrupt = [] if cached.rows is None else [_without_dictionaries(cached.rows)], []
    for path in cached.rest:
        try:
            table = read_summary(path)
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
