"""What a simulator is to the worker and to the planner.

A simulator is one module, ``simulators/backends/<name>_simulator``, found by its name; it holds what `SimulatorModule`
lists. The module must import without its simulator being installed: the planner asks it for costs on machines
where nothing is ever simulated. An installed package brings a simulator by an entry point of the group
``gridsearch.simulators`` that names such a module.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, Protocol, cast

from simulators import backends
from simulators.description import Network
from simulators.guests.installed import installed, load_reference
from simulators.records.job import Job, Simulation
from simulators.statistics.measures.accumulated import AccumulatedTrains
from simulators.statistics.spike_trains import SpikeTrains

_SUFFIX = "_simulator"

NOMINAL_RATE = 3.0
"""Hz, at which neurons are taken to fire where time is estimated: what they do shows when points have run."""

GENEROUS_RATE = 5.0
"""Hz, where memory and disk are: what is too small ends a job."""

FIRST_REVISION = 1
"""Of results whose row names none, and of simulators that name none (see `SimulatorModule.revision`)."""


class SimulatorUnavailableError(RuntimeError):
    """The simulator, or something it needs, is missing or broken here; the message says how to get it."""


class UnsupportedNetworkError(ValueError):
    """The simulator cannot do what a network asks for; the message is its `SimulatorModule.problems`."""


@dataclass(frozen=True)
class Setting:
    """One key of ``[jobs.<simulator>]`` or ``[jobs.<executor>]``.

    Parameters
    ----------
    default : int, float, str, bool or mapping
        The type of the default is the type of the setting.
    doc : str
        What it does.
    minimum : float, optional
        Smallest value.
    choices : tuple, optional
        The valid values, where there are few.
    """

    default: int | float | str | bool | Mapping[str, Any]
    doc: str
    minimum: float | None = None
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Cost:
    """Estimated cost of simulating one structure.

    Parameters
    ----------
    build : float
        s, once per structure and worker, or with every point.
    point : float
        s, per point; its share of a full batch where points run together.
    memory : float
        B, peak of the worker.
    batch : int
        Points that run together; fewer take longer each.
    gpu : bool
        Whether the time is that of a graphics processor, not of cores.
    builds_every_point : bool
        Whether something of a point stays in the network, so that it is built anew for each.
    start : float
        s, once per worker: imports, opening the simulator, code that is made.
    together : float
        s of a batch that its points share, however many they are; their parts of it are in `point`.
    trains, trains_memory : float
        s that a point takes longer, and B that the worker needs more, where whole trains are needed of it; 0 where
        they always are recorded.
    note : str
        What else a user may want to know of how the network is held, in a line; mostly nothing.
    """

    build: float
    point: float
    memory: float
    batch: int = 1
    gpu: bool = False
    builds_every_point: bool = False
    start: float = 0.0
    note: str = ""
    together: float = 0.0
    trains: float = 0.0
    trains_memory: float = 0.0

    def of(self, job: Job) -> Cost:
        """Return the cost where whole trains are recorded, if a job needs them."""
        if not job.whole_trains:
            return self
        point, memory = self.point + self.trains, self.memory + self.trains_memory
        return replace(self, point=point, memory=memory, trains=0.0, trains_memory=0.0)

    @property
    def once(self) -> float:
        """What the points of a structure share, s."""
        return 0.0 if self.builds_every_point else self.build

    @property
    def each(self) -> float:
        """What every point takes, s, with the build that it needs for itself."""
        return self.point + (self.build if self.builds_every_point else 0.0)

    def point_among(self, n_points: int) -> float:
        """Return what a point of so many that run together takes, s."""
        return self.point + self.together * (1.0 / n_points - 1.0 / self.batch)

    def of_batch(self, n_points: int) -> float:
        """Return what points take that run together, s, with the builds that they need for themselves."""
        return n_points * (self.point_among(n_points) + self.each - self.point)


@dataclass(frozen=True)
class Build:
    """What building a structure took.

    Parameters
    ----------
    phases : mapping of str to float
        s; ``t_build`` and, where there is one, ``t_compile``.
    n_synapses : int
        Synapses made.
    """

    phases: Mapping[str, float]
    n_synapses: int


@dataclass(frozen=True)
class Recording:
    """The spikes of one point, or what was made of them.

    Parameters
    ----------
    spikes : mapping of str to SpikeTrains
        By population, spike sources left out.
    phases : mapping of str to float
        s; ``t_reset``, ``t_simulate`` and ``t_record``, and ``t_build`` where a point needed a build of its own. Points
        that ran together share their time equally.
    sums : mapping of str to AccumulatedTrains
        In place of spikes, where these were accumulated; empty else.
    """

    spikes: Mapping[str, SpikeTrains]
    phases: Mapping[str, float]
    sums: Mapping[str, AccumulatedTrains] = field(default_factory=dict)


@dataclass(frozen=True)
class PointFailure:
    """Why a point has no recording."""

    status: Literal["failed", "timeout", "diverged"]
    reason: str


class PointStopped(Exception):
    """Raised by the worker's `Check` to give up the points that are running."""


