"""Recordings of event cameras in the binary format of N-MNIST: five bytes an event.

The first byte is x, the second y; the highest bit of the third is the polarity (1: brighter), its other bits and the
two last bytes are the time in µs, the highest first.

References
----------
Orchard, G., Jayawant, A., Cohen, G. K., & Thakor, N. (2015). Converting static image datasets to spiking neuromorphic
datasets using saccades. Frontiers in Neuroscience 9, 437.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LAST_TIME = 2**23 - 1  # µs


@dataclass(frozen=True)
class Events:
    """Events of a camera.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n,)
        Pixels.
    times : ndarray of int64, shape (n,)
        µs.
    brighter : ndarray of bool, shape (n,)
        Polarity.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    times: NDArray[np.int64]
    brighter: NDArray[np.bool_]


def read_events(path: Path) -> Events:
    """Read a recording.

    Raises
    ------
    ValueError
        If its length is not a whole number of events.
    """
    content = np.fromfile(path, dtype=np.uint8)
    if content.size % 5:
        raise ValueError(f"{path}: {content.size} bytes are no whole number of events of 5 bytes")
    x, y, high, middle, low = content.reshape(-1, 5).astype(np.int64).T
    return Events(x, y, (high & 127) << 16 | middle << 8 | low, high >= 128)


def write_events(path: Path, events: Events) -> None:
    """Write a recording.

    Raises
    ------
    ValueError
        If a pixel or a time does not fit into its bits.
    """
    for name, values, most in (("x", events.x, 255), ("y", events.y, 255), ("time", events.times, LAST_TIME)):
        if values.size and not 0 <= values.min() <= values.max() <= most:
            raise ValueError(f"{path}: {name} must lie in 0 to {most}, not {values.min()} to {values.max()}")
    high = events.times >> 16 | events.brighter.astype(np.int64) << 7
    rows = np.stack([events.x, events.y, high, events.times >> 8 & 255, events.times & 255], axis=1)
    rows.astype(np.uint8).tofile(path)


def binned_spikes(
    events: Events, width: int, height: int, polarities: int, bin_size: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Turn events into spikes of sources: one in a bin of a source, however many events there are.

    Parameters
    ----------
    events : Events
        The events.
    width, height : int
        Pixels of the camera.
    polarities : {1, 2}
        Sources of a pixel: one for both polarities, or one for each.
    bin_size : float
        ms.

    Returns
    -------
    times : ndarray of float64, shape (n_spikes,)
        ms; the end of the bin, as a spike at a step ends it.
    sources : ndarray of int64, shape (n_spikes,)
        ``(polarity · height + y) · width + x``, darker before brighter.

    Raises
    ------
    ValueError
        If an event lies outside the camera.
    """
    outside = (events.x >= width) | (events.y >= height)
    if outside.any():
        raise ValueError(f"{outside.sum()} of {outside.size} events are outside {width} × {height} pixels")
    sheet = events.brighter.astype(np.int64) if polarities == 2 else 0
    sources = (sheet * height + events.y) * width + events.x
    bins = np.floor(events.times * 1e-3 / bin_size + 1e-9).astype(np.int64)
    pairs = np.unique(np.stack([bins, sources], axis=1), axis=0)
    return (pairs[:, 0] + 1) * bin_size, pairs[:, 1]
