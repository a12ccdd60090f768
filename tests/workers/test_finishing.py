"""Points that other processes finish while the next ones run: rows, spikes, and how all of it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workplaces import Workplace, wait_until

from simulators.backends.poisson_simulator import open_simulator
from simulators.backends.recorded import HandsOver, Recorded, slots_of
from simulators.records.job import Job, Simulation
from simulators.records.run_directory import spike_file_name
from simulators.records.spike_files import read_spikes
from simulators.records.summaries.summary import PHASES
from simulators.statistics import STATISTICS
from simulators.worker.exit_codes import DONE, STOPPED, TRANSIENT
from simulators.worker.finisher_process import SharedMemory
from simulators.worker.finishing import Finishing

MINE = """
import ctypes
import os
import time
from simulators.statistics import Column, statistic

@statistic({"mine": Column("1", "one")})
def mine(spikes, settings):
    print("a statistic of one's own may print")
    if spikes.trains.n_spikes == 0:
        SILENT
    return {"mine": 1.0}
"""
BESIDE = {"batch": 3, "cores": 3}
SILENT = {"I_th_E": 0.0, "I_th_I": 0.0, "N_E": 4, "N_I": 4, "Q": 1}  # two neurons to a population: no spike in 0.1 s


def children(process: int) -> set[int]:
    """Processes that a process has started and that have not ended."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def are_gone(processes: set[int]) -> Callable[[], bool]:
    return lambda: not any(Path(f"/proc/{one}").exists() for one in processes)


def make_mine(workplace: Workplace, what: str) -> dict[str, Any]:
    """Write a statistic that does something where nobody fires, and return a job's changes that ask for it."""
    (workplace.folder / "mine.py").write_text(MINE.replace("SILENT", what))
    return {"statistics": ("rate", "mine.py:mine"), "settings": BESIDE, "simulation": Simulation(0.1, 0.0, 100.0)}


def values_of(row: dict[str, Any]) -> str:
    ours = {*PHASES, "started", "finished", "peak_memory", "realtime_factor"}
    return repr({name: value for name, value in row.items() if name not in ours})  # NaN is nan


def test_rows_and_spikes_are_those_of_one_process(tmp_path: Path, make_job: Callable[..., Job]) -> None:
    rows, files = [], []
    for cores in (1, 3):
        place = Workplace(tmp_path / str(cores))
        place.folder.mkdir()
        place.write(make_job(7, settings={"batch": 3, "cores": cores}, statistics=tuple(STATISTICS), spikes="all"))
        code, log = place.run()
        assert code == DONE, log
        assert not place.marker.exists()
        rows.append(place.rows())
        found = [read_spikes(place.folder / "spikes" / spike_file_name(f"p{k}")) for k in range(7)]
        files.append([(trains.steps.tolist(), trains.senders.tolist()) for one in found for trains in one.values()])
    alone, beside = rows
    assert [row["point_id"] for row in beside] == [f"p{k}" for k in range(7)]
    assert [values_of(row) for row in beside] == [values_of(row) for row in alone]
    assert {row["status"] for row in beside} == {"ok"}
    assert files[0] == files[1]
    assert all(row[phase] >= 0.0 for row in beside for phase in PHASES)
    assert beside[-1]["peak_memory"] > alone[-1]["peak_memory"]


