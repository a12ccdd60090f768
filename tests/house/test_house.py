"""The rules of the house, read from the source: imports go down, each foreign world has one room."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from workplaces import ROOT

FLOORS = {
    "simulators": set(),
    "jobs": {"simulators"},
    "analysis": {"simulators"},
    "gridsearch": {"simulators", "jobs", "analysis"},
}
# Within a floor, or a room that has rooms of its own: the rooms, and those each stands on
ROOMS = {
    "simulators": {
        "worker": {
            *("backends", "models", "records", "statistics", "description", "guests", "neurons", "working_directory"),
        },
        "backends": {"records", "statistics", "description", "neurons", "guests"},
        "records": {"statistics", "description"},
        "models": {"description", "guests"},
        "description": {"neurons"},
        "statistics": {"guests"},
        "neurons": {"guests"},
        "guests": set(),
        "working_directory": set(),
    },
    "jobs": {
        **{path.stem: {"executor", "plan"} for path in (ROOT / "jobs").glob("*_executor*")},
        "pace": {"history", "machine_speed", "plan"},
        "history": {"plan"},
        "machine_speed": set(),
        "executor": {"plan"},
        "plan": set(),
    },
    "analysis": {
        "page": {"plots", "timing", "agreement", "deciding", "grids", "opening"},
        "plots": {"timing", "agreement", "deciding", "grids", "opening"},
        "agreement": {"deciding", "grids", "opening"},
        "deciding": {"grids", "opening"},
        "grids": {"opening"},
        "timing": {"opening"},
        "opening": set(),
        "notebooks": set(),
    },
    "gridsearch": {
        "commands": {"submitting", "planning", "sweeps", "inputs"},
        "submitting": {"planning", "sweeps", "inputs"},
        "planning": {"sweeps", "inputs"},
        "sweeps": {"inputs"},
        "inputs": set(),
    },
    "analysis/plots": {
        "figures": {"over_axes", "timing", "scans", "parts"},
        "over_axes": {"parts"},
        "timing": {"scans", "parts"},
        "scans": {"parts"},
        "rasters": {"parts"},
        "parts": set(),
    },
    "simulators/backends/genn_simulator": {
        "model": {"points", "gpu_costs", "costs", "network", "problems", "values", "structure", "host"},
        "points": {"network", "problems", "values", "structure", "generated_code"},
        "network": {"synapses", "structure", "generated_code"},
        "synapses": {"values", "structure", "generated_code"},
        "costs": {"structure", "generated_code"},
        "gpu_costs": {"costs", "structure", "generated_code"},
        "problems": {"structure", "generated_code"},
        "values": {"generated_code"},
        "structure": {"generated_code"},
        "generated_code": set(),
        "host": set(),
    },
}
DOORS = {"__init__", "__main__"}  # of a floor
MODULES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
SOURCES = [*MODULES, *(path for folder in ("benchmarks", "containers") for path in (ROOT / folder).rglob("*.py"))]
TEXTS = (
    ".py",
    ".md",
    ".toml",
    ".cfg",
    ".yml",
    ".yaml",
    ".sh",
    ".json",
    ".txt",
    ".ipynb",
    ".html",
    ".sub",
    ".dag",
    ".conf",
)
OUTSIDE = re.compile(r"\.\./share[d]|(?<![\w/}])/wor[k]\b")  # folders of no concern to the project


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, at any depth of the code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant))


def worlds(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def importers(*packages: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in MODULES if worlds(path) & set(packages)}


def test_the_reader_of_imports_sees_them_all(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import a.b\ndef f():\n    from c.d import e\n    importlib.import_module('g.h')\n")
    assert set(imported(path)) == {"a.b", "c.d.e", "g.h"}
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_only_go_down(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[0]
    assert worlds(path) & FLOORS.keys() <= FLOORS[floor] | {floor}


def rooms_of(path: Path, floor: str) -> set[str]:
    """Rooms of a floor that a module imports from, its own among them."""
    prefix = floor.replace("/", ".") + "."
    names = {name.removeprefix(prefix).split(".")[0] for name in imported(path) if name.startswith(prefix)}
    return names & ROOMS[floor].keys()


@pytest.mark.parametrize("floor", ROOMS)
def test_every_module_has_a_room(floor: str) -> None:
    found = {path.name.removesuffix(".py") for path in (ROOT / floor).iterdir() if path.suffix in {".py", ""}}
    assert found - DOORS - {"__pycache__"} == ROOMS[floor].keys()


@pytest.mark.parametrize(
    ("floor", "path"), [(floor, p) for floor in ROOMS for p in MODULES if p.is_relative_to(ROOT / floor)], ids=str
)
def test_rooms_stand_on_rooms_below(floor: str, path: Path) -> None:
    room = path.relative_to(ROOT / floor).parts[0].removesuffix(".py")
    if room not in DOORS:
        assert rooms_of(path, floor) <= ROOMS[floor][room] | {room}


def test_rooms_stand_in_no_circle() -> None:
    for floor in ROOMS.values():
        standing = dict(floor)
        while standing:
            free = [room for room, below in standing.items() if not below & standing.keys()]
            assert free, f"a circle among {sorted(standing)}"
            for room in free:
                del standing[room]


@pytest.mark.parametrize(
    "packages",
    [("nest",), ("pygenn",), ("pyNN",), ("htcondor2", "classad2"), ("tomllib",), ("neo", "quantities")],
    ids=str,
)
def test_a_foreign_world_has_one_room(packages: tuple[str, ...]) -> None:
    assert len(importers(*packages)) <= 1
    if packages in {("nest",), ("tomllib",)}:
        assert importers(*packages)


def _named(path: Path) -> set[str]:
    """Texts of a file's code that are one word, those of its documentation left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("kind", ["simulators/backends", "jobs"])
