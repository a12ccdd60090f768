"""GeNN: one compiled and built network, reused for all points of its structure.

Compiled code is kept on disk (`cache`). Between points every spike under way is let out, all that
it left is set to zero, and state, parameters, weights and random generators of the next point are set: a
point's spikes on a CPU are the same to the bit whatever ran before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator import cache
from simulators.backends.genn_simulator.costs import batch_that_fits, device_memory
from simulators.backends.genn_simulator.devices import visible_gpu
from simulators.backends.genn_simulator.layout import Layout, layout_of
from simulators.backends.genn_simulator.network import (
    INTEGRATE,
    GennNetwork,
    array_of,
    compile_network,
    count_synapses,
    describe_network,
    load_network,
)
from simulators.backends.genn_simulator.points import set_changing_values, set_points, silence
from simulators.backends.genn_simulator.values import change_steps, unpack_spikes
from simulators.backends.simulator import (
    Build,
    Check,
    PointFailure,
    Recording,
    recorded_trains,
)
from simulators.description.network import Network
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock

_GPUS = ("cuda", "hip")
_CHUNK = 200.0  # ms of biological time between two looks at the clock, signals and rates

Spikes = tuple[NDArray[np.int32], NDArray[np.int32]]


class GennSimulator:
    """One GeNN model (see `simulators.backends.simulator.Simulator`).

    Parameters
    ----------
    pygenn : module
        PyGeNN.
    simulation : Simulation
        Step, warm-up and duration of every point.
    settings : mapping of str to value
        By the names of `SETTINGS`.
    backend : str
        GeNN's backend.
    """

    def __init__(self, pygenn: Any, simulation: Simulation, settings: Mapping[str, Any], backend: str) -> None:
        self._pygenn = pygenn
        self._simulation = simulation
        self._procedural: bool = settings["procedural"]
        self._folder = cache.cache_folder(settings["cache"])
        self.backend = backend
        device = visible_gpu() if backend in _GPUS else None
        self.gpu = "" if device is None else device.name
        # asked once: what is free must not change the layout from one point to the next
        self._free_memory = float("inf") if device is None else device.free_memory
        self._batch: int = settings["batch"] if backend in _GPUS else 1
        self._chunk_steps = max(1, round(_CHUNK / simulation.dt))
        self._seed = 0
        self._layout: Layout | None = None
        self._built: GennNetwork | None = None

    def batch_size(self, network: Network) -> int:
        """Return the setting, or what the memory of the graphics processor holds; 1 on a CPU."""
        if self._batch:
            return self._batch
        return batch_that_fits(self._free_memory, *device_memory(network, self._chunk_steps, self._procedural))

    def build(self, network: Network, seed: int) -> Build:
        """Compile, or find compiled, and draw the connectivity (see `Simulator.build`)."""
        clock = PhaseClock()
        self.close()
        layout = self._layout_of(network)
        key = cache.cache_key(repr(layout), self.backend, self._pygenn.__version__, self.gpu)

        def describe() -> GennNetwork:
            return describe_network(self._pygenn, network, layout, seed, self.backend)

        folder = cache.compiled(self._folder, key, lambda private: compile_network(describe(), private))
        clock.end("t_compile")
        built = describe()
        load_network(built, folder, self._chunk_steps)
        self._layout, self._built, self._seed = layout, built, seed
        n_synapses = count_synapses(built, network, self._procedural)
        clock.end("t_build")
        return Build(clock.times, n_synapses)

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Run points side by side (see `simulators.backends.simulator.Simulator.run`)."""
        clock = PhaseClock()
        assert self._layout is not None, "build() comes before run()"
        if any(self._layout_of(network) != self._layout for network in networks):
            # One value per neuron where the built network has one for all, or the reverse.
            if len({repr(self._layout_of(network)) for network in networks}) > 1:
                return [result for network in networks for result in self.run([network], check)]
            self.build(networks[0], self._seed)
        assert self._built is not None
        built, layout = self._built, self._layout
        self._drain(built)
        set_points(built, layout, networks, self._seed)
        clock.end("t_reset")
        spikes, failures = self._propagate(built, layout, networks, check, clock)
        results: list[Recording | PointFailure] = []
        for instance, network in enumerate(networks):
            if instance in failures:
                results.append(failures[instance])
            else:
                trains = {}
                for name, found in spikes[instance].items():
                    steps, senders = (np.concatenate([part[k] for part in found]) for k in (0, 1))
                    found.clear()
                    trains[name] = recorded_trains(network[name], self._simulation, steps, senders)
                results.append(Recording(trains, {}))
        clock.end("t_record")
        phases = {name: seconds / len(networks) for name, seconds in clock.times.items()}
        return [Recording(r.spikes, phases) if isinstance(r, Recording) else r for r in results]

    def close(self) -> None:
        """Free the network."""
        if self._built is not None:
            self._built.model.unload()
        self._built = self._layout = None

    def _layout_of(self, network: Network) -> Layout:
        return layout_of(network, self._simulation.dt, self.batch_size(network), self._procedural)

    def _drain(self, built: GennNetwork) -> None:
        """Let out the spikes still under way, without propagating anybody."""
        for group in built.neurons.values():
            name, value = ("V", -1e30) if "V" in group.vars else ("probability", 0.0)
            group.vars[name].view[:] = value
            group.vars[name].push_to_device()
        for _ in range(built.drain_steps):
            built.model.step_time()

    def _propagate(
        self, built: GennNetwork, layout: Layout, networks: Sequence[Network], check: Check, clock: PhaseClock
    ) -> tuple[list[dict[str, list[Spikes]]], dict[int, PointFailure]]:
        """Run warm-up and recording; return the spikes of every instance by population, and the failures."""
        dt, warmup = self._simulation.dt, self._simulation.warmup_steps
        total = warmup + self._simulation.n_steps
        changes = sorted({warmup + step for network in networks for step in change_steps(network, dt)})
        recorded = [p.name for p in networks[0].populations if p.neuron != "poisson_source"]
        spikes: list[dict[str, list[Spikes]]] = [{name: [] for name in recorded} for _ in networks]
        failures: dict[int, PointFailure] = {}
        for begin in range(0, total, self._chunk_steps):
            end = min(begin + self._chunk_steps, total)
            self._step(built, layout, networks, failures, begin, end, changes)
            check()
            clock.end("t_simulate")
            built.model.pull_recording_buffers_from_device()
            for name in recorded:
                size = networks[0][name].size
                words = array_of(built, built.neurons[name], "recordSpk", np.uint32, pull=False)
                words = words.reshape(self._chunk_steps, layout.batch, -(-size // 32))
                for instance in range(len(networks)):
                    if instance in failures:
                        continue
                    found = unpack_spikes(words, instance, begin + 1 - warmup, end - begin)
                    spikes[instance][name].append(found)
                    rate = len(found[0]) / size / ((end - begin) * dt * 1e-3)
                    if rate > self._simulation.max_rate:
                        failures[instance] = PointFailure(
                            "diverged",
                            f"population {name} fires at {rate:.4g} Hz, above max_rate = "
                            f"{self._simulation.max_rate:g} Hz, {(end - warmup) * dt:g} ms after the warm-up",
                        )
                        silence(built, layout, instance)
            clock.end("t_record")
            if len(failures) == len(networks):
                break
        self._find_non_finite(built, layout, networks, failures)
        return spikes, failures

    def _step(
        self,
        built: GennNetwork,
        layout: Layout,
        networks: Sequence[Network],
        failures: Mapping[int, PointFailure],
        begin: int,
        end: int,
        changes: Sequence[int],
    ) -> None:
        model, warmup = built.model, self._simulation.warmup_steps
        model.timestep = 0  # the recording begins at its first row
        runtime = model._runtime
        integrate: Callable[[str], None] = runtime.custom_update
        step_time: Callable[[], None] = runtime.step_time
        bounds = [begin, *(step for step in changes if begin < step < end), end]
        for first, last in itertools.pairwise(bounds):
            if first == 0 or first in changes:
                for instance, network in enumerate(networks):
                    if instance not in failures:
                        set_changing_values(built, layout, network, instance, self._seed, first - warmup)
            for _ in range(first, last):
                integrate(INTEGRATE)
                step_time()

    def _find_non_finite(
        self, built: GennNetwork, layout: Layout, networks: Sequence[Network], failures: dict[int, PointFailure]
    ) -> None:
        for population in layout.populations:
            if population.neuron == "poisson_source":
                continue
            potential = built.neurons[population.name].vars["V"]
            potential.pull_from_device()
            finite = np.isfinite(potential.view.reshape(layout.batch, -1)).all(axis=1)
            for instance in range(len(networks)):
                if instance not in failures and not finite[instance]:
                    failures[instance] = PointFailure(
                        "diverged", f"membrane potentials of population {population.name} are not finite"
                    )
