"""A simulator behind PyNN: its network is made anew for every point, from connections that are drawn once."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.pace import WINDOW, Pace, most_spikes, too_fast
from simulators.backends.pynn_simulator.drawing import Synapses, draw_synapses
from simulators.backends.pynn_simulator.implementations import Implementation
from simulators.backends.pynn_simulator.network import Point, create_network
from simulators.backends.pynn_simulator.problems import network_problems
from simulators.backends.recorded import recorded_trains
from simulators.backends.simulator import (
    Build,
    Check,
    PointFailure,
    Recording,
    UnsupportedNetworkError,
)
from simulators.description import Network, PoissonDrive
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock


class PynnSimulator:
    """One module of PyNN (see `simulators.backends.simulator.Simulator`).

    Parameters
    ----------
    pynn : module
        PyNN's module of the implementation.
    implementation : Implementation
        What is particular to it.
    simulation : Simulation
        Step, warm-up and duration of every point.
    """

    gpu = ""
    exact = True

    def __init__(self, pynn: Any, implementation: Implementation, simulation: Simulation) -> None:
        self.backend = implementation.name
        self._pynn = pynn
        self._implementation = implementation
        self._simulation = simulation
        self._seed = 0
        self._synapses: Mapping[str, Synapses] | None = None
        self._set_up = False

    def batch_size(self, network: Network) -> int:
        """Return 1."""
        del network
        return 1

    def shrink_batches(self, divisor: int) -> None:
        """Do nothing: one point is the least."""

    def build(self, network: Network, seed: int, n_points: int | None = None) -> Build:
        """Draw the synapses (see `simulators.backends.simulator.Simulator.build`)."""
        clock = PhaseClock()
        problems = network_problems(network, self._simulation, self._implementation)
        if problems:
            raise UnsupportedNetworkError("; ".join(problems))
        self._seed = seed
        self._synapses = {p.name: draw_synapses(network, p, seed, self._simulation.dt) for p in network.projections}
        clock.end("t_build")
        return Build(clock.times, sum(len(synapses.sources) for synapses in self._synapses.values()))

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Run one point (see `simulators.backends.simulator.Simulator.run`)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PyNN says of simulators that deprecate what it calls
            return [self._run_point(network, check) for network in networks]

    def close(self) -> None:
        """Free the network."""
        self._synapses = None
        self._end()

    def _pretends(self) -> bool:
        if not self._implementation.pretends:
            return False
        module, function, *setting = self._implementation.pretends
        return bool(getattr(importlib.import_module(module), function)(*setting))

    def _end(self) -> None:
        if self._set_up:
            self._pynn.end()
            self._set_up = False

    def _run_point(self, network: Network, check: Check) -> Recording | PointFailure:
        assert self._synapses is not None, "build() comes before run()"
        clock = PhaseClock()
        dt, pynn = self._simulation.dt, self._pynn
        point = Point(network, self._synapses, self._simulation, self._seed, self._implementation)
        self._end()
        longest = self._longest_delay(network) * dt
        pynn.setup(timestep=dt, min_delay=dt, max_delay=longest, **self._implementation.setup)
        self._set_up = True
        made, start = create_network(pynn, point)
        if self._implementation.lead:
            pynn.run(self._implementation.lead * dt)
            for name, population in made.items():
                population.initialize(v=start[name])
        clock.end("t_reset")
        failure = self._propagate(made, point, check)
        clock.end("t_simulate")
        if failure is not None:
            return failure
        if self._pretends():
            return PointFailure("failed", "the board is virtual: the network was mapped onto it, but nothing simulated")
        spikes = {}
        for name, population in made.items():
            steps, senders = self._spikes(population, point)
            spikes[name] = recorded_trains(network[name], self._simulation, steps, senders)
        clock.end("t_record")
        return Recording(spikes, clock.times)

    def _propagate(self, made: Mapping[str, Any], point: Point, check: Check) -> PointFailure | None:
        simulation, dt = self._simulation, self._simulation.dt
        total = simulation.warmup_steps + simulation.n_steps
        window = max(1, round(WINDOW / dt))
        pace = Pace(dt)
        seen = dict.fromkeys(made, 0)
        reached = 0
        for begin in range(0, total, window):
            end = min(begin + window, total)
            while reached < end:
                left = end - reached
                steps = left if self._implementation.whole_windows else pace.steps(left)
                began = time.monotonic()
                self._pynn.run(steps * dt)
                pace.took(steps, time.monotonic() - began)
                reached += steps
                check()
                counts = {name: len(self._spikes(population, point)[0]) for name, population in made.items()}
                for name, count in counts.items():
                    size, found = point.network[name].size, count - seen[name]
                    if found > most_spikes(size, end - begin, simulation):
                        return PointFailure("diverged", too_fast(name, size, found, begin, reached, simulation))
            seen = counts
        return None

    def _spikes(self, population: Any, point: Point) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Steps from the end of the warm-up, and neurons, of all spikes so far since the point began."""
        (segment,) = population.get_data("spikes").segments
        identifiers, times = segment.spiketrains.multiplexed
        steps = np.rint(np.asarray(times.magnitude) / self._simulation.dt).astype(np.int64)
        steps = steps + self._implementation.label - point.origin
        senders = np.asarray(identifiers).astype(np.int64) - int(population.first_id)
        kept = steps > 0
        return steps[kept] - self._simulation.warmup_steps, senders[kept]

    def _longest_delay(self, network: Network) -> int:
        """Steps."""
        assert self._synapses is not None
        delays = [int(synapses.delays.max(initial=1)) for synapses in self._synapses.values()]
        drives = [
            round(given.delay / self._simulation.dt) for given in network.inputs if isinstance(given, PoissonDrive)
        ]
        return max([*delays, *drives, 1])