Check = Callable[[], None]


class Simulator(Protocol):
    """An open simulator: at most one built network at a time.

    Attributes
    ----------
    backend : str
        What runs the network, as it stands in the summary.
    gpu : str
        Name of the graphics processor, empty without one.
    exact : bool
        Whether a point that runs again has the same spikes to the bit. A graphics processor adds up floats in an order
        that changes from run to run; in a chaotic network only rates and the like then agree.
    """

    backend: str
    gpu: str
    exact: bool

    def batch_size(self, network: Network) -> int:
        """Return how many points of a network's structure `run` can take at once."""
        ...

    def shrink_batches(self, divisor: int) -> None:
        """Take only so small a part of the points at once: a process that took them all died while it built."""
        ...

    def build(self, network: Network, seed: int, n_points: int | None = None) -> Build:
        """Make the structure of `network` with connectivity drawn from `seed`, forgetting any other.

        `n_points` is how many points `run` will get at once at most; None: `batch_size`.
        """
        ...

    def run(self, networks: Sequence[Network], check: Check) -> list[Recording | PointFailure]:
        """Run points of the built structure.

        Parameters
        ----------
        networks : sequence of Network, at most as many as were built for
            Of the structure that was built last.
        check : callable
            Called now and then (at least once per 250 ms of biological time); may raise `PointStopped`, which
            passes through and leaves the simulator able to run the next points.

        Returns
        -------
        list of Recording or PointFailure
            One for each network. It depends on the network, the seed and the settings alone: not on the points
            that ran before or beside it (where the simulator is `exact`, to the bit).
        """
        ...

    def close(self) -> None:
        """Free what the simulator holds."""
        ...


