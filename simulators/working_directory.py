"""The working directory is no place to import from: a user's files there may bear the names of ours, or of Python's.

Nothing is imported here that could be found there: this runs before anything else does.
"""

import os
import sys


def keep_it_off_the_path(ours: str = "") -> None:
    """Take off what an entry of ``PYTHONPATH`` put there that is empty, or relative and leads nowhere else.

    Entries are empty where somebody has added to a variable that was not set (``PYTHONPATH=$PYTHONPATH:/x``). The
    processes that are started from here get the variable without them, too. Who gives the directory by its full path is
    taken to mean it.

    Parameters
    ----------
    ours : str
        A folder that stays on the path, even if it is the working directory.
    """
    given = os.environ.get("PYTHONPATH")
    if not given:
        return
    try:
        here = os.getcwd()  # noqa: PTH109, as a user's pathlib.py may be on the path
    except FileNotFoundError:
        return
    entries = given.split(os.pathsep)
    kept = [entry for entry in entries if os.path.isabs(entry) or os.path.abspath(entry) != here]  # noqa: PTH100, PTH117
    if len(kept) < len(entries) and here not in (*kept, ours):
        sys.path[:] = [entry for entry in sys.path if entry not in ("", here)]
    os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    if not kept:
        del os.environ["PYTHONPATH"]
