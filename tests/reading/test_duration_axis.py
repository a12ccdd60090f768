"""The axis that is not a parameter of the network: how long it is recorded."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sweeps import SMALL, ids, make_grid, make_sweep, write_sweep

import analysis
from gridsearch.commands.cli import main
from gridsearch.inputs.input_files import InputError
from gridsearch.inputs.parameters import _parameter
from gridsearch.planning.plan import make_plan

AXES = "I_th_E = { values = [1.0, 1.5] }\nduration = { values = [100.0, 200.0] }"


def test_points_are_those_of_sweeps_of_one_duration_each(tmp_path: Path) -> None:
    swept = make_grid(tmp_path, axes=AXES, simulation="warmup = 0.0")
    assert tuple(one.duration for one in swept.simulations) == (100.0, 200.0, 100.0, 200.0)
    assert all(set(point.swept) == {"I_th_E"} for point in swept.points)
    alone = [
        make_grid(tmp_path, axes="I_th_E = { values = [1.0, 1.5] }", simulation=f"warmup = 0.0\nduration = {duration}")
        for duration in (100.0, 200.0)
    ]
    assert ids(swept) == ids(alone[0]) | ids(alone[1])


def test_a_job_has_one_duration_and_the_longest_come_first(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, axes=AXES, simulation="warmup = 0.0")
    plan = make_plan(path, tmp_path)
    jobs = [one.job for one in plan.jobs]
    assert [job.simulation.duration for job in jobs] == sorted((j.simulation.duration for j in jobs), reverse=True)
    durations = dict(
        zip(
            [point.point_id for point in plan.grid.points], [one.duration for one in plan.grid.simulations], strict=True
        )
    )
    assert sum(len(job.points) for job in jobs) == 4
    assert all(durations[point.point_id] == job.simulation.duration for job in jobs for point in job.points)


def test_duration_advances_together_with_a_size(tmp_path: Path) -> None:
    axes = (
        'N_E = { values = [80, 80, 160], zip = "a" }\nN_I = { values = [20, 20, 40], zip = "a" }\n'
        'duration = { values = [100.0, 200.0, 100.0], zip = "a" }'
    )
    grid = make_grid(tmp_path, parameters="Q = 4", axes=axes, simulation="warmup = 0.0")
    assert [
        (point.swept["N_E"], time)
        for point, time in zip(grid.points, [one.duration for one in grid.simulations], strict=True)
    ] == [
        (80, 100.0),
        (80, 200.0),
        (160, 100.0),
    ]
    assert len(grid.networks["poisson"]) == 2


@pytest.mark.parametrize(
    ("axis", "simulation", "rule"),
    [
        ("[100.0]", "duration = 100.0", "is also fixed in simulation.duration"),
        ("[100.05]", "", "must be a multiple of dt = 0.1 ms"),
        ("[0.0]", "", "must be above 0 ms"),
        ('["long"]', "", "must be a number"),
    ],
)
def test_mistakes(tmp_path: Path, axis: str, simulation: str, rule: str) -> None:
    with pytest.raises(InputError, match=r"axes\.duration") as caught:
        make_sweep(tmp_path, axes=f"duration = {{ values = {axis} }}", simulation=simulation)
    assert rule in str(caught.value)


def test_no_parameter_has_its_name() -> None:
    with pytest.raises(ValueError, match="the name is taken"):
        _parameter("duration", {"value": 1.0, "unit": "ms", "doc": "of a stimulus"})


def test_rows_tables_and_figures_know_the_duration(tmp_path: Path) -> None:
    path = write_sweep(
        tmp_path,
        parameters=SMALL,
        axes=AXES,
        simulation="warmup = 50.0",
        record='statistics = ["rate"]\nspikes = "all"',
    )
    assert main(["submit", str(path), "--results", str(tmp_path)]) == 0
    field = pq.read_schema(tmp_path / "small" / "points.parquet").field("duration")
    assert field.metadata == {b"unit": b"ms", b"doc": b"recorded biological time"}
    table = analysis.open_run(tmp_path / "small")
    assert sorted(table["duration"]) == [100.0, 100.0, 200.0, 200.0]
    assert (table["t_simulate"] / table["realtime_factor"]).round(6).tolist() == pytest.approx(
        (table["duration"] + 50.0).div(1000.0).tolist()
    )
    assert (tmp_path / "small" / "figures" / "time_scan.png").is_file()
    for row in table.itertuples():
        assert analysis.read_spikes(tmp_path / "small", row.point_id).duration == row.duration
    longest = table[table["duration"] == 200.0].iloc[0]
    pasted = tomllib.loads(analysis.parameters_table(longest, analysis.run_of(table)))
    assert pasted == {"parameters": {"I_th_E": longest["I_th_E"]}, "simulation": {"duration": 200.0}}
