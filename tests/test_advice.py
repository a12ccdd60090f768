"""What `plan` says of a quicker simulator."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import make_grid, write_sweep
from test_plan import workload

from gridsearch.planning.advice import quicker_simulator
from gridsearch.planning.plan import make_plan
from jobs.plan import Workload, core_hours
from simulators.backends.simulator import simulator_names
from simulators.records.job import Simulation

OTHERS = [name for name in simulator_names() if name != "genn"]
PUBLISHED = {"parameters": "", "simulation": "", "axes": "I_th_E = { start = 1.0, step = 0.05, num = 40 }"}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Forty points of the published size on NEST."""
    grid = make_grid(tmp_path_factory.mktemp("sweep"), **PUBLISHED)
    made = workload(grid, "nest", settings={"threads": 1})
    return replace(made, template=replace(made.template, simulation=Simulation(0.1, 1000.0, 9000.0)))


def test_both_times_are_said_with_what_to_write(load: Workload) -> None:
    said = quicker_simulator([load], core_hours(load), OTHERS)
    found = re.search(
        r"^genn would take about (\S+) core hours instead of the (\S+) of nest: simulators = \[\"genn\"\]$", said
    )
    assert found is not None
    genn, nest = map(float, found.groups())
    assert 0.03 < genn < 0.3
    assert 1.5 < nest < 4.0


@pytest.mark.parametrize("hours", [0.0, 0.05, 0.15])
def test_nothing_is_said_where_little_is_to_be_gained(load: Workload, hours: float) -> None:
    assert quicker_simulator([load], hours, OTHERS) == ""


def test_nothing_is_said_of_simulators_that_the_sweep_has(load: Workload) -> None:
    assert quicker_simulator([load], 100.0, simulator_names()) == ""


def test_nothing_is_said_of_networks_that_nobody_else_runs(load: Workload) -> None:
    (network,) = load.networks
    too_fast = tuple(replace(projection, delay=0.01) for projection in network.projections)
    unknown = replace(load, networks=(replace(network, projections=too_fast),))
    assert quicker_simulator([load], 100.0, OTHERS) != ""
    assert quicker_simulator([unknown], 100.0, OTHERS) == ""


def test_plan_gives_the_advice_unless_the_sweep_has_the_quicker_one_already(tmp_path: Path) -> None:
    alone = make_plan(write_sweep(tmp_path, simulators=["nest"], **PUBLISHED), tmp_path)
    both = make_plan(write_sweep(tmp_path, simulators=["nest", "genn"], **PUBLISHED), tmp_path)
    assert "would take about" in alone.advice
    assert "genn would" not in both.advice
    assert both.simulators["genn"].hours < 0.1 * both.simulators["nest"].hours
    assert both.simulators["genn"].gpu_hours == 0.0
