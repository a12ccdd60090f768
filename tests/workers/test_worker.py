"""The worker as a command: what it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workplaces import STATISTICS, Workplace

from simulators.records.job import Job, JobError, Simulation, read_job, write_job
from simulators.records.run_directory import spike_file_name
from simulators.records.spike_files import SAMPLE_SIZE
from simulators.records.summaries.summary import PHASES, read_summary, summary_schema
from simulators.statistics import Window, columns
from simulators.worker.exit_codes import DONE


@pytest.mark.parametrize("simulator", ["poisson", pytest.param("nest", marks=pytest.mark.nest)])
def test_every_point_has_a_row_and_the_phases_are_the_wall_time(
    workplace: Workplace, make_job: Callable[..., Job], simulator: str
) -> None:
    points = [{"I_th_E": i, "p[0,1]": p} for p in (0.5, 0.4) for i in (2.0, 2.13, 2.3)]
    workplace.write(make_job(points, simulator))
    begin = time.perf_counter()
    code, log = workplace.run()
    wall = time.perf_counter() - begin
    assert code == DONE, log
    rows = workplace.rows()
    assert [row["point_id"] for row in rows] == [f"p{k}" for k in range(6)]
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["error"] for row in rows} == {None}
    assert [(row["I_th_E"], row["p[0,1]"]) for row in rows] == [(one["I_th_E"], one["p[0,1]"]) for one in points]
    assert all(row["rate_E"] > 0.1 and row["n_neurons_rate_E"] == 400 for row in rows)
    for row in rows:
        assert row["n_spikes"] == round((row["rate_E"] * 400 + row["rate_I"] * 100) * 0.9)
        assert (row["n_neurons"], row["seed"], row["network_seed"], row["job"]) == (500, 1, 7, "job")
        assert row["peak_memory"] > 2e7
        assert row["started"] <= row["finished"]
        assert all(row[phase] >= 0.0 for phase in PHASES)
        assert row["realtime_factor"] == pytest.approx(row["t_simulate"] / 1.0)
        assert json.loads(row["versions"]).keys() >= {"python", "numpy", "pyarrow", "code"}
    total = sum(row[phase] for row in rows for phase in PHASES)
    assert wall - 0.35 - 0.1 * wall < total <= wall  # the interpreter's end belongs to no phase
    assert rows[0]["t_load"] > 0.05
    assert {row["t_load"] for row in rows[1:]} == {0.0}
    if simulator == "nest":  # each of the two structures is charged to the row that built it
        assert [row["t_build"] > 0.0 for row in rows] == [True, False, False, True, False, False]
        assert rows[0]["n_synapses"] > rows[3]["n_synapses"] > 50_000
    assert not workplace.marker.exists()


def test_columns_carry_units_and_meaning(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job([{"Q": 4, "I_th_E": 1.0, "stim_clusters": [1], "fixed_indegree": True}]))
    assert workplace.run()[0] == DONE
    schema = pq.read_schema(workplace.summary)
    swept = {"Q": 4, "I_th_E": 1.0, "stim_clusters": [1], "fixed_indegree": True}
    wanted = summary_schema(STATISTICS, ("E", "I"), swept)
    assert [(one.name, one.metadata) for one in schema] == [(one.name, one.metadata) for one in wanted]
    units = {one.name: one.metadata[b"unit"].decode() for one in schema}
    assert (units["rate_E"], units["cv_isi_I"], units["t_simulate"], units["peak_memory"]) == ("Hz", "1", "s", "B")
    assert all(one.metadata[b"doc"] for one in schema)
    assert set(columns(STATISTICS, ("E", "I"))) <= set(schema.names)
    assert [schema.field(name).type for name in swept] == [pa.int64(), pa.float64(), pa.list_(pa.int64()), pa.bool_()]


def test_windows_and_lists_have_columns(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    windows = {"before": Window(0.0, 300.0), "during": Window(300.0, 350.0, {"I": 5.0})}
    workplace.write(make_job(1, windows=windows))
    assert workplace.run()[0] == DONE
    table = read_summary(workplace.summary)
    for name, column in columns(STATISTICS, ("E", "I"), windows).items():
        found = table.schema.field(name)
        kinds = {"float": pa.float64(), "integer": pa.int64(), "integers": pa.list_(pa.int32())}
        assert found.type == (kinds | {"floats": pa.list_(pa.float64())})[column.kind]
        if column.is_list:
            assert json.loads(found.metadata[b"bins"]) == list(column.bins)
            assert found.metadata[b"bins_unit"].decode() == column.bins_unit
    row = table.to_pylist()[0]
    assert sum(row["rate_hist_E"]) == sum(row["rate_hist_E_during"]) == 400
    assert row["rate_E_before"] > 0.0 and row["rate_E_before"] != row["rate_E"]


def test_a_diverged_point_has_no_lists_either(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job([{"I_th_E": 2.0, "N_E": 81}, {"I_th_E": 2.0, "N_E": 400}]))
    assert workplace.run()[0] == DONE
    failed, ok = workplace.rows()
    assert (failed["status"], failed["rate_hist_E"]) == ("failed", None)
    assert ok["status"] == "ok" and sum(ok["rate_hist_E"]) == 400


def test_a_bad_point_gets_its_row_and_the_others_run(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job([{"Q": 4}, {"Q": 7}, {"Q": 2}, {"Q": 1}]))
    code, log = workplace.run()
    assert code == DONE, log
    rows = workplace.rows()
    assert {row["point_id"]: row["status"] for row in rows} == {"p0": "ok", "p1": "failed", "p2": "failed", "p3": "ok"}
    errors = {row["point_id"]: row["error"] for row in rows}
    assert errors["p1"] == "ParameterError: N_E, Q: N_E = 400 must be divisible by Q = 7"
    assert "jep" in errors["p2"]
    failed = next(row for row in rows if row["point_id"] == "p1")
    assert failed["rate_E"] is None
    assert failed["n_spikes"] is None


def test_a_diverged_point_has_no_statistics_and_says_why(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(3, simulation=Simulation(0.1, 100.0, 900.0, max_rate=5.0), settings={"max_rate_hz": 20.0}))
    assert workplace.run()[0] == DONE
    rows = workplace.rows()
    assert [row["status"] for row in rows] == ["ok", "ok", "diverged"] or "diverged" in {row["status"] for row in rows}
    diverged = next(row for row in rows if row["status"] == "diverged")
    assert "max_rate" in diverged["error"]
    assert diverged["rate_E"] is None


def test_a_statistic_that_cannot_be_computed_fails_its_point_alone(
    workplace: Workplace, make_job: Callable[..., Job]
) -> None:
    workplace.write(make_job(2, statistics_settings={"fano_window": 0.25}))
    assert workplace.run()[0] == DONE
    for row in workplace.rows():
        assert row["status"] == "failed"
        assert "fano_window" in row["error"]
        assert row["n_spikes"] > 0


def test_a_point_has_its_time(workplace: Workplace, make_job: Callable[..., Job]) -> None:
    workplace.write(make_job(2, settings={"seconds_per_point": 60.0}, timeout=0.3))
    code, log = workplace.run()
    assert code == DONE, log
    rows = workplace.rows()
    assert [(row["status"], row["error"]) for row in rows] == [("timeout", "took longer than 0.3 s")] * 2
    # not the 60 s that it asks for; what goes before counts towards the limit, too
    assert all(0.1 <= row["t_simulate"] < 30.0 for row in rows)


@pytest.mark.parametrize("kind", ["none", "sample", "all"])
def test_spikes_are_kept_as_asked(workplace: Workplace, make_job: Callable[..., Job], kind: str) -> None:
    workplace.write(make_job(2, spikes=kind))
    assert workplace.run()[0] == DONE
    folder = workplace.folder / "spikes"
    if kind == "none":
        assert not folder.exists()
        return
    assert sorted(path.name for path in folder.iterdir()) == sorted(spike_file_name(f"p{k}") for k in range(2))
    for row in workplace.rows():
        table = pq.read_table(folder / spike_file_name(row["point_id"]))
        assert table.schema.field("time").metadata[b"unit"] == b"ms"
        assert table.schema.metadata[b"n_neurons_E"] == b"400"
        frame = {name: np.array(table[name].to_pylist()) for name in table.column_names}
        assert frame["time"].min() > 0.0
        assert frame["time"].max() <= 900.0
        for name, size in (("E", 400), ("I", 100)):
            chosen = frame["population"] == name
            senders = np.unique(frame["sender"][chosen])
            assert senders.max() < size
            if kind == "sample":
                assert len(senders) <= SAMPLE_SIZE
                assert set(senders * 4 // size) == {0, 1, 2, 3}  # of every cluster
            assert (np.diff(frame["time"][chosen]) >= 0.0).all()
        if kind == "all":
            assert len(table) == row["n_spikes"]


def test_a_job_survives_its_file(tmp_path: Path, make_job: Callable[..., Job]) -> None:
    job = make_job(
        [{"p[0,1]": 0.5, "stim_clusters": [1, 2], "note": "größer"}],
        statistics_settings={"fano_window": 200.0}, spikes="sample", timeout=12.5,
        windows={"before": Window(0.0, 300.0), "late": Window(300.0, 350.0, {"I": 5.0})},
    )  # fmt: skip
    write_job(job, tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job
    assert read_job(tmp_path / "job.json").points[0].swept["note"] == "größer"
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_a_job_of_before_there_were_windows_is_read(tmp_path: Path, make_job: Callable[..., Job]) -> None:
    job = make_job(1)
    path = tmp_path / "job.json"
    write_job(job, path)
    content = json.loads(path.read_text())
    del content["windows"]
    path.write_text(json.dumps(content))
    assert read_job(path) == job
    path.write_text(json.dumps(content | {"windows": [1]}))
    with pytest.raises(JobError, match=r"job\.json"):
        read_job(path)


def test_a_worker_does_without_pandas(
    workplace: Workplace, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write(make_job(1))
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # lists every import
    code, log = workplace.run()
    assert code == DONE and len(workplace.rows()) == 1
    assert "pyarrow" in log and "pandas.core" not in log
