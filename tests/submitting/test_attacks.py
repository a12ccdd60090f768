"""Attacks in their short form; the long form is ``make attacks``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sweeps import write_sweep
from test_submission import finish, plan
from workplaces import ROOT

import analysis
from analysis.opening import CorruptSummaryWarning
from gridsearch.commands.cli import main
from gridsearch.inputs.input_files import InputError
from gridsearch.submitting.submission import check_conflict, write_plan

sys.path.append(str(ROOT / "benchmarks" / "attacks"))
import kills
import malformed


def test_malformed_input(tmp_path: Path) -> None:
    code, said = malformed.plan_in(tmp_path, {name: text.encode() for name, text in malformed.FILES.items()})
    assert code == 0, said
    codes = malformed.attack(examples=60)
    assert codes[2] > 30


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("mine.toml", "", "rate"),
        (
            "mine.py",
            "def make_network(parameters):\n    pass\n",
            "mine.py: TypeError: make_network must return a Network",
        ),
        ("mine.py", "raise SystemExit(0)\n", "mine.py:1: SystemExit"),
        ("mine.py", "def make_network(parameters):\n    raise SystemExit\n", "SystemExit"),
    ],
)
def test_what_attacks_have_found(tmp_path: Path, file: str, text: str, said: str) -> None:
    files = {name: content.encode() for name, content in malformed.FILES.items()}
    code, output = malformed.plan_in(tmp_path, files | {file: text.encode()})
    assert code == 2 and said in output, output


def test_an_empty_file_of_defaults(tmp_path: Path) -> None:
    sweep = 'name = "small"\nmodel = "mine.py"\nsimulators = ["poisson"]\n'
    files = {"sweep.toml": sweep.encode(), "mine.toml": b"", "mine.py": malformed.FILES["mine.py"].encode()}
    code, said = malformed.plan_in(tmp_path, files)
    assert code == 2 and "mine.py" in said


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b'{"submits": 3}'])
def test_damaged_provenance_is_set_aside(tmp_path: Path, content: bytes) -> None:
    made = plan(tmp_path)
    made.run.root.mkdir(parents=True)
    made.run.provenance.write_bytes(content)
    write_plan(made, replace_sweep=False)
    assert (made.run.root / "provenance.json.corrupt").read_bytes() == content
    assert made.run.provenance.read_text().count('"sweep"') == 1


WRONG_ROWS = [
    ("status", "splendid", "none of ok"),
    ("status", None, "lacks values"),
    ("point_id", 7, "not text"),
    ("point_id", "somebody's", "several rows"),
    ("t_simulate", -1.0, "negative"),
    ("t_write", float("inf"), "infinite"),
    ("t_build", "long", "not a number"),
    ("n_spikes", -1, "negative"),
    ("threads", 0, "below 1"),
    ("seed", 1.5, "not a whole number"),
    ("finished", "yesterday", "not a time"),
    ("statistics", "rate", "not a JSON object"),
    ("content", "[1]", "not a JSON object"),
    ("job", "../../elsewhere", "cannot be the name"),
]


def change(path: Path, column: str, values: list[object]) -> None:
    """Write other values to a column of a summary."""
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    kind = pa.string() if values[0] is None else None
    pq.write_table(table.set_column(at, column, pa.array(values, kind)), path)


@pytest.mark.parametrize(("column", "value", "said"), WRONG_ROWS)
def test_rows_are_not_taken_on_trust(tmp_path: Path, column: str, value: object, said: str) -> None:
    made = plan(tmp_path)
    finish(made, "poisson", "ok", "ok", "ok")
    (path,) = made.run.summary_files()
    change(path, column, [value] * 3)
    again = plan(tmp_path)
    assert again.simulators["poisson"].n_left == 3, "they do not count"
    ((_, error),) = again.history.corrupt
    assert said in str(error)
    if said != "several rows":  # of which a table of results takes one
        write_plan(made, replace_sweep=False)
        with pytest.warns(CorruptSummaryWarning, match=said):
            table = analysis.open_run(made.run.root)
        assert list(table["status"]) == ["missing"] * 3


def test_rows_of_other_points_are_not_taken(tmp_path: Path) -> None:
    made = plan(tmp_path)
    write_plan(made, replace_sweep=False)
    finish(made, "poisson", "ok", "ok", "ok")
    (path,) = made.run.summary_files()
    table = pq.read_table(path)
    path.unlink()
    job = made.simulators["poisson"].jobs[0].job
    own = [point.point_id for point in job.points]
    path = made.run.summary(job.name)
    pq.write_table(table.filter(pc.is_in(table["point_id"], pa.array(own))), path)
    assert plan(tmp_path).simulators["poisson"].n_left == 3 - len(own)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = analysis.open_run(made.run.root, columns=())
    assert (table["status"] == "ok").sum() == len(own)
    others = [point.point_id for point in made.grid.points if point.point_id not in own]
    change(path, "point_id", [*own[:-1], *others[:1]])
    with pytest.warns(CorruptSummaryWarning, match=f"{others[0]}' is none of the job's"):
        table = analysis.open_run(made.run.root, columns=())
    assert list(table["status"]) == ["missing"] * 3, "nor those of other points of the run"
    change(path, "point_id", [*own[:-1], "0" * 20])
    again = plan(tmp_path)
    ((_, error),) = again.history.corrupt
    assert "'00000000000000000000' is none of the job's" in str(error)
    assert again.simulators["poisson"].n_left == 3


@pytest.mark.parametrize("content", [b"", b"garbage", b"PAR1"])
def test_damaged_points_are_one_line(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(tmp_path)
    made.run.root.mkdir(parents=True)
    made.run.points.write_bytes(content)
    with pytest.raises(InputError, match="--replace"):
        check_conflict(made, replace_sweep=False)
    sweep = str(write_sweep(tmp_path))
    for command in (["plan", sweep, "--results", str(tmp_path / "results")], ["status", str(made.run.root)]):
        assert main(command) == 2
        assert "points.parquet" in capsys.readouterr().err


def test_kills(tmp_path: Path) -> None:
    slow = "[jobs.poisson]\nseconds_per_point = 0.2\n"
    counts = kills.attack(tmp_path, ["poisson"], 3, 12, 200.0, 1, slow)
    assert counts["kills"] >= 3 and counts["results"] >= 12
    assert not any(counts[key] for key in ("lost", "twice", "different", "half written")), counts
