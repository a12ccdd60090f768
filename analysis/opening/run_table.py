"""The table of a run, which keeps what it is of."""

from __future__ import annotations

from typing import Any

import pandas as pd

_CARRIED = ("run", "units", "docs", "path")


class Kept(dict[str, Any]):
    """What is known of a run and is not changed: pandas copies ``attrs`` in depth at every step, which takes long."""

    def __copy__(self) -> Kept:
        return self

    def __deepcopy__(self, memo: Any) -> Kept:
        return self


class RunTable(pd.DataFrame):
    """A pandas DataFrame whose ``attrs`` survive what else would lose them: merge, join, and concat with others.

    Everything else is as in pandas.
    """

    @property
    def _constructor(self) -> type[RunTable]:
        return RunTable

    def __finalize__(self, other: Any, method: str | None = None, **kwargs: Any) -> RunTable:
        super().__finalize__(other, method=method, **kwargs)  # type: ignore[misc]
        if "run" not in self.attrs:
            for source in _sources(other):
                attrs = getattr(source, "attrs", {})
                if "run" in attrs:
                    self.attrs |= {key: attrs[key] for key in _CARRIED if key in attrs}
                    break
        return self


def _sources(other: Any) -> list[Any]:
    """Return the tables that another was made from; where pandas keeps them differs between its versions."""
    for name in ("input_objs", "objs"):
        if hasattr(other, name):
            return list(getattr(other, name))
    return [getattr(other, side) for side in ("left", "right") if hasattr(other, side)]
