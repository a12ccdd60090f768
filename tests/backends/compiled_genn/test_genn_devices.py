"""Which graphics processor a job may use, with stand-ins for what answers, and the batch its memory holds."""

from __future__ import annotations

import logging
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import default_settings
from gpu_stand_in import make_library, make_pygenn, make_toolkit
from workplaces import Workplace

from simulators.backends.genn_simulator import estimate, open_simulator
from simulators.backends.genn_simulator.costs import LARGEST_BATCH, batch_that_fits, check_memory, device_memory
from simulators.backends.genn_simulator.host import devices
from simulators.backends.genn_simulator.host.devices import GraphicsProcessor, bandwidth_of, free_memory, gpu_here
from simulators.backends.simulator import Cost, SimulatorUnavailableError
from simulators.description.network import Network
from simulators.models.clustered import make_network
from simulators.records.job import Job, Simulation
from simulators.worker.exit_codes import TRANSIENT

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="stand-ins are compiled")

VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask anew in every test, and with nothing hidden."""
    devices._asked.cache_clear()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: make_library(tmp_path_factory.mktemp(kind), kind) for kind in ("cuda", "hip")}


@pytest.fixture
def processors(libraries: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyGeNN with both backends, and a processor for each."""
    monkeypatch.setattr(devices, "_library", libraries.get)


@pytest.fixture
def pygenn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A PyGeNN with CUDA, for this process and workers, and a toolkit."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygenn"]:
        monkeypatch.delitem(sys.modules, name)
    folder = make_pygenn(tmp_path / "packages", "cuda")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("CUDA_PATH", str(make_toolkit(tmp_path / "toolkit")))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygenn"]:
        del sys.modules[name]


@pytest.mark.usefixtures("processors")
def test_what_cuda_says_of_a_processor_is_what_is_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_NAME", "NVIDIA H100 80GB HBM3 MIG 1g.10gb")
    monkeypatch.setenv("GPU_FREE", "9000000000")
    monkeypatch.setenv("GPU_TOTAL", "10000000000")
    assert gpu_here("cuda") == GraphicsProcessor("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "sm_70", 9e9, 1e10)
    monkeypatch.setenv("GPU_FREE", "4000000000")
    found = gpu_here("cuda")
    assert isinstance(found, GraphicsProcessor)
    assert found.free_memory == 9e9, "it is asked once"
    assert free_memory("cuda") == 4e9, "but for what is free when a network is loaded"


@pytest.mark.usefixtures("processors")
def test_of_hip_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_NAME", "AMD Instinct MI250X")
    assert gpu_here("hip") == GraphicsProcessor("AMD Instinct MI250X", "gfx90a:sramecc+:xnack-", 1000.0, 2000.0)


TROUBLES = {
    "an old driver": (
        {"GPU_ERROR": "35"}, "CUDA says: CUDA driver version is insufficient for CUDA runtime version (error 35)",
    ),
    "none": ({"GPU_COUNT": "0"}, "CUDA sees none"),
    "a driver that ends the process": ({"GPU_FATE": "aborts"}, "asking for it ended a process with exit code -6"),
    "a driver that hangs": ({"GPU_FATE": "hangs"}, "its driver does not answer within 0.5 s"),
}  # fmt: skip


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_processor_that_cannot_be_used_says_why(trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, expected = TROUBLES[trouble]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(devices, "_ANSWER_TIME", 0.5 if "hangs" in trouble else 30.0)
    found = gpu_here("cuda")
    assert isinstance(found, str)
    assert expected in found
    assert "\n" not in found


@pytest.mark.usefixtures("processors")
def test_a_processor_that_is_lost_in_mid_run_is_the_machines_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_ERROR", "46")
    with pytest.raises(SimulatorUnavailableError, match=r"cannot be used any more: CUDA says: some other .* 46"):
        free_memory("cuda")


def test_a_library_that_lacks_others_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_library", lambda backend: tmp_path / "none.so")
    assert "none.so: cannot open shared object file" in str(gpu_here("cuda"))
    monkeypatch.setattr(devices, "_library", lambda backend: None)
    assert gpu_here("cuda") == "this PyGeNN was built without the backend 'cuda'"


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("order", [None, "FASTEST_FIRST"])
def test_who_is_asked_numbers_processors_as_who_runs(order: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if order is not None:
        monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    found = gpu_here("cuda")
    assert isinstance(found, GraphicsProcessor)
    assert found.name == (order or "PCI_BUS_ID")


@pytest.mark.parametrize(
    ("name", "bandwidth"),
    [
        ("NVIDIA H100 80GB HBM3", 3.35e12),
        ("NVIDIA H100 PCIe", 2e12),
        ("NVIDIA H200", 4.8e12),
        ("NVIDIA H20", 4e12),
        ("NVIDIA GB200", 8e12),
        ("NVIDIA A10G", 6e11),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 1.792e12),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 1.597e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A100-SXM4-40GB", 1.555e12),
        ("NVIDIA GeForce RTX 2080 Ti", 6.16e11),
        ("NVIDIA L40", 8.64e11),
        ("NVIDIA L4", 3e11),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 3.35e12 / 8),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 1.555e12 / 2),
        ("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb", None),
        ("emulation of CUDA", None),
        ("", None),
    ],
)
def test_the_bandwidth_of_its_memory_is_known_by_name(name: str, bandwidth: float | None) -> None:
    assert bandwidth_of(name) == (None if bandwidth is None else pytest.approx(bandwidth))


