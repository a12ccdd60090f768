"""The emulated machine, of which a session has one."""

from __future__ import annotations

from collections.abc import Iterator

import emulated_machine
import pytest
from emulated_machine import Machine, NoEmulationError


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The emulation. What it lacks ends the run: these tests are asked for by name, and none may pass unseen."""
    with pytest.MonkeyPatch.context() as environment:
        try:
            yield emulated_machine.start(tmp_path_factory.mktemp("emulation") / "machine", environment)
        except NoEmulationError as missing:
            pytest.exit(f"CUDA cannot be emulated here: {missing}", returncode=2)
