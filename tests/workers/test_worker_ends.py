"""The worker as a command: how it ends, and what is left when it is stopped or killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workplaces import STATISTICS, Workplace, wait_until

from simulators.records.job import Job, JobError, Simulation, read_job
from simulators.statistics import columns
from simulators.worker.exit_codes import DONE, STOPPED, TRANSIENT, UNUSABLE


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
            "def build(self, *given):\n    raise SimulatorUnavailableError('g++: cannot execute cc1plus')\n"
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
