"""Malformed sweeps, defaults and models: every one ends with exit code 2 and a list of problems, and writes nothing.

A known good sweep, defaults file and model are changed at random (hypothesis draws the changes, so that a failure is
made small): values of the wrong type, out of range or huge, hostile names, lines lost or doubled, bytes that are no
text, models that raise anything. What is still good may pass; nothing may show a traceback or leave a file.

    python benchmarks/attacks/malformed.py [--examples 200]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from gridsearch.commands.cli import main as gridsearch

SWEEP = """\
name = "small"
model = "mine.py"
simulators = ["poisson"]
[parameters]
N = 20
[axes]
rate = { start = 1.0, step = 0.5, num = 3 }
[replicates]
seeds = [1, 2]
[simulation]
dt = 0.1
warmup = 0.0
duration = 100.0
[record]
statistics = ["rate"]
spikes = "none"
[targets]
rate_E = { min = 1.0, max = 9.0 }
[jobs]
executor = "local"
minutes_per_job = 30
[jobs.poisson]
max_rate_hz = 100.0
"""
DEFAULTS = """\
description = "silent neurons"
[parameters]
N = { value = 10, unit = "1", doc = "neurons", min = 1 }
rate = { value = 1.0, unit = "1", doc = "drive", min = 0.0 }
"""
MODEL = """\
from simulators.description import Network, Population


def make_network(parameters):
    neuron = {"C_m": 250.0, "tau_m": 20.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0}
    neuron |= {"tau_syn_ex": 2.0, "tau_syn_in": 2.0, "I_e": parameters["rate"]}
    E = Population("E", parameters["N"], "lif_psc_exp", neuron, {})
    return Network((E,), ())
"""
FILES = {"sweep.toml": SWEEP, "mine.toml": DEFAULTS, "mine.py": MODEL}

# What takes the place of a value, of a name, or of a line
VALUES = (
    *("-1", "0", "1e400", "nan", "-inf", "1" * 30, "true", "[]", "{}", '""', "[[1], 2]", "1979-05-27"),
    *('"../../etc/passwd"', '"$(touch pwned)"', '"a\\nb"', '"{{7*7}}"', '"ok; rm -rf /"', '"\\u0430"', '"\\u0000"'),
    *("{ min = 3, max = 1 }", "{ value = 1.0 }", "{ start = 0, num = -3 }", "{ values = [] }", "{ values = [1, 'x'] }"),
)
NAMES = ("__class__", '"p[0,1]"', '"a.b"', "rate_", "N_E", '"\\u202e"', "seed", "point_id", "status", '""')
LINES = ("[jobs", "= 3", "[axes]", "a.b.c = 1", "\ufeff", "raise NetworkError", "raise SystemExit(0)", "1 / 0", "\x00")


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


def plan_in(folder: Path, files: dict[str, bytes]) -> tuple[int, str]:
    """Write files and plan the sweep; return exit code and what was said.

    Raises
    ------
    AssertionError
        If anything was written, an error shows a traceback, or none is named.
    """
    for name, content in files.items():
        (folder / name).write_bytes(content)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = gridsearch(["plan", str(folder / "sweep.toml"), "--results", str(folder / "results")])
    text = said.getvalue()
    assert code in (0, 2), code
    assert "Traceback" not in text
    assert {path.name for path in folder.iterdir()} == set(files), "something was written"
    return code, text


def attack(examples: int, start: int = 0) -> Counter[int]:
    """Plan malformed sweeps and count how they end.

    Parameters
    ----------
    examples : int
        How many.
    start : int
        Of the random numbers.

    Raises
    ------
    Exception
        Whatever a command raised, with the files that made it do so.
    """
    codes: Counter[int] = Counter()

    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(malformed())
    def run(files: dict[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            code, _ = plan_in(folder, files)
            codes[code] += 1

    run()
    return codes


def main() -> None:
    """Run the attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    codes = attack(options.examples, options.seed)
    print(f"{codes.total()} changed inputs: {codes[2]} refused with exit code 2, {codes[0]} still good; 0 tracebacks")


if __name__ == "__main__":
    main()
