"""Rows are compared with their job before they count, whatever a node brings back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analysis_runs import BACKGROUND, axis, write_run

import analysis
from analysis.opening import CorruptSummaryWarning, UncheckedSummaryWarning
from gridsearch.commands.cli import main
from jobs.history import read_history
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import UnknownSummaryError
from simulators.records.summaries.summary_cache import FEWEST, SETTLED
from simulators.records.summaries.wanted import Wanted

AXES = (*BACKGROUND[:1], axis("I_th_I", [0.7]), axis("rule", ["a", "b"]))
ENTRIES = ({"simulator": "nest", "threads": 1},)
N_POINTS = 10


@pytest.fixture(params=[False, True], ids=["alone", "cached"])
def run(tmp_path: Path, request: pytest.FixtureRequest) -> RunDirectory:
    """A run of ten points in one job; and, where summaries are kept in one file, many more in jobs of one point."""
    if not request.param:
        return write_run(tmp_path / "demo", AXES, seeds=(1,), simulators=ENTRIES, points_per_job=N_POINTS)
    run = write_run(tmp_path / "demo", AXES, seeds=range(1, 12), simulators=ENTRIES, points_per_job=1)
    assert len(run.summary_files()) == 110 > FEWEST
    return run


def settle(run: RunDirectory) -> None:
    past = time.time() - 2 * SETTLED
    for path in run.summary_files():
        os.utime(path, (past, past))


def change(path: Path, column: str, values: Any, kind: pa.DataType | None = None) -> int:
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    array = pa.array([values] * table.num_rows, kind)
    changed = table.set_column(at, column, array) if at >= 0 else table.append_column(column, array)
    pq.write_table(changed, path)
    return int(table.num_rows)


WRONG: dict[str, tuple[str, Any, str]] = {
    "a statistic is text": ("rate_E", "x", "column rate_E is of type string, not a number"),
    "a statistic is a list": ("rate_E", [1.0], "not a number"),
    "a count is no whole number": ("n_neurons_cv_isi_E", 1.5, "not a whole number"),
    "a histogram is a number": ("rate_hist_E", 3, "not a list of whole numbers"),
    "what nobody knows is text": ("burst_index_E", "x", "not a number or a list of numbers"),
    "a negative rate": ("rate_E", -5.0, "rate_E = -5.0 is negative"),
    "an infinite rate": ("rate_E", float("inf"), "rate_E is infinite"),
    "a negative count": ("n_neurons_cv_isi_E", -1, "is negative"),
    "more spikes than neurons can send": ("n_spikes", 10**13, "more than the neurons can send"),
    "spikes beyond any machine": ("n_spikes", 2**62, "beyond any machine"),
    "another seed": ("seed", 77, "seed of a point is not what it is in the job"),
    "another draw": ("network_seed", 77, "network_seed of a point"),
    "another swept value": ("I_th_E", 99.0, "I_th_E of a point is not what it is in the job"),
    "a swept number is text": ("I_th_E", "1.0", "not a number"),
    "another swept text": ("rule", "c", "rule of a point"),
    "another simulator": ("simulator", "genn", "simulator is 'genn', not 'nest'"),
    "another duration": ("duration", 1.0, "duration is 1.0, not 9000.0"),
    "another job": ("job", "nest-00009x", "its rows are of job 'nest-00009x'"),
    "an estimate is text": ("expected_point", "x", "not a number"),
    "spikes that nobody keeps": ("spikes", "lots", "none of none, sample, all"),
    "a statistic's version is a number": ("statistics", '{"rate": 3}', "not a JSON object of texts"),
    "an image is a list": ("versions", '{"image": ["a"]}', "not a JSON object of texts"),
    "exact is a number": ("exact", 3, "not true or false"),
}


KEPT_TOGETHER = ("a statistic is text", "a negative rate", "more spikes than neurons can send", "another seed")
CASES = [(False, wrong) for wrong in WRONG] + [(True, wrong) for wrong in KEPT_TOGETHER]


@pytest.mark.parametrize(("run", "wrong"), CASES, indirect=["run"])
def test_a_wrong_row_does_not_count_and_ends_no_reader(run: RunDirectory, wrong: str) -> None:
    column, value, said = WRONG[wrong]
    path = run.summary_files()[0]
    n_rows = change(path, column, value)
    settle(run)
    history = read_history(run)
    ((named, error),) = history.corrupt
    assert named == path and said in str(error)
    outcome = history.outcome("nest", {}, Wanted({}))
    assert len(outcome) == len(analysis.opening.run_of(run.root).seeds) * N_POINTS - n_rows
    with pytest.warns(CorruptSummaryWarning, match=path.name):
        table = analysis.open_run(run.root)
    assert (table["status"] == "missing").sum() == n_rows
    assert read_history(run).corrupt, "nor does it count when others are read from their cache"


SIGNED = (axis("g", [-5.0, -4.0]), axis("E_L", [-70, -60]), axis("p", [[1.0, -2.0], [1.0, 3.0]]))


@pytest.mark.parametrize("n_seeds", [1, 15], ids=["alone", "cached"])
def test_swept_values_may_be_negative_or_lists_and_a_wrong_list_is_named(tmp_path: Path, n_seeds: int) -> None:
    def values(p: Any, seed: int, simulator: str) -> dict[str, Any]:
        return {"status": "ok", "rate_E": 3.0, "n_spikes": 10}

    run = write_run(tmp_path / "demo", SIGNED, range(1, n_seeds + 1), ENTRIES, behaviour=values, points_per_job=1)
    settle(run)
    for _ in range(2):
        assert read_history(run).corrupt == ()
        assert (analysis.open_run(run.root)["status"] == "ok").sum() == 8 * n_seeds
    change(run.summary_files()[0], "p", [1.0, 7.0])
    ((named, error),) = read_history(run).corrupt
    assert named == run.summary_files()[0] and "p of a point is not what it is in the job" in str(error)


def test_recomputed_statistics_of_older_versions_have_no_job_file_and_count(run: RunDirectory) -> None:
    first = run.summary_files()[0]
    older = run.summary("nest-recomputed-0123456789")
    older.write_bytes(first.read_bytes())
    settle(run)
    assert read_history(run).corrupt == ()
    change(older, "seed", 77)
    ((named, _),) = read_history(run).corrupt
    assert named == older


@pytest.mark.parametrize("content", ["[" * 100_000, '{"recomputed": ["nest-00000"]}', "seed", "dt"])
def test_job_files_that_are_damaged_in_ways_of_their_own(run: RunDirectory, content: str) -> None:
    path = run.job("nest-00000")
    if content in ("seed", "dt"):
        told = json.loads(path.read_text())
        if content == "seed":
            told["points"][0]["seed"] = 2**70
        else:
            told["simulation"]["dt"] = 0.0
        content = json.dumps(told)
    path.write_text(content)
    ((named, error),) = read_history(run).corrupt
    assert named == run.summary("nest-00000") and "damaged" in str(error)


def test_commands_go_on_beside_a_wrong_row(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.summary_files()[0]
    change(path, "rate_E", "x")
    assert main(["report", str(run.root)]) in (0, 1)
    assert main(["status", str(run.root)]) in (0, 1)
    assert "Traceback" not in capsys.readouterr().err


def test_a_summary_without_a_job_file_does_not_count(run: RunDirectory) -> None:
    path = run.summary_files()[0]
    table = pq.read_table(path)
    stray = run.summary("zzz")
    pq.write_table(table, stray)
    change(stray, "rate_E", 12345.0)
    change(stray, "job", "zzz")
    settle(run)
    history = read_history(run)
    ((named, error),) = history.corrupt
    assert named == stray and isinstance(error, UnknownSummaryError)
    assert "its rows do not count: there is no job file" in str(error)
    with pytest.warns(CorruptSummaryWarning, match=r"zzz\.parquet: left out: its rows do not count"):
        opened = analysis.open_run(run.root)
    assert 12345.0 not in set(opened["rate_E"]) and (opened["status"] == "ok").all()
    run.job(path.stem).unlink()  # of one that is in the cache, too
    assert {named for named, _ in read_history(run).corrupt} == {path, stray}


def test_a_run_that_has_only_summaries_is_opened_with_a_word(run: RunDirectory) -> None:
    settle(run)
    expected = analysis.open_run(run.root)
    for path in run.jobs.iterdir():
        path.unlink()
    with pytest.warns(UncheckedSummaryWarning, match="holds no job files"):
        table = analysis.open_run(run.root)
    assert (table["status"] == "ok").all() and table["rate_E"].tolist() == expected["rate_E"].tolist()
    assert not len(read_history(run).rows), "they do not count where points are planned"


def test_a_damaged_job_file_is_as_none(run: RunDirectory) -> None:
    path = run.summary_files()[0]
    run.job(path.stem).write_text('{"points": [{}]}')
    settle(run)
    ((named, error),) = read_history(run).corrupt
    assert named == path and "is damaged" in str(error)


def test_columns_that_do_not_fit_together_leave_out_the_fewer(run: RunDirectory) -> None:
    """Of a user's statistic nobody knows the type without running the user's code."""
    paths = run.summary_files()
    if len(paths) == 1:
        return
    for path in paths[:50]:
        change(path, "mine_E", 1.0)
    change(paths[50], "mine_E", [1.0])
    settle(run)
    with pytest.warns(CorruptSummaryWarning, match=f"{paths[50].name}: left out: a column is of another type"):
        table = analysis.open_run(run.root)
    assert (table["mine_E"] == 1.0).sum() == 50


def test_rows_of_several_jobs_with_more_statistics_are_those_of_their_jobs(run: RunDirectory) -> None:
    own = run.summary_files()[0]
    name = "nest-recomputed-0123456789"
    pq.write_table(pq.read_table(own), run.summary(name))
    change(run.summary(name), "lv_E", 0.5)
    run.job(name).write_text(json.dumps({"recomputed": [own.stem]}))
    assert not read_history(run).corrupt
    change(run.summary(name), "seed", 5)
    ((_, error),) = read_history(run).corrupt
    assert "seed of a point" in str(error)
