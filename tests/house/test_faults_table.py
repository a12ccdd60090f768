"""The table of promises names tests that are there."""

from __future__ import annotations

import re

from workplaces import ROOT

FILES = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}


def test_what_the_table_names_is_there() -> None:
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    n_named, file = 0, ""
    for name, test in re.findall(r"`(test_\w+\.py)?(?:::(\w+))?`", table):
        if not name and not test:
            continue
        file = name or file
        assert file in FILES
        if test:
            assert f"def {test}(" in FILES[file].read_text(encoding="utf-8"), f"{file}::{test}"
        n_named += 1
    assert n_named > 40
