"""Jobs whose simulator makes sums of spikes while it runs: when it does, and that their rows are those of spikes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from accumulation import assert_close
from conftest import default_settings
from workplaces import Workplace

from simulators.backends.accumulated import Accumulates
from simulators.backends.poisson_simulator import open_simulator
from simulators.records.job import Job, Simulation
from simulators.records.run_directory import spike_file_name
from simulators.records.spike_files import SAMPLE_SIZE
from simulators.records.summaries.summary import PHASES
from simulators.statistics import STATISTICS, Window
from simulators.worker.exit_codes import DONE

WITH_SUMS = tuple(name for name, one in STATISTICS.items() if one.needs is not None)
MINE = """
from simulators.statistics import Column, statistic

@statistic({"mine": Column("1", "spikes")})
def mine(spikes, settings):
    return {"mine": float(spikes.trains.n_spikes)}
"""
# What a worker hands to a simulator shows in a file
SPY = """
from simulators.backends.poisson_simulator import PoissonSimulator
accumulate = PoissonSimulator.accumulate
def spied(self, needs):
    open("accumulated", "w").write(repr(needs))
    accumulate(self, needs)
PoissonSimulator.accumulate = spied
"""
SECOND = Simulation(0.1, 50.0, 4321.7)


def run(
    place: Workplace, make_job: Callable[..., Job], sums: bool, cores: int, **changes: Any
) -> tuple[list[dict[str, Any]], bool]:
    """Rows of five points in batches of two, and whether sums were made."""
    place.folder.mkdir(exist_ok=True)
    (place.folder / "mine.py").write_text(MINE)
    (place.folder / "sitecustomize.py").write_text(SPY)
    settings = {"batch": 2, "cores": cores, "sums": sums}
    points = [{"I_th_E": 0.9 + 0.2 * k, "I_th_I": 0.8 + 0.1 * k} for k in range(4)] + [{"I_th_E": 0.0, "I_th_I": 0.0}]
    place.write(make_job(points, **{"statistics": WITH_SUMS, "simulation": SECOND, **changes, "settings": settings}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(place.folder))
        code, log = place.run("--root", str(place.folder))
    assert code == DONE, log
    ours = {*PHASES, "started", "finished", "peak_memory", "realtime_factor"}
    rows = [{name: value for name, value in row.items() if name not in ours} for row in place.rows()]
    return rows, (place.folder / "accumulated").exists()


@pytest.mark.parametrize("cores", [1, 3])
def test_rows_of_sums_are_those_of_spikes(tmp_path: Path, make_job: Callable[..., Job], cores: int) -> None:
    expected, none = run(Workplace(tmp_path / "spikes"), make_job, sums=False, cores=1)
    found, made = run(Workplace(tmp_path / "sums"), make_job, sums=True, cores=cores)
    assert (none, made) == (False, True)
    assert len(found) == 5
    for row, other in zip(found, expected, strict=True):
        assert row["status"] == "ok"
        assert_close(*({k: v for k, v in one.items() if isinstance(v, (int, float, list))} for one in (row, other)))


@pytest.mark.parametrize(
    "changes",
    [
        {"spikes": "all"},
        {"windows": {"late": Window(1000.0, 2000.0)}},
        {"statistics": (*WITH_SUMS, "response")},
        {"statistics": (*WITH_SUMS, "mine.py:mine")},
    ],
    ids=["all spikes kept", "a window", "a statistic of trains", "a statistic of one's own"],
)
def test_where_anything_needs_them_there_are_whole_trains(
    workplace: Workplace, make_job: Callable[..., Job], changes: dict[str, Any]
) -> None:
    rows, made = run(workplace, make_job, sums=True, cores=3, **changes)
    assert not made
    assert {row["status"] for row in rows} == {"ok"}
    if "spikes" in changes:
        assert (workplace.folder / "spikes" / spike_file_name("p0")).exists()
    if "mine.py:mine" in changes.get("statistics", ()):
        assert [row["mine_E"] + row["mine_I"] for row in rows] == [row["n_spikes"] for row in rows]


@pytest.mark.parametrize("cores", [1, 3])
def test_a_sample_that_is_kept_is_that_of_whole_trains(
    tmp_path: Path, make_job: Callable[..., Job], cores: int
) -> None:
    changes: dict[str, Any] = {"spikes": "sample", "statistics": ("rate", "cv_isi")}  # which need no trains
    places = [Workplace(tmp_path / name) for name in ("whole", "sums")]
    expected, none = run(places[0], make_job, sums=False, cores=1, **changes)
    found, made = run(places[1], make_job, sums=True, cores=cores, **changes)
    assert (none, made) == (False, True)
    assert [row["n_spikes"] for row in found] == [row["n_spikes"] for row in expected]
    for k in range(5):
        tables = [pq.read_table(place.folder / "spikes" / spike_file_name(f"p{k}")) for place in places]
        assert tables[0].equals(tables[1], check_metadata=True)
        assert len(set(tables[1].filter(pc.equal(tables[1]["population"], "E"))["sender"].to_pylist())) <= SAMPLE_SIZE
        assert k == 4 or tables[1].num_rows > 1000


def test_a_simulator_that_records_faster_is_not_asked_for_sums() -> None:
    simulator = open_simulator(SECOND, default_settings("poisson"))
    assert isinstance(simulator, Accumulates)
    assert not simulator.accumulates
