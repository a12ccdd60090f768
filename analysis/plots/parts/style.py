"""One look for all figures: safe for colour-blind readers, perceptually uniform, readable at a glance.

References
----------
Okabe, M., & Ito, K. (2008). Color universal design. https://jfly.uni-koeln.de/color/
Crameri, F., Shephard, G. E., & Heron, P. J. (2020). The misuse of colour in science communication. Nature
Communications 11, 5444.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from analysis.grids.grid import State

# Okabe & Ito, without the yellow that vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STATISTIC_MAP = "viridis"
PROBABILITY_MAP = "cividis"
DIFFERENCE_MAP = "PuOr"
TARGET_MAP = "RdYlBu_r"  # its middle is pale yellow: not to be taken for a cell without a value
PHASE_COLOURS = {
    "t_load": "#999999",
    "t_compile": "#E69F00",
    "t_build": "#56B4E9",
    "t_reset": "#CC79A7",
    "t_simulate": "#0072B2",
    "t_record": "#D55E00",
    "t_statistics": "#009E73",
    "t_write": "#000000",
}

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titley": 1.0,  # else it is looked for anew at every drawing
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "figure.titlesize": 11.0,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "hatch.linewidth": 0.6,
    "savefig.dpi": 160,
    "figure.dpi": 110,
    "svg.fonttype": "none",
    "svg.hashsalt": "gridsearch",
    "pdf.fonttype": 42,
}

# A legend below the axes, clear of ticks and label at any height: the distance is in letters, not in parts of the axes
BELOW: Mapping[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "borderaxespad": 4.8}


@dataclass(frozen=True)
class StateLook:
    """How a cell without a value looks, and what the legend calls it."""

    label: str
    face: str
    ink: str
    hatch: str


STATES: Mapping[State, StateLook] = {
    State.SILENT: StateLook("silent (no spikes)", "#ffffff", "#8c8c8c", ".."),
    State.UNDEFINED: StateLook("undefined (too few spikes)", "#ffffff", "#4d4d4d", "xxxx"),
    State.DIVERGED: StateLook("diverged (above the highest rate)", "#fbd9c6", "#D55E00", "////"),
    State.FAILED: StateLook("failed or timed out", "#4d4d4d", "#ffffff", "\\\\\\\\"),
    State.MISSING: StateLook("not run yet", "#d9d9d9", "#d9d9d9", ""),
}


def in_style() -> AbstractContextManager[None]:
    """Apply the style within a ``with`` block, and nowhere else."""
    return mpl.rc_context(_RC)


def in_vectors() -> AbstractContextManager[None]:
    """Apply the style for an SVG that looks the same everywhere: its letters are drawn, not set in a font."""
    return mpl.rc_context(_RC | {"svg.fonttype": "path"})


class _Drawing(Figure):
    """A figure that a notebook shows as a picture, also before pyplot has been used there."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        with in_style():
            self.savefig(picture, format="png", dpi=self.dpi)
        return picture.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Return a figure that is drawn without a window, whatever backend the session uses.

    Parameters
    ----------
    width, height : float
        inches.
    """
    figure = _Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, path: Path, suffix: str) -> None:
    """Write a figure that has been laid out as PNG, PDF or SVG; equal figures make equal files."""
    if suffix == "png":
        FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]
    elif suffix == "pdf":  # a date would make equal figures unequal
        FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})  # type: ignore[no-untyped-call]
    else:
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})  # type: ignore[no-untyped-call]


def axes_or_new(ax: Axes | None, width: float = 4.6, height: float = 3.8) -> Axes:
    """Return `ax`, or the axes of a new figure that the session shows (a notebook inline, say)."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    # the session's backend is chosen here, and switches interactive drawing on: not for the style to undo
    figure = plt.figure(figsize=(width, height), layout="constrained")
    with in_style():
        return figure.subplots()


def map_of(name: str) -> mpl.colors.Colormap:
    """Return a colour map in which cells without a value are transparent, so that their state shows."""
    colours = mpl.colormaps[name].with_extremes(bad=(0.0, 0.0, 0.0, 0.0))
    colours.name = name
    return colours


def state_map() -> ListedColormap:
    """Return the face colours of the states; `State.VALUE` is transparent."""
    return ListedColormap(["#ffffff00", *(STATES[State(code)].face for code in range(1, len(State)))])


def label_of(table: pd.DataFrame, key: str, doc: bool = False) -> str:
    """Return ``key (unit)``, with its meaning on a second line if asked for.

    The unit comes from the run; one of ``1`` is no unit.
    """
    unit = table.attrs.get("units", {}).get(key, "")
    text = f"{key} ({unit})" if unit not in ("", "1") else key
    meaning = table.attrs.get("docs", {}).get(key, "")
    return f"{text}\n{meaning}" if doc and meaning else text
