"""Code that is run over all neurons of a group when it is launched, as it is compiled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UpdateLayout:
    """Code that is run over all neurons of a group when it is launched.

    Parameters
    ----------
    launch : str
        Under which name; all groups' code of that name is run together.
    code : str
        What it does.
    reads, writes : tuple of str
        Variables of the group, or inputs.
    arrays : tuple of (str, str)
        Names and types of arrays of its own.
    of_neurons : tuple of (str, str)
        Names and types of arrays of the group.
    parameters : tuple of (str, int)
        Integers in the code.
    """

    launch: str
    code: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    arrays: tuple[tuple[str, str], ...] = ()
    of_neurons: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()
