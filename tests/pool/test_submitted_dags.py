"""What is known of a run's DAGs where the bindings, a log, a record or a schedd's answer are missing. No pool."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagman_events import ENDED, HOST, REMOVED, SUBMITTED

from jobs import htcondor_executor
from jobs.executor import ExecutorError
from jobs.htcondor_executor import schedd
from jobs.htcondor_executor.descriptions.dag import Dag, Node, dag_text
from jobs.htcondor_executor.record import DagRecord, RecordedJob, read_record, write_record
from jobs.htcondor_executor.schedd import UnreachableError
from simulators.records.run_directory import RunDirectory

NAMES = ("nest-1", "nest-2", "nest-3")
RECORD = DagRecord({name: RecordedJob("nest", 4, 12.5) for name in NAMES}, "login1", "", "login1#7.0#1700000000")


def running(cluster: int, node: str) -> str:
    return (
        f"000 ({cluster:03d}.000.000) 2026-11-21 12:35:00 Job submitted from host: {HOST}\n    DAG Node: {node}\n...\n"
        f"001 ({cluster:03d}.000.000) 2026-11-21 12:35:10 Job executing on host: {HOST}\n\tSlotName: slot1@m1\n...\n"
    )


def written(run: RunDirectory, record: DagRecord = RECORD, own: str | None = SUBMITTED, nodes: str = "") -> Path:
    """A DAG's folder as a submit leaves it, with the event logs of DAGMan's job and of its nodes."""
    folder = run.dag_folder(1)
    folder.mkdir(parents=True)
    variables = {"points": "4", "expected_seconds": "13", "job_name": "x"}
    (folder / "sweep.dag").write_text(dag_text(Dag({"nest": {}}, [Node(name, "nest", variables) for name in NAMES])))
    write_record(record, folder)
    if own is not None:
        (folder / "sweep.dag.dagman.log").write_text(own)
    (folder / "sweep.dag.nodes.log").write_text(nodes)
    return folder


def in_flight(run: RunDirectory) -> list[str]:
    return [job.job for job in htcondor_executor.look_up(run).jobs]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def no_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "htcondor2", None)


Answers = Callable[..., None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Let a schedd, which is not there, answer queries with these ads, or not at all."""
    pytest.importorskip("htcondor2")

    def answer(dags: Sequence[dict[str, Any]] = (), nodes: Sequence[str] = (), reachable: bool = True) -> None:
        def query(_: str, constraint: str, __: list[str]) -> list[dict[str, Any]]:
            if not reachable:
                raise UnreachableError("the schedd does not answer")
            if constraint.startswith("DAGManJobId"):
                assert constraint == "DAGManJobId == 7"
                return [{"DAGNodeName": name} for name in nodes]
            return [ad for ad in dags if constraint in ("ClusterId == 7", "JobUniverse == 7")]

        monkeypatch.setattr(schedd, "_query", query)

    return answer


MINE = {"ClusterId": 7, "GlobalJobId": RECORD.global_id}


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    record = replace(RECORD, throttles={"nest": 3})
    assert read_record(tmp_path) is None
    write_record(record, tmp_path)
    assert read_record(tmp_path) == record
    write_record(replace(record, cancelled=True), tmp_path)
    assert read_record(tmp_path) == replace(record, cancelled=True)


def test_a_record_of_an_older_version_can_be_read(tmp_path: Path) -> None:
    job = {"simulator": "nest", "n_points": 4, "seconds": 12.5}
    old = {"retries": 3, "fatal_code": 78, "jobs": {"nest-1": job}}
    (tmp_path / "submission.json").write_text(json.dumps(old))
    assert read_record(tmp_path) == DagRecord({"nest-1": RecordedJob("nest", 4, 12.5)})


