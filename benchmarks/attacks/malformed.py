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
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from injections import FILES, OF_MODEL, Injection, all_injections, injected

from gridsearch.commands.cli import main as gridsearch

ROOT = Path(__file__).resolve().parents[2]

ALL = all_injections()
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


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a sweep, with the data that it names."""
    (folder / "cells.csv").write_text("1,2\n")
    for name, content in files.items():
        (folder / name).write_bytes(content)


@st.composite
def injections(draw: st.DrawFn) -> list[Injection]:
    """Draw one to three problems that can be seen beside one another."""
    drawn: list[Injection] = []
    for _ in range(draw(st.integers(1, 3))):
        one = draw(st.sampled_from(ALL))
        if not any(one.hides(other) or other.hides(one) for other in drawn):
            drawn.append(one)
    return drawn


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
    lines = [line for line in said.strip().splitlines() if not line.startswith("runs your code: ")]
    assert count and len(lines) == int(count.group(1)) + 1, f"a line for each problem: {said}"
    said = "\n".join(lines)
    at_once = {one.file for one in problems if one.is_read_at_once}
    for problem in problems:
        # what no file can hold is all that is said of a file, and of a sweep all that is said
        if (
            at_once
            and ("sweep.toml" in at_once or problem.file in at_once)
            and not (problem.is_read_at_once and ("sweep.toml" not in at_once or problem.file == "sweep.toml"))
        ):
            continue
        if problem.file == "mine.toml" and any(one.key == "model" for one in problems):
            continue  # the defaults are those of a model
        if problem.key.startswith(OF_MODEL) and any(one.file == "mine.toml" for one in problems):
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

    def drawn(n: int) -> settings:
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
    print(f"of {len(ALL)} injections there are; 0 tracebacks, nothing written")


if __name__ == "__main__":
    main()
