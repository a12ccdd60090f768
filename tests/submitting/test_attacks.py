"""Attacks in their short form; the long form is ``make attacks``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from required import default_settings, require_simulator, skip_or_fail
from sweeps import write_sweep
from test_submission import finish, plan
from workplaces import ROOT

import analysis
from analysis.opening import CorruptSummaryWarning
from gridsearch.commands.cli import main
from gridsearch.inputs.input_files import InputError
from gridsearch.submitting.submission import check_conflict, write_plan
from jobs.htcondor_executor.descriptions.dag import DagError
from jobs.htcondor_executor.descriptions.images import exact_image

sys.path.append(str(ROOT / "benchmarks" / "attacks"))
import disks
import injections
import kills
import malformed


def original() -> dict[str, bytes]:
    return {name: text.encode() for name, text in injections.FILES.items()}


def test_malformed_input(tmp_path: Path) -> None:
    code, said = malformed.run_in(tmp_path, original())
    assert code == 0, said
    counts = malformed.attack(examples=60, processes=3)
    assert counts["torn: exit code 2"] > 30
    assert counts["problems"] >= 60


NEURON = """
from simulators.description import Network, Population
neuron = {"C_m": 250.0, "tau_m": 20.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "tau_syn_ex": 2, "tau_syn_in": 2}
"""
POPULATION = f"{NEURON}def make_network(parameters, data=None):\n    return Network((Population(%s),), ())\n"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("mine.toml", "", "rate"),
        ("mine.toml", "parameters = 3\n", "mine.toml: parameters = 3: must be a table"),
        ("mine.toml", '[parameters]\nN = { value = 1, unit = "1", doc = "n", min = "x" }\n', "min must be a finite"),
        (
            "mine.toml",
            '[parameters]\nN = { value = 1, unit = "1", doc = "n", choices = 3 }\n',
            "choices must be a list",
        ),
        (
            "mine.toml",
            '[parameters]\nN = { value = 1, unit = "1", doc = "n", choices = ["a"] }\n',
            "choices: must be an",
        ),
        ("mine.toml", '[parameters]\nN = { value = 1979-05-27, unit = "1", doc = "n" }\n', "value must be a number"),
        ("mine.toml", '[parameters]\nN = { value = 1, unit = 3, doc = "n" }\n', "unit must be a string"),
        (
            "mine.py",
            "def make_network(parameters, data=None):\n    pass\n",
            "mine.py: TypeError: make_network must return a Network",
        ),
        ("mine.py", "raise SystemExit(0)\n", "mine.py:1: SystemExit"),
        ("mine.py", "def make_network(parameters, data=None):\n    raise SystemExit\n", "SystemExit"),
        ("mine.py", "class Own(BaseException): pass\nraise Own('a')\n", "mine.py:2: Own: a"),
        ("mine.py", "raise GeneratorExit\n", "mine.py:1: GeneratorExit"),
        ("mine.py", "class Own(Exception):\n    def __str__(self): return 3\nraise Own\n", "mine.py:3: Own"),
        ("mine.py", "make_network = dict\n", "must be a function of Python"),
        ("mine.py", "# -*- coding: latin-1 -*-\n# \xe9\n", "has no function make_network"),
        ("mine.py", f"{NEURON}def later():\n    import broken\n{injections.MODEL}", "broken.py:1: SyntaxError"),
        ("mine.py", "x = 1\0\n", "null bytes"),
        ("mine.py", f"{NEURON}def make_network(parameters, data=None): return Network((), ())\n", "nothing to measure"),
        ("mine.py", POPULATION % '3, 3, "lif_psc_exp", neuron', "population 3: its name must be"),
        ("mine.py", POPULATION % '"../E", 3, "lif_psc_exp", neuron', "population '../E': its name must be"),
        ("mine.py", POPULATION % '"E", 3.5, "lif_psc_exp", neuron', "a whole number of neurons"),
        ("mine.py", POPULATION % '"E", 10**400, "lif_psc_exp", neuron', "a whole number of neurons"),
        (
            "mine.py",
            POPULATION % '"E", 3, "lif_psc_exp", neuron | {"I_e": "x"}',
            "I_e must be a number or a distribution",
        ),
        (
            "mine.py",
            POPULATION % '"E", 3, "lif_psc_exp", neuron, {"V_m": []}',
            "V_m must be a number or a distribution",
        ),
    ],
)
def test_what_attacks_have_found(tmp_path: Path, file: str, text: str, said: str) -> None:
    (tmp_path / "broken.py").write_text("def (\n")
    code, output = malformed.run_in(tmp_path, original() | {file: text.encode("latin-1")})
    assert code == 2 and said in output, output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('submit = "x"', 'jobs.htcondor.submit = "x": must be a table'),
        (
            "threads = 99999999999999999999",
            "jobs.nest.threads = 99999999999999999999: must be a whole number of 64 bits",
        ),
        ("threads = 9999999999", "jobs.nest.threads = 9999999999: must be at most 2147483647"),
        ('model = "a\\u0000.py"', 'model = "a\\u0000.py": must not hold the character NUL'),
        ('statistics = ["a\\u0000.py:x"]', 'record.statistics = "a\\u0000.py:x": must not hold the character NUL'),
        ('image = "a\\u0000b"', 'jobs.poisson.image = "a\\u0000b": must not hold the character NUL'),
        ('model = "../x"', "must be package.module"),
        ("spikes = " + "[" * 300 + "]" * 300, "more than 20 deep"),
        ("spikes = " + "[" * 3000 + "]" * 3000, "more than 20 deep"),
        ("spikes = " + "1" * 5000, "is not valid TOML"),
        ("duration = 1e300", "simulation.duration = 1e+300: is 1e+301 steps"),
        ("dt = 1e-300", "simulation.duration = 100.0: is 1e+302 steps"),
        ("rate = { start = 1.0, step = 0.0, num = 1000000 }", "axes.rate = {start = 1.0, step = 0.0, num = 1000000}"),
        (
            "rate = { start = 1, step = 1, num = 1000000 }\nN = { start = 1, step = 1, num = 1000000 }",
            "axes: 1,000,000 × 1,000,000 × 2 points (axes, then seeds) are more than the 10,000,000",
        ),
    ],
)
def test_what_attacks_have_found_in_sweeps(tmp_path: Path, line: str, said: str) -> None:
    key = line.partition(" = ")[0]
    sweep = [text for text in injections.SWEEP.splitlines() if text != "N = 20"]
    at = max(k for k, text in enumerate(sweep) if text.startswith(f"{key} = "))
    sweep[at] = line
    began = time.monotonic()
    code, output = malformed.run_in(tmp_path, original() | {"sweep.toml": "\n".join(sweep).encode()})
    assert code == 2 and said in output, output
    assert time.monotonic() - began < 20.0, "it is refused before anything is counted through"


@pytest.mark.parametrize("name", ["sweep.toml", "mine.toml"])
def test_a_file_without_an_end_is_not_read(tmp_path: Path, name: str) -> None:
    malformed.write(tmp_path, original())
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "gridsearch", "plan", "sweep.toml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and "it is a pipe or a device, not a file" in done.stderr


def test_a_model_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    model = f"# -*- coding: latin-1 -*-\n# \xe9\n{injections.MODEL}".encode("latin-1")
    code, said = malformed.run_in(tmp_path, original() | {"mine.py": model})
    assert code == 0, said


@pytest.mark.parametrize("dt", [1e-4, 0.0015])
def test_a_step_that_nest_does_not_have(tmp_path: Path, dt: float) -> None:
    sweep = injections.SWEEP.replace("dt = 0.1", f"dt = {dt}").replace("duration = 100.0", "duration = 300.0")
    sweep = (
        sweep.replace('["poisson"]', '["nest"]')
        .replace("correlation_bin = 5.0\n", "")
        .replace("[50.0, 100.0]", "[0.0, 300.0]")
    )
    code, said = malformed.run_in(tmp_path, original() | {"sweep.toml": sweep.encode()})
    assert code == 2 and "the step must be a multiple of 0.001 ms" in said, said


def test_an_image_without_an_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.sif")
    for image in ("/dev/zero", str(tmp_path / "a.sif")):
        known = exact_image(image)
        assert (known.runs, known.says) == (image, f"{image}#content-not-known")
    with pytest.raises(DagError, match="nobody-of-that-name"):
        exact_image("~nobody-of-that-name/a.sif")


def test_what_a_model_prints_is_no_line_of_a_preview(tmp_path: Path) -> None:
    model = f"print('I am loaded')\n{injections.MODEL}"
    malformed.write(tmp_path, original() | {"mine.py": model.encode()})
    done = subprocess.run(
        [sys.executable, "-m", "gridsearch", "plan", "sweep.toml", "--preview"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0 and "I am loaded" in done.stderr and "I am loaded" not in done.stdout


def test_an_empty_file_of_defaults(tmp_path: Path) -> None:
    sweep = 'name = "small"\nmodel = "mine.py"\nsimulators = ["poisson"]\n'
    code, said = malformed.run_in(tmp_path, original() | {"sweep.toml": sweep.encode(), "mine.toml": b""})
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


SLOW = "[jobs.poisson]\nseconds_per_point = 0.2\n"


def test_kills(tmp_path: Path) -> None:
    require_simulator("native", default_settings("native"))
    counts = kills.attack(tmp_path, ["native"], 4, 12, 200.0, 3, at_work=1.0)
    assert counts["kills"] >= 4 and counts["results"] >= 12
    assert counts["damaged at work"] >= 1, "a summary is damaged while a submit is at work"
    assert not any(counts[key] for key in ("lost", "twice", "different", "half written")), counts


@pytest.mark.parametrize("kind", [disks.FullDisk, disks.BrokenDisk])
def test_a_disk_fails_at_random_moments(tmp_path: Path, kind: type[disks.FullDisk] | type[disks.BrokenDisk]) -> None:
    try:
        counts = disks.attack(tmp_path, ["poisson"], 2, 12, 1, SLOW, [kind])
    except disks.MountError as error:
        if os.geteuid() == 0 and kind is disks.FullDisk:
            skip_or_fail(f"file systems cannot be mounted here: {error}")
        pytest.skip(f"file systems cannot be mounted here: {error}")
    assert counts["results"] == 24 and counts[f"ended by {kind.REASON!r}"] >= 1, counts
    assert not any(counts[key] for key in ("lost", "rows lost", "twice", "different", "half written")), counts
