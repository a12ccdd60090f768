"""Sweeps on a real HTCondor pool: the one-machine pool of ``containers/``, with Docker-universe jobs that run NEST."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from htcondor_pool import NAME, PATIENCE, WORK, Pool, assert_complete
from image_registry import Registry
from stranger import edit, write_folder, write_sweep

from simulators.backends.simulator import find_simulator

pytestmark = pytest.mark.pool

FOR_EVER = "seconds_per_point = 3000"


def test_sweep_ends_with_all_points_and_maps_and_the_statistics_of_a_local_run(pool: Pool) -> None:
    spikes = '[record]\nstatistics = ["rate", "cv_isi", "fano_factor"]\nspikes = "sample"\n[replicates]\nseeds = 2'
    sweep = pool.write("whole", 4, duration=1000.0, rest=spikes, collect=True)
    results = "my results"  # white space is hard on DAGMan
    said = pool.submit(sweep, "--results", results)
    assert "8 jobs" in said, said
    pool.wait(sweep)
    pool.status(sweep, 0, results)
    rows = pool.rows(sweep, results)
    assert_complete(rows, 8)
    root = pool.root(sweep, results)
    assert (root / "figures" / "map_rate.png").stat().st_size > 10_000
    assert "0 points are missing" in pool.collected(sweep, results)
    assert len(list(root.glob("spikes/*/*.parquet"))) == 8
    submit = json.loads((root / "provenance.json").read_text())["submits"][0]
    assert set(rows["versions"].map(lambda text: json.loads(text)["code"])) == {submit["code"]["worker_hash"]}

    pool.submit(sweep, "--executor", "local", "--results", "local")
    local = pool.rows(sweep, "local").set_index("point_id")
    statistics = [name for name in local if name.startswith(("rate_", "cv_isi_", "fano_", "n_spikes"))]
    assert len(statistics) >= 5
    for table in (rows, local):  # pandas cannot compare arrays in cells
        lists = [name for name in statistics if "_hist_" in name]
        table[lists] = table[lists].map(tuple)
    pd.testing.assert_frame_equal(
        rows.set_index("point_id")[statistics].sort_index(), local[statistics].sort_index(), check_exact=True
    )


def test_a_strangers_folder_travels_with_its_jobs(pool: Pool) -> None:
    folder = pool.work / "stranger"
    write_folder(folder, spikes="all")
    path = write_sweep(folder, spikes="all", executor="htcondor")
    # A name that HTCondor would take for two, and for a macro
    (folder / "cells.h5").rename(folder / "cells, v2 $(HOME).h5")
    path.write_text(path.read_text().replace("cells.h5", "cells, v2 $(HOME).h5"))
    subprocess.run(["chmod", "-R", "a+rwX", str(folder)], check=True)
    said = pool.submit("stranger/sweep")
    assert "my_network.py" in said and "my_neuron.py" in said, said
    pool.wait("guest")
    rows = pool.rows("guest")
    assert_complete(rows, 2)
    assert (rows["n_synapses"] == 400).all() and (rows["shortest_isi_C"] > 0.0).all()
    pool.submit("stranger/sweep", "--executor", "local", "--results", "local")
    local = pool.rows("guest", "local").set_index("point_id")
    there = rows.set_index("point_id").loc[local.index]
    assert (there["n_spikes"] == local["n_spikes"]).all(), "the same spikes as here"
    edit(folder / "statistics.py", "GAIN = 1.0", "GAIN = 5.0")
    assert "2 were made with another my_network.py" in pool.submit("stranger/sweep")
    pool.wait("guest")
    assert len(pool.rows("guest")) == 4


@pytest.mark.genn
def test_a_strangers_folder_runs_on_genn_there_too(pool: Pool) -> None:
    image = str(find_simulator("genn").IMAGE)
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode:
        pytest.skip(f"there is no image {image}: PyGeNN is on no package index (make images-genn)")
    folder = pool.work / "stranger_genn"
    write_folder(folder)
    write_sweep(folder, ("nest", "genn"), executor="htcondor")
    subprocess.run(["chmod", "-R", "a+rwX", str(folder)], check=True)
    pool.submit("stranger_genn/sweep", "--results", "genn")
    pool.wait("guest")
    rows = pool.rows("guest", "genn")
    assert_complete(rows, 4)
    assert set(rows["simulator"]) == {"nest", "genn"}
    genn, nest = (rows[rows["simulator"] == name].sort_values("I")["rate_C"].to_numpy() for name in ("genn", "nest"))
    assert np.allclose(genn, nest, rtol=0.1)


def test_our_own_engine_runs_on_the_pool(pool: Pool) -> None:
    sweep = pool.write("engine", 2, simulators=["native"], duration=500.0)
    pool.submit(sweep)
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, 2)
    pool.submit(sweep, "--executor", "local", "--results", "local")
    local = pool.rows(sweep, "local").set_index("point_id")
    there = rows.set_index("point_id").loc[local.index]
    assert (there["n_spikes"] == local["n_spikes"]).all() and (local["n_spikes"] > 0).all()
    assert (there["rate_E"] == local["rate_E"]).all(), "to the bit"


def test_condor_q_and_status_show_a_sweep_at_work(pool: Pool) -> None:
    sweep = pool.write("watched", 3, simulators=["poisson"], poisson=f"{FOR_EVER}\nmax_running = 2")
    said = pool.submit(sweep)
    assert "3 jobs" in said and "condor_q" in said, said
    pool.until_running(sweep)
    line = next(line for line in pool.run("condor_q").splitlines() if line.startswith("sweeper"))
    assert line.split()[1] == sweep, "condor_q shows the sweep's name"
    assert "(poisson, 1 points)" in pool.run("condor_q", "-nobatch")
    said = pool.status(sweep, code=1)
    assert re.search(r"DAG \d+ of HTCondor: jobs: [12] running, .*1 waiting, done in about \d", said), said
    assert re.search(r"poisson +0 +0 +0 +0 +0 +[12] +[12] +0", said), f"points running, idle and held: {said}"
    pool.cancel(sweep)
    pool.wait(sweep)


def test_cancelled_sweep_goes_on_where_it_was(pool: Pool) -> None:
    slow = f"{FOR_EVER}\nmax_running = 1"
    sweep = pool.write("cancel", 3, simulators=["nest", "poisson"], poisson=slow, collect=True)
    assert "6 jobs" in pool.submit(sweep)
    pool.until(lambda: pool.events(sweep).count("(return value 0)") == 3, "the jobs on NEST do not end", sweep)
    pool.until_running(sweep)
    assert "removed DAG" in pool.cancel(sweep)
    pool.wait(sweep)
    before = pool.rows(sweep).set_index("point_id")
    assert_complete(pool.rows(sweep), 3)
    assert "3 points are missing" in pool.collected(sweep)
    assert "nothing is at work" in pool.cancel(sweep)
    pool.write("cancel", 3, simulators=["nest", "poisson"])
    said = pool.submit(sweep)
    assert re.search(r"nest +3 +3 +0 +0 +0 ", said) and re.search(r"poisson +3 +0 +0 +0 +3 ", said), said
    pool.wait(sweep)
    rows = pool.rows(sweep)
    assert_complete(rows, 6)
    after = rows[rows["simulator"] == "nest"].set_index("point_id").loc[before.index]
    assert (after["finished"] == before["finished"]).all(), "what was done was not done again"


def test_submits_beside_a_waiting_one_plan_nothing_twice(pool: Pool) -> None:
    sweep = pool.write("twice", 4, nest="submit = { hold = true }")
    command = ["docker", "exec", "--user", "sweeper", NAME, "python", "-m", "gridsearch", "submit", f"{sweep}.toml"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE)[0] for process in both]
    assert sorted(process.returncode for process in both) in ([0, 0], [0, 2]), said
    pool.until(lambda: pool.queue(sweep, "JobStatus") == ["5"] * 4, "four jobs wait", sweep)
    assert "nothing to submit" in pool.submit(sweep)
    pool.write("twice", 4, rest="[replicates]\nseeds = 2")
    said = pool.submit(sweep)
    assert re.search(r"nest +8 +0 +0 +4 +4 ", said), f"a seed more is four points more: {said}"
    pool.run("condor_release", "-constraint", f'JobBatchName == "{sweep}" && JobStatus == 5')
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 8)
    assert pool.job_points(sweep) == 8, "a point was planned twice"


def test_max_running_holds_across_submits(pool: Pool) -> None:
    slow = "seconds_per_point = 6\nmax_running = 1"
    sweep = pool.write("throttle", 2, simulators=["poisson"], poisson=slow)
    pool.submit(sweep)
    pool.until_running(sweep)
    pool.write("throttle", 2, simulators=["poisson"], poisson=slow, rest="[replicates]\nseeds = 2")
    said = pool.submit(sweep)
    assert "2 jobs" in said and "2 of them wait for the end of earlier ones: max_running" in said, said
    most = 0

    def ended() -> bool:
        nonlocal most
        n_queued = len(pool.queue(sweep))
        most = max(most, n_queued)
        return not n_queued and "(return value 0)" in pool.events(sweep, 2)

    pool.until(ended, "the second DAG does not end", sweep)
    pool.wait(sweep)
    assert most == 1, "never more in the queue than the sweep allows"
    assert_complete(pool.rows(sweep), 4)
    pool.status(sweep, code=0)


_MAY_ASK_DOCKER = "gpasswd {} sweeper $(stat -c %G /var/run/docker.sock)"


def test_jobs_run_the_image_that_their_rows_name(pool: Pool) -> None:
    """By its digest, which an image has that came from a registry, or went to one."""
    image = "gridsearch-nest:3.10.0"
    with Registry() as registry:
        name = f"{registry.address}/lab/{image}"
        for command in (["tag", image, name], ["push", "--quiet", name]):
            subprocess.run(["docker", *command], check=True, capture_output=True)
    pool.run("sh", "-c", _MAY_ASK_DOCKER.format("--add"), user="root")
    try:
        sweep = pool.write("digest", 1, nest=f'image = "{name}"')
        pool.submit(sweep)
        pool.wait(sweep)
        rows = pool.rows(sweep)
        assert_complete(rows, 1)
        (versions,) = rows["versions"].map(json.loads)
        tagged, _, digest = versions["image"].partition("@")
        assert tagged == name and re.fullmatch("sha256:[0-9a-f]{64}", digest)
        mine = f'JobBatchName == "{sweep}" && JobUniverse == 5'
        said = pool.run("condor_history", "-constraint", mine, "-af", "DockerImage", "ContainerImage")
        assert f"{registry.address}/lab/gridsearch-nest@{digest}" in said.split()
        sweep = pool.write("built-here", 1)
        pool.submit(sweep)
        pool.wait(sweep)
        (versions,) = pool.rows(sweep)["versions"].map(json.loads)
        assert versions["image"] == f"{image}#digest-not-known"
    finally:
        pool.run("sh", "-c", _MAY_ASK_DOCKER.format("--delete"), user="root")
        subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)


def test_temporary_folder_is_refused(pool: Pool) -> None:
    sweep = pool.write("temporary")
    assert "nothing below /tmp" in pool.submit(sweep, "--results", "/tmp/results", code=2)


def test_gpu_job_gets_a_slot_with_one(pool: Pool) -> None:
    sweep = pool.write("gpu", 1, nest="gpus = 1\nsubmit = { gpus_minimum_memory = 8000 }")
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 1)
    assert re.search(r"^\tGPUs = 1$", pool.events(sweep), re.MULTILINE)
    sweep = pool.write("gpu-large", 1, nest="gpus = 1\nsubmit = { gpus_minimum_memory = 80000 }")
    pool.submit(sweep)
    seen = ("JobStatus", "LastRejMatchReason")
    pool.until(lambda: any("no match" in line for line in pool.queue(sweep, *seen)), "a GPU is too large", sweep)
    assert pool.queue(sweep, "JobStatus") == ["1"], "no GPU here has as much memory"
    assert "1 idle" in pool.status(sweep, code=1)
    pool.cancel(sweep)
    pool.wait(sweep)


def test_container_universe(pool: Pool) -> None:
    sweep = pool.write("container", 1, htcondor='universe = "container"')
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 1)
    mine = f'JobBatchName == "{sweep}" && WantContainer is true'
    said = pool.run("condor_history", "-constraint", mine, "-af", "ContainerImage")
    assert said.split() == ["docker://gridsearch-nest:3.10.0"]


def test_shared_file_system_without_containers(pool: Pool) -> None:
    lines = 'universe = "vanilla"\nshared_filesystem = true\npython = "/opt/venv/bin/python3"'
    sweep = pool.write("shared", htcondor=lines, rest='[record]\nspikes = "all"')
    pool.submit(sweep)
    pool.wait(sweep)
    assert_complete(pool.rows(sweep), 2)
    assert "Started transferring" not in pool.events(sweep)
    assert len(list(pool.root(sweep).glob("spikes/*/*.parquet"))) == 2


def test_contract_of_executors_holds(pool: Pool) -> None:
    suite = "/opt/gridsearch/tests/pool/test_executors_contract.py"
    options = ("-p", "no:cacheprovider", "--basetemp", f"{WORK}/contract", "-k", "htcondor")
    said = pool.run("python", "-m", "pytest", *options, suite, code=None)
    assert re.search(r"^=+ [6-9] passed, \d+ deselected in", said, re.MULTILINE), said