def test_a_statistic_that_raises_is_the_row_of_its_point(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    changes = make_mine(workplace, "raise ValueError('nobody fires')")
    workplace.write(make_job([{}, SILENT, {"I_th_E": 1.4}], **changes))
    code, log = workplace.run("--root", str(workplace.folder))
    assert code == DONE, log
    rows = {row["point_id"]: row for row in workplace.rows()}
    assert {name: row["status"] for name, row in rows.items()} == {"p0": "ok", "p1": "failed", "p2": "ok"}
    assert rows["p1"]["error"] == "statistics: ValueError: nobody fires"


def test_a_point_that_ends_a_process_is_given_up_and_nothing_is_blamed_but_it(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    changes = make_mine(workplace, "ctypes.string_at(0)")
    workplace.write(make_job([{}, SILENT, {"I_th_E": 1.4}], **changes))
    for deaths in (1, 2, 3):
        assert workplace.run("--root", str(workplace.folder))[0] == -signal.SIGSEGV, "as the process has ended"
        assert json.loads(workplace.marker.read_text())["deaths"] == {"p1": deaths}
    assert workplace.run("--root", str(workplace.folder))[0] == DONE
    rows = {row["point_id"]: row for row in workplace.rows()}
    assert {name: row["status"] for name, row in rows.items()} == {"p0": "ok", "p1": "failed", "p2": "ok"}
    assert rows["p1"]["error"] == "the worker died 3 times while it ran this point"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_worker_that_ends(
    workplace: Workplace, make_job: Callable[..., Job], number: signal.Signals
) -> None:
    changes = make_mine(workplace, "open('asleep', 'w').close(); time.sleep(2.0)")
    points = [{}, SILENT, {"I_th_E": 1.4}, {"I_th_E": 1.5}, {"I_th_E": 1.6}]
    changes["settings"] = {**BESIDE, "seconds_per_point": 2.0}
    workplace.write(make_job(points, **changes))
    process = workplace.start("--root", str(workplace.folder))
    wait_until((workplace.folder / "asleep").exists)
    helpers = children(process.pid)
    assert len(helpers) == 2
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until(are_gone(helpers), 5.0)
    if number == signal.SIGTERM:
        assert process.returncode == STOPPED
        assert [row["status"] for row in workplace.rows()] == ["ok"] * 2, "those that had run"
        assert not workplace.marker.exists()
    else:
        assert "p1" in json.loads(workplace.marker.read_text())["deaths"]
        assert "p1" not in {row["point_id"] for row in workplace.rows()}


def test_points_that_take_too_long_leave_nothing_to_the_next(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    (workplace.folder / "sitecustomize.py").write_text(
        "import time\n"
        "import simulators.worker.finishing as finishing\n"
        "add = finishing.Finishing.add\n"
        "def slow(self, words, begin, end):\n"
        "    add(self, words, begin, end)\n"
        "    while begin >= 3000 and len(words['E'][0]) == 2:\n"
        "        time.sleep(0.1)\n"
        "        self._check()\n"
        "finishing.Finishing.add = slow\n"
    )
    seconds = Simulation(0.1, 100.0, 900.0)
    points = [{"I_th_E": 1.0}, {"I_th_E": 1.2}, {"I_th_E": 1.4, "Q": 1}]
    settings = {**BESIDE, "batch": 2}
    workplace.write(make_job(points, settings=settings, simulation=seconds, timeout=4.0))
    code, log = workplace.run()
    assert code == DONE, log
    first, second, third = workplace.rows()
    assert [row["status"] for row in (first, second, third)] == ["timeout", "timeout", "ok"]
    workplace.write(make_job(points, settings={**settings, "cores": 1}, simulation=seconds))
    workplace.summary.unlink()
    assert workplace.run()[0] == DONE
    assert values_of(workplace.rows()[2]) == values_of(third)


def test_a_folder_that_cannot_be_written_is_the_machine_s_fault(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    workplace.write(make_job(4, settings=BESIDE, spikes="all"))
    (workplace.folder / "spikes").write_text("a file")
    code, log = workplace.run()
    assert code == TRANSIENT, log
    assert "spikes" in log and "Traceback" not in log
    assert workplace.rows() == []
    assert not workplace.marker.exists()


def test_a_process_that_is_killed_ends_its_worker_alike(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(6, settings={**BESIDE, "seconds_per_point": 0.5}))
    process = workplace.start()
    wait_until(lambda: len(children(process.pid)) == 2)
    helpers = children(process.pid)
    os.kill(min(helpers), signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, "so that it is taken for lack of memory where that was it"
    wait_until(are_gone(helpers), 5.0)


def test_a_point_that_fires_too_fast_is_found_beside(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    job = make_job([{"I_th_E": 0.2, "I_th_I": 0.2}, {"I_th_E": 9.0}, {"I_th_E": 0.3, "I_th_I": 0.2}], settings=BESIDE)
    workplace.write(job)
    (workplace.folder / "sitecustomize.py").write_text(
        "import simulators.backends.recorded as recorded\n"
        "recorded.most_spikes = lambda size, n_steps, simulation: 1e-3 * 10.0 * size * n_steps * simulation.dt\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(workplace.folder))
        code, log = workplace.run()
    assert code == DONE, log
    assert {row["point_id"]: row["status"] for row in workplace.rows()} == {"p0": "ok", "p1": "diverged", "p2": "ok"}


def test_the_next_batch_goes_on_while_statistics_of_the_last_are_computed(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    job = make_job([SILENT], **make_mine(workplace, "time.sleep(4.0)"))
    finishing = Finishing(job, workplace.folder, workplace.folder, 1)
    cells, silence = {0: [Recorded("E", 2, 1, 0.0)]}, {"E": np.zeros((100, 1, 1), np.uint32)}
    looks = iter(range(1000))
    try:
        finishing.open(cells, lambda: None)
        finishing.add(silence, 0, 100)
        finishing.settle()
        finishing.finish({0: "p0"})
        finishing.open(cells, lambda: next(looks))
        for k in range(6):
            finishing.add(silence, 100 * k, 100 * (k + 1))
        finishing.release()
        assert next(looks) <= 2, "it has waited"
        assert finishing.take() == {}, "it is not done yet"
        finishing.settle()
        finishing.finish({0: "p1"})
        finishing.wait(lambda: None)
        assert {name: row["status"] for name, row in (finishing.take() | finishing.take()).items()} == {
            "p0": "ok", "p1": "ok",
        }  # fmt: skip
    finally:
        finishing.close()


def test_large_pieces_have_few_slots() -> None:
    assert [slots_of(size) for size in (0, 4e7, 1e8, 2.5e8, 1e10)] == [8, 8, 5, 2, 2]


def test_only_a_simulator_that_asks_for_them_has_helpers() -> None:
    settings = {"seconds_per_point": 0.0, "max_rate_hz": 20.0, "batch": 1, "cores": 1, "sums": False}
    simulator = open_simulator(Simulation(0.1, 0.0, 100.0), settings)
    assert isinstance(simulator, HandsOver)
    assert simulator.helpers == 0


def test_shared_memory_has_no_name_and_holds_what_was_put_into_each_slot() -> None:
    shared = SharedMemory()
    shared.grow(4096)
    words = {"E": np.arange(24, dtype=np.uint32).reshape(2, 3, 4), "I": np.arange(6, dtype=np.uint32).reshape(2, 3, 1)}
    places = shared.put(1, words)
    held = os.pread(shared.descriptor, shared.size, 0)
    for name, (offset, shape) in places.items():
        assert offset >= 4096
        found = np.frombuffer(held, np.uint32, int(np.prod(shape)), offset).reshape(shape)
        assert (found == words[name]).all()
    shared.close()
