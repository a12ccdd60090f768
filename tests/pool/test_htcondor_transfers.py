"""What a job brings back does not arrive: a connection is cut, or the disk is full, in the middle of a file.

On a real pool; part of ``make attacks-pool``, not of ``make test``.
"""

from __future__ import annotations

import subprocess

import pandas as pd
import pytest
from htcondor_pool import NAME, PATIENCE, Pool
from test_htcondor_attacks import AWAY, assert_as_if_undisturbed, assert_kept

pytestmark = pytest.mark.pool

N_POINTS = 8
# Points of 3 to 8 MB each, more than a socket holds
SPIKES = '[record]\nstatistics = ["rate", "cv_isi"]\nspikes = "all"'
RATES = "seconds_per_point = 4.0\nmax_rate_hz = 50.0\nsubmit = { request_memory = 1000 }"

# Lets the access point's end of the connection run for moments only, until a file is partly there. Then an end dies.
_CUT = """
import os, signal, sys, time
from pathlib import Path

def send(number, name):
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == name:
                os.kill(int(process.name), number)
        except OSError:
            pass

run, victim = Path(sys.argv[1]), sys.argv[2]
there = set(run.glob("spikes/*/*.parquet"))
deadline = time.monotonic() + float(sys.argv[3])
cut = []
print("ready", flush=True)
while not cut and time.monotonic() < deadline:
    send(signal.SIGCONT, "condor_shadow")
    time.sleep(0.002)
    send(signal.SIGSTOP, "condor_shadow")
    cut = [path for path in run.glob("spikes/*/*.parquet") if path not in there and path.stat().st_size]
if cut:
    print(cut[-1].name, cut[-1].stat().st_size)
    send(signal.SIGKILL, victim)
send(signal.SIGCONT, "condor_shadow")
"""


def write(pool: Pool, name: str) -> str:
    """Write a sweep of one job that keeps all spikes."""
    return pool.write(
        name,
        N_POINTS,
        simulators=["poisson"],
        duration=100_000.0,
        minutes=30.0,
        rest=SPIKES,
        poisson=RATES,
        htcondor=AWAY,
    )


def vacate(pool: Pool, sweep: str) -> None:
    pool.run("condor_vacate_job", "-constraint", f'JobBatchName == "{sweep}" && JobUniverse == 5')


@pytest.mark.parametrize("victim", ["condor_starter", "condor_shadow"])
@pytest.mark.parametrize("when", ["evicted", "done"])
def test_a_connection_is_cut_in_the_middle_of_a_file(pool: Pool, when: str, victim: str) -> None:
    sweep = write(pool, f"{when}-{victim.removeprefix('condor_')}")
    pool.submit(sweep)
    pool.until_rows_in_flight(sweep)
    vacate(pool, sweep)
    pool.until(lambda: len(pool.rows_at_hand(sweep)) > 0, "no rows come back", sweep)
    before = pool.rows_at_hand(sweep)
    pool.until_running(sweep)
    if when == "evicted":
        pool.until_rows_in_flight(sweep, more_than=len(before))
    cut = ["python", "-c", _CUT, f"results/{sweep}", victim, str(PATIENCE)]
    command = ["docker", "exec", "--user", "root", NAME, *cut]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cutting:
        assert cutting.stdout is not None and cutting.stdout.readline() == "ready\n"
        if when == "evicted":
            vacate(pool, sweep)
        said = cutting.stdout.read()
    assert said, "nothing came back that could have been cut"
    name, size = said.split()
    assert_kept(before, pool.rows_at_hand(sweep))
    pool.wait(sweep)
    assert_kept(before, pool.rows_at_hand(sweep))
    (path,) = pool.root(sweep).glob(f"spikes/*/{name}")
    assert 0 < int(size) < path.stat().st_size, "it was cut in the middle"
    assert pool.events(sweep).count("Job executing") == 3, "at first, after the eviction, and after the cut"
    assert_as_if_undisturbed(pool, sweep, N_POINTS)


SMALL = "/home/sweeper/small"  # a disk of 64 MB
_LEFT = 5_000_000  # B, less than two points take
_FILL = """
import shutil, sys
with open(sys.argv[1] + "/others", "wb") as file:
    for _ in range((shutil.disk_usage(sys.argv[1]).free - int(sys.argv[2])) // 1000):
        file.write(bytes(1000))
"""


def test_the_disk_is_full_in_the_middle_of_a_file(pool: Pool) -> None:
    pool.run("chmod", "1777", SMALL, user="root")  # what Docker forgets where the pool was restarted
    sweep = write(pool, "full")
    pool.submit(sweep, "--results", SMALL)
    bring(pool, sweep)
    pool.until_rows_in_flight(sweep)
    vacate(pool, sweep)
    pool.until(lambda: len(rows_at_hand(pool, sweep)) > 0, "no rows come back", sweep)
    before = rows_at_hand(pool, sweep)
    pool.until_running(sweep)
    pool.until_rows_in_flight(sweep, more_than=len(before) + 1)
    pool.run("python", "-c", _FILL, SMALL, str(_LEFT))
    vacate(pool, sweep)
    pool.until(lambda: held(pool, sweep) != "", "the transfer does not break off", sweep)
    assert "No space left on device" in held(pool, sweep) and "Code 12" in held(pool, sweep)
    assert_kept(before, rows_at_hand(pool, sweep))
    pool.run("rm", f"{SMALL}/others")
    pool.wait(sweep)
    assert_kept(before, rows_at_hand(pool, sweep))
    assert_as_if_undisturbed(pool, sweep, N_POINTS)


def bring(pool: Pool, sweep: str) -> None:
    """Copy the run to where it is seen from outside."""
    copy = f"mkdir -p results && rm -rf results/{sweep} && cp -a {SMALL}/{sweep} results/"
    pool.run("sh", "-c", copy)


def rows_at_hand(pool: Pool, sweep: str) -> dict[str, pd.Timestamp]:
    bring(pool, sweep)
    return pool.rows_at_hand(sweep)


def held(pool: Pool, sweep: str) -> str:
    """What the event log says of a hold; empty if there was none."""
    return pool.run("grep", "-A2", "Job was held", f"{SMALL}/{sweep}/dag/001/sweep.dag.nodes.log", code=None)
