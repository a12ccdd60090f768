"""What goes wrong on a pool, on a real one: eviction, holds, killed workers, a schedd that restarts, lack of memory."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from htcondor_pool import WORK, Pool, assert_complete

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


@pytest.mark.parametrize("then", ["released", "cancelled"])
def test_files_that_come_back_cut_short_take_no_rows_along(pool: Pool, then: str) -> None:
    """Beyond a limit of their size HTCondor leaves empty files where whole ones were, the summary's among them."""
    sweep = pool.write(f"cut-{then}", **LONG)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    mine = f'JobBatchName == "{sweep}" && JobUniverse == 5'
    # Of the next start: the shadow of this one has its limit
    pool.edit(sweep, "MaxTransferOutputMB", "0")
    pool.run("condor_vacate_job", "-constraint", mine)
    pool.until(lambda: len(pool.rows_at_hand(sweep)) > 0, "no rows come back", sweep)
    before = pool.rows_at_hand(sweep)
    pool.until_running(sweep)
    pool.until_rows_in_flight(sweep, more_than=len(before))
    pool.run("condor_vacate_job", "-constraint", mine)
    pool.until(lambda: pool.queue(sweep, "HoldReasonCode") == ["33"], "the transfer is not cut", sweep)
    assert [path.stat().st_size for path in pool.root(sweep).glob("summaries/*.parquet")] == [0]
    assert "nothing to submit" in pool.submit(sweep), "who waits in the queue may bring it yet"
    if then == "released":
        pool.edit(sweep, "MaxTransferOutputMB", "-1")
        pool.run("condor_release", "-constraint", mine)
    else:
        pool.cancel(sweep)
        said = pool.submit(sweep)
        assert re.search(rf"nest +8 +{len(before)} +0 +0 +{8 - len(before)} ", said), said
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), LONG["n_points"])
    assert pool.rows_at_hand(sweep).items() >= before.items(), "none of what there was was done again"
    assert (pool.events(sweep, 2) == "") == (then == "released"), "the same job went on"


@pytest.mark.parametrize("victim", ["worker", "container"])
def test_killed_worker_is_started_again(pool: Pool, victim: str) -> None:
    sweep = pool.write(f"kill-{victim}", **LONG)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    killed = pd.Timestamp.now("UTC")
    container = job_container()
    if victim == "container":
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    else:
        subprocess.run(["docker", "exec", container, "python3", "-c", _KILL_WORKER], check=True, capture_output=True)
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, LONG["n_points"])
    events = pool.events(sweep)
    assert events.count("DAG Node: nest") == 1, "the same job went on"
    assert ("Code 3 Subcode 34" in events) == (victim == "container"), "a kill may have been for memory"
    assert 0 < (rows["finished"] < killed).sum() < LONG["n_points"], "rows from before and after"


def job_container() -> str:
    listed = ["docker", "ps", "--filter", "label=org.htcondorproject", "--format", "{{.ID}}"]
    running = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    assert len(running) == 1, running
    return running[0]


def test_held_job_says_why_and_a_right_submit_goes_on(pool: Pool) -> None:
    sweep = pool.write("held", nest='image = "no-such-image:1"', htcondor="elsewhere_seconds = 2")
    pool.submit(sweep)
    seen = ("JobStatus", "NumHolds")
    pool.until(lambda: pool.queue(sweep, *seen) == ["5 3", "5 3"], "the jobs are not held for good", sweep)
    assert "node2" in pool.events(sweep), "it was tried on both machines"
    said = pool.status(sweep, code=1)
    # one line for each machine that they ended on
    held = re.findall(r"(\d) × held with code 35, subcode 0: on \S+: .*no-such-image:1.* Remedy: the image", said)
    assert sum(map(int, held)) == 2, said
    assert "nothing to submit" in pool.submit(sweep), "held points are in flight, not missing"
    assert "removed DAG" in pool.cancel(sweep)
    pool.wait(sweep)
    pool.write("held")
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)


def test_schedd_may_restart_in_mid_run(pool: Pool) -> None:
    sweep = pool.write("restart", **LONG, collect=True)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    # The schedd's start, as it tells the collector, which has it from the new one once that is up
    start = ("condor_status", "-schedd", "-constraint", 'Name != "login2@"', "-af", "DaemonStartTime")
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
    assert "status 0, 0 of them failed; 0 points are missing" in pool.collected(sweep)
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


