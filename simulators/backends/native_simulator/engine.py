"""The native simulator: one drawn network, reused for all points of its structure.

All of a point's numbers are made anew from the point and the seed, and so are the states of all random generators:
nothing of the last point is left, so a point's spikes are the same to the bit whatever ran before it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite
import numba
import numpy as np
from numpy.typing import NDArray

from simulators.backends.native_simulator import program_cache
from simulators.backends.native_simulator.kernels.tables import packed
from simulators.backends.native_simulator.past import Past
from simulators.backends.native_simulator.points import Point, change_steps, make_point, set_inputs, set_weights
from simulators.backends.native_simulator.program import program
from simulators.backends.native_simulator.synapses import drawing
from simulators.backends.native_simulator.synapses.drawing import Synapses, draw_synapses
from simulators.backends.native_simulator.synapses.layout import Layout, layout_of, network_problems
from simulators.backends.native_simulator.teams import make_teams, owned_populations, together
from simulators.backends.pace import WINDOW, Pace, most_spikes, too_fast
from simulators.backends.recorded import recorded_trains
from simulators.backends.simulator import Build, Check, PointFailure, Recording
from simulators.description import Network
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock

_VERSIONS = f"numba {numba.__version__}, llvmlite {llvmlite.__version__}"

Spikes = tuple[NDArray[np.int64], NDArray[np.int32]]


@dataclass(frozen=True)
class _Built:
    """A drawn network."""

    layout: Layout
    synapses: Synapses
    seed: int


class NativeSimulator:
    """A network in the memory of this process (see `simulators.backends.simulator.Simulator`).

    Parameters
    ----------
    simulation : Simulation
        Step, warm-up and duration of every point.
    settings : mapping of str to value
        By the names of `SETTINGS`.
    """

    backend = "cpu"
    gpu = ""
    exact = True

    def __init__(self, simulation: Simulation, settings: Mapping[str, Any]) -> None:
        self._simulation = simulation
        self._folder = program_cache.cache_folder(settings["cache"])
        self._threads = int(settings["threads"])
        self._chunk_steps = max(1, round(WINDOW / simulation.dt))
        self._built: _Built | None = None

    def batch_size(self, network: Network) -> int:
        """Return 1."""
        del network
        return 1

    def shrink_batches(self, divisor: int) -> None:
        """Do nothing: one point is the least."""

    def build(self, network: Network, seed: int, n_points: int | None = None) -> Build:
        """Draw the synapses (see `simulators.backends.simulator.Simulator.build`).

        Raises
        ------
        ValueError
            If the network holds something that cannot be run.
        """
        del n_points
        clock = PhaseClock()
        self._built = None
        problems = network_problems(network, self._simulation)
        if problems:
            raise ValueError("; ".join(problems))
        layout = layout_of(network, self._simulation.dt)
        draw = program_cache.load_program(self._folder, drawing.PROGRAM, _VERSIONS)
        synapses = draw_synapses(draw, network, layout, self._threads, seed, self._simulation.dt)
        self._built = _Built(layout, synapses, seed)
        clock.end("t_build")
        self._start(network, self._built).compile()
        clock.end("t_compile")
        return Build(clock.times, synapses.n_synapses)

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Run one point (see `simulators.backends.simulator.Simulator.run`)."""
        return [self._run_point(network, check) for network in networks]

    def close(self) -> None:
        """Free the network."""
        self._built = None

    def _run_point(self, network: Network, check: Check) -> Recording | PointFailure:
        clock = PhaseClock()
        built = self._built
        assert built is not None, "build() comes before run()"
        run = self._start(network, built)
        clock.end("t_reset")
        outcome = run.propagate(check, clock)
        if isinstance(outcome, PointFailure):
            return outcome
        trains = {}
        for name, found in outcome.items():
            steps, senders = (np.concatenate([part[k] for part in found]) for k in (0, 1))
            found.clear()
            trains[name] = recorded_trains(network[name], self._simulation, steps, senders)
        clock.end("t_record")
        return Recording(trains, clock.times)

    def _start(self, network: Network, built: _Built) -> _Run:
        """Lay out a point."""
        point = make_point(network, built.layout, built.seed, self._simulation)
        set_weights(built.synapses, network, built.layout)
        together = len(built.synapses.bundles) > 1
        source = program(point.kinds, bool(built.layout.blocks), bool(built.layout.bundles), together)
        module = program_cache.load_program(self._folder, source, _VERSIONS)
        return _Run(module, network, built, point, self._simulation, self._chunk_steps)


