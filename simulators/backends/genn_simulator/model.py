"""GeNN: one compiled and built network, reused for all points of its structure.

Compiled code is kept on disk (`cache`). Between points every spike under way is let out, all that it left is set to
zero, and state, parameters, weights and random generators of the next point are set: a point's spikes on a CPU are the
same to the bit whatever ran before it. A graphics processor adds up a neuron's inputs as they come, and sums of floats
depend on their order: there the last bits change from run to run, and with them, in time, the spikes.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulators.backends.accumulated import SumCollector, open_collector, plans_of
from simulators.backends.genn_simulator.costs import batch_that_fits, check_memory, device_memory
from simulators.backends.genn_simulator.gpu_costs import automatic_batch
from simulators.backends.genn_simulator.host import cache
from simulators.backends.genn_simulator.host.devices import GraphicsProcessor, free_memory
from simulators.backends.genn_simulator.host.held_folders import held_folder, sweep
from simulators.backends.genn_simulator.host.output import output_to
from simulators.backends.genn_simulator.network import (
    GennNetwork,
    compile_network,
    count_synapses,
    describe_network,
    load_network,
    wait_for_device,
)
from simulators.backends.genn_simulator.points.accumulation import Accumulation
from simulators.backends.genn_simulator.points.instances import (
    Instances,
    diverged_populations,
    fetch_states,
    let_out_spikes,
)
from simulators.backends.genn_simulator.points.points import Point
from simulators.backends.genn_simulator.points.recording import BitRecording
from simulators.backends.genn_simulator.problems import structure_problems
from simulators.backends.genn_simulator.structure.accumulation_layout import bytes_of, most_points
from simulators.backends.genn_simulator.structure.layout import Layout, layout_of, text_of
from simulators.backends.genn_simulator.structure.synapse_layout import without_empty_lists
from simulators.backends.pace import WINDOW
from simulators.backends.recorded import (
    BitCollector,
    Collector,
    OpenCollector,
    Recorded,
    recorded_populations,
)
from simulators.backends.simulator import (
    Build,
    Check,
    PointFailure,
    Recording,
    UnsupportedNetworkError,
)
from simulators.description.network import Network, structure_of
from simulators.description.population import Population
from simulators.records import machine
from simulators.records.job import Simulation
from simulators.records.phases import PhaseClock
from simulators.statistics.measures.accumulated import Plan
from simulators.statistics.measures.needs import Needs

GPU_BACKENDS = ("cuda", "hip")
_STEPS = 50  # between two looks at clock and signals
_LOADING = "gridsearch-model-"  # folders for temporary files, of what is being loaded

log = logging.getLogger(__name__)


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
    gpu : GraphicsProcessor or str, optional
        The processor that it takes, or why it takes none.

    Attributes
    ----------
    why_no_gpu : str
        Why it takes none, where one may have been planned for.
    """

    def __init__(
        self,
        pygenn: Any,
        simulation: Simulation,
        settings: Mapping[str, Any],
        backend: str,
        gpu: GraphicsProcessor | str = "",
    ) -> None:
        self._pygenn = pygenn
        self._simulation = simulation
        self._procedural: bool = settings["procedural"]
        self._folder = cache.cache_folder(settings["cache"])
        self.backend = backend
        self._gpu = None if isinstance(gpu, str) else gpu
        self.why_no_gpu = gpu if isinstance(gpu, str) else ""
        self.exact = backend not in GPU_BACKENDS
        self.accumulates = backend in GPU_BACKENDS
        # a core runs one point as fast as it decodes it
        self.helpers = min(settings["cores"], machine.n_cores()) - 1 if backend in GPU_BACKENDS else 0
        self.gpu = "" if self._gpu is None else self._gpu.name
        # as it was at the start: what is free must not change the layout from one point to the next
        self._free_memory = float("inf") if self._gpu is None else self._gpu.free_memory
        self._batch: int = settings["batch"] if backend in GPU_BACKENDS else 1
        self._chunk_steps = max(1, round(WINDOW / simulation.dt))
        self._needs: Needs | None = None
        self._seed = 0
        self._divisor = 1
        self._structure: object = None
        self._layout: Layout | None = None
        self._built: GennNetwork | None = None
        self._tell_compiling: Callable[[bool], None] = lambda begins: None

    def batch_size(self, network: Network) -> int:
        """Return the setting, or what memories here and there hold and sums have indices for; 1 on a CPU."""
        batch = self._batch or min(automatic_batch(network, self._simulation), self._batch_that_fits(network))
        return max(1, batch // self._divisor)

    def _batch_that_fits(self, network: Network) -> int:
        batch = batch_that_fits(self._free_memory, *self._device_memory(network))
        if self._needs is not None:
            with suppress(ValueError):  # which is said when it is built
                plans = self._plans(recorded_populations(network)).values()
                batch = min([batch, *(most_points(plan, self._chunk_steps) for plan in plans)])
        return batch

    def shrink_batches(self, divisor: int) -> None:
        """Take fewer points at once: GeNN ends the process where a graphics processor's memory does not do."""
        self._divisor = divisor

    def accumulate(self, needs: Needs) -> None:
        """Make sums of spikes (see `simulators.backends.accumulated.Accumulates`)."""
        self._needs = needs

    def when_compiling(self, tell: Callable[[bool], None]) -> None:
        """Tell when compiling begins and ends (see `simulators.backends.compiling.Compiles`)."""
        self._tell_compiling = tell

    def build(self, network: Network, seed: int, n_points: int | None = None) -> Build:
        """Compile, or find compiled, and draw the connectivity (see `Simulator.build`).

        Raises
        ------
        UnsupportedNetworkError
            If the network holds something that cannot be built, or sums that could overflow.
        SimulatorUnavailableError
            If it does not compile, or does not fit the graphics processor, or that cannot be used any more.
        """
        clock = PhaseClock()
        self.close()
        found = structure_problems(network, self._simulation.dt, self._procedural)
        if found:
            raise UnsupportedNetworkError("; ".join(found))
        batch = self.batch_size(network)
        if n_points is not None:
            batch = min(batch, n_points)
        self._check_memory(network, batch)
        made = without_empty_lists(network, self._simulation.dt)
        try:
            plans = self._plans(recorded_populations(made)) if self._needs is not None else None
            layout = layout_of(made, self._simulation.dt, batch, self._chunk_steps, self._procedural, plans)
        except ValueError as error:
            raise UnsupportedNetworkError(str(error)) from error
        device = "" if self._gpu is None else f"{self._gpu.name} {self._gpu.architecture}"
        key = cache.cache_key(text_of(layout), self.backend, self._pygenn.__version__, device)

        def describe() -> GennNetwork:
            return describe_network(self._pygenn, made, layout, seed, self.backend, plans)

        def compile_into(private: Path) -> None:
            self._tell_compiling(True)
            compile_network(describe(), private)
            self._tell_compiling(False)

        folder = cache.compiled(self._folder, key, compile_into)
        clock.end("t_compile")
        built = describe()
        self._check_memory(network, batch)  # others may have taken some meanwhile
        self._load(built, folder)
        self._layout, self._built, self._seed, self._structure = layout, built, seed, structure_of(network)
        n_synapses = count_synapses(built, made, self._procedural)
        clock.end("t_build")
        return Build(clock.times, n_synapses)

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Run points side by side (see `simulators.backends.simulator.Simulator.run`)."""
        opened: list[BitCollector | SumCollector] = []

        def open_here(points: Mapping[int, Sequence[Recorded]], needs: Needs | None) -> Collector:
            opened.append(open_collector(self._simulation, points, needs))
            return opened[0]

        outcomes = self.run_into(networks, check, open_here)
        clock = PhaseClock()
        ran = [instance for instance, outcome in enumerate(outcomes) if isinstance(outcome, Recording)]
        spikes, sums = {}, {}
        for instance in ran:
            collector = opened[0]
            if isinstance(collector, SumCollector):
                sums[instance] = collector.take(instance)
            else:
                spikes[instance] = collector.take(instance)
        taking = clock.end("t_record") / len(networks)
        for instance in ran:
            outcome = outcomes[instance]
            assert isinstance(outcome, Recording)
            phases = {**outcome.phases, "t_record": outcome.phases["t_record"] + taking}
            outcomes[instance] = Recording(spikes.get(instance, {}), phases, sums.get(instance, {}))
        return outcomes

    def run_into(
        self, networks: Sequence[Network], check: Check, opener: OpenCollector
    ) -> list[Recording | PointFailure]:
        """Run points side by side (see `simulators.backends.recorded.HandsOver.run_into`)."""
        clock = PhaseClock()
        assert self._built is not None, "build() comes before run()"
        assert self._layout is not None
        assert all(structure_of(network) == self._structure for network in networks), "not what was built"
        failures: dict[int, PointFailure] = {}
        points = {}
        for instance, network in enumerate(networks):
            try:
                points[instance] = Point(network, self._seed, self._simulation.dt)
            except Exception as error:  # its neighbours run all the same
                log.exception("instance %d", instance)
                failures[instance] = _failure(error)
        if not points:
            return [failures[instance] for instance in range(len(networks))]
        recorded = {k: recorded_populations(point.network) for k, point in points.items()}
        collector = opener(recorded, self._needs)
        let_out_spikes(self._built)
        instances = Instances(self._built, self._layout, points)
        instances.start()
        recording = self._recording(self._built, self._layout, recorded, points)
        clock.end("t_reset")
        try:
            failures |= self._propagate(self._built, instances, points, recording, collector, check, clock)
            failures |= self._not_finite(self._built, self._layout, points, failures)
        finally:
            collector.release()
        clock.end("t_record")
        phases = {name: seconds / len(networks) for name, seconds in clock.times.items()}
        return [failures.get(instance) or Recording({}, phases) for instance in range(len(networks))]

    def close(self) -> None:
        """Free the network."""
        if self._built is not None:
            self._built.model.unload()
        self._built = self._layout = self._structure = None

    def _check_memory(self, network: Network, batch: int) -> None:
        if self._gpu is not None:
            check_memory(free_memory(self.backend), batch, *self._device_memory(network))

    def _load(self, built: GennNetwork, folder: Path) -> None:
        """Load a compiled network; what GeNN says before it ends the process is for the log."""
        temporary = Path(tempfile.gettempdir())
        sweep(temporary, _LOADING)
        with held_folder(temporary, _LOADING) as private, output_to(2):
            load_network(built, folder, private, self._chunk_steps)

    def _device_memory(self, network: Network) -> tuple[float, float]:
        shared, each = device_memory(network, self._simulation.dt, self._chunk_steps, self._procedural)
        if self._needs is not None:
            with suppress(ValueError):  # which is said when it is built
                plans = self._plans(recorded_populations(network)).values()
                each += sum(bytes_of(plan, self._chunk_steps)[0] for plan in plans)
        return shared, each

    def _plans(self, populations: Sequence[Recorded]) -> dict[str, Plan]:
        assert self._needs is not None
        return plans_of(populations, self._simulation, self._needs)

    def _recording(
        self,
        built: GennNetwork,
        layout: Layout,
        recorded: Mapping[int, Sequence[Recorded]],
        points: Mapping[int, Point],
    ) -> BitRecording | Accumulation:
        """Return what fetches the spikes of a batch, or makes sums of them."""
        if self._needs is None:
            return BitRecording(built, layout, _recorded(points))
        plans = {instance: self._plans(populations) for instance, populations in recorded.items()}
        return Accumulation(built, plans, layout.batch, self._simulation)

    def _propagate(
        self,
        built: GennNetwork,
        instances: Instances,
        points: Mapping[int, Point],
        recording: BitRecording | Accumulation,
        collector: Collector,
        check: Check,
        clock: PhaseClock,
    ) -> dict[int, PointFailure]:
        """Run warm-up and recording; return the points that fire too fast."""
        warmup = self._simulation.warmup_steps
        total = warmup + self._simulation.n_steps
        changes = sorted({warmup + step for point in points.values() for step in point.changes})
        failures: dict[int, PointFailure] = {}
        for begin in range(0, total, self._chunk_steps):
            end = min(begin + self._chunk_steps, total)
            self._run_chunk(built, instances, begin, end, changes, check)
            clock.end("t_simulate")
            collector.release()
            collector.add(recording.take(begin, end), begin, end)
            for instance, failure in {**collector.failures, **recording.failures}.items():
                if instance not in failures:
                    failures[instance] = failure
                    instances.stop(instance)
            clock.end("t_record")
            if points.keys() <= failures.keys():
                return failures
        if sums := recording.sums():
            collector.release()
            collector.add_sums(sums)
        return failures

    def _not_finite(
        self,
        built: GennNetwork,
        layout: Layout,
        points: Mapping[int, Point],
        failures: Mapping[int, PointFailure],
    ) -> dict[int, PointFailure]:
        """Return the other points that have diverged: those whose states are no numbers any more."""
        left = points.keys() - failures.keys()
        if left:
            fetch_states(built)
        found = {}
        for instance in left:
            for name in diverged_populations(built, layout, _recorded(points), instance)[:1]:
                found[instance] = PointFailure("diverged", f"states of population {name} are not finite")
        return found

    def _run_chunk(
        self,
        built: GennNetwork,
        instances: Instances,
        begin: int,
        end: int,
        changes: Sequence[int],
        check: Check,
    ) -> None:
        """Run some steps, counted from the start of the warm-up."""
        warmup = self._simulation.warmup_steps
        built.model.timestep = 0  # the recording begins at its first row
        runtime = built.model._runtime
        launch: Callable[[str], None] = runtime.custom_update
        step_time: Callable[[], None] = runtime.step_time
        launches = instances.launches
        instances.set_events(begin, end, warmup)
        bounds = [begin, *(step for step in changes if begin < step < end), end]
        for first, last in itertools.pairwise(bounds):
            if first == 0 or first in changes:
                instances.set_inputs(first - warmup)
            for step in range(first, last):
                for name in launches:
                    launch(name)
                step_time()
                if not step % _STEPS:
                    check()
        wait_for_device(built)
        check()


def _recorded(points: Mapping[int, Point]) -> list[Population]:
    """Return the populations of a batch that are recorded."""
    populations = next(iter(points.values())).network.populations
    return [population for population in populations if not population.is_source]


def _failure(error: Exception) -> PointFailure:
    said = str(error).strip().splitlines()
    return PointFailure("failed", f"{type(error).__name__}: {said[0]}" if said else type(error).__name__)