def test_no_simulator_or_executor_is_named_outside_its_room(kind: str) -> None:
    suffix = "_simulator" if kind.endswith("backends") else "_executor"
    rooms = {path.stem.removesuffix(suffix): path for path in (ROOT / kind).glob(f"*{suffix}*")}
    assert len(rooms) > 1
    # Neuron models hold what simulators call them; a description and a source know of Poisson processes
    free = ("simulators/neurons", "simulators/description")
    for name, room in rooms.items():
        if name in {"poisson", "local"}:  # words with other meanings: a kind of source, a universe of HTCondor
            continue
        strangers = [path for path in MODULES if not path.is_relative_to(room) and path != room]
        strangers = [path for path in strangers if not str(path.relative_to(ROOT)).startswith(free)]
        # PyNN names the simulators behind it, of which ours may be one
        strangers = [path for path in strangers if path.parent.name != "pynn_simulator"]
        culprits = [path.relative_to(ROOT).as_posix() for path in strangers if name in _named(path)]
        assert culprits == [], name
        modules = {one for path in strangers for one in imported(path) if f".{name}{suffix}" in one}
        assert modules == set(), name


def test_only_plots_draw() -> None:
    rooms = importers("matplotlib")
    assert rooms
    assert all(room.startswith("analysis/plots") for room in rooms)


def test_only_the_native_simulator_compiles() -> None:
    rooms = importers("numba", "llvmlite")
    assert rooms
    assert all(room.startswith("simulators/backends/native_simulator/") for room in rooms)
    assert "simulators/backends/native_simulator/__init__.py" not in rooms, "the planner needs it where Numba is not"


def test_old_bindings_of_htcondor_are_not_used() -> None:
    assert importers("htcondor", "classad") == set()


def test_the_worker_needs_only_numpy_and_pyarrow() -> None:
    import sys

    allowed = {"numpy", "pyarrow", "nest", "pygenn", "pyNN", "numba", "llvmlite", "simulators"} | set(
        sys.stdlib_module_names
    )
    allowed -= {"tomllib"}
    found = {name: path for path in MODULES if path.is_relative_to(ROOT / "simulators") for name in worlds(path)}
    # HDF5 is one model's, and only where a sweep gives it such a file
    assert {name: path.name for name, path in found.items() if name not in allowed} == {"h5py": "cerebellum.py"}


def test_nothing_is_pickled() -> None:
    assert importers("pickle", "dill", "cloudpickle", "joblib", "shelve") == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_are_short_and_named_for_what_they_hold(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "common", "nest", "pygenn", "htcondor", "misc"}


def _texts() -> Iterator[Path]:
    """Yield the project's text files; what virtual environments and caches hold is not the project's."""
    caches = {".git", "results", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__"}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in caches and not name.startswith(".venv")]
        for name in names:
            if Path(name).suffix in TEXTS or name in {"Makefile", "Dockerfile"}:
                yield Path(folder, name)


def test_no_file_knows_a_place_outside_the_project() -> None:
    files = list(_texts())
    assert len(files) > 60
    mentions = {
        path.relative_to(ROOT).as_posix(): found.group()
        for path in files
        if (found := OUTSIDE.search(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert mentions == {}
