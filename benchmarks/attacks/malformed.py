"""Malformed sweeps, defaults and models: every problem is named, exit code 2, no traceback, nothing written.

A known good sweep that has every table, its defaults and its model are changed in two ways, which hypothesis draws, so
that a failure is made small:

- *injected*: one to three values are replaced by what cannot stand there (another type, nested, empty, huge, NaN, NUL,
  unknown keys …). Each must be named by file, key and value, with a rule, by ``plan``, ``submit`` and ``check``.
- *torn*: lines are lost, doubled or replaced, names changed, bytes added that are no text, models raise anything. What
  is still good may pass.

    python benchmarks/attacks/malformed.py [--examples 200] [--processes 20]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from gridsearch.commands.cli import main as gridsearch
from gridsearch.inputs.input_files import Problem

ROOT = Path(__file__).resolve().parents[2]

SWEEP = """\
name = "small"
model = "mine.py"
simulators = ["poisson"]
[data]
cells = "cells.csv"
[parameters]
N = 20
[axes]
rate = { start = 1.0, step = 0.5, num = 3 }
[replicates]
seeds = [1, 2]
draws = "shared"
[simulation]
dt = 0.1
warmup = 0.0
duration = 100.0
max_rate = 200.0
[record]
statistics = ["rate"]
spikes = "none"
[record.settings]
correlation_bin = 5.0
[record.windows]
late = [50.0, 100.0]
[record.window_shifts]
E = 0.0
[targets]
rate_E = { min = 1.0, max = 9.0 }
[jobs]
executor = "local"
minutes_per_job = 30.0
minutes_per_point = 5.0
[jobs.local]
max_running = 2
[jobs.poisson]
max_rate_hz = 100.0
image = "lab/poisson:1"
gpus = 0
max_running = 5
submit = { request_disk = "1GB" }
[jobs.nest]
threads = 2
[jobs.htcondor]
universe = "docker"
python = "python3"
shared_filesystem = false
accounting_group = ""
retries = 3
vacate_seconds = 120
time_limit = 0.0
collect = "local"
submit = { rank = "Memory" }
"""
DEFAULTS = """\
description = "silent neurons"
[parameters]
N = { value = 10, unit = "1", doc = "neurons", min = 1 }
rate = { value = 1.0, unit = "1", doc = "drive", min = 0.0 }
"""
MODEL = """\
from simulators.description import Network, Population


def make_network(parameters, data=None):
    neuron = {"C_m": 250.0, "tau_m": 20.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0}
    neuron |= {"tau_syn_ex": 2.0, "tau_syn_in": 2.0, "I_e": parameters["rate"]}
    E = Population("E", parameters["N"], "lif_psc_exp", neuron, {})
    return Network((E,), ())
