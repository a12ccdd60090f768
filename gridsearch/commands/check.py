"""Checking a model before anything is planned: its networks, what they cost, and a short run on every simulator."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gridsearch.inputs.guest_files import GuestFiles
from gridsearch.inputs.input_files import InputError, Problem
from gridsearch.inputs.parameters import defaults_file, read_defaults
from gridsearch.sweeps.axes import Axis, zip_groups
from gridsearch.sweeps.network_checks import ParameterSpace
from gridsearch.sweeps.sweep import read_sweep
from jobs.machine_speed import slowness
from jobs.plan import Pace
from simulators import models
from simulators.backends.simulator import (
    Cost,
    Recording,
    SimulatorUnavailableError,
    find_simulator,
    simulator_names,
)
from simulators.description import Network
from simulators.description.parameters import with_overrides
from simulators.description.population import drawn_values
from simulators.description.scaling import smaller
from simulators.neurons.step_code import StepRuleError, check_step_rule
from simulators.records.job import Simulation

MAX_CORNERS = 64
TRIAL_NEURONS = 1000
TRIAL = Simulation(dt=0.1, warmup=0.0, duration=100.0)


@dataclass(frozen=True)
class Checked:
    """What there is to check.

    Parameters
    ----------
    space : ParameterSpace
        Model, defaults and axes.
    simulation : Simulation
        For the costs.
    settings : mapping of str to mapping
        Settings of each simulator to look at.
    """

    space: ParameterSpace
    simulation: Simulation
    settings: Mapping[str, Mapping[str, Any]]

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield what is swept at the defaults, which is nothing, and at the corners of the axes."""
        yield {}
        groups = [_ends(group) for group in zip_groups(self.space.axes) if group[0].of_network]
        for parts in itertools.islice(itertools.product(*groups), MAX_CORNERS):
            if swept := {key: value for part in parts for key, value in part.items()}:
                yield swept


@dataclass(frozen=True)
class Trial:
    """How a simulator did with a network.

    Parameters
    ----------
    cost : Cost or None
        Estimated of the whole network; None if it cannot run it.
    problems : tuple of str
        What it cannot do.
    rates : mapping of str to float
        Hz, of each population in the trial.
    failure : str
        Why the trial did not run; empty if it did.
    """

    cost: Cost | None
    problems: tuple[str, ...] = ()
    rates: Mapping[str, float] | None = None
    failure: str = ""


def open_for_check(path: Path) -> Checked:
    """Read a sweep, or a model's file with the defaults beside it.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    if path.suffix != ".py":
        sweep = read_sweep(path)
        return Checked(sweep.space, sweep.simulation, sweep.simulators)
    guests = GuestFiles(path.resolve().parent, path.name, ())
    defaults = read_defaults(defaults_file(path.name, guests.folder))
    settings = {
        name: {key: setting.default for key, setting in find_simulator(name).SETTINGS.items()}
        for name in simulator_names()
        if find_simulator(name).SUGGESTED is not None
    }
    return Checked(ParameterSpace(path, guests, defaults, {}, ()), Simulation(0.1, 1000.0, 9000.0), settings)


def describe_networks(checked: Checked) -> list[tuple[dict[str, Any], Network]]:
    """Describe the networks at the defaults and at the corners of the axes.

    Returns
    -------
    list of (dict, Network)
        What is swept, and the network.

    Raises
    ------
    InputError
        With everything that is wrong: a model that raises is named with file and line.
    """
    space = checked.space
    found, problems = [], dict[str, Problem]()
    try:
        make_network = space.guests.make_network
        space.guests.loaded  # noqa: B018  (reads what it imports)
    except Exception as error:
        raise InputError([Problem(space.path, "", None, str(error))]) from error
    base = with_overrides(space.defaults.values_by_name(), space.parameters)
    for swept in checked.combinations():
        try:
            network = make_network(with_overrides(base, swept))
            if not isinstance(network, Network):
                raise TypeError(f"make_network must return a Network, not {type(network).__name__}")
            _check_neurons(network, checked.simulation.dt)
        except Exception as error:  # a model may raise anything
            problem = space.complaint(error)
            problems.setdefault(problem.rule, problem)
        else:
            found.append((swept, network))
    if problems:
        raise InputError(list(problems.values()))
    return found


def try_simulator(checked: Checked, name: str, networks: Sequence[tuple[dict[str, Any], Network]]) -> Trial:
    """Say what a simulator cannot do with the networks and what the first costs, and run a small copy of that."""
    simulator, settings = find_simulator(name), checked.settings[name]
    problems = dict.fromkeys(
        problem for _, network in networks for problem in simulator.problems(network, checked.simulation, settings)
    )
    if problems:
        return Trial(None, tuple(problems))
    times = slowness()
    cost = Pace(build=times, point=times).of(simulator.estimate(networks[0][1], checked.simulation, settings))
    try:
        simulator.check_available(settings)
    except SimulatorUnavailableError as error:
        return Trial(cost, failure=str(error))
    guests, space = checked.space.guests, checked.space
    parameters = with_overrides(space.defaults.values_by_name(), space.parameters)
    # In a process of its own: what a simulator does to its process it does not do to this one
    model = (guests.model, guests.folder, dict(guests.data))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            rates = pool.submit(_rates, model, parameters, name, dict(settings), checked.simulation.dt).result()
        except BrokenProcessPool:
            return Trial(cost, failure="it ended its process")
        except Exception as error:
            return Trial(cost, failure=f"{type(error).__name__}: {error}")
    return Trial(cost, rates=rates)


def _rates(
    model: tuple[str, Path, dict[str, Path]],
    parameters: Mapping[str, Any],
    name: str,
    settings: Mapping[str, Any],
    dt: float,
) -> dict[str, float]:
    network = smaller(models.find_model(*model)(parameters), TRIAL_NEURONS)
    simulator = find_simulator(name).open_simulator(replace(TRIAL, dt=dt, max_rate=1e9), settings)
    simulator.build(network, 1)
    (outcome,) = simulator.run([network], lambda: None)
    simulator.close()
    if not isinstance(outcome, Recording):
        raise RuntimeError(outcome.reason)
    return {key: one.n_spikes / one.size / one.duration * 1e3 for key, one in outcome.spikes.items()}


def _check_neurons(network: Network, dt: float) -> None:
    for population in network.populations:
        if population.model.step is not None:
            constants = population.model.step.constants(drawn_values(population, 1), dt)
            try:
                check_step_rule(population.model, set(constants))
            except StepRuleError as error:
                raise StepRuleError(f"neuron model {population.model.name}: {error}") from error


def _ends(group: Sequence[Axis]) -> list[dict[str, Any]]:
    indices = dict.fromkeys((0, len(group[0].values) - 1))
    return [{axis.key: axis.values[index] for axis in group} for index in indices]
