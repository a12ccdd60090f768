"""A stand-in that draws Poisson spikes: for tests of the machinery and benchmarks of scale, never for science.

It builds nothing and propagates nothing; rates rise with the current over the rheobase, so that maps have a shape.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.accumulated import SumCollector, plans_of, sums_of
from simulators.backends.recorded import Collector, OpenCollector, recorded_populations, recorded_trains
from simulators.backends.simulator import Build, Check, Cost, PointFailure, Recording, Setting
from simulators.description import Network, Population
from simulators.description.network import expected_synapses, structure_of
from simulators.description.population import drawn_values
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock
from simulators.statistics.measures.needs import Needs
from simulators.statistics.spike_trains import SpikeTrains

SETTINGS: Mapping[str, Setting] = {
    "seconds_per_point": Setting(0.0, "wall time a point takes at least, s", 0.0),
    "max_rate_hz": Setting(20.0, "rate of a strongly driven population, Hz", 0.0),
    "batch": Setting(1, "points that run together", 1),
    "cores": Setting(1, "cores; all but one decode spikes and compute statistics beside the next points", 1),
    "sums": Setting(False, "hand sums over in place of spikes where nothing needs those, as a graphics processor does"),
}
PACKAGES: tuple[str, ...] = ()
_CHUNK = 2000  # steps that are handed over at a time
IMAGE: str | None = None
SUGGESTED: Mapping[str, Any] | None = None


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings a result depends on: none that the summary names."""
    del settings
    return {}


def structure(network: Network) -> Hashable:
    """Return what networks share that are counted as one build."""
    return structure_of(network)


def problems(network: Network, simulation: Simulation, settings: Mapping[str, Any]) -> list[str]:
    """Say what it cannot do: it takes any network."""
    del network, simulation, settings
    return []


def check_available(settings: Mapping[str, Any]) -> None:
    """Nothing has to be installed."""
    del settings


def estimate(network: Network, simulation: Simulation, settings: Mapping[str, Any], gpus: int | None = None) -> Cost:
    """Estimate the time to draw the spikes and compute their statistics."""
    del gpus
    spikes = settings["max_rate_hz"] / 2 * network.n_neurons * simulation.duration * 1e-3
    return Cost(
        build=0.0,
        point=settings["seconds_per_point"] + 2e-3 + 2e-7 * spikes,
        memory=1.2e8 + 60.0 * spikes,
        batch=settings["batch"],
    )


def open_simulator(simulation: Simulation, settings: Mapping[str, Any]) -> PoissonSimulator:
    """Start the stand-in."""
    return PoissonSimulator(simulation, settings)


