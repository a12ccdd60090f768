"""What the summaries of a run say is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.history import OUTDATED, SUPERSEDED, read_history
from jobs.pace import pace_elsewhere, pace_here
from jobs.plan import Pace
from simulators.records import machine
from simulators.records.job import Job, Point, Simulation, write_job
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries.summary import summary_schema, write_summary
from simulators.records.summaries.wanted import Wanted

SCHEMA = summary_schema(["rate"], ["E"], {"x": 1.0})
START = datetime(2024, 1, 1, tzinfo=UTC)
ANYTHING = Wanted({})


def row(point: str, status: str = "ok", **values: Any) -> dict[str, Any]:
    return {"point_id": point, "simulator": "nest", "threads": 1, "status": status, "finished": START, **values}


def write(folder: Path, job: str, *rows: dict[str, Any]) -> RunDirectory:
    """Write rows, those of each simulator and job to a file of its own."""
    run = RunDirectory(folder)
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in rows:
        own = job if one["simulator"] == "nest" else f"{job}-{one['simulator']}"
        files.setdefault((one.get("job", own), one["simulator"]), []).append(one)
    for (name, simulator), own_rows in files.items():
        write_job_of(run, name, simulator, own_rows)
        write_summary(own_rows, SCHEMA, run.summary(name))
    return run


def write_job_of(run: RunDirectory, name: str, simulator: str, rows: Sequence[dict[str, Any]]) -> None:
    points = tuple(Point(one["point_id"], 1, 1, {}) for one in rows)
    duration = next((one["duration"] for one in rows if "duration" in one), 1000.0)
    job = Job(name, "clustered", simulator, {}, Simulation(0.1, 0.0, duration), ("rate",), {}, points, ("E",))
    write_job(job, run.job(name))


def test_nothing_is_done_in_an_empty_folder(tmp_path: Path) -> None:
    history = read_history(RunDirectory(tmp_path))
    assert history.outcome("nest", {"threads": 1}, ANYTHING) == {}
    assert history.pace("nest", {}) is None and history.corrupt == ()


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_good_row_wins_whatever_came_before_or_after(tmp_path: Path, order: tuple[str, str]) -> None:
    write(tmp_path, order[0], row("p", "failed", finished=START + timedelta(days=1)), row("q", "timeout"))
    run = write(tmp_path, order[1], row("p"))
    assert read_history(run).outcome("nest", {}, ANYTHING) == {"p": "ok", "q": "timeout"}


def test_only_rows_of_the_same_identity_count(tmp_path: Path) -> None:
    run = write(
        tmp_path,
        "a",
        row("p", threads=1),
        row("q", threads=2),
        row("r", simulator="genn", backend="cuda"),
        row("s", simulator="genn", backend="single_threaded_cpu"),
    )
    history = read_history(run)
    assert history.outcome("nest", {"threads": 2}, ANYTHING) == {"q": "ok"}
    assert history.outcome("nest", {"threads": 3}, ANYTHING) == {}
    assert history.outcome("genn", {"backend": "cuda"}, ANYTHING).keys() == {"r"}
    assert history.outcome("genn", {"backend": None}, ANYTHING).keys() == {"r", "s"}, "None matches any"


def test_what_finished_points_took_of_what_was_expected(tmp_path: Path) -> None:
    expected = {"expected_build": 0.0, "expected_point": 2.0, "cpu": "a"}
    run = write(
        tmp_path,
        "a",
        row(
            "p",
            **{**expected, "expected_build": 10.0},
            t_load=9.0,
            t_compile=70.0,
            t_build=5.0,
            t_simulate=2.5,
            peak_memory=300,
        ),
        row("q", **expected, t_reset=0.5, t_simulate=3.0, t_statistics=0.5, t_write=0.5, peak_memory=500),
        row("r", **{**expected, "cpu": "b"}, t_simulate=20.0, peak_memory=400),
        row("s", "failed", **expected, t_build=99.0, t_simulate=99.0, peak_memory=999),
        row("of before such columns", t_build=99.0, t_simulate=99.0),
    )
    history = read_history(run)
    seen = history.pace("nest", {"threads": 1}, cpu="a")
    assert seen == Pace(build=0.5, point=7.0 / 4.0, start=9.0, memory=500.0, n_points=2)
    every = history.pace("nest", {})
    assert every is not None and (every.point, every.n_points) == (27.0 / 6.0, 3)
    assert history.pace("nest", {}, cpu="c") is None and history.pace("genn", {}) is None
    assert history.pace("nest", {}, jobs={"b"}) is None


def test_only_rows_of_a_pools_jobs_say_how_long_a_pool_takes(tmp_path: Path) -> None:
    mine, theirs = ({"job": job, "expected_point": 1.0, "t_simulate": time} for job, time in (("a", 1.0), ("b", 3.0)))
    history = read_history(write(tmp_path, "a", row("p", **mine), row("q", **theirs)))
    assert pace_elsewhere(history, "nest", {}, {"b"}).point == 3.0
    assert pace_elsewhere(history, "nest", {}, set()) == Pace(), "the machine here says nothing of a pool's"


def test_the_latest_rows_say_how_long_things_take(tmp_path: Path) -> None:
    rows = [
        row(str(k), finished=START + timedelta(minutes=k), expected_point=1.0, t_simulate=9.0 if k < 500 else 1.0)
        for k in range(1000)
    ]
    seen = read_history(write(tmp_path, "a", *rows)).pace("nest", {})
    assert seen is not None and (seen.point, seen.n_points) == (1.0, 1000)


def test_a_run_without_rows_learns_from_one_beside_it_with_networks_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.pace.slowness", lambda: 0.7)
    cpu = machine.processor()
    other = {"cpu": cpu, "duration": 1000.0, "expected_point": 2.0, "t_simulate": 5.0}
    write(tmp_path / "before", "a", *(row(str(k), **other) for k in range(3)))
    new = RunDirectory(tmp_path / "new")
    seen = pace_here(new, read_history(new), "nest", {"threads": 1}, each=3e-3)
    assert (seen.point, seen.n_points, seen.elsewhere) == (2.5, 3, "before")
    for identity, each in (({"threads": 1}, 3e-2), ({"threads": 2}, 3e-3)):
        assert pace_here(new, read_history(new), "nest", identity, each) == Pace(build=0.7, point=0.7)
    own = {**other, "t_simulate": 8.0}
    write(new.root, "b", row("p", **own))
    assert pace_here(new, read_history(new), "nest", {"threads": 1}, each=3e-3).point == 4.0


def test_summaries_with_other_columns_go_together(tmp_path: Path) -> None:
    write(tmp_path, "a", row("p"))
    run = RunDirectory(tmp_path)
    job = Job(
        "b",
        "clustered",
        "nest",
        {},
        Simulation(0.1, 0.0, 1000.0),
        ("lv",),
        {},
        (Point("q", 1, 1, {"y": [1.0]}),),
        ("I",),
    )
    write_job(job, run.job("b"))
    write_summary([row("q", y=[1.0])], summary_schema(["lv"], ["I"], {"y": [1.0]}), run.summary("b"))
    assert read_history(run).outcome("nest", {}, ANYTHING).keys() == {"p", "q"}


def test_unreadable_summaries_are_named_and_the_others_read(tmp_path: Path) -> None:
    run = write(tmp_path, "whole", row("p"))
    write(tmp_path, "cut", row("q"))
    run.summary("cut").write_bytes(run.summary("cut").read_bytes()[:-50])
    run.summary("garbage").write_bytes(b"\0" * 100)
    run.summary("empty").write_bytes(b"")
    history = read_history(run)
    assert history.outcome("nest", {}, ANYTHING) == {"p": "ok"}
    assert {path.stem for path, _ in history.corrupt} == {"cut", "garbage", "empty"}
    assert all(str(path) in str(error) for path, error in history.corrupt)


def test_a_good_row_that_lacks_what_is_wanted_is_outdated(tmp_path: Path) -> None:
    run = write(
        tmp_path,
        "a",
        row("old", statistics='{"rate": "version 1"}', spikes="all"),
        row("new", statistics='{"rate": "version 2", "lv": "version 1"}', spikes="none"),
        row("kept", statistics='{"rate": "version 2"}', spikes="all"),
        row("before such columns"),
        row("bad", "failed", statistics='{"rate": "version 1"}'),
    )
    history = read_history(run)
    rate = history.outcome("nest", {}, Wanted({"rate": "version 2"}))
    assert rate == {"old": OUTDATED, "new": "ok", "kept": "ok", "before such columns": OUTDATED, "bad": "failed"}
    assert history.outcome("nest", {}, Wanted({"rate": "version 2"}, "sample"))["new"] == OUTDATED
    assert history.outcome("nest", {}, Wanted({"lv": "version 1"}))["kept"] == OUTDATED
    assert history.stored("nest", {}) == {"old": None, "kept": None}


def test_a_later_sufficient_row_replaces_an_outdated_one_in_any_order(tmp_path: Path) -> None:
    for names in (("a", "b"), ("b", "a")):
        folder = tmp_path / names[0]
        write(folder, names[0], row("p", statistics="{}"), row("q", "failed"))
        run = write(folder, names[1], row("p", statistics='{"rate": "1"}'), row("q", statistics="{}"))
        assert read_history(run).outcome("nest", {}, Wanted({"rate": "1"})) == {"p": "ok", "q": OUTDATED}


def test_rows_of_an_earlier_revision_are_superseded_where_a_later_one_is_wanted(tmp_path: Path) -> None:
    run = write(
        tmp_path,
        "a",
        row("no number", statistics="{}", spikes="all", job="a"),
        row("first", revision=1, statistics="{}", spikes="all", job="a"),
        row("second", revision=2, statistics="{}", spikes="all", job="a"),
        row("any will do", revision=1),
        row("bad", "failed", revision=1),
        row("both", revision=1),
        row("fails now", revision=1),
        row("failed once", "failed"),
    )
    later = START + timedelta(days=1)
    write(tmp_path, "b", row("both", revision=2), row("failed once", revision=1, finished=later))
    write(tmp_path, "0", row("fails now", "timeout", finished=later))
    history = read_history(run)
    now = dict.fromkeys(("no number", "first", "second", "bad", "both", "fails now", "failed once"), 2)
    told = history.outcome("nest", {}, ANYTHING, now)
    assert told.pop("no number") == told.pop("first") == told.pop("failed once") == SUPERSEDED
    assert told.pop("fails now") == "timeout", "not again with every submit"
    assert told == {"second": "ok", "any will do": "ok", "bad": "failed", "both": "ok"}
    assert history.stored("nest", {}, now) == {"second": "a"}, "stored spikes are former ones as well"
    assert set(history.outcome("nest", {}, ANYTHING).values()) == {"ok", "failed"}
    lacking = history.outcome("nest", {}, Wanted({"rate": "1"}), now)
    assert (lacking["first"], lacking["second"]) == (SUPERSEDED, OUTDATED)


def test_what_was_done_with_another_content_is_counted_by_what_differs(tmp_path: Path) -> None:
    content = '{"model": "one", "data.cells": "x"}'
    run = write(
        tmp_path,
        "a",
        row("p1", setting_id="p", content=content),
        row("q1", setting_id="q", content='{"model": "one", "data.cells": "y"}'),
        row("r1", setting_id="r", content='{"model": "two", "data.cells": "y"}'),
        row("s1", "failed", setting_id="s", content=content),
        row("t1", setting_id="t", content=content),
    )
    now = {"model": "two", "data.cells": "y"}
    former = read_history(run).former("nest", {}, {"p", "q", "r", "s"}, now)
    assert former == {"data.cells,model": 1, "model": 1}
