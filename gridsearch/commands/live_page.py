"""The report of a run that goes on: written anew as rows arrive."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import analysis
from simulators.records.run_directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

_RELOAD = 5.0  # s between two looks of an open page, at least
_SHARE = 4.0  # times the processor time of a page pass before the next: the simulations need the cores more
_ALIVE = 60.0  # s after which a page is written without news, so that it sees that somebody is there


@dataclass
class LivePage:
    """The report of a run while someone watches it.

    Parameters
    ----------
    run : RunDirectory
        The run.
    """

    run: RunDirectory
    _shown: tuple[object, ...] | None = None
    _next: float = 0.0
    _alive: float = 0.0
    _cost: float = 0.0
    _ended: bool = False

    def show(self, table: pd.DataFrame) -> Path:
        """Write the page if there is news, and not too often; an open one loads itself again."""
        now, worked = time.monotonic(), time.process_time()
        news = tuple(sorted(table["status"].astype(str).value_counts().items()))
        if now >= self._next and (news != self._shown or now >= self._alive):
            analysis.write_report(self.run.root, live=round(max(_RELOAD, _SHARE * self._cost), 1))
            self._cost = time.process_time() - worked
            self._shown, self._alive = news, now + _ALIVE
            self._next = now + _SHARE * self._cost
        return self.run.report

    def end(self, whole: bool = True) -> Path:
        """Write the page as it stays, and an open one comes to rest.

        Parameters
        ----------
        whole : bool
            With figures: they take seconds, which someone who has pressed Ctrl-C does not want to wait.
        """
        if not self._ended:
            analysis.write_report(self.run.root, live=None if whole else 0.0)
            self._ended = True
        return self.run.report