@pytest.mark.parametrize(
    "text", ["", "{}", "x", "[]", '{"jobs": {"nest-1": 3}}', '{"jobs": {}, "cancelled": "no"}', "\0"]
)
def test_a_damaged_record_is_made_up_for_by_the_dag_file(
    run: RunDirectory, text: str, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(run)
    (folder / "submission.json").write_text(text)
    answers([{"ClusterId": 7, "Iwd": str(run.root), "UserLog": str(folder / "sweep.dag.dagman.log")}])
    assert in_flight(run) == list(NAMES)
    assert read_record(folder) == DagRecord({name: RecordedJob("nest", 4, 13.0) for name in NAMES})
    assert "is damaged; the jobs of this DAG are read from sweep.dag" in caplog.text


def test_a_record_and_a_dag_file_that_are_both_damaged_are_one_sentence(run: RunDirectory) -> None:
    folder = written(run)
    (folder / "submission.json").write_text("{")
    (folder / "sweep.dag").write_text("")
    for command in (htcondor_executor.look_up, htcondor_executor.cancel):
        with pytest.raises(
            ExecutorError, match=r"submission\.json is damaged, and so is sweep\.dag .* remove that folder"
        ):
            command(run)


def test_without_bindings_what_has_not_ended_is_in_flight(
    run: RunDirectory, no_bindings: None, caplog: pytest.LogCaptureFixture
) -> None:
    written(run)
    assert in_flight(run) == list(NAMES)
    assert "DAG 7 of HTCondor has not ended, as far as its log tells" in caplog.text
    with pytest.raises(ExecutorError, match=r"DAG 7 .* the Python package htcondor is not installed here"):
        htcondor_executor.cancel(run)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("own", [None, SUBMITTED, "garbage", "\0\1"])
def test_without_bindings_a_lost_log_is_no_end(
    run: RunDirectory, no_bindings: None, own: str | None, cancelled: bool
) -> None:
    """Nor is a `cancel` one: jobs may still be leaving."""
    written(run, replace(RECORD, cancelled=cancelled), own)
    assert in_flight(run) == list(NAMES)


@pytest.mark.parametrize(
    ("own", "record"),
    [
        (SUBMITTED + ENDED, RECORD),
        (SUBMITTED + REMOVED, RECORD),
        (SUBMITTED + REMOVED, replace(RECORD, cancelled=True)),
    ],
)
def test_without_bindings_a_run_that_has_ended_goes_on(
    run: RunDirectory, no_bindings: None, own: str | None, record: DagRecord
) -> None:
    written(run, record, own)
    assert htcondor_executor.look_up(run).description == ""
    assert htcondor_executor.cancel(run) is None


@pytest.mark.parametrize("bindings", [True, False])
def test_a_dag_that_was_never_submitted_is_not_in_flight(
    run: RunDirectory, bindings: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bindings:
        pytest.importorskip("htcondor2")
    else:
        monkeypatch.setitem(sys.modules, "htcondor2", None)
    write_record(replace(RECORD, global_id=""), run.dag_folder(1))
    flight = htcondor_executor.look_up(run)
    assert (flight.description, flight.jobs, flight.failures) == ("", (), ())
    assert htcondor_executor.cancel(run) is None


@pytest.mark.parametrize("own", [None, "", "garbage\n...\n", "\0\1", SUBMITTED[:20]])
@pytest.mark.parametrize(("there", "reachable"), [(True, True), (True, False), (False, True)])
def test_a_log_that_is_lost_leaves_the_word_to_the_schedd(
    run: RunDirectory, answers: Answers, own: str | None, there: bool, reachable: bool
) -> None:
    written(run, own=own)
    answers([MINE] if there else [], reachable=reachable)
    assert in_flight(run) == (list(NAMES) if there else [])


def test_a_log_that_may_not_be_read_leaves_the_word_to_the_schedd(run: RunDirectory, answers: Answers) -> None:
    folder = written(run, own=None)
    (folder / "sweep.dag.dagman.log").mkdir()
    answers([MINE])
    assert in_flight(run) == list(NAMES)


def test_a_dag_without_log_and_number_is_found_by_the_log_it_writes(run: RunDirectory, answers: Answers) -> None:
    folder = written(run, replace(RECORD, global_id=""), own=None)
    other = {"ClusterId": 8, "Iwd": "/elsewhere", "UserLog": "x.log"}
    answers([{"ClusterId": 7, "Iwd": str(run.root), "UserLog": "dag/001/sweep.dag.dagman.log"}, other])
    assert htcondor_executor.look_up(run).description.startswith("DAG 7 of HTCondor")
    assert folder.exists()
    answers([other])
    assert in_flight(run) == []


@pytest.mark.parametrize("cancelled", [True, False])
def test_jobs_that_have_not_left_stay_in_flight(run: RunDirectory, answers: Answers, cancelled: bool) -> None:
    """What was not begun is free; what still writes its rows is not planned again, and its attempts stay."""
    nodes = running(8, "nest-1") + running(9, "nest-2")
    written(run, replace(RECORD, cancelled=cancelled), SUBMITTED + REMOVED, nodes)
    answers(nodes=["nest-1", "collect"])
    flight = htcondor_executor.look_up(run)
    assert [(job.job, job.phase) for job in flight.jobs] == [("nest-1", "running")]
    assert flight.description == f"DAG 7 of HTCondor, {'cancelled' if cancelled else 'removed'}"
    answers(reachable=False)
    assert in_flight(run) == ["nest-1", "nest-2"], "the log has the last word where the schedd says nothing"
    answers()
    assert htcondor_executor.look_up(run).description == ""


@pytest.mark.parametrize("nodes", ["", running(8, "nest-1") + REMOVED.replace("(007", "(008")])
def test_a_job_that_leaves_is_in_flight_whatever_the_log_says(run: RunDirectory, answers: Answers, nodes: str) -> None:
    written(run, replace(RECORD, cancelled=True), SUBMITTED + REMOVED, nodes)
    answers(nodes=["nest-1"])
    flight = htcondor_executor.look_up(run)
    assert [job.job for job in flight.jobs] == ["nest-1"] and flight.failures == ()


@pytest.mark.parametrize("own", ["collect", "watch"])
def test_nodes_that_are_none_of_the_sweeps_jobs_are_never_in_flight(
    run: RunDirectory, answers: Answers, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    written(run, nodes=running(8, own) + running(9, "nest-1"))
    answers([MINE], nodes=["nest-1", own])
    assert {job.job: job.phase for job in htcondor_executor.look_up(run).jobs} == {
        "nest-1": "running",
        "nest-2": "waiting",
        "nest-3": "waiting",
    }
    monkeypatch.setattr(schedd, "remove", lambda *_: None)
    monkeypatch.setattr(schedd, "longest_leave", lambda *_: 60.0)
    monkeypatch.setattr(schedd, "nodes_in_queue", lambda *_: {own})
    assert htcondor_executor.cancel(run) == "removed DAG 7; finished points are kept", "and not waited for"


class _Schedd:
    def __init__(self, answer: dict[str, int]) -> None:
        self.answer = answer

    def act(self, *_: object) -> dict[str, int]:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ({"TotalPermissionDenied": 1, "TotalSuccess": 0}, "does not let you remove DAG 7: it is anna's"),
        ({"TotalError": 1, "TotalSuccess": 0}, "could not remove DAG 7"),
        ({"TotalBadStatus": 1}, "could not remove DAG 7"),
        ({"TotalSuccess": 1}, ""),
        ({"TotalAlreadyDone": 1}, ""),
        ({"TotalNotFound": 1}, ""),
    ],
)
def test_a_refusal_of_the_schedd_is_no_cancel(
    run: RunDirectory, answers: Answers, monkeypatch: pytest.MonkeyPatch, answer: dict[str, int], rule: str
) -> None:
    folder = written(run)
    answers([MINE])
    monkeypatch.setattr(schedd, "_schedd", lambda _: _Schedd(answer))
    if not rule:
        assert htcondor_executor.cancel(run) == "removed DAG 7; finished points are kept"
        assert in_flight(run) == []
        return
    real = schedd._query

    def query(name: str, constraint: str, attributes: list[str]) -> list[Any]:
        return [{"Owner": "anna"}] if attributes == ["Owner"] else real(name, constraint, attributes)

    monkeypatch.setattr(schedd, "_query", query)
    with pytest.raises(ExecutorError, match=rule):
        htcondor_executor.cancel(run)
    assert read_record(folder) == RECORD, "it is not cancelled"
    assert in_flight(run) == list(NAMES)


def test_a_dag_that_dies_at_once_says_why(run: RunDirectory) -> None:
    pytest.importorskip("htcondor2")
    folder = written(run, own=SUBMITTED + ENDED)
    (folder / "sweep.dag.dagman.out").write_text(
        "11/21/26 12:34:10 Warning: default node log file is in /tmp\n"
        "11/21/26 12:34:10 ERROR: Warning is fatal error because of DAGMAN_USE_STRICT setting\n"
    )
    flight = htcondor_executor.look_up(run)
    assert flight.jobs == ()
    assert [failure.job for failure in flight.failures] == list(NAMES)
    assert "did not run: Warning: default node log file is in /tmp ERROR: Warning is fatal" in flight.failures[0].reason
