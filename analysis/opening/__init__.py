"""Opening a run: what was asked, its rows as a table, its stored spikes."""

from analysis.opening.afferents import afferent_peaks
from analysis.opening.run import Axis, Run, RunError, Target, run_of
from analysis.opening.spikes import PointSpikes, map_spikes, open_spikes, read_spikes, stored_points
from analysis.opening.summary_files import CorruptSummaryWarning, UncheckedSummaryWarning
from analysis.opening.table import configuration_names, former_rows, open_run

__all__ = [
    "Axis",
    "CorruptSummaryWarning",
    "PointSpikes",
    "Run",
    "RunError",
    "Target",
    "UncheckedSummaryWarning",
    "afferent_peaks",
    "configuration_names",
    "former_rows",
    "map_spikes",
    "open_run",
    "open_spikes",
    "read_spikes",
    "run_of",
    "stored_points",
]
