"""The rows of many summaries in one file: whatever happens to it or to them, the rows are those of the summaries."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analysis_runs import behave, write_run

import analysis
from jobs.history import read_history
from simulators.records.atomic_file import replacing
from simulators.records.run_directory import RunDirectory
from simulators.records.summaries import cache_file, summary_cache
from simulators.records.summaries.summary_cache import FEWEST, SETTLED, read_cached

SIMULATORS = ({"simulator": "nest", "threads": 1}, {"simulator": "genn", "backend": None})


def _settle(run: RunDirectory) -> None:
    """Make the summaries look as if they had not changed for a while."""
    past = time.time() - 2 * SETTLED
    for path in run.summary_files():
        os.utime(path, (past, past))


@pytest.fixture(params=[100_000, 30], ids=["one_group", "groups"])
def group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows are written together; summaries are read by tens."""
    monkeypatch.setattr(summary_cache, "_BATCH", 10)
    monkeypatch.setattr(cache_file, "_GROUP", request.param)
    return int(request.param)


@pytest.fixture
def run(tmp_path: Path, group: int) -> RunDirectory:
    """A run of 120 summaries, a point each."""
    run = write_run(tmp_path / "demo", simulators=SIMULATORS, points_per_job=1)
    assert len(run.summary_files()) == 120 >= FEWEST
    _settle(run)
    return run


def _truth(run: RunDirectory) -> pd.DataFrame:
    """The table, from the summaries alone."""
    aside = run.summary_cache.with_suffix(".aside")
    if run.summary_cache.exists():
        run.summary_cache.replace(aside)
    for path in run.summary_files():
        os.utime(path)  # too new for a cache
    table = analysis.open_run(run.root)
    assert not run.summary_cache.exists()
    return table


def _same(table: pd.DataFrame, other: pd.DataFrame) -> None:
    assert table.attrs == other.attrs
    frames = []
    for frame in (table, other):
        frame = frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))  # whatever else there could be
        frame.attrs = {}
        frames.append(frame)
    pd.testing.assert_frame_equal(*frames)


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    with replacing(path) as temporary:
        pq.write_table(change(pq.read_table(path, partitioning=None)), temporary)


def _with_rate(rate: float) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        column = table.schema.get_field_index("rate_E")
        return table.set_column(column, table.schema.field(column), pa.array([rate] * table.num_rows))

    return change


def test_rows_come_from_the_cache_and_are_those_of_the_summaries(run: RunDirectory, group: int) -> None:
    first = analysis.open_run(run.root)
    assert pq.ParquetFile(run.summary_cache).num_row_groups == max(1, 120 // group)
    cached = read_cached(run)
    assert cached.rest == ()
    assert cached.rows is not None
    assert cached.rows.num_rows == 120
    second, narrow = analysis.open_run(run.root), analysis.open_run(run.root, columns=["rate_E"])
    history = read_history(run).rows
    truth = _truth(run)
    _same(first, truth)
    _same(second, truth)
    assert narrow["rate_E"].tolist() == truth["rate_E"].tolist()
    assert "cv_isi_E" not in narrow
    key = [(name, "ascending") for name in ("simulator", "point_id")]
    assert history.sort_by(key).equals(read_history(run).rows.sort_by(key))


def test_few_new_or_large_summaries_are_not_worth_it(tmp_path: Path) -> None:
    few = write_run(tmp_path / "few", points_per_job=10)
    _settle(few)
    new = write_run(tmp_path / "new", simulators=SIMULATORS, points_per_job=1)
    for run in (few, new):
        analysis.open_run(run.root)
        assert not run.summary_cache.exists()
        assert len(read_cached(run).rest) == len(run.summary_files())


def test_a_summary_that_changed_or_went_is_not_taken_from_the_cache(run: RunDirectory) -> None:
    analysis.open_run(run.root)
    changed, gone = run.summary_files()[3], run.summary_files()[7]
    _rewrite(changed, _with_rate(123.0))
    gone.unlink()
    cached = read_cached(run)
    assert cached.rest == (changed,)
    assert cached.rows is not None
    assert cached.rows.num_rows == 118
    table = analysis.open_run(run.root)
    assert (table["rate_E"] == 123.0).sum() == 1
    assert (table["status"] == "missing").sum() == 1
    _same(table, _truth(run))


def test_a_time_of_change_is_enough_to_read_a_summary(run: RunDirectory) -> None:
    analysis.open_run(run.root)
    path = run.summary_files()[0]
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert read_cached(run).rest == (path,)


def test_growing_runs_write_it_anew_now_and_then(run: RunDirectory) -> None:
    analysis.open_run(run.root)
    first = run.summary_cache.stat().st_mtime_ns
    path = run.summary_files()[0]
    _rewrite(path, _with_rate(5.0))
    _settle(run)  # one is new, and all look changed
    analysis.open_run(run.root)
    assert run.summary_cache.stat().st_mtime_ns > first
    assert read_cached(run).rest == ()
    second = run.summary_cache.stat().st_mtime_ns
    os.utime(path, (0, 0))
    _same(analysis.open_run(run.root), analysis.open_run(run.root))
    assert run.summary_cache.stat().st_mtime_ns == second  # one is too few


@pytest.mark.parametrize("first", [0, 117])  # known from the begin, or when most is written
def test_columns_may_differ_between_summaries(run: RunDirectory, first: int) -> None:
    paths = run.summary_files()[first:]

    def older(table: pa.Table) -> pa.Table:
        return table.drop_columns(["duration", "cv_isi_E"])

    def whole(table: pa.Table) -> pa.Table:
        column = table.schema.get_field_index("rate_E")
        return table.set_column(column, "rate_E", pa.array([3] * table.num_rows, pa.int64()))

    _rewrite(paths[0], older)
    _rewrite(paths[1], whole)
    _rewrite(paths[2], lambda table: table.append_column("lv_E", pa.array([0.5] * table.num_rows)))
    _settle(run)
    analysis.open_run(run.root)
    assert read_cached(run).rest == ()
    table = analysis.open_run(run.root)
    assert table["lv_E"].notna().sum() == 1
    _same(table, _truth(run))


def _flip(content: bytes) -> bytes:
    middle = len(content) // 3
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 64]) + content[middle + 64 :]


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: b"no parquet", lambda c: c[: len(c) // 2], _flip, lambda c: c[-2000:]],
    ids=["empty", "text", "torn", "flipped", "beheaded"],
)
def test_a_damaged_cache_is_made_anew(run: RunDirectory, damage: Callable[[bytes], bytes]) -> None:
    before = analysis.open_run(run.root)
    content = run.summary_cache.read_bytes()
    run.summary_cache.write_bytes(damage(content))
    _same(analysis.open_run(run.root), before)
    assert read_cached(run).rest == ()
    assert pq.read_table(run.summary_cache, page_checksum_verification=True).num_rows == 120
    run.summary_cache.write_bytes(damage(content))
    assert read_history(run).rows.num_rows == 120


