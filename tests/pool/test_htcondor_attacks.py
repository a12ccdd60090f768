"""The promise under attack on a real pool: nothing lost, nothing twice, and every result as if nobody had disturbed it.

Run by ``make attacks-pool``, with `GRIDSEARCH_ATTACKS` evictions and about as many kills; not part of ``make test``.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable

import pandas as pd
import pyarrow.parquet as pq
import pytest
from htcondor_pool import NAME, PATIENCE, Pool, assert_complete

pytestmark = pytest.mark.pool

N_ATTACKS = int(os.environ.get("GRIDSEARCH_ATTACKS", "2"))
SEED = 20231  # of the moments
# A machine that is gone is waited for as long as the job's lease, 40 minutes if nobody says otherwise
AWAY = "vacate_seconds = 20\nsubmit = { job_lease_duration = 30 }"
SPIKES = '[record]\nstatistics = ["rate", "cv_isi"]\nspikes = "all"'


# By the name of the program; the image has no ps
_KILL = """
import os, sys
from pathlib import Path
for process in Path("/proc").glob("[0-9]*"):
    try:
        name = (process / "comm").read_text().strip()
        if name in sys.argv[1:]:
            os.kill(int(process.name), 9)
            print(name)
    except OSError:
        pass
"""
# Starters whose container runs: jobs at work, not those that a schedd still believes in
_AT_WORK = """
from pathlib import Path
found = {}
for process in Path("/proc").glob("[0-9]*"):
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        name, command = (process / "comm").read_text().strip(), (process / "cmdline").read_bytes().split(bytes(1))
    except OSError:
        continue
    found[int(process.name)] = (name, parent, b"start" in command)
