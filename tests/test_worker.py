"""The worker as a command: what it writes, how it ends, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import default_settings, require_simulator

from simulators.records.job import Job, JobError, Point, Simulation, read_job, write_job
from simulators.records.run_directory import spike_file_name
from simulators.records.spike_files import SAMPLE_SIZE
from simulators.records.summary import PHASES, read_summary, summary_schema
from simulators.statistics import Window, columns
from simulators.worker.exit_codes import DONE, STOPPED, TRANSIENT, UNUSABLE

ROOT = Path(__file__).resolve().parent.parent
STATISTICS = ("rate", "cv_isi", "fano_factor")


@dataclass
class Workplace:
    """A folder with a job in which workers run."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def summary(self) -> Path:
        return self.folder / "summaries" / "job.parquet"

    @property
    def marker(self) -> Path:
        return self.summary.with_name(".job.parquet.in-flight")

    def write(self, job: Job) -> None:
        write_job(job, self.folder / "job.json")

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "simulators.worker", str(self.folder / "job.json")]
        environment = {**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{ROOT}"}
        process = subprocess.Popen(
            [*command, "--summary", str(self.summary), "--spikes", str(self.folder / "spikes"), *options],
            cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self) -> tuple[int, str]:
        """Run a worker to its end; return exit code and log."""
        process = self.start()
        _, log = process.communicate(timeout=60)
        return process.returncode, log

    def rows(self) -> list[dict[str, Any]]:
        return read_summary(self.summary).to_pylist() if self.summary.exists() else []


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path)
    yield place
    for process in place.processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def make_job(small: dict[str, Any]) -> Callable[..., Job]:
    def make(
        swept: Sequence[Mapping[str, Any]] | int = 4, simulator: str = "poisson", simulation: Simulation | None = None,
        **changes: Any,
    ) -> Job:  # fmt: skip
        require_simulator(simulator, default_settings(simulator))
        values = [{"I_th_E": 0.8 + 0.2 * k} for k in range(swept)] if isinstance(swept, int) else swept
        settings = {**default_settings(simulator), **changes.pop("settings", {})}
        job = Job(
            name="job", model="clustered", simulator=simulator, settings=settings,
            simulation=simulation or Simulation(0.1, 100.0, 900.0), statistics=STATISTICS, parameters=small,
            points=tuple(Point(f"p{k}", 1, 7, one) for k, one in enumerate(values)), populations=("E", "I"),
        )  # fmt: skip
        return replace(job, **changes)

    return make


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("simulator", ["poisson", pytest.param("nest", marks=pytest.mark.nest)])
def test_every_point_has_a_row_and_the_phases_are_the_wall_time(
    workplace: Workplace, make_job: Callable[..., Job], simulator: str
) -> None:
    points = [{"I_th_E": i, "p[0,1]": p} for p in (0.5, 0.4) for i in (2.0, 2.13, 2.3)]
    workplace.write(make_job(points, simulator))
    begin = time.perf_counter()
    code, log = workplace.run()
    wall = time.perf_counter() - begin
    assert code == DONE, log
    rows = workplace.rows()
    assert [row["point_id"] for row in rows] == [f"p{k}" for k in range(6)]
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["error"] for row in rows} == {None}
    assert [(row["I_th_E"], row["p[0,1]"]) for row in rows] == [(one["I_th_E"], one["p[0,1]"]) for one in points]
    assert all(row["rate_E"] > 0.1 and row["n_neurons_rate_E"] == 400 for row in rows)
    for row in rows:
        assert row["n_spikes"] == round((row["rate_E"] * 400 + row["rate_I"] * 100) * 0.9)
        assert (row["n_neurons"], row["seed"], row["network_seed"], row["job"]) == (500, 1, 7, "job")
        assert row["peak_memory"] > 2e7
        assert row["started"] <= row["finished"]
        assert all(row[phase] >= 0.0 for phase in PHASES)
        assert row["realtime_factor"] == pytest.approx(row["t_simulate"] / 1.0)
        assert json.loads(row["versions"]).keys() >= {"python", "numpy", "pyarrow", "code"}
    total = sum(row[phase] for row in rows for phase in PHASES)
    assert wall - 0.35 - 0.1 * wall < total <= wall  # the interpreter's end belongs to no phase
    assert rows[0]["t_load"] > 0.05
    assert {row["t_load"] for row in rows[1:]} == {0.0}
    if simulator == "nest":  # each of the two structures is charged to the row that built it
        assert [row["t_build"] > 0.0 for row in rows] == [True, False, False, True, False, False]
        assert rows[0]["n_synapses"] > rows[3]["n_synapses"] > 50_000
    assert not workplace.marker.exists()


