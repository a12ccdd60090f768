"""Which code, packages and machine a run was made with."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.executor import executor_names, find_executor
from simulators.backends.simulator import find_simulator, simulator_names
from simulators.records import machine
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory

_PACKAGES = ("gridsearch", "numpy", "pandas", "pyarrow", "matplotlib")
_ROOT = Path(__file__).resolve().parents[2]


def append_provenance(run: RunDirectory, submit: dict[str, Any]) -> None:
    """Add a submit to ``provenance.json``; earlier ones are kept, in a file of their own if that is damaged.

    Parameters
    ----------
    run : RunDirectory
        The run.
    submit : dict of str to value
        What is known of this submit besides code, packages and machine.
    """
    earlier = []
    if run.provenance.exists():
        try:
            earlier = list(json.loads(run.provenance.read_bytes())["submits"])
        except (ValueError, KeyError, TypeError):
            run.set_aside(run.provenance)  # damaged: nothing but a note is lost
    content = {"submits": [*earlier, {**submit, **describe_environment()}]}
    with replacing(run.provenance) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def describe_environment() -> dict[str, Any]:
    """Describe time, command, code, packages and machine."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "code": {"worker_hash": machine.code_hash(), **_git_state()},
        "packages": machine.package_versions(_packages()),
        "machine": {
            "host": machine.host_name(),
            "cpu": machine.processor(),
            "cores": machine.n_cores(),
            "available_memory_bytes": machine.available_memory(),
        },
    }


def _packages() -> list[str]:
    simulators = [package for name in simulator_names() for package in find_simulator(name).PACKAGES]
    return [
        *_PACKAGES,
        *simulators,
        *(package for name in executor_names() for package in find_executor(name).PACKAGES),
    ]


def _git_state() -> dict[str, Any]:
    """Commit and whether files differ from it; nothing outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git_commit": commit, "git_modified": bool(changed)}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
