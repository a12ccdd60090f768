"""What several tests share: parameters of the clustered network, and which simulators must be here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from htcondor_pool import Pool, start_pool
from required import skip_or_fail

from gridsearch.parameters import read_defaults
from simulators.backends.simulator import Simulator, SimulatorUnavailableError, find_simulator
from simulators.records.job import Simulation

# Threads that wait for each other by spinning take the cores from one another where tests share them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

OpenSimulator = Callable[[Simulation], Simulator]


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


@pytest.fixture(scope="session")
def defaults() -> dict[str, Any]:
    return read_defaults("clustered").values_by_name()


@pytest.fixture(scope="session")
def small(defaults: dict[str, Any]) -> dict[str, Any]:
    """A network of 500 neurons in 4 clusters that fires at some ten Hz."""
    return {**defaults, "N_E": 400, "N_I": 100, "Q": 4, "jep": 2.5}


@pytest.fixture(scope="session")
def nest() -> Any:
    """PyNEST, once a simulator has set it up."""
    require_simulator("nest", default_settings("nest"))
    import nest

    return nest


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """An HTCondor pool of one machine, started with the first test that asks for it."""
    yield from start_pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of compiled code that all tests share."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(
    params=[
        pytest.param(("nest", {"threads": 1}), marks=pytest.mark.nest, id="nest"),
        pytest.param(("nest", {"threads": 2}), marks=pytest.mark.nest, id="nest, 2 threads"),
        pytest.param(("genn", {"backend": "single_threaded_cpu"}), marks=pytest.mark.genn, id="genn"),
        pytest.param(("native", {}), marks=pytest.mark.native, id="native"),
    ]
)
def engine(request: pytest.FixtureRequest, cache: Path) -> OpenSimulator:
    """Open each of the simulators that simulate."""
    name, changes = request.param
    settings = default_settings(name) | changes
    if name in {"genn", "native"}:
        settings["cache"] = str(cache / name)
    require_simulator(name, settings)
    return lambda simulation: find_simulator(name).open_simulator(simulation, settings)
