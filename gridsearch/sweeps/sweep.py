"""``sweep.toml`` to a `Sweep`: the only reader and checker. All mistakes of a file are reported together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from gridsearch.inputs.guest_files import GuestFiles
from gridsearch.inputs.input_files import InputError, Problem, choices, read_toml
from gridsearch.inputs.parameters import SIMULATION_AXES, Defaults, defaults_file, read_defaults
from gridsearch.sweeps import jobs_section, tables
from gridsearch.sweeps.axes import Axis, expand_axis, too_many_points, zip_groups
from gridsearch.sweeps.network_checks import MAX_PROBLEMS, ParameterSpace, column_problems, network_problems
from gridsearch.sweeps.record_windows import read_windows
from simulators import models
from simulators.description.parameters import split_key
from simulators.guests.loading import GuestError
from simulators.records.job import Simulation, SpikeRecording
from simulators.statistics import SETTINGS as STATISTICS_SETTINGS
from simulators.statistics import Window, check_settings, references

T = TypeVar("T", bound=BaseModel)

MOST_STEPS = 2**31 - 1
"""Steps of a warm-up and of a recording; of 0.1 ms they are 60 hours of biology."""

_SECTIONS = ("data", "parameters", "axes", "replicates", "simulation", "record", "targets", "jobs")


@dataclass(frozen=True)
class Sweep:
    """A checked sweep.

    Parameters
    ----------
    path : Path
        The file it was read from.
    name, model : str
        Names the results' folder; names the model, or its file.
    guests : GuestFiles
        The model, statistics and data as files.
    simulators : mapping of str to mapping
        Settings of each simulator every point runs on, defaults filled in.
    parameters : mapping of str to value
        Fixed values of parameters or elements of them.
    axes : tuple of Axis
        What varies.
    seeds : tuple of int
        Replicates.
    draws : {'shared', 'per_point'}
        Whether a seed is one connectivity for the whole grid.
    simulation : Simulation
        Step, warm-up, duration.
    statistics : tuple of str
        What is shown; what costs next to nothing is computed, too.
    statistics_settings : mapping of str to float
        Constants of the statistics that differ from their defaults.
    windows : mapping of str to Window
        Parts of the recording that get statistics of their own.
    spikes : {'none', 'sample', 'all'}
        Which spikes are kept.
    targets : mapping of str to TargetTable
        What "calibrated" means, by column.
    jobs : JobsTable
        How the work is cut and where it runs.
    placement : mapping of str to PlacementTable
        What each simulator's jobs need beyond the simulator's own settings.
    executors : mapping of str to mapping
        Settings of each executor there is, defaults filled in.
    defaults : Defaults
        The model's parameters.
    """

    path: Path
    name: str
    model: str
    guests: GuestFiles = field(repr=False)
    simulators: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, Any]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    draws: Literal["shared", "per_point"]
    simulation: Simulation
    statistics: tuple[str, ...]
    statistics_settings: Mapping[str, float]
    windows: Mapping[str, Window]
    spikes: SpikeRecording
    targets: Mapping[str, tables.TargetTable]
    jobs: tables.JobsTable
    placement: Mapping[str, tables.PlacementTable]
    executors: Mapping[str, Mapping[str, Any]]
    defaults: Defaults = field(repr=False)

    @property
    def space(self) -> ParameterSpace:
        """Which networks the sweep asks for."""
        return ParameterSpace(self.path, self.guests, self.defaults, self.parameters, self.axes)


def read_sweep(path: Path) -> Sweep:
    """Read and check a sweep.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    return _Reader(path, read_toml(path)).sweep()


