"""The benchmark of graphics processors on the emulated one: that it counts, not what it finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from emulated_machine import Machine
from workplaces import ROOT

pytestmark = pytest.mark.genn
pytest_plugins = ["emulated_fixtures"]


def test_the_benchmark_times_steps_and_kernels(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "engines"))
    import gpu

    arguments = ["gpu.py", "--steps", "--neurons", "500", "--duration", "5", "--batches", "1", "4"]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with machine.running():
        assert gpu.main() == 0
    said = capsys.readouterr().out
    steps = [float(found) for found in re.findall(r"^emulation of CUDA, batches of \d: (\S+) µs a step", said, re.M)]
    assert len(steps) == 2 and steps[1] > steps[0], "work of four points"
    kernels = {name: float(found) for name, found in re.findall(r"^  (\w+) +(\S+) +\d+%$", said, re.M)}
    assert {"neuron_update", "presynaptic_update", "integrate_none", "accumulate"} <= kernels.keys()
    assert sum(kernels.values()) > 0.0
    assert kernels["integrate_all"] == 0.0, "not launched"