@pytest.mark.usefixtures("processors")
def test_an_estimate_takes_the_processor_that_is_here(
    monkeypatch: pytest.MonkeyPatch, defaults: dict[str, Any]
) -> None:
    settings = default_settings("genn") | {"backend": "cuda"}
    network, second = make_network(defaults), Simulation(0.1, 0.0, 1000.0)
    found = []
    for name in ("NVIDIA A100-SXM4-40GB", "Tesla V100-SXM2-16GB"):
        devices._asked.cache_clear()
        monkeypatch.setenv("GPU_NAME", name)
        found.append(estimate(network, second, settings).point)
    assert found[0] < found[1], "an A100 is faster than a V100"
    assert estimate(network, second, settings, 1).point > found[1], "elsewhere it may be any"
    assert estimate(network, second, default_settings("genn")).gpu
    monkeypatch.setattr(devices, "_library", lambda backend: None)
    assert not estimate(network, second, default_settings("genn")).gpu, "PyGeNN has no use for it"


@pytest.mark.usefixtures("pygenn")
@pytest.mark.parametrize("there", [True, False])
def test_a_core_is_not_taken_in_silence(
    there: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GPU_ERROR", "35")
    monkeypatch.setattr(devices, "_FILES", ("null",) if there else ("no such",))
    with caplog.at_level(logging.WARNING):
        simulator = open_simulator(Simulation(0.1, 0.0, 1.0), default_settings("genn"))
    assert (simulator.backend, simulator.gpu) == ("single_threaded_cpu", "")
    assert [("driver version is insufficient" in text) for text in caplog.messages] == [True] * there
    for hiding in ("", "10000"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hiding)
        assert not devices.is_there(), "it is hidden"


@pytest.mark.usefixtures("pygenn")
def test_a_backend_that_pygenn_lacks_is_named_with_its_remedy() -> None:
    with pytest.raises(SimulatorUnavailableError, match=r"built without the backend 'hip', only with .* HIP_PATH"):
        open_simulator(Simulation(0.1, 0.0, 1.0), default_settings("genn") | {"backend": "hip"})


WORKERS = {
    "an old driver": ({"GPU_ERROR": "35"}, {"backend": "cuda"}, 0, "driver version is insufficient"),
    "one that the compiler does not know": ({}, {"backend": "auto"}, 0, "Unsupported gpu architecture 'sm_70'"),
    "none where it was planned for": ({"GPU_ERROR": "35"}, {"backend": "auto"}, 1, "driver version is insufficient"),
}


@pytest.mark.usefixtures("pygenn")
@pytest.mark.parametrize("trouble", WORKERS)
def test_trouble_with_a_processor_is_the_machines(
    trouble: str, workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, settings, gpus, expected = WORKERS[trouble]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    job = replace(make_job(4), simulator="genn", settings=default_settings("genn") | settings, gpus=gpus)
    workplace.write(job)
    code, log = workplace.run()
    assert code == TRANSIENT, log
    (said,) = log.strip().splitlines()
    assert expected in said
    assert workplace.rows() == []
    assert not workplace.marker.exists()


def test_what_does_not_fit_is_said_before_it_is_loaded(published: Network) -> None:
    shared, each = device_memory(published, 0.1, 2000, procedural=False)
    enough = (shared + 8 * each) / 0.9
    check_memory(enough * 1.0001, 8, shared, each)
    with pytest.raises(SimulatorUnavailableError, match=r"8 points at once need some 0\.\d+ GB .* smaller batch"):
        check_memory(enough * 0.9999, 8, shared, each)


@pytest.fixture
def published(defaults: dict[str, Any]) -> Network:
    return make_network(defaults)


def test_the_batch_is_what_the_memory_holds(published: Network) -> None:
    shared, each = device_memory(published, 0.1, 2000, procedural=False)
    assert 3.8e8 < shared < 4.5e8, "two bytes a synapse, and the room that rows leave"
    assert 6e6 < each < 1.2e7, "a bit per neuron and step, and some 24 numbers per neuron"
    for batch in (1, 7, 39):
        just_enough = (shared + batch * each) / 0.8
        assert batch_that_fits(just_enough * 1.0001, shared, each) == batch
        assert batch_that_fits(just_enough * 0.9999, shared, each) == max(1, batch - 1)
    assert batch_that_fits(1e9 * 80, shared, each) == batch_that_fits(math.inf, shared, each) == LARGEST_BATCH
    assert batch_that_fits(0.0, shared, each) == 1, "that it does not fit is said before it is loaded"
    assert device_memory(published, 0.1, 2000, procedural=True) == (0.0, each)


def test_a_batch_on_a_processor_is_not_a_core(published: Network) -> None:
    simulation = Simulation(0.1, 1000.0, 9000.0)

    def cost(gpus: int | None = None, **changes: Any) -> Cost:
        return estimate(published, simulation, {**default_settings("genn"), **changes}, gpus)

    core = cost(0)
    assert (core.batch, core.gpu) == (1, False)
    assert core == cost(4, backend="single_threaded_cpu")
    assert core.memory < 6.2e8
    device = cost(1)
    assert (device.batch, device.gpu) == (LARGEST_BATCH, True)
    assert device == cost(0, backend="cuda")
    assert cost(1, batch=8).batch == 8
    # the original study: 1.4 s per point in batches of 40 on a workstation, of which 0.6 s for downloading spikes, with
    # 1,600 projections in place of eight
    assert 0.4 < device.point + device.trains < 1.4
    assert device.point < cost(1, batch=8).point < cost(1, batch=1).point < core.point
    assert core.memory < device.memory
