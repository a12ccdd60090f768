"""What is wrong with a description."""

from __future__ import annotations


class NetworkError(ValueError):
    """A description that no network can be made from."""


class ParameterError(NetworkError):
    """A parameter value that no network can be made from.

    Parameters
    ----------
    keys : tuple of str
        The parameters at fault, as they are named in the model's defaults file.
    rule : str
        What must hold, with the values that break it.
    """

    def __init__(self, keys: tuple[str, ...], rule: str) -> None:
        self.keys = keys
        self.rule = rule
        super().__init__(f"{', '.join(keys)}: {rule}")
