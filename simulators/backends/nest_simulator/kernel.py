"""NEST: one built network, reused for all points of its structure.

Between points the synaptic currents are set to exactly zero and the neurons are run out of their refractory
time; then state, parameters and weights of the next point are set and the random streams started anew. Nothing of
the last point is left, so a point's spikes are the same to the bit whatever ran before it. Networks with neurons in
which something would be left are built anew for every point.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from simulators.backends.nest_simulator.generators import LEAD_STEPS, Clock, set_generators
from simulators.backends.nest_simulator.network import NestNetwork, create_network, set_neurons, set_weights
from simulators.backends.nest_simulator.problems import is_reusable, network_problems
from simulators.backends.nest_simulator.recording import SpikeLog
from simulators.backends.pace import WINDOW, Pace, most_spikes, too_fast
from simulators.backends.recorded import recorded_trains
from simulators.backends.simulator import (
    Build,
    Check,
    PointFailure,
    Recording,
    UnsupportedNetworkError,
)
from simulators.description import Network, Population
from simulators.description.population import drawn_values
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock
from simulators.statistics.spike_trains import SpikeTrains

_MOST_SPIKES = 4e6  # between two looks: some 160 MB


# Beside what a neuron's file says, which is part of its points' identity: nothing that may have an absurd value and go
# on driving towards it
_STILL: Mapping[str, Mapping[str, float]] = {
    "iaf_psc_exp": {"I_e": 0.0, "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0, "V_th": 1e300}
}


class NestSimulator:
    """One NEST kernel (see `simulators.backends.simulator.Simulator`).

    Parameters
    ----------
    nest : module
        PyNEST.
    simulation : Simulation
        Step, warm-up and duration of every point.
    threads : int
        Threads of the kernel.
    """

    backend = "cpu"
    gpu = ""
    exact = True

    def __init__(self, nest: Any, simulation: Simulation, threads: int) -> None:
        self._nest = nest
        self._simulation = simulation
        self._threads = threads
        self._seed = 0
        self._built: NestNetwork | None = None
        self._last: Network | None = None  # the point that ran last on this build
        self._diverged = False  # whether that point was given up

    def batch_size(self, network: Network) -> int:
        """Return 1."""
        del network
        return 1

    def shrink_batches(self, divisor: int) -> None:
        """Do nothing: one point is the least."""

    def build(self, network: Network, seed: int, n_points: int | None = None) -> Build:
        """Make neurons and synapses (see `simulators.backends.simulator.Simulator.build`)."""
        del n_points
        clock = PhaseClock()
        problems = network_problems(network, self._simulation.dt, self._threads)
        if problems:
            raise UnsupportedNetworkError("; ".join(problems))
        nest = self._nest
        self._built = self._last = None
        nest.ResetKernel()
        nest.resolution = self._simulation.dt
        nest.local_num_threads = self._threads
        nest.rng_seed = _kernel_seed(seed, "connectivity")
        # NEST notes every change of its spike buffers, and hands out all notes whenever it is asked for anything of its
        # kernel: where they also shrank, a point took longer, and the process more memory, the more had run before it
        nest.spike_buffer_shrink_limit = 0.0
        nest.keep_source_table = False  # nobody asks for single connections, and it costs memory
        self._built = create_network(nest, network, seed)
        self._seed = seed
        n_synapses = sum(nest.GetDefaults(model, "num_connections") for model in self._built.synapses.values())
        with _prepared(nest):
            pass  # sorts the connections, which would otherwise be charged to the first point
        clock.end("t_build")
        return Build(clock.times, n_synapses)

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Run one point (see `simulators.backends.simulator.Simulator.run`)."""
        return [self._run_point(network, check) for network in networks]

    def close(self) -> None:
        """Free the network."""
        self._built = self._last = None
        self._nest.ResetKernel()

    def _run_point(self, network: Network, check: Check) -> Recording | PointFailure:
        clock = PhaseClock()
        if self._last is not None and not is_reusable(network):
            self.build(network, self._seed)
            clock.end("t_build")
        built = self._built
        assert built is not None, "build() comes before run()"
        origin = self._clear_away(built, network)
        if self._diverged and _not_finite(built, network):
            # inputs beyond all numbers, which no time constant lets decay
            self.build(network, self._seed)
            clock.end("t_build")
            built = self._built
            assert built is not None
            origin = self._clear_away(built, network)
        self._last = network
        set_neurons(built, network, self._seed)
        set_weights(self._nest, built, network)
        log = SpikeLog(built.recorders)
        clock.end("t_reset")
        failure = self._propagate(built, network, log, check)
        clock.end("t_simulate")
        self._diverged = failure is not None
        if failure is not None:
            return failure
        start = origin + self._simulation.warmup_steps
        spikes = {name: self._trains(built, network[name], log, start) for name in built.recorders}
        clock.end("t_record")
        return Recording(spikes, clock.times)

    def _clear_away(self, built: NestNetwork, network: Network) -> int:
        """Run until no synaptic current, spike in flight or refractory neuron of the last point is left.

        The generators of the next point are set before: some begin to act ahead of it.

        Returns
        -------
        int
            Step at which the next point begins.
        """
        nest, dt = self._nest, self._simulation.dt
        now = self._steps(nest.biological_time)
        end = now + LEAD_STEPS
        if self._last is not None:
            end = self._steps(nest.biological_time + self._quench(built, self._last) + nest.max_delay) + LEAD_STEPS
        # Spikes are exchanged once per minimum delay: every point begins at such an exchange, so that its inputs are
        # added up in the same order.
        exchange = self._steps(nest.min_delay)
        end = -(-end // exchange) * exchange
        nest.rng_seed = _kernel_seed(self._seed, "point")
        set_generators(built.generators, network, self._seed, Clock(now, end, end + self._simulation.warmup_steps, dt))
        nest.Simulate((end - now) * dt)
        return end

    def _quench(self, built: NestNetwork, last: Network) -> float:
        """Make neurons forget their inputs, and return how long some stay refractory, ms."""
        refractory = 0.0
        for population in last.populations:
            model = population.model
            if population.is_source:
                continue
            assert model.nest is not None and model.nest.quench is not None, "is not reusable"
            built.nodes[population.name].set(**{**model.nest.quench, **_STILL.get(model.nest.name, {})})
            if model.refractory is not None:
                refractory = max(refractory, float(np.max(drawn_values(population, self._seed)[model.refractory])))
        return refractory

    def _propagate(self, built: NestNetwork, network: Network, log: SpikeLog, check: Check) -> PointFailure | None:
        simulation, dt = self._simulation, self._simulation.dt
        total = simulation.warmup_steps + simulation.n_steps
        window = max(1, round(WINDOW / dt))
        pace = Pace(dt, self._longest_piece(network))
        reached = 0
        for begin in range(0, total, window):
            end = min(begin + window, total)
            with _prepared(self._nest):
                while reached < end:
                    steps = pace.steps(end - reached)
                    began = time.monotonic()
                    self._nest.Run(steps * dt)
                    pace.took(steps, time.monotonic() - began)
                    reached += steps
                    check()
                    for name, count in log.counts().items():
                        size = network[name].size
                        # more than fit the whole window, however long it has run
                        if count > most_spikes(size, end - begin, simulation):
                            reason = too_fast(name, size, count, begin, reached, simulation)
                            return PointFailure("diverged", reason)
            log.take()
        found = _not_finite(built, network)
        return PointFailure("diverged", f"membrane potentials of population {found} are not finite") if found else None

    def _longest_piece(self, network: Network) -> int:
        """Steps in which no more spikes can be recorded than fit the memory, however fast neurons fire."""
        fastest = 0.0  # spikes of a step
        for population in network.populations:
            model = population.model
            if not population.is_source:
                refractory = 0.0
                if model.refractory is not None:
                    refractory = float(np.min(drawn_values(population, self._seed)[model.refractory]))
                fastest += population.size / max(1.0, refractory / self._simulation.dt)
        window = max(1, round(WINDOW / self._simulation.dt))
        return max(1, min(window, int(_MOST_SPIKES / max(fastest, 1e-9))))

    def _trains(self, built: NestNetwork, population: Population, log: SpikeLog, start: int) -> SpikeTrains:
        steps, senders = log.of(population.name)
        first = built.nodes[population.name][0].global_id
        return recorded_trains(population, self._simulation, steps - start, senders - first)

    def _steps(self, time: float) -> int:
        return round(time / self._simulation.dt)


def _not_finite(built: NestNetwork, network: Network) -> str:
    """Name of the first population with a potential that is no number; empty if there is none."""
    for name in built.recorders:
        if "V_m" in network[name].model.states and not np.isfinite(built.nodes[name].get("V_m")).all():
            return name
    return ""


@contextmanager
def _prepared(nest: Any) -> Iterator[None]:
    nest.Prepare()
    try:
        yield
    finally:
        nest.Cleanup()


def _kernel_seed(seed: int, purpose: str) -> int:
    """Seed for NEST's own streams, in its range of 1 to 2³² - 1."""
    return 1 + zlib.crc32(f"{purpose} {seed}".encode()) % (2**32 - 1)
