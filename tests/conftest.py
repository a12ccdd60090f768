"""What several tests share: parameters of the clustered network, and which simulators must be here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from htcondor_pool import Pool, start_pool
from required import default_settings, require_simulator
from workplaces import Workplace, small_job

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.simulator import (
    Simulator,
    SimulatorModule,
    UnsupportedNetworkError,
    find_simulator,
    simulator_names,
)
from simulators.records.job import Job, Simulation

# The long attacks on a pool, and the emulation of CUDA, are make targets of their own
_TARGETS = {
    "pool/test_htcondor_attacks.py": "GRIDSEARCH_ATTACKS",
    "pool/test_htcondor_transfers.py": "GRIDSEARCH_ATTACKS",
    "cuda_emulation": "GRIDSEARCH_CUDA_EMULATION",
}
collect_ignore = [path for path, variable in _TARGETS.items() if variable not in os.environ]

# Threads that wait for each other by spinning take the cores from one another where tests share them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(scope="session")
def defaults() -> dict[str, Any]:
    return read_defaults(defaults_file("clustered", Path())).values_by_name()


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
def running_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """An HTCondor pool of one machine, started with the first test that asks for it."""
    yield from start_pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture
def pool(running_pool: Pool) -> Iterator[Pool]:
    """The pool with an empty queue, whatever became of the tests before."""
    yield running_pool
    running_pool.clear()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of compiled code that all tests share."""
    return tmp_path_factory.mktemp("compiled")


@dataclass(frozen=True)
class Engine:
    """One way to simulate: calling it with a `Simulation` opens the simulator."""

    name: str
    settings: Mapping[str, Any]

    def __call__(self, simulation: Simulation) -> Simulator:
        return self.module.open_simulator(simulation, self.settings)

    @property
    def module(self) -> SimulatorModule:
        return find_simulator(self.name)


# Settings under which a simulator is tested; one that is not named here is tested as it is.
VARIANTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "nest": ({"threads": 1}, {"threads": 2}),
    "genn": ({"backend": "single_threaded_cpu"},),
    "native": ({"threads": 1}, {"threads": 2}),
    "poisson": (),  # simulates nothing
}
MARKED = {"nest", "genn", "native", "pynn"}


def _skip_refusals(item: pytest.Item) -> Iterator[None]:
    """Skip what is refused through PyNN, which has no cell for some neuron models: `test_pynn` says which."""
    try:
        yield
    except UnsupportedNetworkError as refusal:
        if "pynn" not in item.name:
            raise
        pytest.skip(f"refused: {refusal}")


pytest_runtest_call = pytest.hookimpl(wrapper=True)(_skip_refusals)
pytest_runtest_setup = pytest.hookimpl(wrapper=True)(_skip_refusals)


def engine_parameters() -> Iterator[Any]:
    """Every simulator that simulates, in each of its variants."""
    for name in simulator_names():
        for changes in VARIANTS.get(name, ({},)):
            values = ", ".join(str(value) for value in changes.values())
            marks = [getattr(pytest.mark, name)] if name in MARKED else []
            yield pytest.param((name, changes), marks=marks, id=f"{name} {values}".strip())


@pytest.fixture(params=engine_parameters())
def engine(request: pytest.FixtureRequest, cache: Path) -> Engine:
    """Each of the simulators that simulate."""
    name, changes = request.param
    settings = default_settings(name) | dict(changes)
    if "cache" in settings:
        settings["cache"] = str(cache)
    require_simulator(name, settings)
    return Engine(name, settings)


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path)
    yield place
    for process in place.processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def make_job(small: dict[str, Any]) -> Callable[..., Job]:
    """Jobs of the small network (see `workplaces.small_job`)."""
    return partial(small_job, small)
