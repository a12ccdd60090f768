"""What goes wrong on a pool, on a real one: eviction, holds, killed workers, a schedd that restarts, lack of memory."""

from __future__ import annotations

import re
import subprocess

import pandas as pd
import pytest
from htcondor_pool import Pool, assert_complete

pytestmark = pytest.mark.pool

# One job whose points take about a second each, the time to find one finished and to do something about it
LONG = {"n_points": 8, "duration": 8000.0, "minutes": 30.0}

_KILL_WORKER = """
import os
from pathlib import Path
for process in Path("/proc").glob("[0-9]*"):
    if b"simulators.worker" in (process / "cmdline").read_bytes().split(bytes(1)):
        os.kill(int(process.name), 9)
"""


def test_vacated_job_keeps_its_rows(pool: Pool) -> None:
    sweep = pool.write("vacate", **LONG)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    vacated = pd.Timestamp.now("UTC")
    pool.run("condor_vacate_job", "-constraint", 'JobBatchName == "vacate" && JobUniverse == 5')
    pool.wait(sweep)
    assert "Job was evicted" in pool.events(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, LONG["n_points"])
    assert 0 < (rows["finished"] < vacated).sum() < LONG["n_points"], "rows of both starts"
    assert pool.events(sweep).count("DAG Node: nest") == 1, "one submit: the same job went on"


@pytest.mark.parametrize("victim", ["worker", "container"])
def test_killed_worker_is_started_again(pool: Pool, victim: str) -> None:
    sweep = pool.write(f"kill-{victim}", **LONG)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    killed = pd.Timestamp.now("UTC")
    container = _job_container()
    if victim == "container":
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    else:
        subprocess.run(["docker", "exec", container, "python3", "-c", _KILL_WORKER], check=True, capture_output=True)
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, LONG["n_points"])
    assert pool.events(sweep).count("DAG Node: nest") == (1 if victim == "worker" else 2)
    assert 0 < (rows["finished"] < killed).sum() < LONG["n_points"], "rows from before and after"


def _job_container() -> str:
    listed = ["docker", "ps", "--filter", "label=org.htcondorproject", "--format", "{{.ID}}"]
    running = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    assert len(running) == 1, running
    return running[0]


def test_held_job_says_why_and_a_right_submit_goes_on(pool: Pool) -> None:
    sweep = pool.write("held", nest='image = "no-such-image:1"')
    pool.submit(sweep)
    pool.until(lambda: pool.queue(sweep, "JobStatus") == ["5", "5"], "the jobs are not held", sweep)
    said = pool.status(sweep, code=1)
    assert re.search(r"2 × held with code 35, subcode 0: on \S+: .*no-such-image:1.* Remedy: the image", said), said
    assert "nothing to submit" in pool.submit(sweep), "held points are in flight, not missing"
    assert "removed DAG" in pool.cancel(sweep)
    pool.wait(sweep)
    pool.write("held")
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)


def test_schedd_may_restart_in_mid_run(pool: Pool) -> None:
    sweep = pool.write("restart", **LONG)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    # The schedd's start, as it tells the collector, which has it from the new one once that is up
    start = ("condor_status", "-schedd", "-af", "DaemonStartTime")
    before = pool.run(*start)
    assert before.strip().isdigit(), before
    pool.run("condor_restart", "-daemon", "schedd", user="root")

    def is_back() -> bool:
        said = pool.run(*start)
        return said.strip().isdigit() and said != before

    pool.until(is_back, "the schedd does not come back", sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), LONG["n_points"])
    assert pool.events(sweep).count("DAG Node: nest") == 1, "the same job went on"
    pool.status(sweep, code=0)


def test_memory_grows_until_it_is_enough(pool: Pool) -> None:
    grows = "128 * pow(2, (MY.NumHoldsByReason.JobOutOfResources ?: 0))"
    sweep = pool.write("memory", 1, htcondor="vacate_seconds = 5", nest=f'submit = {{ request_memory = "{grows}" }}')
    path = pool.work / f"{sweep}.toml"
    path.write_text(path.read_text().replace("N_E = 400\nN_I = 100", "N_E = 4000\nN_I = 1000"))
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 1)
    events = pool.events(sweep)
    assert "Code 34 Subcode 0" in events
    given = [int(size) for size in re.findall(r"^\tMemory = (\d+)", events, re.MULTILINE)]
    assert given[0] == 128 and given[-1] >= 256, given
    assert events.count("DAG Node: nest") == 1, "DAGMan saw one job"


def test_job_that_cannot_be_carried_out_ends_the_sweep(pool: Pool) -> None:
    sweep = pool.write("unusable", 4, simulators=["genn"], genn='image = "gridsearch-nest:3.10.0"')
    pool.submit(sweep)
    pool.wait(sweep)
    said = pool.status(sweep, code=1)
    assert re.search(r"genn-\w+ cannot be carried out, .* ERROR .*GeNN", said), said
    assert pool.events(sweep).count("DAG Node: genn") <= 4, "no second attempts"


def test_worker_that_cannot_start_is_given_up(pool: Pool) -> None:
    sweep = pool.write("no-python", 1, htcondor="retries = 1", nest='image = "debian:trixie-slim"')
    pool.submit(sweep)
    pool.wait(sweep)
    said = pool.status(sweep, code=1)
    assert re.search(r"failed at attempt 2 with exit code 127: .*python3.*No such file", said), said
