"""Sweeps on a real HTCondor pool: the one-machine pool of ``containers/``, with Docker-universe jobs that run NEST.

The user of the pool submits inside its container; the folder they work in is one of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.pool

CONTAINERS = Path(__file__).parent.parent / "containers"
NAME = "gridsearch-pool"
WORK = "/home/sweeper/work"


@dataclass(frozen=True)
class Pool:
    """The running pool; `work` is the folder of its user, from outside."""

    work: Path

    def run(self, *command: str, code: int | None = 0, user: str = "sweeper") -> str:
        """Run a command inside and return what it says; `code` is its expected exit code, None if any will do."""
        done = subprocess.run(
            ["docker", "exec", "--user", user, NAME, *command], capture_output=True, text=True, timeout=120, check=False
        )
        said = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"{command} ended with {done.returncode}:\n{said}"
        return said

    def submit(self, sweep: str, *options: str, code: int = 0) -> str:
        return self.run("python", "-m", "gridsearch", "submit", f"{sweep}.toml", *options, code=code)

    def status(self, sweep: str, code: int) -> str:
        return self.run("python", "-m", "gridsearch", "status", f"results/{sweep}", code=code)

    def cancel(self, sweep: str) -> str:
        return self.run("python", "-m", "gridsearch", "cancel", f"results/{sweep}")

    def queue(self, sweep: str, *attributes: str) -> list[str]:
        """Attributes of the sweep's jobs in the queue, the DAG's own left out; a line each."""
        mine = f'JobBatchName == "{sweep}" && JobUniverse != 7'
        return self.run("condor_q", "-constraint", mine, "-af", *(attributes or ("ClusterId",))).splitlines()

    def wait(self, sweep: str, seconds: float = 120.0) -> None:
        """Wait until nothing of a sweep is in the queue."""

        def is_over() -> bool:
            return not self.run("condor_q", "-constraint", f'JobBatchName == "{sweep}"', "-af", "ClusterId").strip()

        self.until(is_over, seconds, f"sweep {sweep} does not end", sweep)

    def until(self, holds: Callable[[], bool], seconds: float, complaint: str, sweep: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                queue = self.run("condor_q", "-nobatch", "-allusers", code=None)
                logs = [path.read_text(errors="replace")[-2000:] for path in self.root(sweep).glob("logs/*.err")]
                pytest.fail("\n".join([complaint, queue, self.run("condor_q", "-hold", code=None), *logs]))
            time.sleep(0.5)

    def until_running(self, sweep: str, n_jobs: int = 1) -> None:
        self.until(lambda: self.queue(sweep, "JobStatus").count("2") >= n_jobs, 60.0, "no job runs", sweep)

    def root(self, sweep: str) -> Path:
        return self.work / "results" / sweep

    def rows(self, sweep: str, results: str = "results") -> pd.DataFrame:
        files = sorted((self.work / results / sweep / "summaries").glob("*.parquet"))
        tables = [pq.read_table(file, partitioning=None).to_pandas() for file in files]
        return pd.concat([table for table in tables if len(table)], ignore_index=True)

    def events(self, sweep: str, number: int = 1) -> str:
        return (self.root(sweep) / "dag" / f"{number:03d}" / "sweep.dag.nodes.log").read_text()

    def write(
        self, name: str, n_points: int = 4, duration: float = 300.0, minutes: float = 0.01, rest: str = "", **keys: str
    ) -> str:
        """Write a sweep of a network of 500 neurons; `keys` are lines of ``[jobs.<key>]``."""
        values = [round(1.0 + 1.5 * i / n_points, 3) for i in range(n_points)]
        tables = "".join(f"[jobs.{key}]\n{lines}\n" for key, lines in keys.items())
        (self.work / f"{name}.toml").write_text(
            f'name = "{name}"\nmodel = "clustered"\nsimulators = ["nest"]\n'
            "[parameters]\nN_E = 400\nN_I = 100\nQ = 4\n"
            f"[axes]\nI_th_E = {{ values = {values} }}\n"
            f"[simulation]\nwarmup = 100.0\nduration = {duration}\n"
            f'{rest}\n[jobs]\nexecutor = "htcondor"\nminutes_per_job = {minutes}\n{tables}'
        )
        return name


def _unless_ci(reason: str) -> None:
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"continuous integration must test on a pool: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        _unless_ci("no Docker Engine answers (containers/docker_engine.sh start)")
    if subprocess.run(["docker", "container", "inspect", NAME], capture_output=True).returncode == 0:
        pytest.fail(f"a container {NAME} is there already; stop it with: make pool-stop")
    work = tmp_path_factory.mktemp("pool")
    environment = {**os.environ, "GRIDSEARCH_POOL_WORK": str(work), "GRIDSEARCH_POOL_GPUS": "1"}
    for target in ("images", "pool"):
        made = subprocess.run(
            ["make", "-C", str(CONTAINERS), target], env=environment, capture_output=True, text=True, timeout=900
        )
        assert made.returncode == 0, f"make {target}:\n{(made.stdout + made.stderr)[-4000:]}"
    try:
        yield Pool(work)
    finally:
        subprocess.run(["make", "-C", str(CONTAINERS), "pool-stop"], env=environment, capture_output=True, check=True)


def assert_complete(rows: pd.DataFrame, n_points: int) -> None:
    assert rows["status"].tolist() == ["ok"] * n_points
    assert rows["point_id"].nunique() == n_points, "a point ran twice"


def test_sweep_ends_with_all_points_and_maps_and_the_statistics_of_a_local_run(pool: Pool) -> None:
    spikes = '[record]\nstatistics = ["rate", "cv_isi", "fano_factor"]\nspikes = "sample"\n[replicates]\nseeds = 2'
    sweep = pool.write("whole", n_points=4, duration=1000.0, rest=spikes)
    said = pool.submit(sweep)
    assert "4 jobs" in said or "8 jobs" in said, said
    assert "condor_q" in said
    pool.until_running(sweep)
    line = next(line for line in pool.run("condor_q").splitlines() if line.startswith("sweeper"))
    assert line.split()[1] == sweep, "condor_q shows the sweep's name"

    def is_seen() -> bool:
        return re.search(r"DAG \d+ of HTCondor: jobs: .*\d running", pool.status(sweep, code=1)) is not None

    pool.until(is_seen, 30.0, "status sees no running job", sweep)
    pool.wait(sweep)
    pool.status(sweep, code=0)
    rows = pool.rows(sweep)
    assert_complete(rows, 8)
    root = pool.root(sweep)
    assert (root / "figures" / "map_rate.png").stat().st_size > 10_000
    assert "0 points are missing" in (root / "logs" / "collect.out").read_text()
    assert len(list(root.glob("spikes/*/*.parquet"))) == 8
    submit = json.loads((root / "provenance.json").read_text())["submits"][0]
    assert set(rows["versions"].map(lambda text: json.loads(text)["code"])) == {submit["code"]["worker_hash"]}

    pool.submit(sweep, "--executor", "local", "--results", "local")
    local = pool.rows(sweep, "local").set_index("point_id")
    statistics = [name for name in local if name.startswith(("rate_", "cv_isi_", "fano_", "n_spikes"))]
    assert len(statistics) >= 5
    pd.testing.assert_frame_equal(
        rows.set_index("point_id")[statistics].sort_index(), local[statistics].sort_index(), check_exact=True
    )


def test_vacated_job_keeps_its_rows(pool: Pool) -> None:
    sweep = pool.write("vacate", n_points=12, duration=8000.0, minutes=30.0)
    pool.submit(sweep)
    pool.until_running(sweep)
    time.sleep(8.0)
    vacated = pd.Timestamp.now("UTC")
    pool.run("condor_vacate_job", "-constraint", 'JobBatchName == "vacate" && JobUniverse == 5')
    pool.wait(sweep)
    assert "Job was evicted" in pool.events(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, 12)
    assert 0 < (rows["finished"] < vacated).sum() < 12, "rows of both starts"
    assert pool.events(sweep).count("DAG Node: nest") == 1, "one submit: the same job went on"


def test_held_job_says_why_and_a_right_submit_goes_on(pool: Pool) -> None:
    sweep = pool.write("held", n_points=2, nest='image = "no-such-image:1"')
    pool.submit(sweep)
    pool.until(lambda: pool.queue(sweep, "JobStatus") == ["5", "5"], 60.0, "the jobs are not held", sweep)
    said = pool.status(sweep, code=1)
    assert re.search(r"2 × held with code 35, subcode 0: on \S+: .*no-such-image:1.* Remedy: the image", said), said
    assert "nothing to submit" in pool.submit(sweep), "held points are in hand, not missing"
    assert "removed DAG" in pool.cancel(sweep)
    pool.wait(sweep)
    pool.write("held", n_points=2)
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)


def test_cancelled_sweep_goes_on_where_it_was(pool: Pool) -> None:
    sweep = pool.write("cancel", n_points=6, duration=4000.0)
    assert "6 jobs" in pool.submit(sweep)

    def some_done() -> bool:
        return pool.events(sweep).count("(return value 0)") >= 2

    pool.until_running(sweep)
    pool.until(some_done, 60.0, "no job ends", sweep)
    pool.cancel(sweep)
    pool.wait(sweep)
    before = pool.rows(sweep).set_index("point_id")
    assert 2 <= len(before) < 6
    assert f"{6 - len(before)} points are missing" in (pool.root(sweep) / "logs" / "collect.out").read_text()
    assert "nothing is at work" in pool.cancel(sweep)
    said = pool.submit(sweep)
    assert re.search(rf"nest +6 +{len(before)} +0 +0 +{6 - len(before)} ", said), f"not what is left: {said}"
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, 6)
    after = rows.set_index("point_id").loc[before.index]
    assert (after["finished"] == before["finished"]).all(), "what was done was not done again"


def test_submits_beside_a_running_one_plan_nothing_twice(pool: Pool) -> None:
    sweep = pool.write("twice", n_points=4, duration=4000.0)
    both = [
        subprocess.Popen(
            ["docker", "exec", "--user", "sweeper", NAME, "python", "-m", "gridsearch", "submit", f"{sweep}.toml"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert sorted(process.returncode for process in both) in ([0, 0], [0, 2]), said
    assert "nothing to submit" in pool.submit(sweep)
    pool.write("twice", n_points=4, duration=4000.0, rest="[replicates]\nseeds = 2")
    said = pool.submit(sweep)
    assert re.search(r"nest +8 +\d +0 +\d +4 ", said), f"a seed more is four points more: {said}"
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 8)
    jobs = [json.loads(path.read_text()) for path in pool.root(sweep).glob("jobs/*.json")]
    assert sum(len(job["points"]) for job in jobs) == 8, "a point was planned twice"


@pytest.mark.parametrize("victim", ["worker", "container"])
def test_killed_worker_is_started_again(pool: Pool, victim: str) -> None:
    sweep = pool.write(f"kill-{victim}", n_points=8, duration=6000.0, minutes=30.0)
    pool.submit(sweep)
    pool.until_running(sweep)
    time.sleep(5.0)
    killed = pd.Timestamp.now("UTC")
    container = _job_container(sweep)
    if victim == "container":
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    else:
        kill = (
            "import os, pathlib\n"
            "for process in pathlib.Path('/proc').glob('[0-9]*'):\n"
            "    if b'simulators.worker' in (process / 'cmdline').read_bytes().split(bytes(1)):\n"
            "        os.kill(int(process.name), 9)\n"
        )
        subprocess.run(["docker", "exec", container, "python3", "-c", kill], check=True, capture_output=True)
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, 8)
    assert pool.events(sweep).count("DAG Node: nest") == (1 if victim == "worker" else 2)
    if victim == "worker":
        assert 0 < (rows["finished"] < killed).sum() < 8, "rows from before and after"


def _job_container(sweep: str) -> str:
    listed = ["docker", "ps", "--filter", "label=org.htcondorproject", "--format", "{{.ID}}"]
    running = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    assert len(running) == 1, f"{sweep}: {running}"
    return running[0]


def test_schedd_may_restart_in_mid_run(pool: Pool) -> None:
    sweep = pool.write("restart", n_points=4, duration=6000.0)
    pool.submit(sweep)
    pool.until_running(sweep)
    pool.run("condor_restart", "-daemon", "schedd", user="root")
    time.sleep(2.0)

    def answers() -> bool:
        return "Schedd" in pool.run("condor_q", code=None)

    pool.until(answers, 60.0, "the schedd does not come back", sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 4)
    pool.status(sweep, code=0)


def test_memory_grows_until_it_is_enough(pool: Pool) -> None:
    grows = "128 * pow(2, (MY.NumHoldsByReason.JobOutOfResources ?: 0))"
    sweep = pool.write(
        "memory", n_points=1, htcondor="vacate_seconds = 5", nest=f'submit = {{ request_memory = "{grows}" }}'
    )
    path = pool.work / f"{sweep}.toml"
    path.write_text(path.read_text().replace("N_E = 400\nN_I = 100", "N_E = 4000\nN_I = 1000"))
    pool.submit(sweep)
    pool.wait(sweep, 150.0)
    assert_complete(pool.rows(sweep), 1)
    events = pool.events(sweep)
    assert "Code 34 Subcode 0" in events
    given = [int(size) for size in re.findall(r"^\tMemory = (\d+)", events, re.MULTILINE)]
    assert given[0] == 128 and given[-1] >= 256, given
    assert events.count("DAG Node: nest") == 1, "DAGMan saw one job"


def test_job_that_cannot_be_carried_out_ends_the_sweep(pool: Pool) -> None:
    sweep = pool.write("unusable", n_points=4)
    path = pool.work / f"{sweep}.toml"
    path.write_text(
        path.read_text().replace('["nest"]', '["genn"]') + '[jobs.genn]\nimage = "gridsearch-nest:latest"\n'
    )
    pool.submit(sweep)
    pool.wait(sweep)
    said = pool.status(sweep, code=1)
    assert "cannot be carried out" in said, said
    assert "genn" in said
    assert pool.events(sweep).count("DAG Node: genn") <= 4, "no second attempts"


def test_gpu_job_gets_a_slot_with_one(pool: Pool) -> None:
    sweep = pool.write("gpu", n_points=1, nest="gpus = 1\nsubmit = { gpus_minimum_memory = 8000 }")
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 1)
    assert re.search(r"^\tGPUs = 1$", pool.events(sweep), re.MULTILINE)
    sweep = pool.write("gpu-large", n_points=1, nest="gpus = 1\nsubmit = { gpus_minimum_memory = 80000 }")
    pool.submit(sweep)
    pool.until(lambda: pool.queue(sweep, "JobStatus") == ["1"], 30.0, "the job is not in the queue", sweep)
    time.sleep(8.0)
    assert pool.queue(sweep, "JobStatus") == ["1"], "no GPU here has as much memory"
    assert "idle" in pool.status(sweep, code=1)
    pool.cancel(sweep)
    pool.wait(sweep)


def test_shared_file_system_without_containers(pool: Pool) -> None:
    lines = 'universe = "vanilla"\nshared_filesystem = true\npython = "/opt/venv/bin/python3"'
    sweep = pool.write("shared", n_points=2, htcondor=lines, rest='[record]\nspikes = "all"')
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)
    assert "Started transferring" not in pool.events(sweep)
    assert len(list(pool.root(sweep).glob("spikes/*/*.parquet"))) == 2