"""
FILES = {"sweep.toml": SWEEP, "mine.toml": DEFAULTS, "mine.py": MODEL}
COMMANDS = ("plan", "submit", "check")

# What takes the place of a value, of a name, or of a line, where nothing is said of the outcome but that there is one
VALUES = (
    *("-1", "0", "1e400", "nan", "-inf", "1" * 30, "true", "[]", "{}", '""', "[[1], 2]", "1979-05-27"),
    *('"../../etc/passwd"', '"$(touch pwned)"', '"a\\nb"', '"{{7*7}}"', '"ok; rm -rf /"', '"\\u0430"', '"\\u0000"'),
    *("{ min = 3, max = 1 }", "{ value = 1.0 }", "{ start = 0, num = -3 }", "{ values = [] }", "{ values = [1, 'x'] }"),
    *("1e300", "1e-300", "9223372036854775807", f'"{"a" * 5000}"', "[" * 300 + "]" * 300),
)
NAMES = ("__class__", '"p[0,1]"', '"a.b"', "rate_", "N_E", '"\\u202e"', "seed", "point_id", "status", '""', "a" * 5000)
LINES = ("[jobs", "= 3", "[axes]", "a.b.c = 1", "\ufeff", "raise NetworkError", "raise SystemExit(0)", "1 / 0", "\x00")

# What cannot stand in the place of a value of each type
_WRONG: dict[type, tuple[Any, ...]] = {
    str: (3, 0.5, True, [], {}, ["a"], {"a": {"b": 1}}, float("nan"), "a\0b"),
    int: ("x", "3", 1.5, True, [], {}, [3], -(10**6), float("nan"), float("inf"), 10**30, {"a": [[1]]}),
    float: ("x", "1.0", True, [], {}, [1.0], float("nan"), float("inf"), float("-inf"), 10**30, {"a": 1}),
    bool: ("x", "true", 1, 0.5, [], {}),
    list: (3.5, "x", True, {}, [], [{}], [[[]]], {"a": []}),
    dict: (3, "x", True, [], [{}], 0.5),
}
# Names that must be among those that there are
_CHOSEN = ("model", "simulators", "draws", "spikes", "statistics", "executor", "universe", "collect")
_CHOICES = ("", "\u0430", "nest\u202e", "a" * 5000, "../x", "rate; rm -rf /", "*")
# Of these an empty value or one of another type is sound
_SOUND = {
    "data.cells": (".",),
    "record.settings": ({},),
    "record.windows": ({},),
    "replicates.seeds": (3,),
    "jobs.poisson.submit": ({},),
    "jobs.htcondor.submit": ({},),
    "jobs.poisson.submit.request_disk": (3, 0.5, True),
    "jobs.htcondor.submit.rank": (3, 0.5, True),
    "axes": ({},),
    "parameters": ({},),
    "targets": ({},),
}
# What is known only once the model and its defaults are
_OF_MODEL = ("parameters.", "axes.", "record.window", "targets.")


@dataclass(frozen=True)
class Injection:
    """A value that cannot stand where it stands.

    Parameters
    ----------
    file : str
        Name of the file.
    path : tuple of str
        Keys down to it.
    value : object
        What takes its place.
    """

    file: str
    path: tuple[str, ...]
    value: object

    @property
    def key(self) -> str:
        """The dotted key."""
        return ".".join(self.path)

    @property
    def is_read_at_once(self) -> bool:
        """Whether no file can hold it, so that it alone is named."""
        return (isinstance(self.value, str) and "\0" in self.value) or self.value == 10**30

    def hides(self, other: Injection) -> bool:
        """Whether the other cannot be seen beside it."""
        if self.path == other.path[: len(self.path)] and self.file == other.file:
            return True
        if self.file == "sweep.toml" == other.file and self.key == "model":
            return other.key.startswith(_OF_MODEL)
        return False

    def is_named(self, said: str, folder: Path) -> bool:
        """Whether a line says file, key, value and a rule: of the value itself, or of the first of its elements."""
        file = folder / self.file
        keys = [self.key, ".".join(self.path[:-1])] if self.file == "mine.toml" else [self.key]
        shown = [self.value, *(self.value if isinstance(self.value, list) else ())]
        if isinstance(self.value, dict):
            keys += [f"{self.key}.{inner}" for inner in self.value]
            shown += self.value.values()
        for key in keys:
            begins = [str(Problem(file, key, value, "")) for value in shown]
            if self.file == "mine.toml" or self.value in ([], {}):
                begins.append(f"{file}: {key}")  # the whole table stands there
            for line in said.splitlines():
                line = line.strip()
                if any(line.startswith(begin.rstrip()) and len(line) > len(begin) + 5 for begin in begins):
                    return True
        return False


def _leaves(table: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Return every key of a file with its value, tables too."""
    found = [(path, table)] if path else []
    if isinstance(table, dict):
        for key, value in table.items():
            found += _leaves(value, (*path, key))
    return found


def _injections() -> list[Injection]:
    """Return everything that can be injected, by the types of what is there."""
    found = []
    for file in ("sweep.toml", "mine.toml"):
        for path, value in _leaves(tomllib.loads(FILES[file])):
            key = ".".join(path)
            wrong: list[Any] = list(_WRONG[type(value)])
            if path[-1] in _CHOSEN:
                wrong += [[one] for one in _CHOICES] if isinstance(value, list) else list(_CHOICES)
            if file == "mine.toml":
                # the type of a default is that of its parameter: there is no wrong one but of what is no value
                wrong = [[], {}, 10**30, float("nan")] if path[-1] == "value" else wrong
                wrong = [one for one in wrong if not (path[-1] == "min" and isinstance(one, (int, float))) or one != one]
                wrong = [one for one in wrong if not (key == "parameters" and one == {})]
            sound = _SOUND.get(key, ())
            found += [Injection(file, path, one) for one in wrong if one not in sound or isinstance(one, bool)]
            if isinstance(value, dict) and key not in ("data", "record.windows") and "submit" not in key:
                found.append(Injection(file, (*path, "zzz"), [1]))
    found.append(Injection("sweep.toml", ("zzz",), 1))
    return [one for one in found if one.value not in _SOUND.get(one.key, ()) or isinstance(one.value, str)]


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a sweep, with the data that it names."""
    (folder / "cells.csv").write_text("1,2\n")
    for name, content in files.items():
        (folder / name).write_bytes(content)


def injected(problems: list[Injection]) -> dict[str, bytes]:
    """Return the three files with some values replaced."""
    files = {name: text.encode() for name, text in FILES.items()}
    for file in {problem.file for problem in problems}:
        content = tomllib.loads(FILES[file])
        for problem in (one for one in problems if one.file == file):
            table = content
            for key in problem.path[:-1]:
                table = table[key]
            table[problem.path[-1]] = problem.value
        files[file] = tomlkit.dumps(content).encode()
    return files


@st.composite
def injections(draw: st.DrawFn) -> list[Injection]:
    """Draw one to three problems that can be seen beside one another."""
    drawn: list[Injection] = []
    for _ in range(draw(st.integers(1, 3))):
        one = draw(st.sampled_from(_ALL))
        if not any(one.hides(other) or other.hides(one) for other in drawn):
            drawn.append(one)
    return drawn


_ALL = _injections()


@st.composite
def malformed(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw the three files with one to three changes."""
    files = {name: text.splitlines() for name, text in FILES.items()}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        lines = files[name]
        if not lines:
            continue
        at = draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition(" = ")
        kind = draw(st.sampled_from(["value", "name", "line", "drop", "double", "cut"]))
        if kind == "value" and equals:
            lines[at] = f"{key} = {draw(st.sampled_from(VALUES))}"
        elif kind == "name" and equals:
            lines[at] = lines[at].replace(key, draw(st.sampled_from(NAMES)), 1)
        elif kind == "line":
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            lines.insert(at, indent + draw(st.sampled_from(LINES) | st.text(max_size=20)))
        elif kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "cut":
            files[name] = lines[:at]
    content = {name: "\n".join([*lines, ""]).encode("utf-8", "replace") for name, lines in files.items()}
    if draw(st.booleans()) and draw(st.booleans()):
        content[draw(st.sampled_from(sorted(content)))] += draw(st.binary(min_size=1, max_size=20))
    return content


