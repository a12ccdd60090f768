"""A machine whose driver, compiler or graphics processor does not do: workers that meet it on the emulated one."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import default_settings
from workplaces import Workplace

from simulators.backends.genn_simulator import model, open_simulator
from simulators.backends.genn_simulator.costs import device_memory
from simulators.backends.simulator import SimulatorUnavailableError
from simulators.models.clustered import make_network
from simulators.records.job import Job, Simulation
from simulators.worker.exit_codes import DONE, TRANSIENT

pytestmark = [pytest.mark.genn, pytest.mark.usefixtures("machine")]
pytest_plugins = ["emulated_fixtures"]

SIMULATION = Simulation(dt=0.1, warmup=5.0, duration=20.0)
OUT_OF_MEMORY = 1  # how GeNN ends the process


@pytest.fixture
def run(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Have a worker run nine points under some variables; return its exit code and log."""
    (workplace.folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(workplace.folder / "tmp"))
    settings = {"backend": "cuda", "cores": 1, "cache": str(workplace.folder / "cache")}
    workplace.write(make_job(9, "genn", SIMULATION, settings=settings, statistics=("rate",)))

    def run_under(**variables: str) -> tuple[int, str]:
        with monkeypatch.context() as changed:
            for name, value in variables.items():
                changed.setenv(name, value)
            return workplace.run(timeout=300.0)

    return run_under


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CUDA_EMULATION_ERROR": "35"}, "CUDA says: an error of the emulation (error 35)"),
        ({"CUDA_EMULATION_UNKNOWN": "sm_90"}, "two lines of code for sm_90: nvcc fatal   : Unsupported gpu architec"),
    ],
    ids=["driver", "architecture"],
)
def test_what_cannot_work_is_said_in_a_line_and_ends_no_point(
    run: Callable[..., tuple[int, str]], workplace: Workplace, variables: Mapping[str, str], expected: str
) -> None:
    code, log = run(**variables)
    assert code == TRANSIENT, log
    assert expected in log.strip().splitlines()[-1]
    assert workplace.rows() == []


def test_a_compiler_that_fails_in_genn_alone_is_the_machines_trouble(
    run: Callable[..., tuple[int, str]], workplace: Workplace
) -> None:
    """GeNN calls it in a thread, which ends the process."""
    assert run(CUDA_EMULATION_BROKEN="-cubin")[0] == -signal.SIGABRT
    code, log = run(CUDA_EMULATION_BROKEN="-cubin")
    assert code == -signal.SIGABRT
    assert "the emulated compiler fails" in log, "what the first said"
    code, log = run(CUDA_EMULATION_BROKEN="-cubin")
    assert code == TRANSIENT, log
    assert "the emulated compiler fails" in log
    assert workplace.rows() == []
    assert not workplace.marker.exists()
    assert [path.name for path in (workplace.folder / "cache").iterdir()] == [".gridsearch-genn"], "nothing is left"


def test_a_batch_that_the_memory_does_not_hold_becomes_smaller(
    run: Callable[..., tuple[int, str]], workplace: Workplace, small: Mapping[str, Any]
) -> None:
    shared, each = device_memory(make_network(small), 0.1, 2000, procedural=False)
    limit = {"CUDA_EMULATION_LIMIT": str(round(shared + 7 * each))}  # of which it knows nothing
    code, log = run(**limit)
    assert code == OUT_OF_MEMORY
    assert "out of memory" in log, "what GeNN said is in the log"
    assert json.loads(workplace.marker.read_text())["deaths_in_loading"] == 1
    assert list((workplace.folder / "tmp").iterdir())
    code, log = run(**limit)
    assert code == DONE, log
    assert [row["status"] for row in workplace.rows()] == ["ok"] * 9
    assert {row["gpu"] for row in workplace.rows()} == {"emulation of CUDA"}
    assert list((workplace.folder / "tmp").iterdir()) == [], "what the first left is gone"


def test_memory_that_others_have_taken_since_the_start_is_missed_before_loading(
    tmp_path: Path, small: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [1e12, 1e6]  # as it is when it begins to compile, and after that
    monkeypatch.setattr(model, "free_memory", lambda backend: free.pop(0))
    settings = {**default_settings("genn"), "backend": "cuda", "batch": 9, "cache": str(tmp_path)}
    simulator = open_simulator(SIMULATION, settings)
    with pytest.raises(SimulatorUnavailableError, match="9 points at once need"):
        simulator.build(make_network(small), 3)
    assert free == []