def test_columns_carry_units_and_meaning(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job([{"Q": 4, "I_th_E": 1.0, "stim_clusters": [1], "fixed_indegree": True}]))
    assert workplace.run()[0] == DONE
    schema = pq.read_schema(workplace.summary)
    swept = {"Q": 4, "I_th_E": 1.0, "stim_clusters": [1], "fixed_indegree": True}
    wanted = summary_schema(STATISTICS, ("E", "I"), swept)
    assert [(one.name, one.metadata) for one in schema] == [(one.name, one.metadata) for one in wanted]
    units = {one.name: one.metadata[b"unit"].decode() for one in schema}
    assert (units["rate_E"], units["cv_isi_I"], units["t_simulate"], units["peak_memory"]) == ("Hz", "1", "s", "B")
    assert all(one.metadata[b"doc"] for one in schema)
    assert set(columns(STATISTICS, ("E", "I"))) <= set(schema.names)
    assert [schema.field(name).type for name in swept] == [pa.int64(), pa.float64(), pa.list_(pa.int64()), pa.bool_()]


def test_windows_and_lists_have_columns(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    windows = {"before": Window(0.0, 300.0), "during": Window(300.0, 350.0, {"I": 5.0})}
    workplace.write(make_job(1, windows=windows))
    assert workplace.run()[0] == DONE
    table = read_summary(workplace.summary)
    for name, column in columns(STATISTICS, ("E", "I"), windows).items():
        found = table.schema.field(name)
        kinds = {"float": pa.float64(), "integer": pa.int64(), "integers": pa.list_(pa.int32())}
        assert found.type == (kinds | {"floats": pa.list_(pa.float64())})[column.kind]
        if column.is_list:
            assert json.loads(found.metadata[b"bins"]) == list(column.bins)
            assert found.metadata[b"bins_unit"].decode() == column.bins_unit
    row = table.to_pylist()[0]
    assert sum(row["rate_hist_E"]) == sum(row["rate_hist_E_during"]) == 400
    assert row["rate_E_before"] > 0.0 and row["rate_E_before"] != row["rate_E"]


def test_a_diverged_point_has_no_lists_either(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job([{"I_th_E": 2.0, "N_E": 81}, {"I_th_E": 2.0, "N_E": 400}]))
    assert workplace.run()[0] == DONE
    failed, ok = workplace.rows()
    assert (failed["status"], failed["rate_hist_E"]) == ("failed", None)
    assert ok["status"] == "ok" and sum(ok["rate_hist_E"]) == 400


def test_a_bad_point_gets_its_row_and_the_others_run(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job([{"Q": 4}, {"Q": 7}, {"Q": 2}, {"Q": 1}]))
    code, log = workplace.run()
    assert code == DONE, log
    rows = workplace.rows()
    assert {row["point_id"]: row["status"] for row in rows} == {"p0": "ok", "p1": "failed", "p2": "failed", "p3": "ok"}
    errors = {row["point_id"]: row["error"] for row in rows}
    assert errors["p1"] == "ParameterError: N_E, Q: N_E = 400 must be divisible by Q = 7"
    assert "jep" in errors["p2"]
    failed = next(row for row in rows if row["point_id"] == "p1")
    assert failed["rate_E"] is None
    assert failed["n_spikes"] is None


def test_a_diverged_point_has_no_statistics_and_says_why(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(3, simulation=Simulation(0.1, 100.0, 900.0, max_rate=5.0), settings={"max_rate_hz": 20.0}))
    assert workplace.run()[0] == DONE
    rows = workplace.rows()
    assert [row["status"] for row in rows] == ["ok", "ok", "diverged"] or "diverged" in {row["status"] for row in rows}
    diverged = next(row for row in rows if row["status"] == "diverged")
    assert "max_rate" in diverged["error"]
    assert diverged["rate_E"] is None


def test_a_statistic_that_cannot_be_computed_fails_its_point_alone(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    workplace.write(make_job(2, statistics_settings={"fano_window": 0.25}))
    assert workplace.run()[0] == DONE
    for row in workplace.rows():
        assert row["status"] == "failed"
        assert "fano_window" in row["error"]
        assert row["n_spikes"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_keeps_its_rows_and_goes_on(
    workplace: Workplace, make_job: Callable[..., Job], number: signal.Signals
) -> None:
    workplace.write(make_job(5, settings={"seconds_per_point": 0.4}))
    process = workplace.start()
    wait_until(lambda: len(workplace.rows()) >= 2)
    process.send_signal(number)
    _, log = process.communicate(timeout=20)
    assert process.returncode == STOPPED, log
    kept = workplace.rows()
    assert 2 <= len(kept) < 5
    assert not workplace.marker.exists()
    assert workplace.run()[0] == DONE
    rows = workplace.rows()
    assert [row["point_id"] for row in rows] == [f"p{k}" for k in range(5)]
    same = {"rate_E", "finished", "started", "status"}
    assert [{k: row[k] for k in same} for row in rows[: len(kept)]] == [{k: row[k] for k in same} for row in kept]


def test_the_end_of_standard_input_stops_a_worker_that_asks_for_it(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    workplace.write(make_job(3, settings={"seconds_per_point": 60.0}))
    process = workplace.start("--stop-at-eof")  # its input is empty
    process.communicate(timeout=20)
    assert process.returncode == STOPPED


def test_a_killed_worker_loses_only_the_point_in_flight(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(5, settings={"seconds_per_point": 0.4}))
    process = workplace.start()
    wait_until(lambda: len(workplace.rows()) >= 2)
    process.kill()
    process.communicate()
    kept = len(workplace.rows())
    assert 2 <= kept < 5
    assert workplace.run()[0] == DONE
    assert [row["point_id"] for row in workplace.rows()] == [f"p{k}" for k in range(5)]
    assert not workplace.marker.exists()
    # A temporary file that was being written may stay behind; its name keeps it out of the run.
    assert [path.name for path in workplace.summary.parent.glob("[!.]*")] == ["job.parquet"]


@pytest.mark.nest
def test_a_resumed_job_has_the_results_of_one_that_was_not_interrupted(
    tmp_path: Path, make_job: Callable[..., Job]
) -> None:
    job = make_job(4, "nest", Simulation(0.1, 100.0, 300.0))
    whole, halved = Workplace(tmp_path / "whole"), Workplace(tmp_path / "halved")
    whole.write(job)
    assert whole.run()[0] == DONE
    for points in (job.points[:2], job.points):
        halved.write(replace(job, points=points))
        assert halved.run()[0] == DONE
    names = [*columns(STATISTICS, ("E", "I")), "n_spikes", "point_id"]
    found = [str([[row[name] for name in names] for row in place.rows()]) for place in (whole, halved)]  # NaN is nan
    assert found[0] == found[1]
    assert len(whole.rows()) == 4


def test_a_point_that_kills_its_worker_is_given_up(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    stuck = make_job(2, settings={"seconds_per_point": 60.0})
    workplace.write(stuck)
    for deaths in (1, 2, 3):
        process = workplace.start()
        wait_until(lambda n=deaths: workplace.marker.exists() and f'"p0": {n}' in workplace.marker.read_text())
        process.kill()
        process.communicate()
    workplace.write(replace(stuck, settings={**stuck.settings, "seconds_per_point": 0.0}))
    assert workplace.run()[0] == DONE
    rows = workplace.rows()
    assert [(row["point_id"], row["status"]) for row in rows] == [("p0", "failed"), ("p1", "ok")]
    assert "died 3 times" in rows[0]["error"]


def test_a_point_has_its_time(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(2, settings={"seconds_per_point": 60.0}, timeout=0.3))
    code, log = workplace.run()
    assert code == DONE, log
    rows = workplace.rows()
    assert [(row["status"], row["error"]) for row in rows] == [("timeout", "took longer than 0.3 s")] * 2
    assert all(0.3 <= row["t_simulate"] < 5.0 for row in rows)


@pytest.mark.parametrize("content", [b"", b"PAR1 not a parquet file", b"point_id,rate\n"])
def test_a_corrupt_summary_is_named_and_left_alone(
    workplace: Workplace, make_job: Callable[..., Job], content: bytes
) -> None:
    workplace.write(make_job(1))
    workplace.summary.parent.mkdir()
    workplace.summary.write_bytes(content)
    code, log = workplace.run()
    assert code == TRANSIENT, "it may have been cut short on its way here"
    assert str(workplace.summary) in log
    assert "Traceback" not in log
    assert workplace.summary.read_bytes() == content


def test_a_parquet_file_that_is_no_summary_is_corrupt(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(1))
    workplace.summary.parent.mkdir()
    pq.write_table(pa.table({"point_id": ["p0"]}), workplace.summary)
    code, log = workplace.run()
    assert code == TRANSIENT
    assert "['simulator', 'status'] are missing" in log


@pytest.mark.parametrize("content", [None, "", '{\n "name": "job",\n "points": [\n  {"point_id": "p0", "see'])
def test_a_job_file_that_is_missing_or_cut_short_is_for_another_machine(
    workplace: Workplace, content: str | None
) -> None:
    if content is not None:
        (workplace.folder / "job.json").write_text(content)
    code, log = workplace.run()
    assert code == TRANSIENT, log
    assert "job.json" in log and "Traceback" not in log


def break_module(workplace: Workplace, module: str, code: str) -> None:
    """Have the workers of a place load another module before all others, as a broken machine would."""
    (workplace.folder / "sitecustomize.py").write_text(f"import {module} as broken\n{code}\n")


MACHINE_TROUBLES = {
    "does not compile": (
        "simulators.backends.poisson_simulator",
        (
            "from simulators.backends.simulator import SimulatorUnavailableError\n"
            "def build(self, network, seed):\n    raise SimulatorUnavailableError('g++: cannot execute cc1plus')\n"
            "broken.PoissonSimulator.build = build"
        ),
    ),
    "stale file handle": (
        "simulators.backends.poisson_simulator",
        (
            "import errno\ndef run(self, networks, check):\n    raise OSError(errno.ESTALE, 'Stale file handle')\n"
            "broken.PoissonSimulator.run = run"
        ),
    ),
    "library is missing": (
        "simulators.models.clustered",
        "def make_network(parameters):\n    import no_such_library_here\nbroken.make_network = make_network",
    ),
    "simulator is missing": (
        "simulators.backends.poisson_simulator",
        (
            "from simulators.backends.simulator import SimulatorUnavailableError\n"
            "def open_simulator(*settings):\n    raise SimulatorUnavailableError('NEST cannot be imported here')\n"
            "broken.open_simulator = open_simulator"
        ),
    ),
    "disk is full": (
        "simulators.worker.job_summary",
        (
            "import errno\ndef write(*content):\n    raise OSError(errno.ENOSPC, 'No space left on device')\n"
            "broken.write_summary = write"
        ),
    ),
}


@pytest.mark.parametrize("trouble", MACHINE_TROUBLES)
def test_trouble_of_the_machine_writes_no_rows_and_is_for_another_machine(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    workplace.write(make_job(3))
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    break_module(workplace, *MACHINE_TROUBLES[trouble])
    for _ in range(4):  # more often than a point may kill its worker
        code, log = workplace.run()
        assert code == TRANSIENT, log
        assert workplace.rows() == []
        assert not workplace.marker.exists(), "the point is not to blame"
    (workplace.folder / "sitecustomize.py").unlink()
    assert workplace.run()[0] == DONE
    assert [row["status"] for row in workplace.rows()] == ["ok"] * 3


def test_a_stray_error_is_a_crash_and_ends_nobody_elses_job(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write(make_job(1))
    monkeypatch.setenv("PYTHONPATH", str(workplace.folder))
    code = "def open_simulator(*settings):\n    return {}['stray']\nbroken.open_simulator = open_simulator"
    break_module(workplace, "simulators.backends.poisson_simulator", code)
    code, log = workplace.run()
    assert code not in (DONE, TRANSIENT, UNUSABLE, STOPPED), log
    assert "KeyError: 'stray'" in log


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda job: job.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("points"), "field 'points' is missing"),
        (without("statistics"), "field 'statistics' is missing"),
        (without("model"), "'model'"),
        (lambda job: job.update(modell="clustered"), "'modell'"),
        (lambda job: job["simulation"].update(length=3.0), "'length'"),
        (lambda job: job["points"][0].pop("seed"), "'seed'"),
        (lambda job: job.update(model="clustred"), "no model 'clustred'"),
        (lambda job: job.update(simulator="nets"), "no simulator 'nets'"),
        (lambda job: job.update(statistics=["rat"]), "no statistic 'rat'"),
        (lambda job: job["points"][0].update(swept={"no_such": 1.0}), "no parameter 'no_such'"),
        (lambda job: job.update(points=[]), "there are no points"),
    ],
)
def test_a_malformed_job_names_file_and_field(
    workplace: Workplace, make_job: Callable[..., Job], change: Callable[[dict[str, Any]], object], message: str
) -> None:
    workplace.write(make_job(1))
    path = workplace.folder / "job.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    if not message.startswith(("no ", "there are no ")):
        with pytest.raises(JobError, match=r"job\.json: ") as caught:
            read_job(path)
        assert message in str(caught.value)
    code, log = workplace.run()
    assert code == UNUSABLE
    assert message in log
    assert "Traceback" not in log
    assert not workplace.summary.exists()


@pytest.mark.parametrize(
    ("text", "rule"), [(None, "cannot be read"), ("", "is not JSON"), ("{", "is not JSON"), ("[1]", "job.json")]
)
def test_what_is_not_a_job_is_refused(workplace: Workplace, text: str | None, rule: str) -> None:
    path = workplace.folder / "job.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(JobError, match=rule):
        read_job(path)


@pytest.mark.parametrize("kind", ["none", "sample", "all"])
def test_spikes_are_kept_as_asked(workplace: Workplace, make_job: Callable[..., Job], kind: str) -> None:
    workplace.write(make_job(2, spikes=kind))
    assert workplace.run()[0] == DONE
    folder = workplace.folder / "spikes"
    if kind == "none":
        assert not folder.exists()
        return
    assert sorted(path.name for path in folder.iterdir()) == sorted(spike_file_name(f"p{k}") for k in range(2))
    for row in workplace.rows():
        table = pq.read_table(folder / spike_file_name(row["point_id"]))
        assert table.schema.field("time").metadata[b"unit"] == b"ms"
        assert table.schema.metadata[b"n_neurons_E"] == b"400"
        frame = {name: np.array(table[name].to_pylist()) for name in table.column_names}
        assert frame["time"].min() > 0.0
        assert frame["time"].max() <= 900.0
        for name, size in (("E", 400), ("I", 100)):
            chosen = frame["population"] == name
            senders = np.unique(frame["sender"][chosen])
            assert senders.max() < size
            if kind == "sample":
                assert len(senders) <= SAMPLE_SIZE
                assert set(senders * 4 // size) == {0, 1, 2, 3}  # of every cluster
            assert (np.diff(frame["time"][chosen]) >= 0.0).all()
        if kind == "all":
            assert len(table) == row["n_spikes"]


def test_a_job_survives_its_file(tmp_path: Path, make_job: Callable[..., Job]) -> None:
    job = make_job(
        [{"p[0,1]": 0.5, "stim_clusters": [1, 2], "note": "größer"}],
        statistics_settings={"fano_window": 200.0}, spikes="sample", timeout=12.5,
        windows={"before": Window(0.0, 300.0), "late": Window(300.0, 350.0, {"I": 5.0})},
    )  # fmt: skip
    write_job(job, tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job
    assert read_job(tmp_path / "job.json").points[0].swept["note"] == "größer"
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_a_job_of_before_there_were_windows_is_read(tmp_path: Path, make_job: Callable[..., Job]) -> None:
    job = make_job(1)
    path = tmp_path / "job.json"
    write_job(job, path)
    content = json.loads(path.read_text())
    del content["windows"]
    path.write_text(json.dumps(content))
    assert read_job(path) == job
    path.write_text(json.dumps(content | {"windows": [1]}))
    with pytest.raises(JobError, match=r"job\.json"):
        read_job(path)


def test_a_worker_does_without_pandas(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write(make_job(1))
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # lists every import
    code, log = workplace.run()
    assert code == DONE and len(workplace.rows()) == 1
    assert "pyarrow" in log and "pandas.core" not in log