def run_in(folder: Path, files: dict[str, bytes], command: str = "plan", as_process: bool = False) -> tuple[int, str]:
    """Write files and give them to a command; return exit code and what was said.

    Parameters
    ----------
    folder : Path
        An empty one.
    files : dict of str to bytes
        By name.
    command : str
        One of `COMMANDS`.
    as_process : bool
        Whether the command is a process of its own, as by hand, rather than a call.

    Raises
    ------
    AssertionError
        If anything was written, or an error shows a traceback.
    """
    write(folder, files)
    before = _listing(folder)
    words = [command, str(folder / "sweep.toml")]
    if command != "check":
        words += ["--results", str(folder / "results")]
    if as_process:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = [sys.executable, "-P", "-m", "gridsearch", *words]
        done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        code, text = done.returncode, done.stdout + done.stderr
    else:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = gridsearch(words)
        text = said.getvalue()
    assert "Traceback" not in text and "Warning" not in text, text
    if command == "plan" or code == 2:
        assert code in (0, 2), (code, text)
        assert _listing(folder) == before, "something was written"
    return code, text


def _listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def check_injected(folder: Path, problems: list[Injection], command: str, as_process: bool = False) -> None:
    """Run a command on what has some problems.

    Raises
    ------
    AssertionError
        If one that can be seen is not named, or another promise is broken.
    """
    code, said = run_in(folder, injected(problems), command, as_process)
    assert code == 2, (problems, code, said)
    count = re.search(r"(\d+) problems?; nothing was written", said)
    assert count and len(said.strip().splitlines()) == int(count.group(1)) + 1, f"a line for each problem: {said}"
    at_once = {one.file for one in problems if one.is_read_at_once}
    for problem in problems:
        # what no file can hold is all that is said of a file, and of a sweep all that is said
        if at_once and ("sweep.toml" in at_once or problem.file in at_once) and not (
            problem.is_read_at_once and ("sweep.toml" not in at_once or problem.file == "sweep.toml")
        ):
            continue
        if problem.file == "mine.toml" and any(one.key == "model" for one in problems):
            continue  # the defaults are those of a model
        if problem.key.startswith(_OF_MODEL) and any(one.file == "mine.toml" for one in problems):
            continue  # nor are parameters checked against defaults that cannot be read
        assert problem.is_named(said, folder), f"{problem} is not named in: {said}"


def attack(examples: int, start: int = 0, processes: int = 0) -> Counter[str]:
    """Give malformed sweeps to the commands and count how they end.

    Parameters
    ----------
    examples : int
        How many, of each of the two ways.
    start : int
        Of the random numbers.
    processes : int
        How many more are given to commands as processes of their own.

    Raises
    ------
    Exception
        Whatever a command raised, with the files that made it do so.
    """
    counts: Counter[str] = Counter()

    def drawn(n: int) -> Any:
        return settings(
            max_examples=n,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )

    @seed(start)
    @drawn(examples)
    @given(malformed())
    def torn(files: dict[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as name:
            code, _ = run_in(Path(name).resolve(), files)
        counts[f"torn: exit code {code}"] += 1

    @seed(start)
    @drawn(examples)
    @given(injections(), st.sampled_from(COMMANDS))
    def named(problems: list[Injection], command: str) -> None:
        with tempfile.TemporaryDirectory() as name:
            check_injected(Path(name).resolve(), problems, command)
        counts[f"injected: {command}"] += 1
        counts["problems"] += len(problems)

    @seed(start + 1)
    @drawn(max(1, processes))
    @given(injections(), st.sampled_from(COMMANDS))
    def named_as_processes(problems: list[Injection], command: str) -> None:
        with tempfile.TemporaryDirectory() as name:
            check_injected(Path(name).resolve(), problems, command, as_process=True)
        counts["injected: as processes"] += 1
        counts["problems"] += len(problems)

    torn()
    named()
    if processes:
        named_as_processes()
    return counts


def main() -> None:
    """Run the attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts = attack(options.examples, options.seed, options.processes)
    for key, count in sorted(counts.items()):
        print(f"{key}: {count}")
    print(f"of {len(_ALL)} injections there are; 0 tracebacks, nothing written")


if __name__ == "__main__":
    main()
