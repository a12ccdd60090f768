"""Time of the statistics against Elephant on the same spikes, in one run.

25,000 neurons (20,000 E and 5,000 I, 20 clusters) fire for 9 s at 2 and at 8 Hz on average; all statistics that are
always computed are, with and without windows. Elephant works on a subsample of the neurons at 8 Hz; its time for all of
them is extrapolated in proportion (for the correlations it is not, as both use the same 250 neurons per population).
Making Elephant's SpikeTrain objects is counted apart. The load of the machine is printed, as it changes everything; the
algebra of numpy keeps to one core, as in a job of one core.

    python benchmarks/reading/spike_statistics.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported

import time
import warnings
from collections.abc import Callable
from statistics import median

import elephant.conversion
import elephant.spike_train_correlation
import elephant.statistics
import neo
import numpy as np
import quantities as pq

from simulators.statistics import SETTINGS, STATISTICS, Window, summarise, with_always
from simulators.statistics.measures.subsample import subsample
from simulators.statistics.spike_trains import SpikeTrains

SIZES = {"E": 20_000, "I": 5_000}
N_CLUSTERS = 20
DURATION = 9000.0  # ms
DT = 0.1  # ms
RATES = (2.0, 8.0)  # Hz
SUBSAMPLE = 500  # neurons of each population for Elephant
REPEATS = 15
SHOWN = ("rate", "cv_isi", "lv", "fano_factor")
WINDOWS = {"before": Window(0.0, 300.0), "during": Window(300.0, 350.0)}


def draw_spikes(size: int, rate: float, generator: np.random.Generator) -> SpikeTrains:
    """Poisson spikes, ordered by time as a recorder has them; one cluster after another fires four times as much."""
    n_steps = round(DURATION / DT)
    n = generator.poisson(rate * size * DURATION * 1e-3)
    steps = np.sort(generator.integers(1, n_steps + 1, n))
    active = steps * 2 * N_CLUSTERS // (n_steps + 1) % N_CLUSTERS
    cluster = np.where(generator.random(n) < 3 / (N_CLUSTERS + 3), active, generator.integers(0, N_CLUSTERS, n))
    senders = cluster * (size // N_CLUSTERS) + generator.integers(0, size // N_CLUSTERS, n)
    return SpikeTrains(steps, senders, size, n_steps, DT, N_CLUSTERS, 5.0)


def measure(function: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Median wall time and median processor time in s; the latter is what it would take on an idle machine."""
    wall, processor = [], []
    for _ in range(repeats):
        begin = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - begin[0])
        processor.append(time.process_time() - begin[1])
    return median(wall), median(processor)


def make_elephant_trains(spikes: SpikeTrains, neurons: np.ndarray) -> list[neo.SpikeTrain]:
    """Objects that Elephant takes, from sorted flat arrays."""
    order = np.lexsort((spikes.steps, spikes.senders))
    borders = np.searchsorted(spikes.senders[order], np.arange(spikes.size + 1))
    # Half a step earlier than the end of the step: no spike lies on the border of a bin.
    times = spikes.times[order] - spikes.dt / 2
    return [
        neo.SpikeTrain(times[borders[k] : borders[k + 1]], units="ms", t_stop=spikes.duration, sort=False)
        for k in neurons
    ]


def elephant_functions(trains: list[neo.SpikeTrain], paired: list[neo.SpikeTrain]) -> dict[str, Callable[[], object]]:
    """What Elephant has of our statistics, by our name; units are left away wherever it allows, which is faster."""

    def isi_variation(function: Callable[..., float]) -> Callable[[], object]:
        return lambda: np.mean([function(elephant.statistics.isi(t)) for t in trains])

    def fano() -> object:
        width = SETTINGS["fano_window"].default
        edges = np.arange(DURATION // width + 1) * width
        return np.mean(
            [
                elephant.statistics.fanofactor(np.split(t.magnitude, np.searchsorted(t.magnitude, edges))[1:-1])
                for t in trains
            ]
        )

    def correlation() -> object:
        means = []
        for width in (SETTINGS["correlation_bin"].default, SETTINGS["correlation_bin_slow"].default):
            binned = elephant.conversion.BinnedSpikeTrain(paired, bin_size=width * pq.ms)
            matrix = elephant.spike_train_correlation.correlation_coefficient(binned)
            means.append(matrix[np.triu_indices_from(matrix, k=1)].mean())
        return means

    return {
        "rate": lambda: np.mean(
            [elephant.statistics.mean_firing_rate(t.magnitude, t_start=0.0, t_stop=DURATION) for t in trains if t.size]
        ),
        "cv_isi": isi_variation(lambda isi: isi.magnitude.std() / isi.magnitude.mean()),
        "cv2": isi_variation(lambda isi: elephant.statistics.cv2(isi.magnitude)),
        "lv": isi_variation(lambda isi: elephant.statistics.lv(isi.magnitude)),
        "lvr": isi_variation(lambda isi: elephant.statistics.lvr(isi.magnitude, R=5.0)),
        "fano_factor": fano,
        "correlation": correlation,
    }


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median wall (processor) time of {REPEATS}")
    always = list(with_always([]))
    for rate in RATES:
        generator = np.random.default_rng(1)
        spikes = {name: draw_spikes(size, rate, generator) for name, size in SIZES.items()}
        n_spikes = sum(trains.n_spikes for trains in spikes.values())
        print(f"\n{sum(SIZES.values()):,} neurons, {DURATION / 1e3:g} s at {rate:g} Hz, {n_spikes:,} spikes")
        for what, time_ in (
            (f"all {len(always)} that are always computed", measure(lambda: summarise(spikes, always))),  # noqa: B023
            ("the same, and in two windows", measure(lambda: summarise(spikes, always, None, WINDOWS))),  # noqa: B023
            (", ".join(SHOWN), measure(lambda: summarise(spikes, SHOWN))),  # noqa: B023
        ):
            print(f"{what:<40} {time_[0]:7.3f} s ({time_[1]:.3f})")

    print()
    chosen = {name: np.arange(0, size, size // SUBSAMPLE) for name, size in SIZES.items()}
    begin = time.perf_counter()
    trains = [train for name in SIZES for train in make_elephant_trains(spikes[name], chosen[name])]
    scale = sum(SIZES.values()) / len(trains)
    making = (time.perf_counter() - begin) * scale
    paired = make_elephant_trains(spikes["E"], subsample(SIZES["E"], round(SETTINGS["correlation_neurons"].default)))
    references = elephant_functions(trains, paired)

    print(f"Elephant on {len(trains)} neurons, its time extrapolated x {scale:g}")
    print(f"{'statistic':<12} {'ours alone':>20} {'Elephant':>10} {'ratio':>8}")
    summed = 0.0
    for name in STATISTICS:
        ours = measure(lambda name=name: summarise(spikes, [name]))  # type: ignore[misc]
        line = f"{name:<12} {ours[0]:>10.3f} ({ours[1]:.3f}) s"
        if name in references:
            # One population's 250 neurons were correlated, ours are those of both.
            factor = len(SIZES) if name == "correlation" else scale
            theirs = measure(references[name], 3)[0] * factor
            summed += theirs
            line += f" {theirs:>8.2f} s {theirs / ours[0]:>7.0f}x"
        print(line)
    together = measure(lambda: summarise(spikes, list(references)))
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    print(f"\nall that Elephant has: ours {together[0]:.3f} s, Elephant {summed:.2f} s: {summed / together[0]:.0f}x")
    print(f"Elephant's objects, made from flat arrays, extrapolated as an upper bound: {making:.2f} s more")


if __name__ == "__main__":
    main()