def test_jobs_that_no_machine_can_run_end_alone_and_are_reported_once(pool: Pool) -> None:
    no_genn = 'image = "gridsearch-nest:3.10.0"'
    sweep = pool.write("no-genn", 2, simulators=["genn", "nest"], genn=no_genn, htcondor="elsewhere_seconds = 20")
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)
    assert set(pool.rows(sweep)["simulator"]) == {"nest"}, "no failed rows of a machine without GeNN"
    said = pool.status(sweep, code=1)
    found = re.search(r"job genn-\w+ and 1 more could not be carried out at 3 attempts on (\S+), (\S+): .*GeNN", said)
    assert found, said
    assert "node2.gridsearch.pool" in found.groups(), "both machines were tried"
    assert said.count("could not be carried out") == 1, f"one reason, said once: {said}"


# Which machine a job runs on, its starter says in a file
_BLACK_HOLE = """#!/bin/sh
grep -q '^Machine = "node2' "$_CONDOR_MACHINE_AD" && { echo "no compiler here" >&2; exit 75; }
exec /opt/venv/bin/python3 "$@"
"""


def test_a_machine_that_fails_one_job_after_the_other_is_left_out_and_named(pool: Pool) -> None:
    path = pool.work / "black_hole"
    path.write_text(_BLACK_HOLE)
    path.chmod(0o755)
    lines = f'universe = "vanilla"\npython = "{WORK}/black_hole"'
    sweep = pool.write("black-hole", 8, simulators=["poisson"], poisson="seconds_per_point = 1.0", htcondor=lines)
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 8)
    events = pool.events(sweep)
    assert events.count("DAG Node: poisson") == 8, "the same jobs went elsewhere"
    assert events.count("return value 75") >= 3
    said = pool.status(sweep, code=0)
    assert re.search(r"machine node2\.gridsearch\.pool failed \d+ jobs in a row .* exit code 75", said), said
    pool.write("black-hole", 10, simulators=["poisson"], htcondor=lines)
    pool.submit(sweep, "--replace")
    pool.wait(sweep)
    assert "@node2" not in pool.events(sweep, 2), "the next submit leaves it out"
    pool.status(sweep, code=0)


@pytest.mark.parametrize("watched", [True, False])
def test_jobs_that_wait_are_told_of_a_bad_machine(pool: Pool, watched: bool) -> None:
    """Without the node that watches, which is there where the last one is, each job but the first meets it once.

    With it they do not go there however long they wait: others serve.
    """
    path = pool.work / "slow_black_hole"
    path.write_text(_BLACK_HOLE.replace("exit 75", "sleep 1; exit 75"))
    path.chmod(0o755)
    lines = f'universe = "vanilla"\npython = "{WORK}/slow_black_hole"\nelsewhere_seconds = {20 if watched else 120}'
    sweep = f"watched-{watched}".lower()
    pool.write(sweep, 16, simulators=["poisson"], poisson="seconds_per_point = 5.0", collect=watched, htcondor=lines)
    pool.submit(sweep)
    if watched:
        said = re.compile(r"machine node2\S* failed \d+ jobs in a row .*Jobs that wait avoid it")
        pool.until(lambda: said.search(pool.status(sweep, code=1)) is not None, "it is not named", sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 16)
    events = pool.events(sweep)
    assert events.count("DAG Node: poisson") == 16
    n_met = events.count("return value 75")
    assert n_met < 9 if watched else n_met > 10, n_met
    if watched:
        assert "0 points are missing" in pool.collected(sweep)
    assert "Jobs it failed avoid it" in pool.status(sweep, code=0)


def test_a_dag_ends_without_the_node_that_watches(pool: Pool) -> None:
    slow = "seconds_per_point = 10.0"
    sweep = pool.write("unwatched", 2, simulators=["poisson"], poisson=slow, collect=True)
    pool.submit(sweep)
    watch = f'JobBatchName == "{sweep}" && DAGNodeName == "watch"'
    held = ("condor_q", "-constraint", f"{watch} && JobStatus == 5", "-af", "ClusterId")
    pool.until(lambda: "held" in pool.run("condor_hold", "-constraint", watch, code=None), "it is not there", sweep)
    pool.until(lambda: pool.run(*held).strip() != "", "it is not held", sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)
    assert "status 0, 0 of them failed; 0 points are missing" in pool.collected(sweep)
    pool.status(sweep, code=0)


