"""Running a job: its points in batches of one structure, each to a row."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.backends.simulator import (
    PointFailure,
    PointStopped,
    Recording,
    Simulator,
    SimulatorUnavailableError,
    find_simulator,
)
from simulators.description.network import Network, structure_of
from simulators.description.parameters import with_overrides
from simulators.models import find_model
from simulators.records.job import Job, Point
from simulators.records.phases import PhaseClock
from simulators.records.run_directory import spike_file_name
from simulators.records.spike_files import write_spikes
from simulators.statistics import summarise
from simulators.worker.job_summary import JobSummary

# A point that was in flight at this many deaths of its worker is given up, so that those behind it can run.
MAX_DEATHS = 3

# What belongs to the machine and not to a point: it gets no row from here, and may run elsewhere.
_MACHINE_ERRORS = (SimulatorUnavailableError, ImportError, OSError)

log = logging.getLogger(__name__)


class Terminated(PointStopped):
    """Somebody asked the worker to stop."""


class TimedOut(PointStopped):
    """The points took longer than they may."""


class Watch:
    """Says when to stop: on request, or when points take too long.

    Parameters
    ----------
    timeout : float, optional
        s of wall time per point.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self._timeout = timeout
        self._until: float | None = None
        self._request: str | None = None

    def request_stop(self, reason: str) -> None:
        """Make the next `check` raise `Terminated`; safe to call from a signal handler."""
        self._request = reason

    def start(self, n_points: int) -> None:
        """Start the clock for points that run together."""
        self._until = None if self._timeout is None else time.monotonic() + self._timeout * n_points

    def check(self) -> None:
        """Raise `Terminated` or `TimedOut` if it is time to stop."""
        if self._request is not None:
            raise Terminated(self._request)
        if self._until is not None and time.monotonic() > self._until:
            raise TimedOut(f"took longer than {self._timeout:g} s")


@dataclass(frozen=True)
class _Batch:
    """Points of one structure and seed, which run together."""

    points: tuple[Point, ...]
    networks: tuple[Network, ...]
    structure: object


def run_job(job: Job, summary_path: Path, spikes: Path, watch: Watch, clock: PhaseClock) -> None:
    """Run the points of a job that have no row yet.

    Parameters
    ----------
    job : Job
        What to do.
    summary_path : Path
        The summary file; rows that are there are kept.
    spikes : Path
        Folder for the spikes of the points, if the job keeps any.
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
    """
    simulator = find_simulator(job.simulator).open_simulator(job.simulation, job.settings)
    run = _JobRun(job, simulator, JobSummary(job, summary_path, simulator.backend, simulator.gpu), spikes, watch, clock)
    clock.end("t_load")
    try:
        for batch in run.batches():
            run.run_batch(batch)
        run.finish()
    except _MACHINE_ERRORS:
        run.absolve()
        raise