class SimulatorModule(Protocol):
    """What a module ``simulators/backends/<name>_simulator`` holds.

    Attributes
    ----------
    SETTINGS : mapping of str to Setting
        Keys of ``[jobs.<name>]``.
    PACKAGES : tuple of str
        Python packages whose versions a row says.
    IMAGE : str, optional
        The container image that there is for its workers; None if there is none.
    GPU_IMAGE : str, optional
        The one for jobs that ask for a graphics processor (see `image_for`); a module without one takes `IMAGE`.
    SUGGESTED : mapping of str to value, optional
        Settings under which it may be suggested in place of another, where they differ from their defaults: those for
        the cores of any machine. None if it is never to be suggested.
    """

    SETTINGS: Mapping[str, Setting]
    PACKAGES: tuple[str, ...]
    IMAGE: str | None
    GPU_IMAGE: str | None
    SUGGESTED: Mapping[str, Any] | None

    def identity(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings a result depends on, as the summary's columns name them; a None matches any."""
        ...

    def revision(self, network: Network, simulation: Simulation) -> int:
        """Return the revision of our own part in a result; `FIRST_REVISION` where a module has no such function.

        It is raised where a change of ours gives other spikes, be it that a defect was mended: rows of an earlier one
        no longer count as done. It is asked of a network, because a change may well touch few of them. That another
        version of the simulator itself gives others is none of its business: rows name that version.
        """
        ...

    def estimate(
        self, network: Network, simulation: Simulation, settings: Mapping[str, Any], gpus: int | None = None
    ) -> Cost:
        """Estimate time and memory of a network.

        The time is that of the machine which `jobs.machine_speed` compares others with, at `NOMINAL_RATE`. `gpus` is
        how many graphics processors the jobs ask for; None if they run here, with those that are visible and on the
        cores there are.
        """
        ...

    def structure(self, network: Network) -> Hashable:
        """Return what two networks must share to share one build on this simulator.

        It holds at least `simulators.description.network.structure_of`, and nothing more where the simulator sets
        all the rest on a network that is built.
        """
        ...

    def problems(self, network: Network, simulation: Simulation, settings: Mapping[str, Any]) -> list[str]:
        """Say what this simulator cannot do with a network, a line each; nothing if it runs it."""
        ...

    def check_available(self, settings: Mapping[str, Any]) -> None:
        """Raise `SimulatorUnavailableError` unless `open_simulator` can work on this machine."""
        ...

    def open_simulator(self, simulation: Simulation, settings: Mapping[str, Any]) -> Simulator:
        """Start the simulator."""
        ...


def revision_of(module: SimulatorModule, network: Network, simulation: Simulation) -> int:
    """Return `SimulatorModule.revision`, also of a module without one."""
    own = getattr(module, "revision", None)
    return FIRST_REVISION if own is None else int(own(network, simulation))


def image_for(module: SimulatorModule, gpus: int) -> str | None:
    """Return the container image for jobs that ask for so many graphics processors; None if there is none."""
    own: str | None = getattr(module, "GPU_IMAGE", None)
    return own if gpus and own is not None else module.IMAGE


def even_batches(n_points: int, most: int) -> list[int]:
    """Cut points into batches, as few as can be and of equal sizes but for one point, the larger first.

    What a batch takes is what it is built for: 41 points that run as 21 and 20 take half of what 40 and 1 do.

    Examples
    --------
    >>> even_batches(41, 40), even_batches(7, 40), even_batches(7, 1)
    ([21, 20], [7], [1, 1, 1, 1, 1, 1, 1])
    """
    n_batches = -(-n_points // most)
    return [n_points // n_batches + (k < n_points % n_batches) for k in range(n_batches)]


@cache
def import_problem(package: str) -> str | None:
    """Say why a package cannot be imported here, or return None if it can.

    It is tried in a process of its own: what is installed may still lack a library, or take the process with it.
    """
    tried = subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return None
    said = tried.stderr.strip().splitlines()
    return said[-1] if said else f"importing it ends with exit code {tried.returncode}"


def simulator_names() -> list[str]:
    """Names of the simulators there are, whether what they run is installed or not."""
    return sorted({*_ours(), *installed("simulators")})


def find_simulator(name: str) -> SimulatorModule:
    """Return the module of a simulator.

    Raises
    ------
    LookupError
        If there is none of that name.
    """
    if name in _ours():
        return cast(SimulatorModule, importlib.import_module(f"{backends.__name__}.{name}{_SUFFIX}"))
    if name not in installed("simulators"):
        raise LookupError(f"no simulator {name!r}: there are {', '.join(simulator_names())}")
    return cast(SimulatorModule, load_reference(installed("simulators")[name].value))


def _ours() -> set[str]:
    modules = (module.name for module in pkgutil.iter_modules(backends.__path__))
    return {name.removesuffix(_SUFFIX) for name in modules if name.endswith(_SUFFIX)}
