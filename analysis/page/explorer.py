"""The explorer: maps that answer to a moved target, within the page of a run or inline in a notebook."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis.deciding.targets import Targets
from analysis.opening.run import run_of
from analysis.opening.table import open_run
from analysis.page.explorer_data import explorer_data
from analysis.page.rasters import rasters_json

# In this order: each uses what stands above it
SCRIPTS = (
    *("values", "decide", "state", "texts", "maps", "curves"),
    *("parallel", "targets", "rasters", "details", "explorer"),
)
_HEIGHT = 1150


@dataclass(frozen=True)
class Explorer:
    """An explorer of a run; a notebook shows it where it is the last value of a cell.

    Parameters
    ----------
    page : str
        A page of its own that needs nothing else.
    """

    page: str

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" title="Explorer" '
            f'style="width:100%;height:{_HEIGHT}px;border:0"></iframe>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to a file."""
        Path(path).write_text(self.page, encoding="utf-8")
        return Path(path)


def explore(
    run: str | Path | pd.DataFrame, targets: Targets | None = None, statistics: Sequence[str] | None = None
) -> Explorer:
    """Explore a run: maps, the feasible region and the best points, which follow when a target is moved.

    Parameters
    ----------
    run : str, Path or pandas.DataFrame
        Folder of a run, or a table from `open_run`.
    targets
        As in `deciding.targets_of`; those of the run by default, none if it has none.
    statistics : sequence of str, optional
        Columns; by default all statistics that were asked for, as far as there is room.

    Returns
    -------
    Explorer
        Shown inline by Jupyter; ``save(path)`` writes it as a page.

    Raises
    ------
    RunError
        If it is not a run, nothing was swept, or a column does not exist.

    Examples
    --------
    >>> analysis.explore("results/background", targets={"rate_E": (3, 6)})  # doctest: +SKIP
    """
    table = run if isinstance(run, pd.DataFrame) else open_run(run)
    part = explorer_part(table, targets, statistics)
    return Explorer(templates().get_template("explorer_page.html").render(run=run_of(table), explorer=part))


def explorer_part(
    table: pd.DataFrame, targets: Targets | None = None, statistics: Sequence[str] | None = None
) -> dict[str, object]:
    """Return what the template of the explorer takes; see `explore` for the parameters."""
    data = explorer_data(table, targets, statistics)
    room = files("analysis.page")
    script = "\n".join((room / "templates" / "explorer" / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    plotly = (room / "plotly" / "plotly-cartesian.min.js.gz").read_bytes()
    return {
        "header": Markup(_script_safe(json.dumps(data.header, allow_nan=False))),
        "packed": Markup(data.packed),
        "rasters": Markup(_script_safe(rasters_json(table, data.places, data.goals))),
        "plotly": Markup(base64.b64encode(plotly).decode("ascii")),
        "script": Markup(script),
        "style": Markup((room / "templates" / "explorer" / "explorer.css").read_text("utf-8")),
        "left_out": data.left_out,
    }


def templates() -> jinja2.Environment:
    """Return the templates of the page."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )


def _script_safe(text: str) -> str:
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