class _JobRun:
    def __init__(
        self, job: Job, simulator: Simulator, summary: JobSummary, spikes: Path, watch: Watch, clock: PhaseClock
    ) -> None:
        self._job = job
        self._simulator = simulator
        self._summary = summary
        self._spikes = spikes
        self._watch = watch
        self._clock = clock
        self._make_network = find_model(job.model)
        self._built: object = None
        self._n_synapses = 0

    def batches(self) -> Iterator[_Batch]:
        """Cut the points without a row into batches; those that cannot run get their row here."""
        points: list[Point] = []
        networks: list[Network] = []
        structure: object = None
        for point in self._summary.pending:
            network = self._describe(point)
            if network is None:
                continue
            own = (structure_of(network), point.network_seed)
            # A point that was in flight when a worker died runs alone, so that it takes no others with it again.
            limit = 1 if self._summary.deaths(point) else self._simulator.batch_size(network)
            if points and (own != structure or len(points) >= limit):
                yield _Batch(tuple(points), tuple(networks), structure)
                points, networks = [], []
            points.append(point)
            networks.append(network)
            structure = own
        if points:
            yield _Batch(tuple(points), tuple(networks), structure)

    def run_batch(self, batch: _Batch) -> None:
        """Run the points of a batch and write their rows."""
        self._watch.start(len(batch.points))  # first, as the time of the last batch may be over
        self._watch.check()
        self._summary.begin(batch.points)
        self._clock.end("t_write")
        outcomes = self._outcomes(batch)
        for point, network, outcome in zip(batch.points, batch.networks, outcomes, strict=True):
            if isinstance(outcome, PointFailure):
                self._summary.add(point, {"status": outcome.status, "error": outcome.reason}, self._clock.take())
            else:
                self._add_result(point, network, outcome)
            self._summary.charge(point, "t_write", self._clock.end("t_write"))
            self._clock.take()
        self._summary.end()

    def finish(self) -> None:
        """Write what was charged since the last row, and close the simulator."""
        if self._job.points:
            self._summary.write()
        self._simulator.close()

    def absolve(self) -> None:
        """Note that the points in flight are not to blame for the end of the worker."""
        with suppress(OSError):
            self._summary.end()

    def _describe(self, point: Point) -> Network | None:
        deaths = self._summary.deaths(point)
        if deaths >= MAX_DEATHS:
            failure = PointFailure("failed", f"the worker died {deaths} times while it ran this point")
        else:
            try:
                return self._make_network(with_overrides(self._job.parameters, point.swept))
            except ImportError:
                raise
            except Exception as error:
                log.exception("point %s", point.point_id)
                failure = PointFailure("failed", _reason(error))
        self._summary.add(point, {"status": failure.status, "error": failure.reason}, self._clock.take())
        return None

    def _outcomes(self, batch: _Batch) -> Sequence[Recording | PointFailure]:
        """Build if needed, run, and leave the time that nobody accounts for to the first point."""
        failure: PointFailure
        try:
            if batch.structure != self._built:
                self._built = None
                build = self._simulator.build(batch.networks[0], batch.points[0].network_seed)
                self._clock.split(build.phases, rest="t_build")
                self._built, self._n_synapses = batch.structure, build.n_synapses
            outcomes = self._simulator.run(batch.networks, self._watch.check)
        except Terminated:
            self._summary.end()
            raise
        except _MACHINE_ERRORS:
            raise
        except TimedOut as error:
            failure = PointFailure("timeout", str(error))
        except Exception as error:
            log.exception("points %s", [point.point_id for point in batch.points])
            self._built = None  # whatever the simulator holds now is not to be trusted
            failure = PointFailure("failed", _reason(error))
        else:
            recorded: dict[str, float] = {}
            for outcome in outcomes:
                if isinstance(outcome, Recording):
                    for name, seconds in outcome.phases.items():
                        recorded[name] = recorded.get(name, 0.0) + seconds
            self._clock.split(recorded, rest="t_simulate")
            for name, seconds in recorded.items():
                self._clock.times[name] -= seconds  # each row brings its own share
            return outcomes
        self._clock.end("t_simulate")
        return [failure] * len(batch.points)

    def _add_result(self, point: Point, network: Network, recording: Recording) -> None:
        values: dict[str, Any] = {
            "status": "ok",
            "n_neurons": network.n_neurons,
            "n_synapses": self._n_synapses,
            "n_spikes": sum(trains.n_spikes for trains in recording.spikes.values()),
        }
        try:
            values |= summarise(recording.spikes, self._job.statistics, self._job.statistics_settings)
        except ImportError:
            raise
        except Exception as error:
            log.exception("statistics of point %s", point.point_id)
            values |= {"status": "failed", "error": f"statistics: {_reason(error)}"}
        self._clock.end("t_statistics")
        if self._job.spikes != "none":
            path = self._spikes / spike_file_name(point.point_id)
            write_spikes(recording.spikes, path, sample=self._job.spikes == "sample")
            self._clock.end("t_write")
        phases = self._clock.take()
        for name, seconds in recording.phases.items():
            phases[name] = phases.get(name, 0.0) + seconds
        self._summary.add(point, values, phases)


def _reason(error: Exception) -> str:
    """One line that says what went wrong."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
