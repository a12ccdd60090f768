"""What `plan` says of a quicker simulator."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import default_settings
from sweeps import make_grid, write_sweep
from test_plan import workload

from gridsearch.commands.display import _about_hours, show_plan
from gridsearch.inputs.parameters import defaults_file, read_defaults
from gridsearch.planning.advice import own_draws, quicker_simulator, times_of_points
from gridsearch.planning.plan import SimulatorPlan, make_plan
from jobs.plan import Pace, Workload, core_hours, estimate_costs, plan_jobs
from simulators.backends.simulator import find_simulator, simulator_names
from simulators.description import Normal
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

PUBLISHED = {"parameters": "", "simulation": "", "axes": "I_th_E = { start = 1.0, step = 0.05, num = 40 }"}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Forty points of the published size on NEST."""
    grid = make_grid(tmp_path_factory.mktemp("sweep"), **PUBLISHED)
    made = workload(grid, "nest", settings={"threads": 1})
    return replace(made, template=replace(made.template, simulation=Simulation(0.1, 1000.0, 9000.0)))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world without native, which would win each time."""
    monkeypatch.setattr("gridsearch.planning.advice.simulator_names", lambda: ("nest", "genn"))


@pytest.mark.usefixtures("two")
def test_both_times_are_said_with_what_to_write(load: Workload) -> None:
    said = quicker_simulator([load], core_hours(load), ["nest"])
    found = re.search(r"^(\S+) min on genn, (\S+) h on nest, of one core: simulators = \[\"genn\"\]$", said)
    assert found is not None
    genn, nest = map(float, found.groups())
    assert 2.0 < genn < 18.0
    assert 1.5 < nest < 4.0


def test_the_quickest_of_all_is_advised(load: Workload) -> None:
    said = quicker_simulator([load], core_hours(load), ["nest"])
    found = re.search(r"^(\S+) (s|min) on native, (\S+) h on nest", said)
    assert found is not None
    assert 10.0 < float(found[1]) * (60.0 if found[2] == "min" else 1.0) < 120.0


def test_a_thousand_points_are_told_by_simulator_the_quickest_first(load: Workload) -> None:
    (network,) = load.networks
    said = times_of_points(network, Simulation(0.1, 1000.0, 9000.0), 1600)
    found = re.fullmatch(r"(\S+) min on native, (\S+) h on genn, (\S+) h on nest", said)
    assert found is not None, said
    native, genn, nest = map(float, found.groups())
    assert 10.0 < native < 40.0
    assert 1.5 < genn < 6.0
    assert 50.0 < nest < 200.0
    too_fast = tuple(replace(projection, delay=0.01) for projection in network.projections)
    assert "native" not in times_of_points(replace(network, projections=too_fast), Simulation(0.1, 0.0, 1.0), 1)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("hours", [0.0, 0.05, 0.15])
def test_nothing_is_said_where_little_is_to_be_gained(load: Workload, hours: float) -> None:
    assert quicker_simulator([load], hours, ["nest"]) == ""


def test_nothing_is_said_of_simulators_that_the_sweep_has(load: Workload) -> None:
    assert quicker_simulator([load], 100.0, simulator_names()) == ""


def test_nothing_is_said_of_networks_that_nobody_else_runs(load: Workload) -> None:
    (network,) = load.networks
    too_fast = tuple(replace(projection, delay=0.01) for projection in network.projections)
    unknown = replace(load, networks=(replace(network, projections=too_fast),))
    assert quicker_simulator([load], 100.0, ["nest"]) != ""
    assert quicker_simulator([unknown], 100.0, ["nest"]) == ""


def test_what_own_draws_cost_is_said_where_points_share_one(load: Workload) -> None:
    said = own_draws([load])
    found = re.fullmatch(
        r'draws = "per_point", a connectivity for every point, would take (\S+) h instead of (\S+) h', said
    )
    assert found is not None, said
    own, shared = map(float, found.groups())
    assert shared == pytest.approx(core_hours(load), rel=0.05)
    (cost,) = estimate_costs(load)
    assert own - shared == pytest.approx(39 * cost.once / 3600.0, rel=0.2)  # forty builds, of which one was there
    drawn = [replace(point, network_seed=number) for number, point in enumerate(load.points)]
    assert own_draws([replace(load, points=drawn)]) == ""
    (network,) = load.networks
    simulation = Simulation(0.1, 1000.0, 9000.0)
    shares, owns = (times_of_points(network, simulation, 1600, own_draws=own) for own in (False, True))
    native, native_own = (float(text.split(" min on native")[0]) for text in (shares, owns))
    assert 1.05 * native < native_own < 2.0 * native


def test_plan_gives_the_advice_unless_the_sweep_has_the_quicker_one_already(tmp_path: Path) -> None:
    alone = make_plan(write_sweep(tmp_path, simulators=["nest"], **PUBLISHED), tmp_path)
    both = make_plan(write_sweep(tmp_path, simulators=["nest", "genn"], **PUBLISHED), tmp_path)
    assert " on native, " in alone.advice
    assert " on genn" not in both.advice
    assert both.simulators["genn"].hours < 0.1 * both.simulators["nest"].hours
    assert both.simulators["genn"].gpu_hours == 0.0


def test_plan_names_the_kind_of_rows_that_projections_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(make_plan(write_sweep(tmp_path, simulators=["nest", "native"], **PUBLISHED), tmp_path))
    said = capsys.readouterr().out
    assert "native: rows of bits for 8 projections (EE_within, EE_between" in said
    assert "nest: rows" not in said
    assert "simulators = [" not in said  # the quickest is there, beside one to compare it with
    network = make_network({**read_defaults(defaults_file("clustered", tmp_path)).values_by_name(), "jep": 2.0})
    drawn = replace(network.projections[0], weight=Normal(1.0, 0.1, 0.0))
    mixed = replace(network, projections=(drawn, *network.projections[1:]))
    note = find_simulator("native").estimate(mixed, Simulation(0.1, 0.0, 100.0), {"threads": 1}).note
    assert note.endswith("; compressed rows for 1 projection (EE_within)")


def test_plan_says_whose_jobs_this_machine_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(write_sweep(tmp_path, simulators=["nest", "native"], **PUBLISHED), tmp_path)
    monkeypatch.setattr("simulators.records.machine.available_memory", lambda: 1_000_000_000)
    show_plan(plan)
    said = capsys.readouterr().out
    assert re.search(r"nest: a job needs 3\.\d GB by the estimate, and 1\.0 GB are free here", said), said
    assert "native: a job needs" not in said, "it fits"
    show_plan(replace(plan, executor="htcondor"))
    assert "are free here" not in capsys.readouterr().out, "it runs elsewhere"


@pytest.mark.parametrize(("here", "corrected"), [(True, "after ten points"), (False, "points that come back")])
def test_hours_of_graphics_processors_are_said_to_be_an_estimate(load: Workload, here: bool, corrected: str) -> None:
    template = replace(load.template, simulator="genn", settings={**default_settings("genn"), "backend": "cuda"})
    jobs = tuple(plan_jobs(replace(load, template=template, gpus=1), 30.0, None, ()))
    share = SimulatorPlan(n_points=40, n_done=0, n_failed=0, n_in_flight=0, jobs=jobs, disk=0.0)
    said = _about_hours(share, here)
    assert "an estimate from launches and memory traffic, never measured" in said and corrected in said
    assert ("for a slow one" in said) is not here
    assert "guess" in _about_hours(replace(share, jobs=()), here), "of cores"
    assert "as 12 points" in _about_hours(replace(share, pace=Pace(n_points=12)), here)
