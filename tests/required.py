"""What tests need of the machine: missing, it skips them; where continuous integration runs, it fails them."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """End a test that lacks what every machine of continuous integration has."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"continuous integration must have it: {reason}")
    pytest.skip(reason)
