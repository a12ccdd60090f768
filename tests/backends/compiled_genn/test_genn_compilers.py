"""Whether a graphics processor's compiler works, asked before GeNN does, with stand-ins for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.backends.genn_simulator.host.cache import cache_key
from simulators.backends.genn_simulator.host.compilers import gpu_compiler_problem

WORKING = """#!/bin/sh
if [ "$1" = --version ]; then echo "release 12.9"; exit 0; fi
while [ $# -gt 1 ]; do
  case "$1" in -arch) arch="$2";; -c) source="$2";; -o) object="$2";; -std=c++11) std=1;; -x) language="$2";; esac
  shift
done
if [ "$arch" = sm_70 ]; then echo "nvcc fatal   : Unsupported gpu architecture 'sm_70'" >&2; exit 1; fi
[ "$std$language" = 1cu ] && grep -q curand_kernel.h "$source" && : > "$object"
"""
FAILING = """#!/bin/sh
echo "probe.cu(1): fatal error: curand_kernel.h: No such file" >&2
echo "compilation terminated." >&2
exit 1
"""


def toolkit(folder: Path, script: str | None) -> str:
    compiler = folder / "bin" / "nvcc"
    compiler.parent.mkdir(parents=True)
    if script is not None:
        compiler.write_text(script)
        compiler.chmod(0o755)
    return str(folder)


def test_a_compiler_that_works_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_PATH", toolkit(tmp_path, WORKING))
    assert gpu_compiler_problem("cuda") == ""
    assert gpu_compiler_problem("single_threaded_cpu") == ""


def test_what_a_compiler_says_is_passed_on_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_PATH", toolkit(tmp_path, FAILING))
    problem = gpu_compiler_problem("cuda")
    assert "curand_kernel.h: No such file" in problem
    assert "compilation terminated" in problem
    assert str(tmp_path) in problem
    assert "\n" not in problem


def test_a_compiler_is_tried_for_the_processor_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_PATH", toolkit(tmp_path, WORKING))
    assert gpu_compiler_problem("cuda", "sm_90") == ""
    problem = gpu_compiler_problem("cuda", "sm_70")
    assert problem.endswith("two lines of code for sm_70: nvcc fatal   : Unsupported gpu architecture 'sm_70'")


@pytest.mark.parametrize(
    ("script", "expected"),
    [(None, "there is no nvcc at"), ("#!/no/such/shell\n", "does not run"), ("#!/bin/sh\nexit 3\n", "exit code 3")],
)
def test_a_compiler_that_is_missing_or_broken_is_named(
    script: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_PATH", toolkit(tmp_path, script))
    assert expected in gpu_compiler_problem("cuda")


def test_a_toolkit_that_nobody_names_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend, variable in (("cuda", "CUDA_PATH"), ("hip", "HIP_PATH")):
        monkeypatch.delenv(variable, raising=False)
        assert f"{variable} does not name the toolkit" in gpu_compiler_problem(backend)


def test_models_of_another_version_of_the_compiler_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_PATH", toolkit(tmp_path / "12", WORKING))
    keys = {cache_key("code", backend, "5.4.0", "gpu") for backend in ("cuda", "single_threaded_cpu")}
    monkeypatch.setenv("CUDA_PATH", toolkit(tmp_path / "13", WORKING.replace("12.9", "13.0")))
    assert cache_key("code", "single_threaded_cpu", "5.4.0", "gpu") in keys
    assert cache_key("code", "cuda", "5.4.0", "gpu") not in keys
