"""What tests need of the machine: missing, it skips them; where continuous integration runs, it fails them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NoReturn

import pytest

from simulators.backends.simulator import SimulatorUnavailableError, find_simulator


def skip_or_fail(reason: str) -> NoReturn:
    """End a test that lacks what every machine of continuous integration has."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"continuous integration must have it: {reason}")
    pytest.skip(reason)


def require_simulator(name: str, settings: Mapping[str, Any]) -> None:
    """Skip the test if a simulator is missing; where CI runs, NEST must not be."""
    try:
        find_simulator(name).check_available(settings)
    except SimulatorUnavailableError as error:
        if name == "nest":
            skip_or_fail(str(error))
        pytest.skip(str(error))


def default_settings(name: str) -> dict[str, Any]:
    return {key: setting.default for key, setting in find_simulator(name).SETTINGS.items()}
