"""Power spectrum of the population rate, and the frequency of its highest peak.

The spectrum is Welch's: periodograms of segments that overlap by half, each with its mean taken off and under a Hann
window, averaged. It is divided by that of independent Poisson neurons of the same rate, which is flat: 1 is shot
noise; towards frequency 0 it goes to the Fano factor of the population's spike count. Shared fluctuations grow with
the number of neurons, shot noise does not: compare populations of one size.

A peak is a local maximum that stands out of what lies between it and the octaves below and above (the geometric mean of
their medians, which follows a slope) by more than chance lets the highest of hundreds of frequencies of a flat spectrum
do; so slow fluctuations, which raise the low end, are none.

References
----------
Welch, P. (1967). The use of fast Fourier transform for the estimation of power spectra. IEEE Trans Audio Electroacoust
15, 70-73.
Brunel, N., & Hakim, V. (1999). Fast global oscillations in networks of integrate-and-fire neurons with low firing
rates. Neural Comput 11, 1621-1671. (Spectrum of the population rate; its flat part is the finite-size noise.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.statistics.measures.measures import Measures
from simulators.statistics.measures.needs import Needs
from simulators.statistics.statistic import Column, Setting, Statistic, Values

MIN_SEGMENTS = 5
SIGNIFICANCE = 5.0
"""Standard normal deviate that a peak must exceed: flat spectra have one in about a millionth of their frequencies."""
FREQUENCY_BINS = tuple(np.arange(1.0, 202.0, 2.0).tolist())
"""Hz: 2 Hz wide, about 2, 4 … 200 Hz."""


def spectrum(spikes: Measures, settings: Mapping[str, float]) -> Values:
    """Power spectrum of the population rate over that of independent Poisson neurons, and its highest peak.

    Undefined for a silent population and where fewer than 5 segments that overlap by half fit into the recording.
    """
    n_segments = _n_segments(spikes.extent.duration, settings)
    undefined: Values = {
        "spectrum_peak_frequency": float("nan"),
        "spectrum_peak": float("nan"),
        "spectrum": [float("nan")] * (len(FREQUENCY_BINS) - 1),
        "n_neurons_spectrum": 0,
    }
    if n_segments < MIN_SEGMENTS:
        return undefined
    counts = spikes.count_population(settings["spectrum_bin"])
    if not counts.any():
        return undefined
    frequencies, power = relative_power(counts, settings["spectrum_bin"], settings["spectrum_segment"])
    peak = find_peak(frequencies, power, n_segments)
    return {
        "spectrum_peak_frequency": float("nan") if peak is None else float(frequencies[peak]),
        "spectrum_peak": float("nan") if peak is None else float(power[peak]),
        "spectrum": _in_bins(frequencies, power),
        "n_neurons_spectrum": spikes.extent.size,
    }


def relative_power(
    counts: NDArray[np.int64], bin_size: float, segment: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Welch's spectrum of counts over that of Poisson counts of the same mean.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_bins,)
        Spikes of a population; at least one.
    bin_size, segment : float
        ms, of the counts and of the segments.

    Returns
    -------
    frequencies : ndarray of float64, shape (n,)
        Hz, without 0, as the mean is taken off.
    power : ndarray of float64, shape (n,)
        1 for shot noise.
    """
    length = round(segment / bin_size)
    hop = length // 2
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    segments = np.lib.stride_tricks.sliding_window_view(counts, length)[::hop].astype(np.float64)
    segments -= segments.mean(axis=1, keepdims=True)
    segments *= window
    transformed = np.fft.rfft(segments, axis=1)
    power = np.square(np.abs(transformed)).mean(axis=0) / (counts.mean() * np.square(window).sum())
    frequencies = np.arange(1, power.size) / (length * bin_size * 1e-3)
    return frequencies, power[1:]


def find_peak(frequencies: NDArray[np.float64], power: NDArray[np.float64], n_segments: int) -> int | None:
    """Return the index of the highest significant peak, None if there is none.

    Parameters
    ----------
    frequencies, power : ndarray of float64, shape (n,)
        As `relative_power` gives them.
    n_segments : int
        Segments that were averaged.
    """
    threshold = _chance(n_segments)
    candidates = np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])) + 1
    for k in candidates[np.argsort(-power[candidates], kind="stable")]:
        begin, end = np.searchsorted(frequencies, (frequencies[k] / 2.0, frequencies[k] * 2.0))
        if k - begin < 2 or end - k <= 2:
            continue
        around = math.sqrt(np.median(power[begin:k]) * np.median(power[k + 1 : end]))
        if power[k] > threshold * around:
            return int(k)
    return None


def _chance(n_segments: int) -> float:
    """Power over its mean that chance hardly exceeds: the quantile of a chi-squared variable (Wilson and Hilferty)."""
    # Segments under a Hann window that overlap by half count 18/19 each (Welch 1967).
    part = 2.0 / (9.0 * 2.0 * n_segments * 18.0 / 19.0)
    return float((1.0 - part + SIGNIFICANCE * math.sqrt(part)) ** 3)


def _in_bins(frequencies: NDArray[np.float64], power: NDArray[np.float64]) -> list[float]:
    """Mean power in `FREQUENCY_BINS`; NaN where a bin holds no frequency."""
    index = np.searchsorted(FREQUENCY_BINS, frequencies, side="right") - 1
    n_bins = len(FREQUENCY_BINS) - 1
    inside = (index >= 0) & (index < n_bins)
    sums = np.bincount(index[inside], weights=power[inside], minlength=n_bins)
    numbers = np.bincount(index[inside], minlength=n_bins)
    means: list[float] = np.divide(sums, numbers, out=np.full(n_bins, np.nan), where=numbers > 0).tolist()
    return means


def _n_segments(duration: float, settings: Mapping[str, float]) -> int:
    length = round(settings["spectrum_segment"] / settings["spectrum_bin"])
    n_bins = math.floor(duration / settings["spectrum_bin"] + 1e-6)
    return 0 if length < 8 or n_bins < length else 1 + (n_bins - length) // (length // 2)


def _segments_lacking(duration: float, rate: float, settings: Mapping[str, float]) -> str | None:
    del rate
    if _n_segments(duration, settings) >= MIN_SEGMENTS:
        return None
    needed = settings["spectrum_segment"] * (MIN_SEGMENTS + 1) / 2.0
    return f"{MIN_SEGMENTS} segments of {settings['spectrum_segment']:g} ms (spectrum_segment) take {needed:g} ms"


SETTINGS: Mapping[str, Setting] = {
    "spectrum_bin": Setting(1.0, "ms", "bin of the counts of spectrum", "bin"),
    "spectrum_segment": Setting(500.0, "ms", "segments of spectrum; one over it is the resolution", "bin"),
}

STATISTICS = (
    Statistic(
        "spectrum",
        "power spectrum of the population rate and its peak",
        {
            "spectrum_peak_frequency": Column("Hz", "frequency of the highest peak of the population rate's spectrum"),
            "spectrum_peak": Column("1", "power there, over that of independent Poisson neurons"),
            "spectrum": Column(
                "1",
                "power spectrum of the population rate over that of independent Poisson neurons",
                "floats",
                FREQUENCY_BINS,
                "Hz",
            ),
            "n_neurons_spectrum": Column("1", "neurons in spectrum", "integer"),
        },
        spectrum,
        ("spectrum_bin", "spectrum_segment"),
        always=True,
        too_short=_segments_lacking,
        needs=lambda settings: Needs(population_bins=frozenset({settings["spectrum_bin"]})),
    ),
)
