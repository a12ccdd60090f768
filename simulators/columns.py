"""A column of a table: its unit and meaning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """Unit ("1" for pure numbers) and meaning of a column."""

    unit: str
    doc: str
