"""Planning: points to jobs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweeps import make_grid

from gridsearch.planning.grid import Grid
from jobs.plan import Pace, PlannedJob, Workload, core_hours, estimate_costs, plan_jobs
from simulators.backends.simulator import even_batches, find_simulator
from simulators.records.job import Job, Point, Simulation

AXES = "I_th_E = { start = 1, step = 0.1, num = 10 }\nQ = { values = [4, 2] }"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    folder = tmp_path_factory.mktemp("sweep")
    return make_grid(folder, parameters="N_E = 80\nN_I = 20\njep = 2.0", axes=AXES, replicates="seeds = 2")


def workload(grid: Grid, simulator: str = "poisson", **changes: Any) -> Workload:
    settings = {key: setting.default for key, setting in find_simulator(simulator).SETTINGS.items()}
    template = Job(
        name="",
        model="clustered",
        simulator=simulator,
        settings=settings | changes.pop("settings", {}),
        simulation=Simulation(0.1, 0.0, 1000.0),
        statistics=("rate",),
        parameters=grid.parameters,
        points=(),
        populations=grid.populations,
        spikes=changes.pop("spikes", "none"),
    )
    return replace(Workload(template, grid.points, grid.structures["poisson"], grid.networks["poisson"]), **changes)


def points_of(planned: Sequence[PlannedJob]) -> list[Point]:
    return [point for one in planned for point in one.job.points]


@given(st.sets(st.integers(0, 39)), st.floats(1e-4, 1.0), st.sampled_from([None, 1, 2, 7]))
def test_jobs_cover_what_is_left_once(grid: Grid, left: set[int], minutes: float, n_slots: int | None) -> None:
    chosen = sorted(left)
    load = workload(
        grid, points=[grid.points[i] for i in chosen], structures=[grid.structures["poisson"][i] for i in chosen]
    )
    planned = plan_jobs(load, minutes, n_slots, ())
    assert sorted(p.point_id for p in points_of(planned)) == sorted(grid.points[i].point_id for i in chosen)
    names = [one.job.name for one in planned]
    assert len(set(names)) == len(names)
    for one in planned:
        assert one.job.points and one.seconds > 0.0
        assert one.seconds <= minutes * 60.0 * 1.01 or len(one.job.points) == 1


def test_points_of_one_structure_and_seed_are_neighbours(grid: Grid) -> None:
    structure = dict(zip((p.point_id for p in grid.points), grid.structures["poisson"], strict=True))
    order = [
        (structure[point.point_id], point.network_seed) for point in points_of(plan_jobs(workload(grid), 30.0, 3, ()))
    ]
    assert len(list(itertools.groupby(order))) == len(set(order)) == 4


@pytest.mark.parametrize("n_slots", [1, 2, 4])
def test_slots_are_filled_evenly(grid: Grid, n_slots: int) -> None:
    planned = plan_jobs(workload(grid, settings={"seconds_per_point": 1.0}), 30.0, n_slots, ())
    assert [len(one.job.points) for one in planned] == [40 // n_slots] * n_slots


def test_threads_take_slots(grid: Grid) -> None:
    planned = plan_jobs(workload(grid, "nest", settings={"threads": 2}), 30.0, 4, ())
    assert all(one.cores == 2 for one in planned)
    assert 2 <= len(planned) <= 3


def test_jobs_are_no_longer_than_asked(grid: Grid) -> None:
    planned = plan_jobs(workload(grid, settings={"seconds_per_point": 6.0}), 0.5, None, ())
    assert len(planned) == 10 and all(one.seconds <= 30.0 for one in planned)


def test_batches_are_not_cut(grid: Grid) -> None:
    load = workload(grid, settings={"seconds_per_point": 6.0, "batch": 4})
    # ten points of each structure and seed are 4 + 3 + 3 that run together; neither 4 + 3 nor 3 + 3 fit into the time
    assert [len(one.job.points) for one in plan_jobs(load, 0.5, None, ())] == [4, 3, 3] * 4
    assert [len(one.job.points) for one in plan_jobs(load, 0.62, None, ())] == [4, 6] * 4


def test_batches_are_even_and_small_ones_take_longer_for_each_point(grid: Grid) -> None:
    load = workload(grid, "genn", settings={"backend": "cuda", "batch": 9}, gpus=1)
    costs = estimate_costs(load)
    cost = costs[0]
    assert cost.together > 0.0
    assert cost.of_batch(9) == pytest.approx(9 * cost.point)
    assert cost.of_batch(1) == pytest.approx(cost.point + cost.together * 8 / 9)
    planned = plan_jobs(load, 1e-9, None, ())
    assert [len(one.job.points) for one in planned] == [5, 5] * 4, "not 9 and 1"
    assert [one.seconds - one.once for one in planned] == pytest.approx(
        [c.of_batch(5) for c in costs for _ in range(4)]
    )


@given(st.integers(1, 2000), st.integers(1, 64))
def test_as_few_batches_as_can_be_and_none_much_smaller_than_another(n_points: int, most: int) -> None:
    sizes = even_batches(n_points, most)
    assert sum(sizes) == n_points
    assert max(sizes) <= most
    assert len(sizes) == len(range(0, n_points, most))
    assert sizes[0] - sizes[-1] <= 1 and sorted(sizes, reverse=True) == sizes


def test_jobs_on_graphics_processors_take_no_notice_of_cores(grid: Grid) -> None:
    load = workload(grid, "genn", settings={"backend": "cuda", "batch": 5}, gpus=2)
    planned = plan_jobs(load, 30.0, 16, ())
    assert [len(one.job.points) for one in planned] == [40], "sixteen cores are no reason to make sixteen jobs"
    assert planned[0].gpus == 2
    assert planned[0].cores == 8, "that decode what it records"
    assert plan_jobs(replace(load, gpus=1), 30.0, 2, ())[0].cores == 2, "there are no more"
    (core, *_) = plan_jobs(workload(grid, "genn", settings={"backend": "single_threaded_cpu"}), 30.0, 16, ())
    assert core.gpus == 0
    assert len(core.job.points) < 5


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_core_hours_are_those_of_points_and_one_build_per_structure_and_seed(grid: Grid, n_jobs: int) -> None:
    load = workload(grid, "nest", settings={"threads": 1})
    costs = estimate_costs(load)
    expected = sum(20 * cost.point + 2 * cost.build for cost in costs) / 3600.0
    assert core_hours(load) == pytest.approx(expected)
    planned = plan_jobs(load, 1e6, n_jobs, ())
    assert sum(one.seconds for one in planned) / 3600.0 >= expected * (1 - 1e-9)


def test_names_in_use_are_not_taken_again(grid: Grid) -> None:
    names = [one.job.name for one in plan_jobs(workload(grid), 30.0, 2, ())]
    again = [one.job.name for one in plan_jobs(workload(grid), 30.0, 2, names)]
    assert [one.job.name for one in plan_jobs(workload(grid), 30.0, 2, ())] == names, "same work, same name"
    assert again == [f"{name}-2" for name in names]


def test_memory_is_that_of_the_largest_structure(tmp_path: Path) -> None:
    sizes = make_grid(tmp_path, parameters="N_I = 20\nQ = 4", axes="N_E = { values = [80, 80000] }")
    load = workload(sizes)
    costs = estimate_costs(load)
    assert costs[1].memory > costs[0].memory
    assert [one.memory for one in plan_jobs(load, 30.0, 1, ())] == [costs[1].memory]
    assert len(plan_jobs(load, 1e-9, None, ())) == 2


def test_the_pace_of_machines_corrects_the_estimate(tmp_path: Path) -> None:
    one = make_grid(tmp_path, axes="I_th_E = { start = 1, step = 0.1, num = 10 }")
    load = workload(one, "nest", settings={"threads": 1})
    (guess,) = estimate_costs(load)
    load = replace(load, pace=Pace(build=2.0, point=60.0 / guess.point, memory=9e9, n_points=3))
    (cost,) = estimate_costs(load)
    assert (cost.start, cost.build, cost.point) == pytest.approx((2.0 * guess.start, 2.0 * guess.build, 60.0))
    assert cost.memory == 9e9
    planned = plan_jobs(load, (cost.start + cost.build + 120.0) / 60.0, None, ())
    assert [len(job.job.points) for job in planned] == [2] * 5
    assert [job.once for job in planned] == pytest.approx([cost.start + cost.build] * 5)
    assert [job.seconds for job in planned] == pytest.approx([cost.start + cost.build + 120.0] * 5)
    load = replace(load, pace=Pace(start=7.0))
    assert estimate_costs(load)[0].start == 7.0


def test_a_guess_from_the_machine_says_nothing_of_its_graphics_processor(grid: Grid) -> None:
    load = workload(grid, "genn", settings={"backend": "cuda"}, gpus=1)
    assert estimate_costs(replace(load, pace=Pace(point=3.0))) == estimate_costs(load)
    (seen, *_), (guess, *_) = (estimate_costs(replace(load, pace=pace)) for pace in (Pace(point=3.0, n_points=1), None))
    assert seen.point == pytest.approx(3.0 * guess.point)


def test_more_threads_than_cores_gain_nothing(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.backends.nest_simulator.n_cores", lambda: 2)
    two, eight = (workload(grid, "nest", settings={"threads": threads}) for threads in (2, 8))
    assert estimate_costs(eight)[0].point == estimate_costs(two)[0].point, "two cores are here"
    assert estimate_costs(replace(eight, gpus=0))[0].point < estimate_costs(two)[0].point, "a pool gives eight"
    assert {job.cores for job in plan_jobs(eight, 30.0, 2, ())} == {2}
    hours = [sum(job.seconds * job.cores for job in plan_jobs(load, 1e6, 2, ())) for load in (two, eight)]
    assert hours[1] == pytest.approx(hours[0])


def test_disk(grid: Grid) -> None:
    plans = [plan_jobs(workload(grid, spikes=kept), 1e9, None, ()) for kept in ("none", "sample", "all")]
    none, sample, every = (sum(one.disk for one in plan) for plan in plans)
    assert 0.0 < none < sample
    assert sample == every, "100 neurons are no more than a sample"


def test_points_that_need_a_build_each_are_planned_with_it(grid: Grid) -> None:
    conducting, current = networks.bare("lif_cond_exp"), networks.bare("lif_psc_exp")
    loads = {
        neuron: workload(grid, "nest", structures=[0] * len(grid.points), networks=(network,))
        for neuron, network in (("cond", conducting), ("current", current))
    }
    (cost,) = estimate_costs(loads["cond"])
    assert cost.builds_every_point
    n_points = len(grid.points)
    assert core_hours(loads["cond"]) * 3600.0 == pytest.approx(n_points * (cost.build + cost.point))
    planned = plan_jobs(loads["cond"], 1000.0, None, ())
    assert sum(one.seconds for one in planned) == pytest.approx(cost.start + n_points * (cost.build + cost.point))
    # what was seen of builds and points replaces both estimates
    seen = replace(loads["cond"], pace=Pace(build=3.0 / cost.build, point=2.0 / cost.point))
    assert core_hours(seen) * 3600.0 == pytest.approx(n_points * 5.0)

    (cost,) = estimate_costs(loads["current"])
    assert not cost.builds_every_point
    n_builds = len({point.network_seed for point in grid.points})
    assert core_hours(loads["current"]) * 3600.0 == pytest.approx(n_builds * cost.build + n_points * cost.point)


SIDES = [(20, 2), (2, 20), (10, 10), (40,), (8, 21), (13, 3, 2), (40, 40)]


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("n_slots", [1, 2])
def test_what_runs_first_is_a_fair_sample(grid: Grid, sides: tuple[int, ...], n_slots: int) -> None:
    places = list(itertools.product(*(range(side) for side in sides)))
    ids = [hashlib.sha256(repr(place).encode()).hexdigest() for place in places]
    points = [Point(one, 1, 1, {"place": place}) for one, place in zip(ids, places, strict=True)]
    load = workload(grid, settings={"seconds_per_point": 1.0}, points=points, structures=[0] * len(points))
    planned = plan_jobs(load, 1e6, n_slots, ())
    assert len(planned) == n_slots
    first = [point for one in planned for point in one.job.points[: 10 // n_slots]]

    def cost(point: Point) -> float:  # of rates that rise along every axis, from a tenth of the highest
        steps = [at / max(1, side - 1) for at, side in zip(point.swept["place"], sides, strict=True)]
        return 0.1 + 0.9 * sum(steps) / len(steps)

    costs = [sum(map(cost, those)) / len(those) for those in (first, points)]
    assert costs[0] == pytest.approx(costs[1], rel=0.12)
