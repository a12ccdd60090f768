"""Which code a sweep runs is said before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import gridsearch
from sweeps import write_sweep

from gridsearch.inputs.named_code import named_code

ENDS = "import os\nimport neighbour\nos._exit(7)\n"


@pytest.mark.parametrize(
    "command", [("plan", "sweep.toml"), ("submit", "sweep.toml"), ("check", "sweep.toml"), ("check", "mine.py"),
                ("plan", "sweep.toml", "--preview")], ids=" ".join,
)  # fmt: skip
def test_code_is_named_before_it_is_run(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Who looks at a stranger's sweep reads which files to read, though one of them ends the process."""
    (tmp_path / "mine.py").write_text(ENDS)
    (tmp_path / "mine.toml").write_text('[parameters]\nx = { value = 1.0, unit = "1", doc = "x" }\n')
    (tmp_path / "neighbour.py").write_text("")
    (tmp_path / "measures.py").write_text("def (")
    write_sweep(tmp_path, model="mine.py", record='statistics = ["rate", "measures.py:odd"]')
    said = gridsearch(tmp_path, *command, code=7)
    files = ["mine.py", "neighbour.py", *(["measures.py"] if "sweep.toml" in command else [])]
    assert said == f"runs your code: {', '.join(str(tmp_path / file) for file in files)}\n"


@pytest.mark.parametrize(
    "text", ["", "model = 3", "model = [", 'model = "none.py"', 'record = "x"', "[record]\nstatistics = 3",
             'model = "\\u0000.py"', 'model = "no.such.package"', "[record]\nstatistics = [1, 'x.py:y', 'a:b']"],
)  # fmt: skip
def test_what_cannot_be_read_names_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.toml").write_text(text)
    assert named_code(tmp_path / "sweep.toml") == ()


def test_code_of_packages_is_named_too(tmp_path: Path) -> None:
    """Any module that can be imported can be named."""
    (tmp_path / "sweep.toml").write_text('model = "rich.console"\n[record]\nstatistics = ["json:loads", "rate"]\n')
    assert [path.name for path in named_code(tmp_path / "sweep.toml")] == ["rich", "json"]
