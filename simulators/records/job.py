"""What a worker is given: the job file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from simulators.records.atomic_file import replacing
from simulators.statistics import STATISTICS, Window

SpikeRecording = Literal["none", "sample", "all"]

_END = "}\n"  # of a job file that is whole


class JobError(ValueError):
    """A job file that cannot be carried out."""


class UnreadableJobError(JobError):
    """A job file that cannot be read here: it is missing or was cut short on its way; elsewhere it may be whole."""


@dataclass(frozen=True)
class Simulation:
    """How long and how finely to simulate.

    Parameters
    ----------
    dt : float
        ms, time step.
    warmup, duration : float
        ms, excluded from and included in the statistics.
    max_rate : float
        Hz; a point in which any population fires above it on average has diverged, and is given up.
    """

    dt: float
    warmup: float
    duration: float
    max_rate: float = 200.0

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up."""
        return round(self.warmup / self.dt)

    @property
    def n_steps(self) -> int:
        """Steps of the recording."""
        return round(self.duration / self.dt)


@dataclass(frozen=True)
class Point:
    """One point of the grid with one seed.

    Parameters
    ----------
    point_id : str
        Hash of everything the result depends on but the simulator.
    seed : int
        The replicate's seed, as the user counts it.
    network_seed : int
        Seed of connectivity and initial state; equal to `seed` where all points share a draw.
    swept : mapping of str to value
        The values that differ between points, by name or by element (``p[0,1]``).
    setting_id : str
        Hash of the same but the content of model and data: what was asked for, whatever the files then held.
    """

    point_id: str
    seed: int
    network_seed: int
    swept: Mapping[str, Any]
    setting_id: str = ""


@dataclass(frozen=True)
class Job:
    """A chunk of points for one worker; complete, so that it can be replayed by hand.

    Parameters
    ----------
    name : str
        Names the job's files.
    model : str
        As `simulators.models.find_model` takes it; a user's file relative to the run's folder.
    simulator : str
        Its name.
    settings : mapping of str to value
        The simulator's own settings (threads, backend …).
    simulation : Simulation
        Step, warm-up and duration.
    statistics : tuple of str
        As `simulators.statistics.find_statistic` takes them; users' files relative to the run's folder.
    parameters : mapping of str to value
        Every parameter of the model, before what a point sweeps.
    points : tuple of Point
        In the order in which they run: points of one structure are neighbours.
    populations : tuple of str
        Populations that get statistics.
    statistics_settings : mapping of str to float
        Constants of the statistics that differ from their defaults.
    spikes : {'none', 'sample', 'all'}
        Which spikes to keep.
    timeout : float, optional
        s of wall time a point may take.
    windows : mapping of str to Window
        Parts of the recording that get statistics of their own, by name.
    content : mapping of str to str
        Hashes of model, neuron models and data by content.
    data : mapping of str to str
        The model's data files by name, relative to the run's folder.
    python_path : tuple of str
        Folders with packages that travel with the job, relative to the run's folder.
    gpus : int
        Graphics processors that it was planned for: where there are some, a worker that finds none leaves it.
    """

    name: str
    model: str
    simulator: str
    settings: Mapping[str, Any]
    simulation: Simulation
    statistics: tuple[str, ...]
    parameters: Mapping[str, Any]
    points: tuple[Point, ...]
    populations: tuple[str, ...]
    statistics_settings: Mapping[str, float] = field(default_factory=dict)
    spikes: SpikeRecording = "none"
    timeout: float | None = None
    windows: Mapping[str, Window] = field(default_factory=dict)
    content: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()
    gpus: int = 0

    @property
    def whole_trains(self) -> bool:
        """Whether all spikes are kept or statistics need them, one's own among them; sums and a sample do else."""
        found = [STATISTICS.get(name) for name in self.statistics]
        return self.spikes == "all" or bool(self.windows) or any(one is None or one.needs is None for one in found)

    def files(self) -> tuple[str, ...]:
        """Files and folders that the job needs besides its own, relative to the run's folder."""
        code = [one.rpartition("/")[0] for one in (self.model, *self.statistics) if "/" in one]
        return tuple(dict.fromkeys([*code, *self.python_path, *self.data.values()]))


def write_job(job: Job, path: Path) -> None:
    """Write a job file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(job_text(job), encoding="utf-8")


def job_text(job: Job) -> str:
    """Return the content of a job file: one line for each field and each point."""
    content = {one.name: getattr(job, one.name) for one in fields(job)}
    content |= {
        "simulation": asdict(job.simulation),
        "windows": {name: asdict(window) for name, window in job.windows.items()},
    }
    points = ",\n  ".join(_json(vars(point)) for point in content.pop("points"))
    lines = [f'"{key}": {_json(value)}' for key, value in content.items()] + [f'"points": [\n  {points}\n ]']
    return "{\n " + ",\n ".join(lines) + f"\n{_END}"


def read_job(path: Path) -> Job:
    """Read a job file.

    Raises
    ------
    UnreadableJobError
        If the file is missing or cut short.
    JobError
        If it is not JSON, or lacks or misnames a field; the message names file and field.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableJobError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _no_json(error, whole=content.endswith(_END.encode()), path=path) from error
    return parse_job(text, path)


def parse_job(text: str, path: Path) -> Job:
    """Read the content of a job file, and name that in what is raised (see `read_job`)."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _no_json(error, whole=text.endswith(_END), path=path) from error
    try:
        return Job(
            **{
                **content,
                "simulation": Simulation(**content["simulation"]),
                "statistics": tuple(content["statistics"]),
                "points": tuple(Point(**point) for point in content["points"]),
                "populations": tuple(content["populations"]),
                "python_path": tuple(content.get("python_path", ())),
                "windows": {name: Window(**window) for name, window in content.get("windows", {}).items()},
            }
        )
    except KeyError as error:
        raise JobError(f"{path}: field {error} is missing") from error
    except (TypeError, AttributeError) as error:
        raise JobError(f"{path}: {str(error).replace('__init__() ', '')}") from error


def _no_json(error: ValueError, whole: bool, path: Path) -> JobError:
    if whole:
        return JobError(f"{path}: is not JSON: {error}")
    return UnreadableJobError(f"{path}: is not JSON, and seems cut short: {error}")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