starters = {number for number, (name, _, _) in found.items() if name == "condor_starter"}
print(len({parent for name, parent, starts in found.values() if name == "docker" and starts and parent in starters}))
"""


def write(pool: Pool, name: str, n_points: int) -> str:
    """Write a sweep of one job whose points take half a second each and keep their spikes."""
    return pool.write(name, n_points, duration=2000.0, minutes=30.0, rest=SPIKES, htcondor=AWAY)


def at_work(pool: Pool) -> int:
    """How many jobs are at work at this moment, in a container that runs below a starter."""
    return int(pool.run("python", "-c", _AT_WORK, user="root"))


def at_random_moments(pool: Pool, sweep: str, attack: Callable[[], bool], n_attacks: int) -> tuple[int, int]:
    """Attack a run that is at work until so many attacks hit, or it ends.

    Each attack waits for a job that works; a machine that is gone is waited for longer by HTCondor than by its job.

    Returns
    -------
    tuple of int
        How many attacks hit, and before how many of them a job was seen at work.
    """
    moments = random.Random(SEED)
    kept: dict[str, pd.Timestamp] = {}
    n_done = n_working = 0
    while n_done < n_attacks:
        pool.until(pool.answers, "the pool does not come back", sweep)
        pool.until(lambda: at_work(pool) > 0 or not pool.queue(sweep), "no job runs", sweep)
        time.sleep(moments.uniform(0.0, 4.0))
        if not pool.queue(sweep):
            break
        working = at_work(pool) > 0
        if attack():
            n_done, n_working = n_done + 1, n_working + working
        kept = assert_kept(kept, pool.rows_at_hand(sweep))
    pool.until(pool.answers, "the pool does not come back", sweep)
    pool.wait(sweep, 3.0 * PATIENCE)  # what is left after the last attack may be most of it
    assert_kept(kept, pool.rows_at_hand(sweep))
    sys.stdout.write(
        f"\n{sweep}: {n_done} attacks, {n_working} of them on a job at work; load {os.getloadavg()[0]:.1f}\n"
    )
    return n_done, n_working


def assert_kept(before: dict[str, pd.Timestamp], now: dict[str, pd.Timestamp]) -> dict[str, pd.Timestamp]:
    """Only what is in flight may be repeated: a row that is there is neither lost nor made anew."""
    lost = {name: (when, now.get(name)) for name, when in before.items() if now.get(name) != when}
    assert not lost, f"rows that were there are gone or were made anew: {lost}"
    return now


def assert_as_if_undisturbed(pool: Pool, sweep: str, n_points: int) -> None:
    """Compare rows and spikes with those of a run on this machine that nobody disturbs."""
    rows = pool.rows(sweep)
    assert_complete(rows, n_points)
    pool.status(sweep, code=0)
    pool.submit(sweep, "--executor", "local", "--results", "undisturbed")
    wanted = pool.rows(sweep, "undisturbed")
    columns = [name for name in wanted if name.startswith(("rate_", "cv_isi_", "n_", "I_th"))]
    assert len(columns) > 6
    both = [one.set_index("point_id")[columns].sort_index() for one in (rows, wanted)]
    pd.testing.assert_frame_equal(*both, check_exact=True)
    found = [
        {path.name: pq.read_table(path) for path in pool.root(sweep, results).glob("spikes/*/*.parquet")}
        for results in ("results", "undisturbed")
    ]
    assert len(found[0]) == n_points and found[0].keys() == found[1].keys()
    assert all(found[0][name].equals(found[1][name]) for name in found[0]), "spikes are the same to the bit"


def test_vacated_at_random_moments(pool: Pool) -> None:
    n_points = 6 * N_ATTACKS  # half a second each, and up to four before an attack
    sweep = write(pool, "vacated", n_points)
    pool.submit(sweep)
    # Only a job that runs has a remote host
    mine = f'JobBatchName == "{sweep}" && JobUniverse == 5 && RemoteHost isnt undefined'

    def vacate() -> bool:
        return "find/vacate" not in pool.run("condor_vacate_job", "-constraint", mine, code=None)

    n_done, n_working = at_random_moments(pool, sweep, vacate, N_ATTACKS)
    assert n_done == N_ATTACKS, "the run outlasts the attacks"
    assert n_working >= n_done // 2, "jobs at work were hit"
    assert pool.events(sweep).count("Job was evicted") >= n_done // 2
    assert "Job was held" not in pool.events(sweep), "not even one that left before its first spikes"
    assert_as_if_undisturbed(pool, sweep, n_points)


def test_daemons_killed_at_random_moments(pool: Pool) -> None:
    """DAGMan, the schedd and a machine with its job, each with signal 9."""
    n_points = 8 + 4 * N_ATTACKS  # DAGMan and the schedd are killed while the job goes on
    sweep = write(pool, "killed", n_points)
    pool.submit(sweep)
    victims = [("condor_dagman",), ("condor_schedd",), ("condor_startd", "condor_starter")] * -(-N_ATTACKS // 3)
    attacks = itertools.cycle(victims)

    def kill() -> bool:
        return bool(pool.run("python", "-c", _KILL, *next(attacks), user="root").strip())

    n_done, n_working = at_random_moments(pool, sweep, kill, len(victims))
    assert n_done == len(victims), "the run outlasts the attacks"
    assert n_working >= n_done // 2, "jobs at work were hit"
    assert_as_if_undisturbed(pool, sweep, n_points)


def test_pool_stopped_and_started(pool: Pool) -> None:
    n_points = 10
    sweep = write(pool, "stopped", n_points)
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    subprocess.run(["docker", "restart", "-t", "60", NAME], check=True, capture_output=True)
    pool.until(pool.answers, "the pool does not come back", sweep)
    pool.wait(sweep)
    assert_as_if_undisturbed(pool, sweep, n_points)


HOSTILE = ["with 'single' \"double\" `back` {braces} %(x)s;&|#*", "ünï·cödе"]  # the last е is Cyrillic


@pytest.mark.parametrize("folder", HOSTILE, ids=["shell", "look-alike"])
def test_hostile_names_of_folders(pool: Pool, folder: str) -> None:
    sweep = pool.write("hostile", 1, simulators=["poisson"], collect=True)
    pool.submit(sweep, "--results", folder)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep, folder), 1)
    assert "0 points are missing" in pool.collected(sweep, folder)
    # What DAGMan itself saw: it aborts a DAG whose jobs it finds neither in its log nor in the queue
    nodes = (pool.root(sweep, folder) / "dag" / "001" / "sweep.dag.nodes.log").read_text()
    assert nodes.count("(return value 0)") == 2, nodes
    pool.status(sweep, 0, folder)


@pytest.mark.parametrize("folder", ["$(HOME)", "$ENV(HOME)", "two\nlines"])
def test_folders_that_dagman_cannot_have_are_refused(pool: Pool, folder: str) -> None:
    sweep = pool.write("refused", 1, simulators=["poisson"])
    said = pool.submit(sweep, "--results", folder, code=2)
    assert ("DAGMan takes no folder" in said or "must be one line" in said) and "Traceback" not in said, said
    assert not list(pool.root(sweep, folder).glob("dag/*")) and pool.queue(sweep) == []


def test_hostile_values_go_no_further_than_the_reader(pool: Pool) -> None:
    sweep = pool.write("values", 1, simulators=["poisson"])
    path = pool.work / f"{sweep}.toml"
    text = path.read_text()
    for line in (
        'submit = { rank = "1\\nqueue 1000" }',
        'submit = { "x}\\nqueue" = 1 }',
        'submit = { executable = "/bin/sh" }',
        'submit = { "+Cmd" = "/bin/sh" }',
        'submit = { shell = "touch /tmp/x" }',
        'submit = { job_name = "../../other" }',
        'submit = { environment = "PYTHONPATH=/tmp" }',
        'submit = { request_cpus = "1 \\\\" }',
    ):
        path.write_text(text.replace("[jobs.htcondor]", f"[jobs.htcondor]\n{line}"))
        said = pool.submit(sweep, code=2)
        assert "nothing was written" in said and "Traceback" not in said, said
    for line in ('accounting_group = "a\\nqueue 9"', 'python = "python3\\nqueue 9"', 'python = "python3 \\\\"'):
        path.write_text(text.replace("[jobs.htcondor]", f"[jobs.htcondor]\n{line}"))
        said = pool.submit(sweep, code=2)
        assert "must " in said and "nothing was written" in said and "Traceback" not in said, said
    assert pool.queue(sweep) == [] and not pool.root(sweep).exists()


@pytest.mark.skipif(N_ATTACKS < 20, reason="long: make attacks-pool")
def test_five_hundred_jobs(pool: Pool) -> None:
    lines = 'universe = "vanilla"\npython = "/opt/venv/bin/python3"\nsubmit = { request_memory = 100 }'
    sweep = pool.write("many", 510, simulators=["poisson"], minutes=0.00001, htcondor=lines)
    begin = time.monotonic()
    said = pool.submit(sweep)
    n_jobs = int(re.search(r"HTCondor has (\d+) jobs", said)[1])  # type: ignore[index]
    assert n_jobs >= 500, said
    submitted = time.monotonic()
    everything = ("condor_q", "-constraint", f'JobBatchName == "{sweep}"', "-af", "ClusterId")
    while pool.run(*everything).strip():  # DAGMan's own job as well: it hands the others over bit by bit
        time.sleep(2.0)
    seconds = time.monotonic() - submitted
    assert_complete(pool.rows(sweep), 510)
    said = (
        f"{n_jobs} jobs: submitted in {submitted - begin:.1f} s, done in {seconds:.0f} s, {n_jobs / seconds * 60:.0f} "
        f"a minute; load {os.getloadavg()[0]:.1f}\n"
    )
    sys.stdout.write(f"\n{said}")
