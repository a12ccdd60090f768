"""What has not changed is not read again: counts of openings; and what older DAGs still have to say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from dagman_events import ENDED, SUBMITTED
from test_submission import plan

from gridsearch.submitting.submission import run_plan, write_plan
from jobs import htcondor_executor, local_executor
from jobs.htcondor_executor.dags import SubmittedDag
from jobs.htcondor_executor.logs import growing_log
from jobs.htcondor_executor.logs.event_log import NodeState
from jobs.htcondor_executor.record import DagRecord, RecordedJob, dag_file, dagman_log, node_log, write_record
from simulators.records.run_directory import RunDirectory


def a_dag(run: RunDirectory, number: int, since: float, written: float) -> SubmittedDag:
    folder = run.dag_folder(number)
    folder.mkdir(parents=True)
    dag_file(folder).write_text("")
    os.utime(dag_file(folder), (written, written))
    name = f"nest-{number}"
    states = {name: NodeState("failed", since, attempts=2, exit_code=1)}
    record = DagRecord({name: RecordedJob("nest", 2, 9.0)})
    return SubmittedDag(folder, record, None, False, (), None, states, {}, None)


@pytest.mark.parametrize(("since", "shown"), [(50.0, ["nest-2"]), (150.0, ["nest-1", "nest-2"])])
def test_an_older_dags_failures_since_the_last_submit_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, since: float, shown: list[str]
) -> None:
    run = RunDirectory(tmp_path)
    dags = [a_dag(run, 1, since, 10.0), a_dag(run, 2, 160.0, 100.0)]
    monkeypatch.setattr(htcondor_executor, "read_dags", lambda run: iter(dags))
    assert [failure.job for failure in htcondor_executor.look_up(run).failures] == shown


def test_event_logs_of_the_dead_are_never_opened_and_others_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("htcondor2")
    run = RunDirectory(tmp_path)
    opened: list[Path] = []

    class Reader(growing_log.EventReader):
        def __init__(self, path: Path) -> None:
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(growing_log, "EventReader", Reader)
    long_ago = time.time() - 10 * 24 * 3600
    for number in (1, 2, 3):
        folder = run.dag_folder(number)
        write_record(DagRecord({f"nest-{number}": RecordedJob("nest", 2, 9.0)}), folder)
        for path in (node_log(folder), dag_file(folder)):
            path.write_text("")
            if number == 1:
                os.utime(path, (long_ago, long_ago))
    dagman_log(run.dag_folder(1)).write_text(SUBMITTED + ENDED)
    nodes = [node_log(run.dag_folder(number)) for number in (2, 3)]
    for _ in range(5):
        htcondor_executor.look_up(run)
    assert opened == nodes
    nodes[1].write_text("...\n")
    htcondor_executor.look_up(run)
    assert opened == nodes, "read on, not again"


def test_progress_opens_a_summary_once_for_each_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    read_metadata = local_executor.pq.read_metadata

    def count(path: Path) -> Any:
        opened.append(path)
        return read_metadata(path)

    monkeypatch.setattr(local_executor.pq, "read_metadata", count)
    monkeypatch.setattr(local_executor, "_REPORT", 0.0)
    made = plan(
        tmp_path,
        jobs='executor = "local"\nminutes_per_job = 1e-9',
        more="[jobs.poisson]\nseconds_per_point = 0.5\n",
    )
    write_plan(made, replace_sweep=False)
    heard: list[int] = []
    assert run_plan(made, lambda progress: heard.append(progress.n_done)) == []
    assert heard[-1] == 3 and heard == sorted(heard)
    # Each of the three files is written twice: with its row, and with the times that were left to charge
    assert len(opened) <= 2 * 3 < len(heard), (len(opened), len(heard))
