import shutil
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from analysis_runs import BACKGROUND, START, axis, behave, summary_row, write_job_of, write_run

import analysis
from analysis.opening.run import as_run
from analysis.plots.parts.painting import lacking
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import empty_summary, read_summary, summary_schema, write_summary

TWO = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})


def test_open_run_has_a_row_per_point_and_simulator(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", simulators=TWO)
    table = analysis.open_run(run.root)
    assert len(table) == 5 * 4 * 3 * 2
    assert list(table.columns[:5]) == ["point_id", "I_th_E", "I_th_I", "seed", "network_seed"]
    assert (table["status"] == "ok").all()
    assert not table.duplicated(["point_id", "configuration"]).any()
    row = table.query("I_th_E == 1.6 and I_th_I == 0.9 and seed == 2 and simulator == 'genn'").iloc[0]
    assert row["rate_E"] == behave({"I_th_E": 1.6, "I_th_I": 0.9}, 2, "genn")["rate_E"]


def test_units_and_meanings_come_along(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    assert table.attrs["units"]["rate_E"] == "Hz"
    assert table.attrs["units"]["t_simulate"] == "s"
    assert "rheobase" in table.attrs["docs"]["I_th_E"]
    assert analysis.run_of(table).name == "demo"
    assert analysis.run_of(table).axis("I_th_I").values == (0.7, 0.9, 1.1, 1.3)


def test_jobs_that_have_not_begun_take_nothing_from_the_others(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", behaviour=lambda p, s, n: None if p["I_th_E"] > 1.5 else behave(p, s, n))
    before = analysis.open_run(run.root)
    for job in ("a", "zzz"):
        run.summary(job).write_bytes(empty_summary())
    table = analysis.open_run(run.root)
    pd.testing.assert_frame_equal(table, before)
    assert table.attrs["units"] == before.attrs["units"] and table.attrs["docs"] == before.attrs["docs"]
    only = write_run(tmp_path / "only", behaviour=lambda p, s, n: None)
    only.summaries.mkdir(exist_ok=True)
    only.summary("a").write_bytes(empty_summary())
    assert (analysis.open_run(only.root)["status"] == "missing").all()


def test_attributes_survive_a_parquet_file(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    table.to_parquet(tmp_path / "table.parquet")
    assert analysis.run_of(pd.read_parquet(tmp_path / "table.parquet")).name == "demo"


def test_points_without_a_row_are_missing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", behaviour=lambda p, s, n: None if p["I_th_E"] > 1.5 else behave(p, s, n))
    table = analysis.open_run(run.root)
    missing = table["status"] == "missing"
    assert missing.equals(table["I_th_E"] > 1.5)
    assert table.loc[missing, "rate_E"].isna().all()
    assert (table["simulator"] == "nest").all()


def test_run_without_summaries_is_all_missing(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", behaviour=lambda p, s, n: None).root)
    assert len(table) == 60
    assert (table["status"] == "missing").all()


def test_corrupt_summary_is_named_and_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    broken = run.summary_files()[1]
    lost = read_summary(broken).num_rows
    broken.write_bytes(broken.read_bytes()[:-40])
    with pytest.warns(analysis.opening.CorruptSummaryWarning, match=broken.name):
        table = analysis.open_run(run.root)
    assert (table["status"] == "missing").sum() == lost
    assert (table["status"] == "ok").sum() == 60 - lost


def test_damaged_page_is_named_and_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    broken = run.summary_files()[0]
    metadata = pq.read_metadata(broken)
    column = next(
        metadata.row_group(0).column(number)
        for number in range(metadata.num_columns)
        if metadata.row_group(0).column(number).path_in_schema == "point_id"
    )
    content = bytearray(broken.read_bytes())
    begin = column.dictionary_page_offset or column.data_page_offset
    content[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    broken.write_bytes(bytes(content))
    with pytest.warns(analysis.opening.CorruptSummaryWarning, match=broken.name):
        table = analysis.open_run(run.root)
    assert (table["status"] == "ok").sum() == 40


def test_file_that_is_no_summary_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    pd.DataFrame({"a": [1]}).to_parquet(run.summaries / "stray.parquet")
    with pytest.warns(analysis.opening.CorruptSummaryWarning, match=r"stray\.parquet.*point_id"):
        assert (analysis.open_run(run.root)["status"] == "ok").all()


def test_files_that_are_being_written_are_not_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    (run.summaries / ".nest-00000.parquet.123.tmp").write_bytes(b"half")
    with warnings.catch_warnings():
        warnings.simplefilter("error", analysis.opening.CorruptSummaryWarning)
        assert (analysis.open_run(run.root)["status"] == "ok").all()


def _retry(run: RunDirectory, job: str, **values: object) -> None:
    point = {"point_id": "p00000000", "seed": 1, "network_seed": 1, "swept": {"I_th_E": 1.0, "I_th_I": 0.7}}
    row = summary_row(point, {"simulator": "nest", "threads": 1}, job, {"status": "ok", **values})
    write_job_of(run, job, "nest", [point], ["rate"])
    write_summary([row], summary_schema(("rate",), ("E", "I"), point["swept"]), run.summary(job))


def test_ok_row_stands_against_a_later_failure_and_an_earlier_ok(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    _retry(run, "again-1", rate_E=11.0, finished=START + timedelta(hours=1))
    _retry(run, "again-2", status="failed", finished=START + timedelta(hours=2))
    table = analysis.open_run(run.root)
    first = table[table["point_id"] == "p00000000"]
    assert len(first) == 1
    assert first["rate_E"].item() == 11.0
    assert first["job"].item() == "again-1"


def test_rows_of_other_points_and_settings_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", simulators=({"simulator": "nest", "threads": 2},), seeds=(1,))
    _retry(run, "one-thread", rate_E=11.0, finished=START + timedelta(hours=1))
    table = analysis.open_run(run.root)
    assert len(table) == 20
    assert 11.0 not in set(table["rate_E"])


def test_simulator_with_two_settings_makes_two_configurations(tmp_path: Path) -> None:
    entries = ({"simulator": "nest", "threads": 1}, {"simulator": "nest", "threads": 2})
    run = write_run(tmp_path / "demo", simulators=entries[:1], seeds=(1,))
    other = write_run(tmp_path / "other", simulators=entries, seeds=(1,))
    for file in run.summary_files():
        other.summary(file.stem).unlink()  # both configurations share the job names of the formula runs
        name = f"one-{file.stem}"
        rows = [{**row, "job": name} for row in read_summary(file).to_pylist()]
        write_summary(rows, pq.read_schema(file), other.summary(name))
        shutil.copyfile(run.job(file.stem), other.job(name))
    table = analysis.open_run(other.root)
    assert list(table["configuration"].unique()) == ["nest, threads 1", "nest, threads 2"]
    states = table.groupby("configuration", observed=True)["status"].unique().map(list).to_dict()
    assert states == {"nest, threads 1": ["ok"], "nest, threads 2": ["missing"]}


def test_files_of_different_columns_are_joined(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", statistics=("rate",), seeds=(1,))
    point = {"point_id": "p00000001", "seed": 1, "network_seed": 1, "swept": {"I_th_E": 1.0, "I_th_I": 0.9}}
    row = summary_row(point, {"simulator": "nest", "threads": 1}, "later", {"status": "ok", "lv_E": 0.5})
    row["finished"] = START + timedelta(hours=1)
    write_job_of(run, "later", "nest", [point], ["rate", "lv"])
    write_summary([row], summary_schema(("rate", "lv"), ("E", "I"), point["swept"]), run.summary("later"))
    table = analysis.open_run(run.root)
    assert table["lv_E"].notna().sum() == 1
    assert table["rate_E"].notna().sum() == 19


def test_chosen_columns_and_parameters(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo")
    table = analysis.open_run(run.root, columns=["rate_E"], parameters=["N_E"])
    assert "rate_E" in table
    assert "rate_I" not in table
    assert (table["N_E"] == 4000).all()
    with pytest.raises(analysis.RunError, match=r"tau.*N_E"):
        analysis.open_run(run.root, parameters=["tau"])


def test_folder_that_is_not_a_run(tmp_path: Path) -> None:
    write_run(tmp_path / "demo")
    with pytest.raises(analysis.RunError, match=r"points\.parquet is missing; runs in it: .*demo"):
        analysis.open_run(tmp_path)
    with pytest.raises(analysis.RunError, match="there is no such folder"):
        analysis.open_run(tmp_path / "nothing")
    pd.DataFrame({"point_id": ["a"]}).to_parquet(tmp_path / "points.parquet")
    with pytest.raises(analysis.RunError, match="no description of the sweep"):
        analysis.open_run(tmp_path)
    (tmp_path / "points.parquet").write_bytes(b"nonsense")
    with pytest.raises(analysis.RunError, match=r"points\.parquet: is not a readable parquet file"):
        analysis.open_run(tmp_path)


def test_runs_side_by_side(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one")
    other = write_run(tmp_path / "other", axes=(*BACKGROUND, axis("N_E", [400, 800], unit="1")))
    table = analysis.open_run([one.root, other.root])
    assert table.columns[0] == "run"
    assert table["run"].value_counts().to_dict() == {"one": 60, "other": 120}
    assert set(table.loc[table["run"] == "one", "N_E"]) == {4000}
    assert [axis.key for axis in analysis.run_of(table).axes] == ["I_th_E", "I_th_I", "N_E"]
    with pytest.raises(analysis.RunError, match="no run was named"):
        analysis.open_run([])


def test_grid_mean_and_spread_are_those_of_pandas(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    grid = analysis.statistic_grid(table, "cv_isi_E")
    by_cell = table.groupby(["I_th_I", "I_th_E"])["cv_isi_E"]
    assert grid["mean"].dims == ("I_th_E", "I_th_I")
    np.testing.assert_allclose(grid["mean"].T, by_cell.mean().unstack().to_numpy())
    np.testing.assert_allclose(grid["spread"].T, by_cell.std().unstack().to_numpy())
    assert grid["I_th_E"].attrs["long_name"].startswith("background current to E")


def _state(p: dict[str, float], seed: int, name: str) -> dict[str, object] | None:
    state = {1.0: "ok", 1.2: "failed", 1.4: "diverged", 1.6: "timeout", 1.8: None}[p["I_th_E"]]
    if state is None:
        return None
    if p["I_th_I"] == 0.7 and seed == 1:
        return behave({"I_th_E": 2.0, "I_th_I": 0.7}, seed, name)
    values = {"status": state, "error": "because"}
    return values | ({"rate_E": 0.0 if p["I_th_I"] > 1 else 0.5, "n_spikes": 0} if state == "ok" else {})


def test_cells_without_a_value_say_what_they_are(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo", behaviour=_state).root)
    grid = analysis.statistic_grid(table, "cv_isi_E")
    state = analysis.grids.State
    silent, undefined = state.SILENT, state.UNDEFINED
    assert grid["state"][0].values.tolist() == [state.VALUE, undefined, silent, silent]
    assert grid["state"][:, 1].values.tolist() == [undefined, state.FAILED, state.DIVERGED, state.FAILED, state.MISSING]
    assert lacking(grid).T.tolist() == [[True, True, True, True, False], *[[False] * 5] * 3]


def test_cuts_and_marginals(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", axes=(*BACKGROUND, axis("jep", [1.0, 2.0])))
    table = analysis.open_run(run.root)
    table["rate_E"] += 100 * table["jep"]
    low = analysis.statistic_grid(table, "rate_E", at={"jep": 1.0})
    mean = analysis.statistic_grid(table, "rate_E", over=["jep"])
    np.testing.assert_allclose(mean["mean"] - low["mean"], 50.0)
    assert (low.attrs["mean_over"], mean.attrs["mean_over"]) == ("", "jep")
    assert low["jep"] == 1.0
    assert analysis.statistic_grid(table, "rate_E", at={"I_th_I": 0.9})["mean"].shape == (5, 2)
    with pytest.raises(analysis.RunError, match=r"'jep' does not take 1\.5.*1\.0, 2\.0"):
        analysis.statistic_grid(table, "rate_E", at={"jep": 1.5})
    with pytest.raises(analysis.RunError, match="'tau' is not an axis"):
        analysis.statistic_grid(table, "rate_E", at={"tau": 1.0})
    with pytest.raises(analysis.RunError, match="'jep' is averaged over, and cannot be held"):
        analysis.statistic_grid(table, "rate_E", at={"jep": 1.0}, over=["jep"])


def test_axes_of_a_zip_group_are_one_dimension(tmp_path: Path) -> None:
    axes = [{**BACKGROUND[0], "zip": "drive"}, {**axis("I_th_I", [0.7, 0.9, 1.1, 1.3, 1.5]), "zip": "drive"}]
    table = analysis.open_run(write_run(tmp_path / "demo", axes=axes).root)
    assert len(table) == 15
    grid = analysis.statistic_grid(table, "rate_E")
    assert grid["mean"].dims == ("I_th_E",)
    assert grid["I_th_I"].values.tolist() == [0.7, 0.9, 1.1, 1.3, 1.5]
    assert grid["I_th_I"].dims == ("I_th_E",)
    assert analysis.statistic_grid(table, "rate_E", first=["I_th_I"])["mean"].dims == ("I_th_I",)
    held = analysis.statistic_grid(table, "rate_E", at={"I_th_I": 0.9})
    assert (held["mean"].shape, float(held["I_th_E"])) == ((), 1.2)


def test_a_zip_group_is_one_dimension_unless_its_first_axis_repeats_values() -> None:
    content = {"unit": "1", "doc": "", "log": False, "zip": "g"}

    def dimensions(first: list[float], second: list[float]) -> list[list[str]]:
        axes = [{**content, "key": "a", "values": first}, {**content, "key": "b", "values": second}]
        asked = {"name": "n", "model": "m", "seeds": [1], "statistics": [], "populations": []}
        run = as_run({**asked, "axes": axes})
        return [[axis.key for axis in dimension] for dimension in run.dimensions]

    assert dimensions([1.0, 2.0], [3.0, 3.0]) == [["a", "b"]]
    assert dimensions([1.0, 1.0], [3.0, 4.0]) == [["a"], ["b"]]
