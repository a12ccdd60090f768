"""The node that keeps jobs from bad machines while their DAG is at work: what it reads and when it speaks. No pool."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("htcondor2")

from dagman_events import ENDED, HOST, REST_OF_END, SUBMITTED
from workplaces import ROOT

from jobs.htcondor_executor import schedd
from jobs.htcondor_executor.descriptions.policy import AVOIDED, AVOIDED_UNTIL, SIMULATOR
from jobs.htcondor_executor.record import DagRecord, RecordedJob, dagman_log, node_log, write_record
from jobs.htcondor_executor.schedd import UnreachableError
from jobs.htcondor_executor.watch import Watch, main

NEST = f'{SIMULATOR} == "nest"'
JOBS = (*(f"nest-{i}" for i in range(4)), "watch")


def submitted(i: int) -> str:
    return f"000 ({i:03d}.000.000) {when(i)} Job submitted from host: {HOST}\n    DAG Node: {JOBS[i]}\n...\n"


def started(i: int, machine: str) -> str:
    return f"001 ({i:03d}.000.000) {when(i)} Job executing on host: {HOST}\n\tSlotName: slot1@{machine}\n...\n"


def failed(i: int, code: int = 75) -> str:
    head = f"005 ({i:03d}.000.000) {when(i)} Job terminated.\n\t(1) Normal termination (return value {code})\n"
    return head + REST_OF_END


def when(i: int) -> str:
    return time.strftime(f"%Y-%m-%d %H:%M:{i:02d}")


def black_hole() -> str:
    return "".join(submitted(i) + started(i, "m1") + failed(i) for i in range(3))


def ran_elsewhere() -> str:
    return submitted(0) + started(0, "m2") + failed(0, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_record(DagRecord({name: RecordedJob("nest", 1, 1.0) for name in JOBS[:4]}, "login1"), tmp_path)
    dagman_log(tmp_path).write_text(SUBMITTED)
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []

    def change(*what: Any) -> int:
        calls.append(what)
        return len(calls)

    monkeypatch.setattr(schedd, "change_waiting", change)
    return calls


def add(folder: Path, text: str) -> None:
    with node_log(folder).open("a") as file:
        file.write(text)


def test_jobs_are_told_again_at_every_look_once_there_is_something_to_tell(
    folder: Path, told: list[tuple[Any, ...]]
) -> None:
    watch = Watch(folder, 7, 600.0)
    assert watch.look(time.time()) == 0, "no log yet"
    add(folder, black_hole())
    watch.look(time.time())
    assert told == [], "nothing is known that was not at the submit: the schedd is left in peace"
    elsewhere = ran_elsewhere()
    add(folder, elsewhere[:-40])
    watch.look(time.time())
    assert told == [], "half an event is none"
    add(folder, elsewhere[-40:])
    now = time.time()
    assert watch.look(now) == 1
    all_of_it = ("login1", 7, NEST, {AVOIDED: '"m1"', AVOIDED_UNTIL: str(int(now + 600.0))})
    assert told == [all_of_it]
    watch.look(now + 30.0)
    assert told == 2 * [all_of_it], "DAGMan may have submitted more"
    watch.look(now + 2 * 86400.0)
    assert told[2:] == [(*all_of_it[:3], {**all_of_it[3], AVOIDED: '""'})], "what is forgiven is taken back"


def test_jobs_avoid_a_machine_as_long_as_others_serve(folder: Path, told: list[tuple[Any, ...]]) -> None:
    """However long they wait: 20,000 jobs wait for hours, and there is elsewhere; but it may also be gone."""

    def until(after: float) -> float:
        watch.look(now + after)
        return float(told[-1][3][AVOIDED_UNTIL]) - now

    watch = Watch(folder, 7, 600.0)
    add(folder, submitted(4) + started(4, "access-point") + black_hole() + ran_elsewhere())
    now = float(int(time.time()))
    assert [until(0.0), until(200.0)] == [600.0, 600.0]
    assert [until(400.0), until(3000.0)] == [600.0, 600.0], "nobody has served for long"
    add(folder, submitted(3) + started(3, "m1"))
    assert until(3010.0) == 600.0, "nor does the bad one itself"
    add(folder, submitted(1) + started(1, "m2"))
    assert until(3020.0) == 3620.0, "somebody does again, for hours perhaps"
    assert until(5000.0) == 5600.0


def test_what_was_known_at_the_submit_stays(folder: Path, told: list[tuple[Any, ...]]) -> None:
    add(folder, black_hole())
    Watch(folder, 7, 600.0, ["m3"]).look(time.time())
    assert told == [("login1", 7, NEST, {AVOIDED: '"m3"', AVOIDED_UNTIL: "0"})], "nobody else has served yet"
    add(folder, ran_elsewhere())
    Watch(folder, 7, 600.0, ["m3"]).look(time.time())
    assert told[1][3][AVOIDED] == '"m1,m3"'


def test_what_was_known_at_the_submit_is_forgiven_by_whoever_serves_again_and_in_a_day(
    folder: Path, told: list[tuple[Any, ...]]
) -> None:
    watch, now = Watch(folder, 7, 600.0, ["m3", "m4"]), time.time()
    watch.look(now)
    add(folder, submitted(3) + started(3, "m3") + failed(3, 0))
    watch.look(now + 30.0)
    watch.look(now + 2 * 86400.0)
    assert [one[3][AVOIDED] for one in told] == ['"m3,m4"', '"m4"', '""']


def test_who_serves_one_simulator_need_not_serve_another(folder: Path, told: list[tuple[Any, ...]]) -> None:
    record = DagRecord(
        {name: RecordedJob("genn" if name == JOBS[3] else "nest", 1, 1.0) for name in JOBS[:4]}, "login1"
    )
    write_record(record, folder)
    add(folder, black_hole() + ran_elsewhere() + submitted(3))
    now = time.time()
    Watch(folder, 7, 600.0).look(now)
    until = {one[2]: one[3][AVOIDED_UNTIL] for one in told}
    assert until == {f'{SIMULATOR} == "genn"': "0", NEST: str(int(now + 600.0))}


def test_it_goes_on_after_trouble_and_ends_well_with_its_dag(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """DAGMan holds an exit code other than 0 against the DAG."""
    add(folder, black_hole() + ran_elsewhere())
    looks = []

    def trouble(*_: Any) -> int:
        looks.append(1)
        raise UnreachableError("the schedd is asleep") if len(looks) == 1 else OSError("no disk")

    def sleep(_: float) -> None:
        if len(looks) == 3:
            dagman_log(folder).write_text(SUBMITTED + ENDED)
        assert len(looks) <= 3 and next(naps) < 100

    naps = itertools.count()
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(schedd, "change_waiting", trouble)
    assert main([str(folder), "7", "0.01", "600"]) == 0
    assert len(looks) == 3
    assert "the schedd is asleep; looking again" in caplog.text and "no disk" in caplog.text


def test_it_ends_at_once_when_it_is_told_to(folder: Path) -> None:
    add(folder, submitted(3))
    command = [sys.executable, "-P", "-m", "jobs.htcondor_executor.watch", str(folder), "7", "600", "600"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60.0
        while "htcondor2" not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert process.poll() is None
        process.terminate()
        assert process.wait(5) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()


class FakeSchedd:
    """Of its jobs one knows less than the others, or none."""

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self.edits: list[tuple[str, str, str]] = []

    def query(self, constraint: str, projection: list[str]) -> list[dict[str, int]]:
        return [{"ClusterId": i} for i in range(self.n_jobs)]

    def edit(self, constraint: str, attribute: str, value: str) -> int:
        assert self.n_jobs, "none to edit is an error"
        self.edits.append((constraint, attribute, value))
        return self.n_jobs


@pytest.mark.parametrize("n_jobs", [0, 3])
def test_only_jobs_that_know_less_are_edited(monkeypatch: pytest.MonkeyPatch, n_jobs: int) -> None:
    fake = FakeSchedd(n_jobs)
    monkeypatch.setattr(schedd, "_schedd", lambda name: fake)
    assert schedd.change_waiting("login1", 7, NEST, {AVOIDED: '"m1,m2"', AVOIDED_UNTIL: "600"}) == n_jobs
    assert [edit[1:] for edit in fake.edits] == ([(AVOIDED, '"m1,m2"'), (AVOIDED_UNTIL, "600")] if n_jobs else [])
    chosen = [[ad["Name"] for ad in _ads() if _holds(constraint, ad)] for constraint, *_ in fake.edits]
    assert chosen == ([["idle", "held"], ["idle", "knows"]] if n_jobs else [])


def _ads() -> list[dict[str, Any]]:
    mine = {"DAGManJobId": 7, AVOIDED: "m1", AVOIDED_UNTIL: 0, SIMULATOR: "nest"}
    return [
        {"Name": "idle", "JobStatus": 1, **mine},
        {"Name": "held", "JobStatus": 5, **mine, AVOIDED_UNTIL: 600},
        {"Name": "running", "JobStatus": 2, **mine},
        {"Name": "knows", "JobStatus": 1, **mine, AVOIDED: "m1,m2"},
        {"Name": "other DAG", "JobStatus": 1, **mine, "DAGManJobId": 8},
        {"Name": "other simulator", "JobStatus": 1, **mine, SIMULATOR: "genn"},
        {"Name": "last node", "JobStatus": 1, "DAGManJobId": 7},
    ]


def _holds(constraint: str, job: dict[str, Any]) -> bool:
    import classad2

    ad = classad2.ClassAd(job)
    ad["Chosen"] = classad2.ExprTree(constraint)
    return ad.eval("Chosen") is True
