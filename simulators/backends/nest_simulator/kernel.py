"""NEST: one built network, reused for all points of its structure.

Between points the synaptic currents are set to exactly zero and the neurons are run out of their refractory
time; then state, parameters and weights of the next point are set and the random streams started anew. Nothing of
the last point is left, so a point's spikes are the same to the bit whatever ran before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from simulators.backends.nest_simulator.network import (
    DRAWN,
    NestNetwork,
    create_network,
    neuron_parameters,
    signed_weight,
)
from simulators.backends.simulator import (
    Build,
    Check,
    PointFailure,
    Recording,
    recorded_trains,
)
from simulators.description import Network, PoissonDrive, Population, Projection, StepCurrent
from simulators.description.population import drawn_values
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock
from simulators.statistics.spike_trains import SpikeTrains

_CHUNK = 200.0  # ms of biological time between two looks at the clock, signals and rates


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

    def __init__(self, nest: Any, simulation: Simulation, threads: int) -> None:
        self._nest = nest
        self._simulation = simulation
        self._threads = threads
        self._seed = 0
        self._built: NestNetwork | None = None
        self._last: Network | None = None  # the point that ran last on this build

    def batch_size(self, network: Network) -> int:
        """Return 1."""
        del network
        return 1

    def build(self, network: Network, seed: int) -> Build:
        """Make neurons and synapses (see `simulators.backends.simulator.Simulator.build`)."""
        clock = PhaseClock()
        nest = self._nest
        self._built = self._last = None
        nest.ResetKernel()
        nest.resolution = self._simulation.dt
        nest.local_num_threads = self._threads
        nest.rng_seed = _kernel_seed(seed, "connectivity")
        nest.keep_source_table = False  # nobody asks for single connections, and it costs memory
        self._built = create_network(nest, network)
        self._seed = seed
        n_synapses = sum(
            nest.GetDefaults(model, "num_connections")
            for model in {self._built.models.get(projection.name, DRAWN) for projection in network.projections}
        )
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
        if self._last is not None:
            if is_reusable(network):
                self._quench(self._last)
            else:
                self.build(network, self._seed)
        self._last = network
        assert self._built is not None, "build() comes before run()"
        origin = self._nest.biological_time
        self._set_state(self._built, network)
        self._set_inputs(self._built, network, origin)
        clock.end("t_reset")
        failure = self._propagate(self._built, network, check)
        clock.end("t_simulate")
        if failure is not None:
            return failure
        start = self._steps(origin) + self._simulation.warmup_steps
        spikes = {name: self._fetch(self._built, network[name], start) for name in self._built.recorders}
        clock.end("t_record")
        return Recording(spikes, clock.times)

    def _quench(self, last: Network) -> None:
        """Run until no synaptic current, spike in flight or refractory neuron of the last point is left."""
        assert self._built is not None
        nest, dt = self._nest, self._simulation.dt
        refractory = 0.0
        for population in last.populations:
            if population.is_source:
                self._built.generators[population.name].set(rate=0.0)
                continue
            model = population.model
            assert model.nest is not None and model.nest.quench is not None
            if model.refractory is not None:
                refractory = max(refractory, float(np.max(drawn_values(population, self._seed)[model.refractory])))
            self._built.nodes[population.name].set(**model.nest.quench)
        for given in last.inputs:
            generator = self._built.generators[given.name]
            if isinstance(given, PoissonDrive):
                generator.set(rate=0.0)
            else:
                now = self._steps(nest.biological_time)
                generator.set(amplitude_times=[(now + 1) * dt], amplitude_values=[0.0])
        end = self._steps(nest.biological_time + refractory + nest.max_delay) + 2
        # Spikes are exchanged once per minimum delay: every point begins at such an exchange, so that its inputs are
        # added up in the same order.
        exchange = self._steps(nest.min_delay)
        end = -(-end // exchange) * exchange
        nest.Simulate((end - self._steps(nest.biological_time)) * dt)

    def _set_state(self, built: NestNetwork, network: Network) -> None:
        for population in network.populations:
            if not population.is_source:
                values = neuron_parameters(population, self._seed)
                # One value per neuron goes by a slower way, and would take the single values along
                drawn = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
                built.nodes[population.name].set(**{name: values[name] for name in values.keys() - drawn.keys()})
                if drawn:
                    built.nodes[population.name].set(**drawn)
        drives = (given for given in network.inputs if isinstance(given, PoissonDrive))
        weighted: list[Projection | PoissonDrive] = [*network.projections, *drives]
        for edge in weighted:
            if edge.name in built.models and isinstance(edge.weight, (int, float)):
                weight = float(signed_weight(edge.weight, edge.receptor))
                self._nest.SetDefaults(built.models[edge.name], {"weight": weight})
        for recorder in built.recorders.values():
            recorder.set(n_events=0)

    def _set_inputs(self, built: NestNetwork, network: Network, origin: float) -> None:
        self._nest.rng_seed = _kernel_seed(self._seed, "point")
        start = origin + self._simulation.warmup
        for population in network.populations:
            if population.is_source:
                values = neuron_parameters(population, self._seed)
                built.generators[population.name].set(
                    rate=values["rate"], start=start + values["start"], stop=start + values["stop"]
                )
        for given in network.inputs:
            if isinstance(given, PoissonDrive):
                # A generator is silent in the step of its start, which would else be so in the first point alone
                built.generators[given.name].set(rate=given.rate, start=origin)
            elif isinstance(given, StepCurrent):
                built.generators[given.name].set(**self._step_amplitudes(given, origin))

    def _step_amplitudes(self, given: StepCurrent, origin: float) -> dict[str, list[float]]:
        """Times and amplitudes of a step current, off at first; a generator acts one step after its own time."""
        dt = self._simulation.dt
        amplitudes = {self._steps(origin) + 1: 0.0}
        for times, amplitude in ((given.onsets, given.amplitude), (given.offsets, 0.0)):
            for time in times:
                step = self._steps(origin + self._simulation.warmup + time) - 1
                amplitudes[max(step, self._steps(origin) + 1)] = amplitude
        steps = sorted(amplitudes)
        return {
            "amplitude_times": [step * dt for step in steps],
            "amplitude_values": [amplitudes[step] for step in steps],
        }

    def _propagate(self, built: NestNetwork, network: Network, check: Check) -> PointFailure | None:
        dt, max_rate = self._simulation.dt, self._simulation.max_rate
        total = self._simulation.warmup_steps + self._simulation.n_steps
        chunk = max(1, round(_CHUNK / dt))
        seen = dict.fromkeys(built.recorders, 0)
        with _prepared(self._nest):
            for begin in range(0, total, chunk):
                steps = min(chunk, total - begin)
                self._nest.Run(steps * dt)
                check()
                for name, recorder in built.recorders.items():
                    count = recorder.n_events
                    rate = (count - seen[name]) / network[name].size / (steps * dt * 1e-3)
                    seen[name] = count
                    if rate > max_rate:
                        return PointFailure(
                            "diverged",
                            f"population {name} fires at {rate:.4g} Hz, above max_rate = {max_rate:g} Hz, "
                            f"{(begin + steps) * dt - self._simulation.warmup:g} ms after the warm-up",
                        )
        for name in built.recorders:
            if not np.isfinite(built.nodes[name].get("V_m")).all():
                return PointFailure("diverged", f"membrane potentials of population {name} are not finite")
        return None

    def _fetch(self, built: NestNetwork, population: Population, start: int) -> SpikeTrains:
        events = built.recorders[population.name].get("events")
        # A recorder without events hands out floats
        steps = np.asarray(events["times"], dtype=np.int64) - start
        senders = np.asarray(events["senders"], dtype=np.int64) - built.nodes[population.name][0].global_id
        return recorded_trains(population, self._simulation, steps, senders)

    def _steps(self, time: float) -> int:
        return round(time / self._simulation.dt)


def is_reusable(network: Network) -> bool:
    """Whether one build serves many points: nothing that a point leaves in the neurons outlives a quench."""
    models = (population.model for population in network.populations if not population.is_source)
    return all(model.nest is not None and model.nest.quench is not None for model in models)


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
