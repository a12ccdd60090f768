"""A known good sweep with every table, its defaults and model, and all that can be wrong with single values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from gridsearch.inputs.input_files import Problem

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
OF_MODEL = ("parameters.", "axes.", "record.window", "targets.")


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
            return other.key.startswith(OF_MODEL)
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


def all_injections() -> list[Injection]:
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
                wrong = [
                    one for one in wrong if not (path[-1] == "min" and isinstance(one, (int, float))) or one != one
                ]
                wrong = [one for one in wrong if not (key == "parameters" and one == {})]
            sound = _SOUND.get(key, ())
            found += [Injection(file, path, one) for one in wrong if one not in sound or isinstance(one, bool)]
            if isinstance(value, dict) and key not in ("data", "record.windows") and "submit" not in key:
                found.append(Injection(file, (*path, "zzz"), [1]))
    found.append(Injection("sweep.toml", ("zzz",), 1))
    return [one for one in found if one.value not in _SOUND.get(one.key, ()) or isinstance(one.value, str)]


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