class _Reader:
    """Checks section by section and gathers problems, so that one mistake does not hide another."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path = path
        self._content = content
        self._problems: list[Problem] = []

    def sweep(self) -> Sweep:
        for key in self._content:
            if key not in _SECTIONS and key not in tables.TopTable.model_fields:
                valid = [*_SECTIONS, *tables.TopTable.model_fields]
                self._complain(key or '""', self._content[key], f"unknown key; {choices(valid, key)}")
        top = self._table(
            tables.TopTable, "", {k: self._content[k] for k in tables.TopTable.model_fields if k in self._content}
        )
        simulation = self._simulation()
        replicates = self._table(tables.ReplicatesTable, "replicates", self._section("replicates"))
        record = self._table(tables.RecordTable, "record", self._section("record"))
        asked = jobs_section.read_jobs(self._section("jobs"), getattr(top, "simulators", ()), self._complain)
        guests = self._guests(top, record)
        defaults = self._defaults(top, guests)
        targets = self._targets()
        if record is not None:
            self._check_record(record, simulation)
        windows: dict[str, Window] = {}
        seeds = self._seeds(replicates)
        if defaults is None:  # whose axes and parameters nobody knows, but they must be tables
            self._section("parameters")
            for key, axis in self._section("axes").items():
                self._table(tables.AxisTable, f"axes.{key}", axis)
        else:
            n_before = len(self._problems)
            parameters, axes = self._parameters(defaults), self._axes(defaults, len(seeds))
            self._check_simulation_axes(axes, simulation)
            windows = self._windows(record, axes, simulation)
            if record is not None and n_before and len(self._problems) == n_before:
                # The grid is sound but will not be expanded: say now what its expansion would complain of
                assert guests is not None
                space = ParameterSpace(self._path, guests, defaults, parameters, axes)
                found, populations = network_problems(space)
                self._problems += found
                if populations and not any(problem.key == "record.statistics" for problem in self._problems):
                    statistics = guests.found_statistics
                    self._problems += column_problems(self._path, targets, statistics, populations, windows)
        if guests is not None and not self._problems:
            try:
                guests.loaded  # noqa: B018  (reads what the files import)
            except GuestError as error:
                self._complain("model", guests.model, str(error))
        if self._problems:
            raise InputError(self._problems)
        assert top and guests and defaults is not None and simulation and replicates and record and asked.jobs
        return Sweep(
            path=self._path,
            name=top.name,
            model=top.model,
            guests=guests,
            simulators=asked.simulators,
            parameters=parameters,
            axes=axes,
            seeds=seeds,
            draws=replicates.draws,
            simulation=simulation,
            statistics=tuple(record.statistics),
            statistics_settings={
                # what is given and what is left at its default are the same points
                name: value
                for name, value in record.settings.items()
                if value != STATISTICS_SETTINGS[name].default
            },
            windows=windows,
            spikes=record.spikes,
            targets=targets,
            jobs=asked.jobs,
            placement=asked.placement,
            executors=asked.executors,
            defaults=defaults,
        )

    def _complain(self, key: str, value: object, rule: str) -> None:
        self._problems.append(Problem(self._path, key, value, rule))

    def _section(self, name: str) -> dict[str, Any]:
        content = self._content.get(name, {})
        if isinstance(content, dict):
            return content
        self._complain(name, content, f"must be a table: [{name}]")
        return {}

    def _table(self, kind: type[T], key: str, content: Any) -> T | None:
        return tables.checked_table(kind, key, content, self._complain)

    def _guests(self, top: tables.TopTable | None, record: tables.RecordTable | None) -> GuestFiles | None:
        model = getattr(top, "model", None)
        if not isinstance(model, str):
            return None
        folder = self._path.resolve().parent
        statistics = tuple(one for one in getattr(record, "statistics", ()) if isinstance(one, str))
        guests = GuestFiles(folder, model, statistics, self._data(folder))
        try:
            guests.make_network  # noqa: B018  (loads the file)
        except LookupError:
            rule = f"no such model; {choices(models.model_names(), model)}, or a Python file beside the sweep"
            self._complain("model", model, rule)
        except GuestError as error:
            self._complain("model", model, str(error))
        else:
            return guests
        return None

    def _data(self, folder: Path) -> dict[str, Path]:
        data = {}
        for name, given in self._section("data").items():
            if not isinstance(given, str):
                self._complain(f"data.{name}", given, "must be the path of a file or folder")
            elif not (path := folder / given).exists():
                self._complain(f"data.{name}", given, f"there is no {path}")
            else:
                data[name] = path.resolve()
        return data

    def _defaults(self, top: tables.TopTable | None, guests: GuestFiles | None) -> Defaults | None:
        if top is None or guests is None:
            return None
        try:
            return read_defaults(defaults_file(top.model, guests.folder))
        except InputError as error:
            self._problems += error.problems
            return None

    def _parameters(self, defaults: Defaults) -> dict[str, Any]:
        checked = {}
        for key, value in self._section("parameters").items():
            try:
                checked[key] = defaults.checked(key, value)
            except ValueError as error:
                self._complain(f"parameters.{key}", value, str(error))
        return checked

    def _axes(self, defaults: Defaults, n_seeds: int) -> tuple[Axis, ...]:
        sound: dict[str, tables.AxisTable] = {}
        for key, content in self._section("axes").items():
            name, _ = split_key(key)
            n_before = len(self._problems)
            table = self._table(tables.AxisTable, f"axes.{key}", content)
            if defaults.of_axis(name) is None:
                valid = choices([*defaults, *SIMULATION_AXES], name)
                self._complain(f"axes.{key}", content, f"unknown parameter; {valid}")
            elif table is not None and len(self._problems) == n_before:
                sound[key] = table
            self._check_overlap(key, content)
        if rule := too_many_points(sound, n_seeds):
            self._complain("axes", None, rule)
            return ()
        axes = []
        for key, table in sound.items():
            name, indices = split_key(key)
            parameter = defaults.of_axis(name)
            assert parameter is not None
            try:
                axes.append(expand_axis(key, table, parameter, indices))
            except ValueError as error:
                self._complain(f"axes.{key}", self._section("axes")[key], str(error))
        try:
            zip_groups(axes)
        except ValueError as error:
            self._complain("axes", None, str(error))
        return tuple(axes)

    def _check_overlap(self, key: str, content: object) -> None:
        """Complain of what else gives values to what an axis sweeps."""
        name, indices = split_key(key)
        if name in SIMULATION_AXES and name in self._section("simulation"):
            self._complain(f"axes.{key}", content, f"is also fixed in simulation.{name}; keep one of the two")
        for fixed in self._section("parameters"):
            fixed_name, fixed_indices = split_key(fixed)
            if fixed_name == name and indices in ((), fixed_indices):
                self._complain(f"axes.{key}", content, f"is also fixed in parameters.{fixed}; keep one of the two")
        for other in self._section("axes"):
            if indices and other == name:
                self._complain(f"axes.{key}", content, f"axes.{name} sweeps the whole of it; keep one of the two")
            elif other < key and split_key(other) == split_key(key):
                self._complain(f"axes.{key}", content, f"axes.{other} sweeps the same; keep one of the two")

    def _check_simulation_axes(self, axes: tuple[Axis, ...], simulation: Simulation | None) -> None:
        if simulation is None:
            return
        for axis in (axis for axis in axes if not axis.of_network):
            n_before = len(self._problems)
            for value in axis.values:
                self._check_steps(f"axes.{axis.key}", value, simulation.dt)
                if len(self._problems) - n_before == MAX_PROBLEMS:
                    break

    def _check_steps(self, key: str, time: float, dt: float) -> None:
        steps = time / dt
        if steps > MOST_STEPS:
            self._complain(
                key, time, f"is {steps:.3g} steps of dt = {dt:g} ms, more than the {MOST_STEPS:,} there may be"
            )
        elif abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
            self._complain(key, time, f"must be a multiple of dt = {dt:g} ms")

    def _simulation(self) -> Simulation | None:
        table = self._table(tables.SimulationTable, "simulation", self._section("simulation"))
        if table is None:
            return None
        for key in ("warmup", "duration"):
            self._check_steps(f"simulation.{key}", getattr(table, key), table.dt)
        return Simulation(table.dt, table.warmup, table.duration, table.max_rate)

    def _seeds(self, replicates: tables.ReplicatesTable | None) -> tuple[int, ...]:
        if replicates is None:
            return ()
        if isinstance(replicates.seeds, int):
            return tuple(range(1, replicates.seeds + 1))
        if len(set(replicates.seeds)) < len(replicates.seeds):
            self._complain("replicates.seeds", replicates.seeds, "seeds repeat")
        return tuple(replicates.seeds)

    def _check_record(self, record: tables.RecordTable, simulation: Simulation | None) -> None:
        for name in record.statistics:
            try:
                references.find_statistic(name, self._path.resolve().parent)
            except LookupError:
                rule = f"no such statistic; {choices(references.statistic_names(), name)}"
                self._complain("record.statistics", name, rule)
            except GuestError as error:
                self._complain("record.statistics", name, str(error))
        if len(set(record.statistics)) < len(record.statistics):
            self._complain("record.statistics", record.statistics, "statistics repeat")
        dt = tables.SimulationTable().dt if simulation is None else simulation.dt
        for name, rule in check_settings(record.settings, dt).items():
            self._complain(f"record.settings.{name}", record.settings[name], rule)

    def _windows(
        self, record: tables.RecordTable | None, axes: tuple[Axis, ...], simulation: Simulation | None
    ) -> dict[str, Window]:
        if record is None or simulation is None:
            return {}
        varied = [{axis.key: value} for axis in axes if not axis.of_network for value in axis.values]
        durations = [replace(simulation, **part).duration for part in varied or [{}]]
        windows, problems = read_windows(self._path, record.windows, record.window_shifts, durations, simulation.dt)
        self._problems += problems
        return windows

    def _targets(self) -> dict[str, tables.TargetTable]:
        targets = {}
        for column, content in self._section("targets").items():
            n_before = len(self._problems)
            table = self._table(tables.TargetTable, f"targets.{column}", content)
            if table is None or len(self._problems) > n_before:
                continue
            ranged = table.min is not None or table.max is not None
            valued = table.value is not None and table.tolerance is not None
            if ranged == valued or (ranged and (table.value is not None or table.tolerance is not None)):
                self._complain(f"targets.{column}", content, "give either min, max or both, or value and tolerance")
            elif table.min is not None and table.max is not None and table.min > table.max:
                self._complain(f"targets.{column}", content, "min must not be above max")
            targets[column] = table
        return targets
