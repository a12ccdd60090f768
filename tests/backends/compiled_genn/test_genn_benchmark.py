"""The benchmark of graphics processors, where there is none: what it expects, and all of it on a core."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import default_settings, require_simulator
from workplaces import ROOT

from simulators.backends.genn_simulator.gpu_costs import gpu_time
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

sys.path.append(str(ROOT / "benchmarks" / "engines"))
import gpu

ON_A_CORE = ("--backend", "single_threaded_cpu", "--neurons", "1000")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "engines" / "gpu.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_expected_is_said_without_a_graphics_processor() -> None:
    said = run("--model", "--batches", "40", "80")
    assert said.returncode == 0, said.stderr
    assert "nothing was measured on a graphics processor" in said.stdout
    assert "1,208 s simulating, 977 s fetching spikes, 117 s compiling, 2,302 s in all; the goal: 200 s" in said.stdout
    assert "at 1.67 Hz, 8 cores" in said.stdout, "the published points' own"
    row = re.findall(r"^H100 +80 +(\S+) .* (\S+) +(\d+)$", said.stdout, re.MULTILINE)[1]
    network = make_network(gpu.parameters_of(25_000))
    expected = gpu_time(network, Simulation(0.1, 1000.0, 9000.0), 80, 8, 3.35e12)
    assert row == (f"{1e6 * expected.step:.1f}", f"{1e3 * expected.point:.2f}", f"{1600 * expected.point:.0f}")


def test_a_worker_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = {**default_settings("genn"), "backend": "single_threaded_cpu", "cache": str(tmp_path / "file")}
    with pytest.raises(gpu.WorkerFailedError, match=r"ended with 75; it said last:\n(.|\n)*(file|PyGeNN)"):
        gpu.run_grid(settings, 100, 1, 9.0, False)


@pytest.mark.genn
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--grid", "2", "--duration", "90", "--cores", "1", "--batches", "4"), r"4 points \(4 good\) on a core"),
        (("--steps", "--duration", "50", "--batches", "1"), r"µs a step(.|\n)* neuron_update +\d"),
        (
            ("--points", "2", "--duration", "50", "--core-points", "1", "--batches", "1"),
            r"rates differ .* \[0\.0, 0\.0\]",
        ),
    ],
)
def test_all_of_it_runs_on_a_core(
    arguments: tuple[str, ...], expected: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_simulator("genn", {**default_settings("genn"), "backend": "single_threaded_cpu"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    said = run(*ON_A_CORE, *arguments)
    assert said.returncode == 0, said.stderr
    assert re.search(expected, said.stdout), said.stdout
    if "--grid" in arguments:
        for phase in ("simulating", "fetching", "statistics", "compiling", "s a point"):
            assert phase in said.stdout