class _Run:
    """One point on its way."""

    def __init__(
        self, module: Any, network: Network, built: _Built, point: Point, simulation: Simulation, chunk_steps: int
    ) -> None:
        self._module = module
        self._network = network
        self._built = built
        self._point = point
        self._simulation = simulation
        self._chunk_steps = chunk_steps
        # How far the past is looked back upon
        self._lag = max(built.synapses.longest_delay, int(point.populations.longest.max()) + 1)
        shape = (self._lag + chunk_steps, len(network.populations) + 1)
        threads = len(built.synapses.bundles)
        self._pasts = [Past(shape, built.layout.n_all, bundles) for bundles in built.synapses.bundles]
        self._populations = [owned_populations(point.populations, thread, threads) for thread in range(threads)]
        self._teams = make_teams(point.populations, threads)

    def compile(self) -> None:
        """Have Numba compile the program, or load what it compiled before: take no step."""
        self._take_steps(0, 0, 0, 0)

    def propagate(self, check: Check, clock: PhaseClock) -> dict[str, list[Spikes]] | PointFailure:
        """Run warm-up and recording; return the spikes by population."""
        simulation = self._simulation
        total = simulation.warmup_steps + simulation.n_steps
        changes = change_steps(self._network, self._built.seed, simulation)
        recorded = [population.name for population in self._network.populations if not population.is_source]
        spikes: dict[str, list[Spikes]] = {name: [] for name in recorded}
        n_spikes = 0
        pace = Pace(simulation.dt)
        for begin in range(0, total, self._chunk_steps):
            end = min(begin + self._chunk_steps, total)
            bounds = [begin, *(step for step in changes if begin < step < end), end]
            counts = np.zeros(len(self._network.populations), dtype=np.int64)
            for first, last in itertools.pairwise(bounds):
                if first == 0 or first in changes:
                    self._set_inputs(first)
                while first < last:
                    reached, n_spikes = self._advance(begin, n_spikes, first, last, pace)
                    check()
                    counts += self._counts(first - begin, reached - begin)
                    failure = self._too_fast(counts, begin, reached, end)
                    if failure is not None:
                        return failure
                    first = reached
            clock.end("t_simulate")
            for name, found in self._fetch(end - begin, begin).items():
                if name in spikes:
                    spikes[name].append(found)
            kept = [past.shift(end - begin, self._lag, n_spikes) for past in self._pasts]
            n_spikes = kept[0]  # all threads know all spikes
            clock.end("t_record")
        for index, name in enumerate(population.name for population in self._network.populations):
            if name in spikes and not self._is_finite(index):
                return PointFailure("diverged", f"membrane potentials of population {name} are not finite")
        return spikes

    def _set_inputs(self, step: int) -> None:
        built = self._built
        step -= self._simulation.warmup_steps
        set_inputs(self._point, self._network, built.layout, built.seed, self._simulation, step)

    def _advance(self, begin: int, n_spikes: int, first: int, last: int, pace: Pace) -> tuple[int, int]:
        """Take some steps, fewer if room runs out; return the first not taken, and the spikes in the record."""
        steps = pace.steps(last - first)
        began = time.monotonic()
        reached, n_spikes = self._take_steps(begin, n_spikes, first, first + steps)
        pace.took(reached - first, time.monotonic() - began)
        if reached < first + steps:
            for past in self._pasts:
                past.make_room(n_spikes, self._built.layout.n_all)
        return reached, n_spikes

    def _take_steps(self, begin: int, n_spikes: int, first: int, last: int) -> tuple[int, int]:
        """Take steps in all threads, which end at the same one."""
        tables = [self._table(begin, thread) for thread in range(len(self._teams))]
        self._teams[0].arrived[0] = 0
        reached, n_spikes = together(
            lambda thread: self._module.run(tables[thread], n_spikes, first, last), len(tables)
        )[0]
        return int(reached), int(n_spikes)

    def _counts(self, first: int, last: int) -> NDArray[np.int64]:
        """Spikes of every population in some steps, counted from the start of the stretch."""
        counts: NDArray[np.int64] = np.diff(self._pasts[0].starts[self._lag + first : self._lag + last], axis=1).sum(
            axis=0
        )
        return counts

    def _too_fast(self, counts: NDArray[np.int64], begin: int, reached: int, end: int) -> PointFailure | None:
        """Say that a population has more spikes than it may have in a stretch, which need not be over."""
        for population, count in zip(self._network.populations, counts, strict=True):
            size = population.size
            if not population.is_source and count > most_spikes(size, end - begin, self._simulation):
                reason = too_fast(population.name, size, int(count), begin, reached, self._simulation)
                return PointFailure("diverged", reason)
        return None

    def _table(self, begin: int, thread: int) -> NDArray[np.int64]:
        """Addresses of all arrays for a thread, for a stretch of steps from `begin` on."""
        point, synapses = self._point, self._built.synapses
        return packed(
            self._populations[thread],
            point.neurons,
            synapses.blocks[thread],
            synapses.bundles[thread],
            self._pasts[thread].record(begin - self._lag),  # the first rows are the past before `begin`
            point.drives,
            self._teams[thread],
        )

    def _fetch(self, n_steps: int, begin: int) -> dict[str, Spikes]:
        """Spikes of the last steps by population, steps counted from the end of the warm-up."""
        starts = self._pasts[0].starts[self._lag : self._lag + n_steps]
        counts = np.diff(starts, axis=1)
        first = int(starts[0, 0])
        n_populations = counts.shape[1]
        cells = np.repeat(np.arange(counts.size), counts.ravel())
        senders = self._pasts[0].spikes[first : first + len(cells)]
        steps = cells // n_populations + (begin + 1 - self._simulation.warmup_steps)
        whose = (cells % n_populations).astype(np.min_scalar_type(n_populations))
        of_each = np.split(np.argsort(whose, kind="stable"), np.cumsum(counts.sum(axis=0))[:-1])
        names = (population.name for population in self._network.populations)
        return {name: (steps[own], senders[own]) for name, own in zip(names, of_each, strict=True)}

    def _is_finite(self, index: int) -> bool:
        kind = self._point.kinds[self._point.populations.kinds[index]]
        layout = self._built.layout
        begin = kind.slots.index("V") * layout.n_all + layout.offsets[index]
        potentials = self._point.neurons.state[begin : begin + self._network.populations[index].size]
        return bool(np.isfinite(potentials).all())