def test_a_file_of_another_kind_is_no_cache(run: RunDirectory) -> None:
    before = analysis.open_run(run.root)
    for metadata in ({}, {b"summaries": b"no json"}, {b"summaries": b'[["nest-00000.parquet", 7, 1, 1]]'}):
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(metadata), run.summary_cache)
        _same(analysis.open_run(run.root), before)


def test_a_torn_summary_is_reported_and_never_cached(run: RunDirectory) -> None:
    torn = run.summary_files()[5]
    torn.write_bytes(torn.read_bytes()[:-100])
    _settle(run)
    for _ in range(2):
        with pytest.warns(analysis.opening.CorruptSummaryWarning, match=torn.name):
            table = analysis.open_run(run.root)
        assert (table["status"] == "missing").sum() == 1
        assert [path for path, _ in read_history(run).corrupt] == [torn]
    assert read_cached(run).rest == (torn,)


@contextmanager
def _unwritable(run: RunDirectory) -> Iterator[None]:
    """Take the right to write a run's folder away, from root by mounting it anew."""
    if os.geteuid():
        run.root.chmod(0o555)
        yield
        run.root.chmod(0o755)
        return
    bind = [["mount", "--bind", str(run.root), str(run.root)], ["mount", "-o", "remount,bind,ro", str(run.root)]]
    if any(subprocess.run(command, capture_output=True, check=False).returncode for command in bind):
        pytest.skip("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(run.root)], check=True)


def test_a_folder_that_cannot_be_written_is_read_all_the_same(run: RunDirectory) -> None:
    with _unwritable(run):
        table = analysis.open_run(run.root)
        assert read_history(run).rows.num_rows == 120
        assert not run.summary_cache.exists()
    _same(table, _truth(run))


READER = """
import sys, analysis
for _ in range(12):
    table = analysis.open_run(sys.argv[1])
    assert (table["status"] == "ok").all(), table["status"].value_counts()
    assert table.loc[table["simulator"] == "nest", "rate_E"].isin([float(n) for n in range(1000)]).all()
"""


def test_many_may_read_while_summaries_and_cache_are_rewritten(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "demo",
        simulators=SIMULATORS,
        points_per_job=1,
        behaviour=lambda p, seed, name: behave(p, seed, name) | {"rate_E": 0.0},
    )
    _settle(run)
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(run.root)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(12):
                assert (analysis.open_run(run.root)["status"] == "ok").all()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    number = 0
    paths = [path for path in run.summary_files() if path.name.startswith("nest")]
    while any(reader.poll() is None for reader in readers) or any(thread.is_alive() for thread in threads):
        number += 1
        path = paths[number % len(paths)]
        _rewrite(path, _with_rate(float(number % 1000)))
        if number % 20 == 0:
            _settle(run)
            run.summary_cache.unlink(missing_ok=True)
    for thread in threads:
        thread.join()
    assert not failures
    assert [reader.communicate()[1] for reader in readers] == ["", ""]
    assert [reader.returncode for reader in readers] == [0, 0]
    _settle(run)
    final = analysis.open_run(run.root)
    assert not list(run.root.glob(".*.tmp"))
    _same(final, _truth(run))


def test_a_summary_that_is_replaced_while_it_is_read_is_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demo", points_per_job=30)
    first, second = run.summary_files()
    shorter = pq.read_table(second, partitioning=None).slice(0, 7)
    longer = pq.read_table(second, partitioning=None)
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            _rewrite(second, lambda _: shorter)
            _rewrite(second, lambda _: longer)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(60):
                table = analysis.open_run(run.root)
                assert (table["status"] == "ok").sum() in (37, 60)
                assert not read_history(run).corrupt
    finally:
        stop.set()
        thread.join()
    assert first.exists()