def test_worker_that_cannot_start_is_given_up(pool: Pool) -> None:
    sweep = pool.write("no-python", 1, htcondor="retries = 1", nest='image = "debian:trixie-slim"')
    pool.submit(sweep)
    pool.wait(sweep)
    said = pool.status(sweep, code=1)
    assert re.search(r"failed at attempt 2 with exit code 127: .*python3.*No such file", said), said


def test_cancelled_jobs_keep_their_rows_and_a_submit_at_once_goes_on(pool: Pool) -> None:
    sweep = pool.write("keep", **LONG, rest='[record]\nspikes = "all"')
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    assert "finished points are kept" in pool.cancel(sweep)
    before = pool.rows(sweep).set_index("point_id")
    n_kept = len(before)
    assert 0 < n_kept < LONG["n_points"], "rows of a job that ran"
    assert len(list(pool.root(sweep).glob("spikes/*/*.parquet"))) >= n_kept, "and their spikes"
    said = pool.submit(sweep)
    assert re.search(rf"nest +8 +{n_kept} +0 +0 +{8 - n_kept} ", said), said
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, LONG["n_points"])
    assert (rows.set_index("point_id").loc[before.index, "finished"] == before["finished"]).all()
    pool.status(sweep, code=0)


LOGIN2 = {"_CONDOR_SCHEDD_HOST": "login2@"}


def test_a_run_is_known_on_another_access_point(pool: Pool) -> None:
    sweep = pool.write("login", 2, simulators=["poisson"], poisson="seconds_per_point = 3000")
    pool.submit(sweep)
    pool.until_running(sweep)
    cluster = re.search(r"DAG (\d+) of HTCondor", pool.status(sweep, 1))
    assert cluster, "the DAG is in flight"
    # Somebody's job with the same number on the other access point
    pool.run("sh", "-c", _SAME_NUMBER.format(cluster.group(1)), **LOGIN2)
    stranger = ("condor_q", "-name", "login2@", cluster.group(1), "-af", "JobStatus")
    assert pool.run(*stranger).split() == ["5"]
    assert f"DAG {cluster.group(1)} of HTCondor" in pool.status(sweep, 1, **LOGIN2)
    assert "nothing to submit" in pool.submit(sweep, **LOGIN2), "its points are in flight over there"
    assert "removed DAG" in pool.cancel(sweep, **LOGIN2)
    pool.wait(sweep)
    assert pool.run(*stranger).split() == ["5"], "the stranger's job is not touched"
    pool.run("condor_rm", "-name", "login2@", "-all")


_SAME_NUMBER = """
printf 'executable = /bin/true\nhold = true\nqueue\n' > stranger.sub
for number in $(seq {0}); do condor_submit stranger.sub >/dev/null; done
"""


def test_a_run_whose_access_point_is_gone_is_left_alone(pool: Pool) -> None:
    sweep = pool.write("gone", 1, simulators=["poisson"], poisson="seconds_per_point = 3000")
    pool.submit(sweep)
    pool.until_running(sweep)
    record = pool.root(sweep) / "dag" / "001" / "submission.json"
    content = json.loads(record.read_text())
    assert content["global_id"].startswith(content["schedd"] + "#")
    _rewrite(pool, record, {**content, "schedd": "gone@", "host": "login9"})
    said = pool.status(sweep, code=1)
    assert "knows no schedd gone@" in said and "submitted on login9" in said, said
    assert "nothing to submit" in pool.submit(sweep)
    said = pool.cancel(sweep, code=2)
    assert "login9" in said and "cancel it there" in said, said
    _rewrite(pool, record, {**content, "schedd": "gone@"})
    said = pool.cancel(sweep, code=2)
    assert "submitted here" in said and "try again when it answers" in said, said
    # A queue that was lost begins to count anew: this number is another job's
    _rewrite(pool, record, {**content, "global_id": content["schedd"] + "#1.0#1"})
    assert "nothing is at work" in pool.cancel(sweep)
    # What DAGMan's job says of itself is lost, and what we had noted is damaged
    _rewrite(pool, record, content)
    (pool.root(sweep) / "dag" / "001" / "sweep.dag.dagman.log").unlink()
    assert "nothing to submit" in pool.submit(sweep), "the schedd still has it"
    _rewrite(pool, record, {})
    said = pool.status(sweep, code=1)
    assert "submission.json is damaged" in said and "1 running" in said, said
    assert "removed DAG" in pool.cancel(sweep)
    pool.wait(sweep)


