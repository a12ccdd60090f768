"""The pool of ``containers/`` as tests use it: its user submits inside its container, in a folder of ours.

How long something takes depends on the machine, so tests wait until they see it; `PATIENCE` only bounds the wait.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from required import skip_or_fail

CONTAINERS = Path(__file__).parent.parent / "containers"
NAME = "gridsearch-pool"
WORK = "/home/sweeper/work"
PATIENCE = 600.0  # s

# Rows of a sweep's jobs that run: their summaries are in the scratch folders, which are not the submitter's to read.
# Jobs with the same points have the same name, and a folder outlives its start for a moment: hence the sweep, and the
# most of all folders
_COUNT_ROWS = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
n_rows = {}
execute, sweep, *names = sys.argv[1:]
for folder in Path(execute).parent.glob("node*/dir_*"):
    for name in names:
        for path in folder.glob(f"**/{name}.parquet"):
            try:
                if f'JobBatchName = "{sweep}"' in (folder / ".job.ad").read_text():
                    n_rows[name] = max(n_rows.get(name, 0), pq.read_metadata(path).num_rows)
            except (OSError, pq.lib.ArrowInvalid):
                pass
print(sum(n_rows.values()))
"""


@dataclass(frozen=True)
class Pool:
    """The running pool; `work` is the folder of its user, from outside."""

    work: Path

    def run(self, *command: str, code: int | None = 0, user: str = "sweeper", **environment: str) -> str:
        """Run a command inside and return what it says; `code` is its expected exit code, None if any will do."""
        variables = [part for item in environment.items() for part in ("--env", "=".join(item))]
        inside = ["docker", "exec", "--user", user, *variables, NAME, *command]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=PATIENCE, check=False)
        said = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"{command} ended with {done.returncode}:\n{said}"
        return said

    def submit(self, sweep: str, *options: str, code: int = 0, **environment: str) -> str:
        return self.run("python", "-m", "gridsearch", "submit", f"{sweep}.toml", *options, code=code, **environment)

    def status(self, sweep: str, code: int, results: str = "results", **environment: str) -> str:
        return self.run("python", "-m", "gridsearch", "status", f"{results}/{sweep}", code=code, **environment)

    def cancel(self, sweep: str, code: int = 0, **environment: str) -> str:
        return self.run("python", "-m", "gridsearch", "cancel", f"results/{sweep}", code=code, **environment)

    def queue(self, sweep: str, *attributes: str) -> list[str]:
        """Attributes of the sweep's jobs in the queue, without the DAG's own and the one that watches; a line each."""
        mine = f'JobBatchName == "{sweep}" && JobUniverse != 7 && DAGNodeName =!= "watch"'
        return self.run("condor_q", "-constraint", mine, "-af", *(attributes or ("ClusterId",))).splitlines()

    def answers(self) -> bool:
        """Whether the schedd does, and all machines are there."""
        asked = "condor_q >/dev/null && test $(condor_status -af Name | sort -u | grep -c ^slot1@) = 2"
        inside = ["docker", "exec", "--user", "sweeper", NAME, "sh", "-c", asked]
        return subprocess.run(inside, capture_output=True, timeout=PATIENCE).returncode == 0

    def wait(self, sweep: str, patience: float = PATIENCE) -> None:
        """Wait until nothing of a sweep is in the queue."""
        mine = ("condor_q", "-constraint", f'JobBatchName == "{sweep}"', "-af", "ClusterId")
        self.until(lambda: not self.run(*mine).strip(), f"sweep {sweep} does not end", sweep, patience)

    def until(self, holds: Callable[[], bool], complaint: str, sweep: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                queue = self.run("condor_q", "-nobatch", "-allusers", code=None)
                logs = [path.read_text(errors="replace")[-2000:] for path in self.root(sweep).glob("logs/*.err")]
                pytest.fail("\n".join([complaint, queue, self.run("condor_q", "-hold", code=None), *logs]))
            time.sleep(0.5)

    def edit(self, sweep: str, attribute: str, value: str) -> None:
        """Change an attribute of the sweep's jobs; again where the schedd was changing it at that moment."""
        mine = f'JobBatchName == "{sweep}" && JobUniverse == 5'
        edit = ("condor_qedit", "-constraint", mine, attribute, value)
        self.until(lambda: "Set attribute" in self.run(*edit, code=None), f"{attribute} cannot be changed", sweep)

    def until_running(self, sweep: str) -> None:
        self.until(lambda: "2" in self.queue(sweep, "JobStatus"), "no job runs", sweep)

    def until_rows_in_flight(self, sweep: str, more_than: int = 0) -> None:
        """Wait until a job that goes on has finished a point, or more."""
        self.until_running(sweep)
        names = [path.stem for path in self.root(sweep).glob("jobs/*.json")]
        folder = self.run("condor_config_val", "EXECUTE").strip()
        count = ("python", "-c", _COUNT_ROWS, folder, sweep, *names)
        self.until(lambda: int(self.run(*count, user="root")) > more_than, "no point is finished", sweep)

    def clear(self) -> None:
        """Remove what a test has left in the queue, and wait until it is gone: the next one is not to meet it."""
        left = ("condor_q", "-allusers", "-af", "ClusterId")
        if self.run(*left, code=None).strip():
            self.run("condor_rm", "-all", user="root", code=None)
            self.until(lambda: not self.run(*left).strip(), "what a test left does not end", "")

    def root(self, sweep: str, results: str = "results") -> Path:
        return self.work / results / sweep

    def rows(self, sweep: str, results: str = "results") -> pd.DataFrame:
        files = sorted((self.root(sweep, results) / "summaries").glob("*.parquet"))
        tables = [pq.read_table(file, partitioning=None).to_pandas() for file in files]
        return pd.concat([table for table in tables if len(table)], ignore_index=True)

    def rows_at_hand(self, sweep: str) -> dict[str, pd.Timestamp]:
        """When each point that has a row in the run's folder was finished, while jobs may be at work."""
        found: dict[str, pd.Timestamp] = {}
        for path in sorted((self.root(sweep) / "summaries").glob("*.parquet")):
            for trial in range(20):  # HTCondor may be writing it just now
                try:
                    with pq.ParquetFile(path) as file:  # of a job that has not begun: no rows, and few columns
                        n_rows = file.metadata.num_rows
                        table = file.read(columns=["point_id", "finished"]).to_pandas() if n_rows else None
                    break
                except (OSError, pa.ArrowInvalid):
                    assert trial < 19, f"{path.name} cannot be read"
                    time.sleep(0.5)
            if table is not None:
                found |= dict(zip(table["point_id"], table["finished"], strict=True))
        return found

    def job_points(self, sweep: str) -> int:
        """Points in all job files of a run."""
        return sum(len(json.loads(path.read_text())["points"]) for path in self.root(sweep).glob("jobs/*.json"))

    def events(self, sweep: str, number: int = 1) -> str:
        path = self.root(sweep) / "dag" / f"{number:03d}" / "sweep.dag.nodes.log"
        return path.read_text() if path.exists() else ""

    def collected(self, sweep: str, results: str = "results") -> str:
        """What the last node of the DAG said."""
        return (self.root(sweep, results) / "logs" / "collect.out").read_text()

    def write(
        self,
        name: str,
        n_points: int = 2,
        *,
        simulators: Sequence[str] = ("nest",),
        duration: float = 300.0,
        minutes: float = 0.01,
        rest: str = "",
        collect: bool = False,
        **jobs: str,
    ) -> str:
        """Write a sweep of a network of 500 neurons and return its name; `jobs` are lines of ``[jobs.<key>]``.

        A job holds a point, unless `minutes` says otherwise. The stand-in for a simulator runs in NEST's image.
        """
        if not collect:  # the maps, which are drawn for some seconds
            jobs["htcondor"] = f'collect = "none"\n{jobs.get("htcondor", "")}'
        if "poisson" in simulators:
            jobs["poisson"] = f'image = "gridsearch-nest:3.10.0"\n{jobs.get("poisson", "")}'
        values = [round(1.0 + 1.5 * i / n_points, 3) for i in range(n_points)]
        (self.work / f"{name}.toml").write_text(
            f'name = "{name}"\nmodel = "clustered"\nsimulators = {json.dumps(simulators)}\n'
            "[parameters]\nN_E = 400\nN_I = 100\nQ = 4\n"
            f"[axes]\nI_th_E = {{ values = {values} }}\n"
            f"[simulation]\nwarmup = 100.0\nduration = {duration}\n"
            f'{rest}\n[jobs]\nexecutor = "htcondor"\nminutes_per_job = {minutes}\n'
            + "".join(f"[jobs.{key}]\n{lines}\n" for key, lines in jobs.items())
        )
        return name


def assert_complete(rows: pd.DataFrame, n_points: int) -> None:
    """Every point has one good row."""
    assert rows["status"].tolist() == ["ok"] * n_points
    assert not rows.duplicated(["point_id", "simulator"]).any(), "a point ran twice"


def start_pool(work: Path) -> Iterator[Pool]:
    """Build the images where needed, start the pool and stop it in the end; for a fixture."""
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        skip_or_fail("no Docker Engine answers (containers/docker_engine.sh start)")
    if subprocess.run(["docker", "container", "inspect", NAME], capture_output=True).returncode == 0:
        pytest.fail(f"a container {NAME} is there already; stop it with: make pool-stop")
    environment = {**os.environ, "GRIDSEARCH_POOL_WORK": str(work), "GRIDSEARCH_POOL_GPUS": "1"}
    try:
        for target in ("images", "pool"):
            command = ["make", "-C", str(CONTAINERS), target]
            made = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
            assert made.returncode == 0, f"make {target}:\n{(made.stdout + made.stderr)[-4000:]}"
        yield Pool(work)
    finally:
        subprocess.run(["make", "-C", str(CONTAINERS), "pool-stop"], env=environment, capture_output=True, check=True)
