"""points.parquet: what analysis reads."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from sweeps import SMALL, make_sweep

import analysis
from gridsearch.planning.grid import expand
from gridsearch.submitting.points_table import METADATA_KEY, read_setting_ids, write_points
from simulators.records.run_directory import RunDirectory


def test_every_point_with_every_parameter(tmp_path: Path) -> None:
    sweep = make_sweep(
        tmp_path,
        simulators=["nest", "poisson"],
        parameters=f"{SMALL}\nge = 1.5",
        axes='"p[0,1]" = { values = [0.3, 0.4] }\nI_th_E = { values = [1, 2] }\n'
        "stim_onsets = { values = [[], [10.0]], zip = \"s\" }\nstim_offsets = { values = [[], [20.0]], zip = \"s\" }",
        replicates="seeds = [3, 4]",
        targets="rate_E = { value = 3, tolerance = 1 }",
        more="[jobs.nest]\nthreads = 2\n",
    )  # fmt: skip
    grid = expand(sweep)
    run = RunDirectory(tmp_path / "run")
    write_points(sweep, grid, run)
    assert read_setting_ids(run) == {point.setting_id for point in grid.points}
    table = pq.read_table(run.points)
    rows = table.to_pylist()
    assert [row["point_id"] for row in rows] == [point.point_id for point in grid.points]
    assert set(sweep.defaults) <= set(table.column_names)
    for row, point in zip(rows, grid.points, strict=True):
        assert (row["seed"], row["network_seed"]) == (point.seed, point.network_seed)
        assert row["ge"] == 1.5 and row["I_th_E"] == point.swept["I_th_E"]
        assert row["p"] == [[0.2, point.swept["p[0,1]"]], [0.5, 0.5]] and row["p[0,1]"] == point.swept["p[0,1]"]
        assert tuple(row["stim_onsets"]) == point.swept["stim_onsets"]
    assert table.schema.field("tau_m_E").metadata[b"unit"] == b"ms"
    said = json.loads(table.schema.metadata[METADATA_KEY])
    assert said["simulators"] == [{"simulator": "nest", "threads": 2}, {"simulator": "poisson"}]
    assert [axis["key"] for axis in said["axes"]] == ["p[0,1]", "I_th_E", "stim_onsets", "stim_offsets"]
    assert said["targets"]["rate_E"] == {"min": None, "max": None, "value": 3.0, "tolerance": 1.0, "weight": 1.0}
    assert said["populations"] == ["E", "I"] and said["seeds"] == [3, 4]


def test_analysis_opens_it(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    run = RunDirectory(tmp_path / "run")
    write_points(sweep, expand(sweep), run)
    table = analysis.open_run(run.root)
    assert list(table["status"]) == ["missing"] * 3 and list(table["I_th_E"]) == [1.0, 1.5, 2.0]
