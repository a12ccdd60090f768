"""Setting the instances of a loaded GeNN model to points, each of them to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from simulators.backends.genn_simulator.generated_code.neuron_code import DRIFT
from simulators.backends.genn_simulator.generated_code.poisson_code import NEVER, SOURCE_LAUNCH, drive_launch
from simulators.backends.genn_simulator.network import GennNetwork, inputs_of
from simulators.backends.genn_simulator.points.points import Point
from simulators.backends.genn_simulator.structure.layout import Layout
from simulators.backends.genn_simulator.values import packed_events
from simulators.description.population import Population
from simulators.neurons.neuron_model import SUFFIXES

_UNREACHABLE = 1e30


class Instances:
    """The instances of a batch and their points.

    Parameters
    ----------
    built : GennNetwork
        The loaded model.
    layout : Layout
        What it was compiled from.
    points : mapping of int to Point
        By instance; the others do nothing.
    """

    def __init__(self, built: GennNetwork, layout: Layout, points: Mapping[int, Point]) -> None:
        self._built = built
        self._layout = layout
        self._points = dict(points)
        self._populations = next(iter(points.values())).network.populations
        self._spread = max(point.spread for point in points.values())
        self._n_draws = max(point.n_draws for point in points.values())

    @property
    def launches(self) -> list[str]:
        """Names of the updates to launch before each step."""
        wanted = [self._spread.launch, drive_launch(self._n_draws), SOURCE_LAUNCH]
        return [name for name in wanted if name in self._layout.launches]

    def start(self) -> None:
        """Set all instances to the start of their points; spikes under way must have been let out before."""
        for population in self._populations:
            written = set[str]()
            for instance in range(self._layout.batch):
                written |= self._write(population, instance, {"threshold": _UNREACHABLE, "limit": NEVER})
            for instance, point in self._points.items():
                written |= self._write(population, instance, point.start(population))
                if population.model.step is not None:
                    written |= self._write(population, instance, self._named(point.constants[population.name]))
                    if population.model.refractory is not None:
                        written |= self._write(population, instance, {"refractory": 0.0})
            self._push(population, written)
            if population.model.step is not None:
                for receptor in SUFFIXES:
                    array = inputs_of(self._built, population.name, receptor)
                    np.asarray(array.host_view)[:] = 0
                    array.push_to_device()
        for name, group in self._built.synapses.items():
            scale = group.extra_global_params["scale"]
            scale.view[:] = 0.0
            for instance, point in self._points.items():
                scale.view[instance] = point.scales[name]
            scale.push_to_device()

    def set_inputs(self, step: int) -> None:
        """Set what changes with time, for a step counted from the end of the warm-up."""
        written: dict[str, set[str]] = {}
        for instance, point in self._points.items():
            values: dict[str, dict[str, Any]] = {}
            for name, drift in point.drifts_at(step).items():
                values[name] = {self._spread.variable(DRIFT): drift}
            for name, limits in point.sources_at(step).items():
                values[name] = {"limit": limits}
            for name, given in values.items():
                population = point.network[name]
                written[name] = written.get(name, set()) | self._write(population, instance, given)
            for name, drives in point.drives_at(step).items():
                arrays = self._drive_arrays(name)
                limits = arrays["limits"].view.reshape(self._layout.batch, len(drives), -1)
                limits[instance] = NEVER
                for k, (counted, weight) in enumerate(drives):
                    limits[instance, k, : len(counted)] = counted
                    arrays["strength"].view[instance * len(drives) + k] = weight
        for population in self._populations:
            self._push(population, written.get(population.name, ()))
        for name in {name for point in self._points.values() for name in point.drives_at(step)}:
            for array in self._drive_arrays(name).values():
                array.push_to_device()

    def set_events(self, begin: int, end: int, warmup: int) -> None:
        """Set the given spikes of the steps of a chunk, counted from the start of the warm-up."""
        for population in self._populations:
            if population.model.source != "events":
                continue
            events = self._built.neurons[population.name].extra_global_params["events"]
            words = events.view.reshape(self._layout.batch, self._layout.chunk_steps, -1)
            words[:] = 0
            for instance, point in self._points.items():
                if population.name in point.events:
                    steps, neurons = point.events[population.name]
                    # a spike of step s is emitted at the end of the step before
                    first = begin - warmup + 1
                    words[instance, : end - begin] = packed_events(steps, neurons, first, end - begin, population.size)
            events.push_to_device()

    def stop(self, instance: int) -> None:
        """Keep an instance from spiking any more: its point has diverged."""
        del self._points[instance]
        for population in self._populations:
            # the states go on; the copies of them here are old ones
            self._push(population, self._write(population, instance, {"threshold": _UNREACHABLE, "limit": NEVER}))

    def _named(self, constants: Mapping[str, Any]) -> dict[str, Any]:
        return {self._spread.variable(name): value for name, value in constants.items()}

    def _drive_arrays(self, population: str) -> Mapping[str, Any]:
        arrays: Mapping[str, Any] = self._built.updates[population, drive_launch(self._n_draws)].extra_global_params
        return arrays

    def _write(self, population: Population, instance: int, values: Mapping[str, Any]) -> set[str]:
        """Write values of an instance to this side of the memory; return which there are."""
        variables = self._built.neurons[population.name].vars
        there: set[str] = {name for name in values if name in variables}
        for name in there:
            variables[name].view.reshape(self._layout.batch, -1)[instance] = values[name]
        return there

    def _push(self, population: Population, names: Iterable[str]) -> None:
        variables = self._built.neurons[population.name].vars
        for name in names:
            variables[name].push_to_device()


def let_out_spikes(built: GennNetwork) -> None:
    """Let out the spikes still under way, without propagating anybody or letting anybody spike.

    A potential may have ended beyond any threshold, as in the last step of an upstroke: it goes as well.
    """
    for group in built.neurons.values():
        for name, value in (("state_V", 0.0), ("threshold", _UNREACHABLE), ("limit", NEVER)):
            if name in group.vars:
                group.vars[name].view[:] = value
                group.vars[name].push_to_device()
        for name in group.extra_global_params:
            group.extra_global_params[name].view[:] = 0
            group.extra_global_params[name].push_to_device()
    for _ in range(built.longest_delay):
        # sources read their spikes by step, and beyond the last there is room for lies other memory
        built.model.timestep = 0
        built.model.step_time()


def diverged_populations(
    built: GennNetwork, layout: Layout, populations: Iterable[Population], instance: int
) -> list[str]:
    """Names of populations whose states, fetched before (`fetch_states`), are not finite any more.

    A potential beyond all numbers is none of that: it is a spike, reset at the next step.
    """
    found = []
    for population in populations:
        for name, variable in built.neurons[population.name].vars.items():
            if name.startswith("state_"):
                values = variable.view.reshape(layout.batch, -1)[instance]
                beyond = np.isneginf(values) if name == "state_V" else np.isinf(values)
                if np.any(np.isnan(values) | beyond):
                    found.append(population.name)
                    break
    return found


def fetch_states(built: GennNetwork) -> None:
    """Fetch the states of all neurons from the device."""
    for group in built.neurons.values():
        for name, variable in group.vars.items():
            if name.startswith("state_"):
                variable.pull_from_device()
