"""Running a job: its points in batches of one structure, each to a row."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulators.backends.accumulated import Accumulates
from simulators.backends.compiling import Compiles
from simulators.backends.recorded import HandsOver, Recorded
from simulators.backends.simulator import (
    Build,
    PointFailure,
    Recording,
    SimulatorUnavailableError,
    even_batches,
    find_simulator,
)
from simulators.description import Network
from simulators.description.parameters import with_overrides
from simulators.guests.loading import explained
from simulators.models import find_model, is_file
from simulators.records.job import Job, Point
from simulators.records.phases import PhaseClock
from simulators.statistics.measures.needs import Needs
from simulators.statistics.references import find_statistics
from simulators.worker.deaths import MAX_DEATHS, SHRINKING, give_up_late, is_suspect, most_together
from simulators.worker.finishing import FinisherDied, Finishing
from simulators.worker.job_summary import JobSummary
from simulators.worker.own_files import JobFiles, check_gpu
from simulators.worker.points.deadline import LATE, Deadline
from simulators.worker.points.network_values import NetworkValues
from simulators.worker.points.point_values import (
    NOT_THE_POINTS,
    keep_spikes,
    needs_without_trains,
    point_values,
    reason_of,
)
from simulators.worker.points.watch import Terminated, TimedOut, Watch

# Batches whose points are described before the first of them runs, to be cut evenly.
_AHEAD = 8

# s that a worker which must end gives others to finish points that have run.
_GRACE = 10.0

# What belongs to the machine and not to a point: it gets no row from here, and may run elsewhere.
_MACHINE_ERRORS = (SimulatorUnavailableError, ImportError, OSError)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Batch:
    """Points of one structure and seed, which run together."""

    points: tuple[Point, ...]
    networks: tuple[Network, ...]
    structure: object


@dataclass(frozen=True)
class _Ran:
    """A point that has run, and what its row says besides its spikes."""

    point: Point
    values: Mapping[str, Any]
    phases: Mapping[str, float]
    begun: datetime


def run_job(job: Job, files: JobFiles, watch: Watch, clock: PhaseClock) -> None:
    """Run the points of a job that have no row yet.

    Parameters
    ----------
    job : Job
        What to do.
    files : JobFiles
        Where its files are.
    watch : Watch
        Asked now and then whether to stop.
    clock : PhaseClock
        Running since the worker started, so that the phases of the rows add up to its wall time.

    Raises
    ------
    Terminated
        If `watch` was asked to stop; the rows of finished points are on disk.
    SimulatorUnavailableError, ImportError
        If the simulator, or something it or a model needs, is missing or broken here.
    CorruptSummaryError
        If the summary file is there but unreadable.
    OSError
        If the summary cannot be written, or the machine fails the simulator.
    MemoryError
        If there is too little; the points in flight are noted, as where the kernel ends the worker for it.
    FinisherDied
        If a process that helps has ended; the point it was at is noted as one that ends its worker.
    """
    run = _JobRun(job, files, watch, clock)
    clock.end("t_load")
    try:
        for batch in run.batches():
            run.run_batch(batch)
        run.finish()
    except (*_MACHINE_ERRORS, Terminated):
        run.rescue()
        run.absolve()
        raise
    except FinisherDied as death:
        run.blame(death)
        raise
    finally:
        run.close()


class _JobRun:
    def __init__(self, job: Job, files: JobFiles, watch: Watch, clock: PhaseClock) -> None:
        self._job = job
        self._files = files
        self._watch = watch
        self._clock = clock
        data = {name: files.root / path for name, path in job.data.items()}
        self._make_network = find_model(job.model, files.root, data)
        self._statistics = find_statistics(job.statistics, files.root)
        self._module = find_simulator(job.simulator)
        self._simulator = self._module.open_simulator(job.simulation, job.settings)
        check_gpu(job, self._simulator)
        self._summary = JobSummary(job, files.summary, files.root, self._simulator)
        self._deadline = Deadline(watch, files.summary.with_name(f".{files.summary.name}.late"))
        give_up_late(self._summary, self._deadline, clock)
        if self._summary.deaths_in_loading:
            self._simulator.shrink_batches(SHRINKING**self._summary.deaths_in_loading)
        needs = needs_without_trains(job, self._statistics)
        if isinstance(self._simulator, Accumulates) and self._simulator.accumulates and needs is not None:
            self._simulator.accumulate(needs)
        if isinstance(self._simulator, Compiles):
            self._simulator.when_compiling(self._summary.note_compiling)
        self._built: tuple[object, int] | None = None  # the structure, and for how many points
        self._n_synapses = 0
        self._network_values = NetworkValues(job)
        self._hands_over = self._simulator if isinstance(self._simulator, HandsOver) else None
        n_processes = 0 if self._hands_over is None else self._hands_over.helpers
        self._finishing: Finishing | None = None
        if n_processes:
            self._finishing = Finishing(job, files.root, files.spikes, n_processes, watch.paused)
        self._finished_elsewhere: dict[str, _Ran] = {}  # by id, the points that other processes are finishing

    def batches(self) -> Iterator[_Batch]:
        """Cut the points without a row into batches; those that cannot run get their row here."""
        for points, networks, structure, most in self._alike():
            begin = 0
            for size in even_batches(len(points), most):
                end = begin + size
                yield _Batch(tuple(points[begin:end]), tuple(networks[begin:end]), structure)
                begin = end

    def _alike(self) -> Iterator[tuple[list[Point], list[Network], object, int]]:
        """Yield neighbouring points of one structure and seed, that structure, and how many run together at most.

        Not more than fill `_AHEAD` batches, as all are described before the first of them runs.
        """
        points: list[Point] = []
        networks: list[Network] = []
        structure: object = None
        most = 0
        for point in self._summary.pending:
            network = self._describe(point)
            if network is None:
                continue
            own = (self._module.structure(network), point.network_seed)
            limit = most_together(self._summary, point, self._simulator.batch_size(network))
            if points and ((own, limit) != (structure, most) or len(points) >= (most * _AHEAD if most > 1 else 1)):
                yield points, networks, structure, most
                points, networks = [], []
            points.append(point)
            networks.append(network)
            structure, most = own, limit
        if points:
            yield points, networks, structure, most

    def run_batch(self, batch: _Batch) -> None:
        """Run the points of a batch and write their rows, or have them finished while the next batch runs."""
        suspect = any(is_suspect(self._summary, point) for point in batch.points)
        if suspect:
            self._settle()  # else its death would be that of points which others are finishing
        self._watch.start(len(batch.points))  # first, as the time of the last batch may be over
        self._watch.check()
        in_flight = (*self._elsewhere(), *batch.points)
        self._summary.begin(in_flight, loads_many=len(batch.points) > 1 and not self._is_built(batch))
        self._clock.end("t_write")
        with self._deadline.build_of([point.point_id for point in batch.points]):
            outcomes = self._outcomes(batch)
        left = self._watch.left(len(batch.points))
        if self._finishing is not None:
            self._write_finished()  # of the batch before
        handed = {}
        for k, (point, network, outcome) in enumerate(zip(batch.points, batch.networks, outcomes, strict=True)):
            if isinstance(outcome, PointFailure):
                self._summary.add(point, {"status": outcome.status, "error": outcome.reason}, self._clock.take())
            elif self._finishing is not None:
                ran = self._ran(point, network, outcome, self._clock.take(), len(batch.points))
                self._finished_elsewhere[point.point_id] = ran
                handed[k] = point.point_id
                continue
            else:
                self._add_result(point, network, outcome, len(batch.points), left)
            self._summary.write()
            self._summary.charge(point, "t_write", self._clock.end("t_write"))
            self._clock.take()
        if self._finishing is not None and handed:
            self._finishing.finish(handed, left)
        self._summary.end(self._elsewhere())
        if suspect:
            self._settle()

    def finish(self) -> None:
        """Write what is not written yet, and close the simulator."""
        self._settle()
        if self._job.points:
            self._summary.write()
        self._summary.forget()
        self._deadline.close()
        self._simulator.close()

    def _settle(self) -> None:
        """Wait until others have finished all points that have run, and write their rows."""
        if self._finishing is not None and self._finished_elsewhere:
            last = self._elsewhere()[-1]
            self._watch.rest()
            self._finishing.wait(self._watch.check)
            self._write_finished()
            self._summary.charge(last, "t_statistics", self._clock.end("t_statistics"))
            self._summary.write()
            self._summary.end()

    def close(self) -> None:
        """End the processes that finish points."""
        self._deadline.close()
        if self._finishing is not None:
            self._finishing.close()

    def rescue(self) -> None:
        """Write the rows of points that have run, if others finish them soon."""
        if self._finishing is None or not self._finished_elsewhere:
            return
        watch = Watch(_GRACE)
        watch.start(1)
        with suppress(TimedOut, FinisherDied, ImportError, OSError):
            self._finishing.wait(watch.check)
            self._write_finished()

    def blame(self, death: FinisherDied) -> None:
        """Note the point that ended a process which finished it; all in flight are to blame where none is known."""
        ran = self._finished_elsewhere.pop(death.point_id or "", None)
        if ran is None:
            return
        late = death.code == LATE and self._job.timeout is not None
        with suppress(OSError):
            if late:
                self._summary.add(ran.point, {**ran.values, **self._deadline.too_late}, ran.phases, ran.begun)
                self._summary.write()
            self._summary.end([] if late else [ran.point])

    def _elsewhere(self) -> list[Point]:
        return [ran.point for ran in self._finished_elsewhere.values()]

    def _write_finished(self) -> None:
        """Write the rows of points that others have finished, if they have finished all."""
        assert self._finishing is not None
        found = self._finishing.take()
        for point_id in [name for name in self._finished_elsewhere if name in found]:  # in the order of the job
            ran = self._finished_elsewhere.pop(point_id)
            self._summary.add(ran.point, {**ran.values, **found[point_id]}, ran.phases, ran.begun)
        if found:
            self._summary.memory_beside = self._finishing.memory
            self._summary.write()

    def _look(self) -> None:
        """Look whether to stop, and whether there are rows to write."""
        self._watch.check()
        self._write_finished()

    def absolve(self) -> None:
        """Note that the points in flight are not to blame for the end of the worker."""
        with suppress(OSError):
            self._summary.end()

    def _describe(self, point: Point) -> Network | None:
        deaths = self._summary.deaths(point)
        if deaths >= MAX_DEATHS:
            failure = PointFailure("failed", f"the worker died {deaths} times while it ran this point")
        else:
            if is_file(self._job.model):  # users' code may end the process too
                self._summary.begin([*self._elsewhere(), point])
            try:
                return self._make_network(with_overrides(self._job.parameters, point.swept))
            except NOT_THE_POINTS as error:
                if isinstance(error, MemoryError):
                    self._summary.begin([*self._elsewhere(), point])
                raise
            except Exception as error:
                log.exception("point %s", point.point_id)
                failure = PointFailure("failed", self._why_no_network(error))
        self._summary.add(point, {"status": failure.status, "error": failure.reason}, self._clock.take())
        self._summary.write()
        return None

    def _why_no_network(self, error: Exception) -> str:
        model = self._job.model
        return explained(error, self._files.root / model) if is_file(model) else reason_of(error)

    def _is_built(self, batch: _Batch) -> bool:
        if self._built is None:
            return False
        structure, room = self._built
        return structure == batch.structure and len(batch.points) <= room

    def _outcomes(self, batch: _Batch) -> Sequence[Recording | PointFailure]:
        """Build if needed, and run. What the recordings account for is theirs; the rest goes to the first row."""
        build = Build({}, self._n_synapses)
        outcomes: Sequence[Recording | PointFailure]
        try:
            if not self._is_built(batch):
                self._built = None
                build = self._simulator.build(batch.networks[0], batch.points[0].network_seed, len(batch.points))
                self._built, self._n_synapses = (batch.structure, len(batch.points)), build.n_synapses
                if len(batch.points) > 1:
                    self._summary.begin((*self._elsewhere(), *batch.points))
            outcomes = self._run(batch)
        except (*_MACHINE_ERRORS, MemoryError, Terminated):
            raise
        except TimedOut as error:
            outcomes = [PointFailure("timeout", str(error))] * len(batch.points)
        except Exception as error:
            log.exception("points %s", [point.point_id for point in batch.points])
            self._built = None  # whatever the simulator holds now is not to be trusted
            outcomes = [PointFailure("failed", reason_of(error))] * len(batch.points)
        recorded = [seconds for one in outcomes if isinstance(one, Recording) for seconds in one.phases.values()]
        rest = self._clock.lap() - sum(build.phases.values()) - sum(recorded)
        self._clock.add({**build.phases, "t_simulate": rest})
        return outcomes

    def _run(self, batch: _Batch) -> Sequence[Recording | PointFailure]:
        finishing, simulator = self._finishing, self._hands_over
        if finishing is None or simulator is None:
            return self._simulator.run(batch.networks, self._watch.check)
        found = simulator.run_into(batch.networks, self._look, self._open_finishing)
        finishing.settle()
        return [
            finishing.failures.get(k, outcome) if isinstance(outcome, Recording) else outcome
            for k, outcome in enumerate(found)
        ]

    def _open_finishing(self, points: Mapping[int, Sequence[Recorded]], needs: Needs | None) -> Finishing:
        assert self._finishing is not None
        return self._finishing.open(points, self._look, needs)

    def _add_result(
        self, point: Point, network: Network, recording: Recording, n_together: int, left: float | None
    ) -> None:
        found = recording.sums or recording.spikes
        values = self._deadline.statistics_of(
            point.point_id, left, lambda: point_values(point.point_id, found, self._job, self._statistics)
        )
        self._clock.end("t_statistics")
        if self._job.spikes != "none" and values["status"] != "timeout":
            keep_spikes(point.point_id, found, self._job, self._files.spikes)
            self._clock.end("t_write")
        ran = self._ran(point, network, recording, self._clock.take(), n_together)
        self._summary.add(point, {**ran.values, **values}, ran.phases)

    def _ran(
        self, point: Point, network: Network, recording: Recording, phases: dict[str, float], n_together: int
    ) -> _Ran:
        """Put together what is known of a point but its spikes; `phases` are the worker's own part of its time."""
        for name, seconds in recording.phases.items():
            phases[name] = phases.get(name, 0.0) + seconds
        built = phases.get("t_build", 0.0) > 0.0
        values = self._network_values.of(network, self._n_synapses, built=built, n_together=n_together)
        return _Ran(point, values, phases, self._summary.begun)
