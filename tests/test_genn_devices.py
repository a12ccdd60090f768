"""Which graphics processor a job may use, with a stand-in for the vendor's tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.genn_devices import gpu_name

LISTED = "0, GPU-6a96bd13-70bc, NVIDIA A100, 80GB\n1, GPU-77aa21f0-11cd, Tesla V100\n"


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
    assert gpu_name() == name


def test_without_the_tool_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_name() == ""
