"""Which graphics processor a job may use, with a stand-in for the vendor's tool, and the batch its memory holds."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import default_settings

from simulators.backends.genn_simulator import estimate, open_simulator
from simulators.backends.genn_simulator.costs import LARGEST_BATCH, batch_that_fits, check_memory, device_memory
from simulators.backends.genn_simulator.host.devices import bandwidth_of, visible_gpu
from simulators.backends.simulator import Cost, SimulatorUnavailableError
from simulators.description.network import Network
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

LISTED = "0, GPU-6a96bd13-70bc, 81000, NVIDIA A100, 80GB\n1, GPU-77aa21f0-11cd, [N/A], Tesla V100\n"


@pytest.fixture
def processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '%s' '{LISTED}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize(
    ("visible", "name"),
    [
        (None, "NVIDIA A100, 80GB"),
        ("1", "Tesla V100"),
        ("GPU-77aa21f0", "Tesla V100"),
        ("1,0", "Tesla V100"),
        ("MIG-1234", "NVIDIA A100, 80GB"),
        ("7", ""),
        ("", ""),
        ("-1", ""),
    ],
)
def test_the_visible_processor_is_named(visible: str | None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = visible_gpu()
    assert (found.name if found else "") == name


@pytest.mark.parametrize(
    ("name", "bandwidth"),
    [
        ("NVIDIA H100 80GB HBM3", 3.35e12),
        ("NVIDIA H100 PCIe", 2e12),
        ("NVIDIA H200", 4.8e12),
        ("NVIDIA A100-SXM4-40GB", 1.555e12),
        ("NVIDIA GeForce RTX 2080 Ti", 6.16e11),
        ("NVIDIA L40", 8.64e11),
        ("NVIDIA L4", 3e11),
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
    for visible in ("0", "1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        found.append(estimate(network, second, settings).point)
    assert found[0] < found[1], "an A100 is faster than a V100"
    assert estimate(network, second, settings, 1).point > found[1], "elsewhere it may be any"


@pytest.mark.usefixtures("processors")
def test_free_memory_is_in_bytes_and_infinite_where_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for visible in ("0", "1", "MIG-1234"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        device = visible_gpu()
        assert device is not None
        found.append(device.free_memory)
    assert found == [81000 * 2**20, math.inf, math.inf]


AMD = """{"card0": {"Card Series": "Instinct MI250", "Unique ID": "0xab12", "VRAM Total Memory (B)": "1000",
"VRAM Total Used Memory (B)": "400"}, "card1": {"Card Series": "Instinct MI300X", "Unique ID": "0xcd34"},
"system": {"Driver version": "6.8"}}"""


@pytest.mark.parametrize(
    ("variable", "visible", "name", "free"),
    [
        (None, "", "Instinct MI250", 600.0),
        ("HIP_VISIBLE_DEVICES", "1", "Instinct MI300X", math.inf),
        ("ROCR_VISIBLE_DEVICES", "GPU-cd34", "Instinct MI300X", math.inf),
        ("HIP_VISIBLE_DEVICES", "", None, None),
        ("HIP_VISIBLE_DEVICES", "5", None, None),
    ],
)
def test_processors_of_amd_are_found_without_the_tool_of_nvidia(
    variable: str | None,
    visible: str,
    name: str | None,
    free: float | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tool = tmp_path / "rocm-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{AMD}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    for known in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(known, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, visible)
    assert visible_gpu("cuda") is None
    found = visible_gpu("hip")
    assert (found.name if found else None, found.free_memory if found else None) == (name, free)


def test_cuda_numbers_processors_as_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    with pytest.raises(SimulatorUnavailableError):  # set before anything of GeNN is loaded
        open_simulator(Simulation(0.1, 0.0, 1.0), {**default_settings("genn"), "backend": "no such"})
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_what_does_not_fit_is_said_before_it_is_loaded(published: Network) -> None:
    shared, each = device_memory(published, 0.1, 2000, procedural=False)
    check_memory(shared + 8 * each, 8, shared, each)
    with pytest.raises(SimulatorUnavailableError, match=r"8 points at once need some 0\.\d+ GB .* smaller batch"):
        check_memory(shared + 8 * each - 1.0, 8, shared, each)


def test_without_the_tool_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpu() is None


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