class PoissonSimulator:
    """Draws spikes from the description (see `simulators.backends.simulator.Simulator`)."""

    backend = "cpu"
    gpu = ""
    exact = True

    def __init__(self, simulation: Simulation, settings: Mapping[str, Any]) -> None:
        self._simulation = simulation
        self._settings = settings
        self._seed = 0
        self._divisor = 1
        self.helpers: int = settings["cores"] - 1
        self.accumulates: bool = settings["sums"]
        self._needs: Needs | None = None

    def batch_size(self, network: Network) -> int:
        """Return the setting, or what is left of it."""
        del network
        batch: int = self._settings["batch"]
        return max(1, batch // self._divisor)

    def shrink_batches(self, divisor: int) -> None:
        """Take fewer points at once."""
        self._divisor = divisor

    def build(self, network: Network, seed: int, n_points: int | None = None) -> Build:
        """Remember the seed."""
        del n_points
        self._seed = seed
        return Build({"t_build": 0.0}, round(expected_synapses(network)))

    def accumulate(self, needs: Needs) -> None:
        """Hand sums over (see `simulators.backends.accumulated.Accumulates`)."""
        self._needs = needs

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Draw the spikes of some points, and make sums of them where these are asked for."""
        found = [self._draw(network, check) for network in networks]
        if self._needs is None:
            return found
        populations = {k: recorded_populations(network) for k, network in enumerate(networks)}
        collector = SumCollector(self._simulation, populations, self._needs)
        self._hand_over(networks, found, collector, check)
        return [
            Recording({}, one.phases, collector.take(k)) if isinstance(one, Recording) else one
            for k, one in enumerate(found)
        ]

    def run_into(
        self, networks: Sequence[Network], check: Check, opener: OpenCollector
    ) -> list[Recording | PointFailure]:
        """Draw the spikes of some points and hand them over as bits, or sums of them, as from a graphics processor."""
        found = [self._draw(network, check) for network in networks]
        drawn = [k for k, one in enumerate(found) if isinstance(one, Recording)]
        collector = opener({k: recorded_populations(networks[k]) for k in drawn}, self._needs)
        self._hand_over(networks, found, collector, check)
        return [Recording({}, one.phases) if isinstance(one, Recording) else one for one in found]

    def _hand_over(
        self,
        networks: Sequence[Network],
        found: Sequence[Recording | PointFailure],
        collector: Collector,
        check: Check,
    ) -> None:
        drawn = {k: one.spikes for k, one in enumerate(found) if isinstance(one, Recording)}
        populations = recorded_populations(networks[0]) if drawn else ()
        plans = None if self._needs is None else plans_of(populations, self._simulation, self._needs)
        warmup = self._simulation.warmup_steps
        for begin in range(0, self._simulation.n_steps, _CHUNK):
            end = min(begin + _CHUNK, self._simulation.n_steps)
            words = {}
            for population in populations:
                chosen = np.arange(population.size) if plans is None else plans[population.name].sample
                bits = np.zeros((end - begin, len(networks), population.size), np.uint8)
                for k, spikes in drawn.items():
                    trains = spikes[population.name]
                    inside = (trains.steps > begin) & (trains.steps <= end)
                    bits[trains.steps[inside] - begin - 1, k, trains.senders[inside]] = 1
                words[population.name] = _packed(bits[:, :, chosen], 2 if plans is None else 0)
            check()
            collector.add(words, begin + warmup, end + warmup)
        if plans is not None:
            sums: dict[str, NDArray[np.uint32]] = {}
            for name, plan in plans.items():
                sums |= sums_of([drawn[k][name] if k in drawn else None for k in range(len(networks))], name, plan)
            collector.release()
            collector.add_sums(sums)

    def close(self) -> None:
        """Hold nothing."""

    def _draw(self, network: Network, check: Check) -> Recording | PointFailure:
        clock = PhaseClock()
        until = time.perf_counter() + self._settings["seconds_per_point"]
        check()
        while (left := until - time.perf_counter()) > 0.0:
            time.sleep(min(left, 0.05))
            check()
        spikes = {p.name: self._spike_trains(p) for p in network.populations if not p.is_source}
        clock.end("t_simulate")
        for name, trains in spikes.items():
            rate = trains.n_spikes / trains.size / (trains.duration * 1e-3)
            if rate > self._simulation.max_rate:
                return PointFailure("diverged", f"population {name} fires at {rate:.4g} Hz, above max_rate")
        return Recording(spikes, clock.times)

    def _spike_trains(self, population: Population) -> SpikeTrains:
        current = np.mean(drawn_values(population, self._seed).get("I_e", 0.0))
        drive = float(current) * 20.0  # mV per pA of a membrane of 20 ms and 1 pF
        rate = self._settings["max_rate_hz"] / (1.0 + np.exp(-(drive - 25.0) / 5.0))
        n_steps = self._simulation.n_steps
        rng = np.random.default_rng([self._seed, population.size, int(drive * 1e6) & 0x7FFFFFFF])
        count = rng.poisson(rate * population.size * self._simulation.duration * 1e-3)
        steps, senders = rng.integers(1, n_steps + 1, count), rng.integers(0, population.size, count)
        steps, senders = np.divmod(np.unique(steps * population.size + senders), population.size)
        return recorded_trains(population, self._simulation, steps, senders)


def _packed(bits: NDArray[np.uint8], axis: int) -> NDArray[np.uint32]:
    """Pack bits along an axis into words of 32."""
    room = [(0, -bits.shape[axis] % 32 if k == axis else 0) for k in range(bits.ndim)]
    last = np.moveaxis(np.pad(bits, room), axis, -1)
    words = np.ascontiguousarray(np.packbits(last, axis=-1, bitorder="little")).view("<u4")
    return np.ascontiguousarray(np.moveaxis(words, -1, axis))
