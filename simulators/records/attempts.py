"""What the attempts of a job on a pool bring back, each in a file of its own.

HTCondor writes what a job brings back over the file that is there, and removes it where the transfer breaks off or the
disk is full (``ReliSock::get_file``). So an attempt sends its rows twice: under a name that no earlier attempt had, and
then as the job's summary, for those who read the run. The next attempt goes on from the newest file that is whole.

This is the side of the job, which its supervisor runs: without pyarrow, whose memory the job has better use for.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_NAME = re.compile(r"(\d+)-(\d+)\.parquet")  # number of the attempt, and of the job's holds when it began
_MAGIC = b"PAR1"  # at both ends of a parquet file; one that was cut short lacks the second
FIRST = "0000-0.parquet"


class NoRowsError(Exception):
    """No file of an earlier attempt is whole, not even the one without rows that the first begins with."""


def begin_attempt(folder: Path, summary: Path, holds: int, was_cut: bool) -> Path:
    """Give an attempt the rows of those before it.

    Parameters
    ----------
    folder : Path
        What the attempts before this one brought back; emptied, so that nothing of it is sent again.
    summary : Path
        Where the job's summary is looked for: it becomes a link to the file of this attempt.
    holds : int
        How often the job was held by now.
    was_cut : bool
        Whether the last hold was for files that did not come back whole. Then rows may be there whose spikes are not,
        and the attempt that was held does not count.

    Returns
    -------
    Path
        The file of this attempt, with those rows.

    Raises
    ------
    NoRowsError
        If no file of an earlier attempt is whole.
    OSError
        If files cannot be written.
    """
    files = attempt_files(folder)
    number = 1 + max((_numbers(path)[0] for path in files), default=0)
    if was_cut and len(files) > 1 and _numbers(files[-1])[1] < holds:
        del files[-1]
    good = next((path for path in reversed(files) if _is_whole(path)), None)
    if good is None:
        raise NoRowsError(f"{folder}: no file of an earlier attempt is whole")
    mine = folder / f"{number:04d}-{holds}.parquet"
    shutil.copyfile(good, mine)
    for path in folder.iterdir():
        if path != mine:
            path.unlink()
    summary.parent.mkdir(parents=True, exist_ok=True)
    summary.unlink(missing_ok=True)
    summary.symlink_to(os.path.relpath(mine, summary.parent))
    return mine


def end_attempt(mine: Path, summary: Path) -> None:
    """Make the rows of an attempt that finished its job the summary, and nothing else."""
    mine.replace(summary)


def attempt_files(folder: Path) -> list[Path]:
    """Files of attempts, the oldest first."""
    try:
        return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_numbers)
    except FileNotFoundError:
        return []


def _numbers(path: Path) -> tuple[int, int]:
    """Number of an attempt, and of the holds before it."""
    number, _, holds = path.stem.partition("-")
    return int(number), int(holds)


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC)) == _MAGIC
        if not begins or path.stat().st_size < 2 * len(_MAGIC):
            return False
        file.seek(-len(_MAGIC), os.SEEK_END)
        return file.read() == _MAGIC
