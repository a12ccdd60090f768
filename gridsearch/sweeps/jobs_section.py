"""``[jobs]`` of a sweep: how the work is cut, and the settings of simulators and executors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridsearch.inputs.input_files import choices
from gridsearch.sweeps import tables
from gridsearch.sweeps.settings import checked_settings
from jobs.executor import Placement, executor_names, find_executor
from simulators.backends.simulator import Setting, find_simulator, simulator_names

Complain = Callable[[str, object, str], None]
"""Takes key, value and rule."""


@dataclass(frozen=True)
class JobsSection:
    """What the section says.

    Parameters
    ----------
    jobs : JobsTable or None
        Its own keys; None if they cannot be read.
    simulators : mapping of str to mapping
        Settings of each simulator that is asked for, defaults filled in.
    placement : mapping of str to PlacementTable
        What each simulator's jobs need beyond the simulator's own settings.
    executors : mapping of str to mapping
        Settings of each executor there is, defaults filled in.
    """

    jobs: tables.JobsTable | None
    simulators: Mapping[str, Mapping[str, Any]]
    placement: Mapping[str, tables.PlacementTable]
    executors: Mapping[str, Mapping[str, Any]]


def read_jobs(section: Mapping[str, Any], simulators: Sequence[str], complain: Complain) -> JobsSection:
    """Check the section.

    Parameters
    ----------
    section : mapping of str to value
        As it stands in the file.
    simulators : sequence of str
        Those that the sweep asks for.
    complain : callable
        Told of every mistake.
    """
    jobs = _own_keys(section, complain)
    settings: dict[str, dict[str, Any]] = {}
    placement = {}
    for name in simulators:
        if name not in simulator_names():
            complain("simulators", name, f"no such simulator; {choices(simulator_names(), name)}")
        elif name in settings:
            complain("simulators", name, "is listed twice")
        elif isinstance(given := section.get(name, {}), dict):  # else already complained about
            settings[name], placed = _of_simulator(name, given, complain)
            if placed is not None:
                placement[name] = placed
    for name in simulator_names():  # that are not asked for, but may be in the next submit
        if name not in settings and isinstance(given := section.get(name, {}), dict):
            _of_simulator(name, given, complain)
    executors = _of_executors(section, complain)
    _check_executors(section, executors, placement, complain)
    return JobsSection(jobs, settings, placement, executors)


def _own_keys(section: Mapping[str, Any], complain: Complain) -> tables.JobsTable | None:
    named = {*simulator_names(), *executor_names()}
    keys = tables.JobsTable.model_fields
    own = {key: value for key, value in section.items() if key in keys or not isinstance(value, dict)}
    for key in named & own.keys():
        complain(f"jobs.{key}", own.pop(key), f"must be a table: [jobs.{key}]")
    jobs = tables.checked_table(tables.JobsTable, "jobs", own, complain)
    if jobs is not None and jobs.executor not in ("auto", *executor_names()):
        valid = choices(("auto", *executor_names()), jobs.executor)
        complain("jobs.executor", jobs.executor, f"no such executor; {valid}")
    for key in section.keys() - own.keys() - named:
        complain(f"jobs.{key}", section[key], f"no such simulator or executor; {choices(named, key)}")
    return jobs


def _of_simulator(
    name: str, given: Mapping[str, Any], complain: Complain
) -> tuple[dict[str, Any], tables.PlacementTable | None]:
    known = find_simulator(name).SETTINGS
    rest = {key: value for key, value in given.items() if key in tables.PlacementTable.model_fields}
    for key in given.keys() - rest.keys() - known.keys():
        valid = choices([*known, *tables.PlacementTable.model_fields], key)
        complain(f"jobs.{name}.{key}", given[key], f"unknown key; {valid}")
    placed = tables.checked_table(tables.PlacementTable, f"jobs.{name}", rest, complain)
    return _settings(name, known, given, complain), placed


def _of_executors(section: Mapping[str, Any], complain: Complain) -> dict[str, dict[str, Any]]:
    settings = {}
    for name in executor_names():
        known, given = find_executor(name).SETTINGS, section.get(name, {})
        if isinstance(given, dict):  # else already complained about
            for key in given.keys() - known.keys():
                complain(f"jobs.{name}.{key}", given[key], f"unknown key; {choices(known, key)}")
            settings[name] = _settings(name, known, given, complain)
    return settings


def _check_executors(
    section: Mapping[str, Any],
    executors: Mapping[str, Mapping[str, Any]],
    placement: Mapping[str, tables.PlacementTable],
    complain: Complain,
) -> None:
    placed = {name: Placement(**table.model_dump()) for name, table in placement.items()}
    for name, settings in executors.items():
        for key, rule in find_executor(name).problems(settings, placed).items():
            table, _, rest = key.partition(".")
            value: Any = section.get(table, {})
            for part in rest.split(".", 1):
                value = value.get(part) if isinstance(value, dict) else None
            complain(f"jobs.{key}", value, rule)


def _settings(owner: str, known: Mapping[str, Setting], given: Mapping[str, Any], complain: Complain) -> dict[str, Any]:
    checked, broken = checked_settings(known, given)
    for key, value, rule in broken:
        complain(f"jobs.{owner}.{key}", value, rule)
    return checked
