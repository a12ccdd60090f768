"""Reading TOML, and the one form of complaint."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridsearch.inputs.input_files import InputError, Problem, choices, read_toml


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_toml(path)
    return str(caught.value)


def test_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('name = "τ"\n[axes]\nx = { values = [1, 2.5] }\n', encoding="utf-8")
    assert read_toml(path) == {"name": "τ", "axes": {"x": {"values": [1, 2.5]}}}


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.toml") == f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory"
    assert complaint(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


def test_malformed_toml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('name = "a"\nmodel = clustered\n')
    assert "is not valid TOML" in complaint(path) and "line 2" in complaint(path)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes('name = "größe"'.encode("latin-1"))
    assert "is not UTF-8 text" in complaint(path)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("", None, "s.toml: must be"),
        ("jobs.nest.threads", 0, "s.toml: jobs.nest.threads = 0: must be"),
        ("name", 'a"b', 's.toml: name = "a\\"b": must be'),
        ("parameters.p[0,1]", [True, 1.5], 's.toml: parameters."p[0,1]" = [true, 1.5]: must be'),
        ("axes.x", {"values": [1], "log": False}, "s.toml: axes.x = {values = [1], log = false}: must be"),
        ("axes.x", {}, "s.toml: axes.x = {}: must be"),
    ],
)
def test_a_problem_shows_key_and_value_as_they_stand_in_the_file(key: str, value: object, text: str) -> None:
    assert str(Problem(Path("s.toml"), key, value, "must be")) == text


def test_long_values_are_cut() -> None:
    text = str(Problem(Path("s.toml"), "axes.x", list(range(1000)), "must be short"))
    assert len(text) < 120 and "..." in text and text.endswith("must be short")


def test_choices_name_the_nearest_first() -> None:
    assert choices(["nest", "genn"], "nets") == "did you mean 'nest'? valid: genn, nest"
    assert choices(["nest", "genn"], "brian") == "valid: genn, nest"
    assert choices([]) == "valid: none"