_TOKEN_OF_ANNA = """
install -d -o sweeper -m 700 /tmp/anna
condor_token_create -identity anna@gridsearch.pool > /tmp/anna/token
chown sweeper /tmp/anna/token && chmod 600 /tmp/anna/token
"""
_HIDE_BINDINGS = "cd /opt/venv/lib/python3*/site-packages && mv {} {}"


def test_what_is_in_flight_is_left_alone_by_those_who_cannot_ask_or_remove_it(pool: Pool) -> None:
    sweep = pool.write("guarded", 2, simulators=["poisson"], poisson="seconds_per_point = 3000")
    pool.submit(sweep)
    pool.until_running(sweep)
    pool.run("sh", "-c", _TOKEN_OF_ANNA, user="root")
    said = pool.cancel(sweep, code=2, _CONDOR_SEC_TOKEN_DIRECTORY="/tmp/anna")
    assert "does not let you remove DAG" in said and "it is sweeper's" in said, said
    assert "DAG" in pool.status(sweep, code=1) and len(pool.queue(sweep)) == 2, "it goes on"
    pool.run("sh", "-c", _HIDE_BINDINGS.format("htcondor2", "not-htcondor2"), user="root")
    try:
        said = pool.cancel(sweep, code=2)
        assert "the Python package htcondor is not installed here" in said, said
        said = pool.submit(sweep, "--executor", "local")
        assert "nothing to submit" in said and "Its jobs are taken to be in flight" in said, said
    finally:
        pool.run("sh", "-c", _HIDE_BINDINGS.format("not-htcondor2", "htcondor2"), user="root")
    assert len(list(pool.root(sweep).glob("attempts/*"))) == 2, "what their next start is sent is there"
    assert "removed DAG" in pool.cancel(sweep)
    pool.wait(sweep)


def _rewrite(pool: Pool, path: Path, content: dict[str, object]) -> None:
    inside = f"{WORK}/{path.relative_to(pool.work)}"
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    pool.run("python", "-c", code, inside, json.dumps(content))


_READ_ONLY_TOKEN = """
install -d -o sweeper -m 700 /tmp/read-only
condor_token_create -identity sweeper@gridsearch.pool -authz READ > /tmp/read-only/token
chown sweeper /tmp/read-only/token && chmod 600 /tmp/read-only/token
"""


def test_who_may_not_submit_is_told_before_anything_is_planned(pool: Pool) -> None:
    sweep = pool.write("rights", 1)
    said = pool.submit(sweep, code=2, _CONDOR_SEC_TOKEN_DIRECTORY="/nowhere")
    assert "takes no jobs from you (WRITE)" in said and "condor_token_fetch" in said, said
    pool.run("sh", "-c", _READ_ONLY_TOKEN, user="root")
    said = pool.submit(sweep, code=2, _CONDOR_SEC_TOKEN_DIRECTORY="/tmp/read-only")
    assert "may be asked from here (READ) but takes no jobs from you (WRITE)" in said, said
    assert not pool.root(sweep).exists()


_HIDE = "cd /opt/venv/lib/python3*/site-packages && mv {} {}"


@pytest.mark.parametrize("universe", ["local", "vanilla", "none"])
def test_collecting_does_without_matplotlib_and_says_so(pool: Pool, universe: str) -> None:
    lines = f'universe = "vanilla"\npython = "/opt/venv/bin/python3"\ncollect = "{universe}"\nshared_filesystem = true'
    sweep = pool.write(f"plain-{universe}", 2, simulators=["poisson"], collect=True, htcondor=lines)
    pool.run("sh", "-c", _HIDE.format("matplotlib", "not-matplotlib"), user="root")
    try:
        said = pool.submit(sweep)
        pool.wait(sweep)
        pool.status(sweep, code=0)
        assert_complete(pool.rows(sweep), 2)
        if universe == "none":
            assert f"python -m gridsearch report {WORK}/results/{sweep}" in said, said
            return
        said = pool.collected(sweep)
        assert "2 of 2 results are good" in said and "0 points are missing" in said, said
        assert "figures left out: No module named 'matplotlib'" in said and "report left out" in said, said
        assert pool.events(sweep).count("(return value 0)") == 2, "the job and the last node"
    finally:
        pool.run("sh", "-c", _HIDE.format("not-matplotlib", "matplotlib"), user="root")
    pool.run("python", "-m", "gridsearch", "report", f"results/{sweep}")
    assert (pool.root(sweep) / "report.html").exists()
