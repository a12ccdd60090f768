"""Setting a loaded GeNN model to a point: state, parameters, weights and random generators of one instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulators.backends.genn_simulator.code import STATES, SUFFIXES
from simulators.backends.genn_simulator.layout import SOURCE, Layout, PopulationLayout, individual_weights
from simulators.backends.genn_simulator.network import GennNetwork, inputs_of
from simulators.backends.genn_simulator.values import (
    current_gain,
    drawn_parameters,
    drive_constants,
    generator_states,
    initial_potential,
    neuron_constants,
    signed_weight,
    source_probability,
    step_currents,
)
from simulators.description.network import Network, PoissonDrive, StepCurrent

_UNREACHABLE = 1e30  # mV


def set_points(built: GennNetwork, layout: Layout, networks: Sequence[Network], seed: int) -> None:
    """Set the instances of the batch to the start of a point each, and those without a point to do nothing.

    Spikes under way must have been let out before.

    Parameters
    ----------
    built : GennNetwork
        The loaded model.
    layout : Layout
        What it was compiled from.
    networks : sequence of Network, at most ``layout.batch``
        The points.
    seed : int
        Seed of all that is drawn.
    """
    for population in layout.populations:
        group = built.neurons[population.name]
        for instance, network in enumerate(networks):
            _write(group, layout, instance, _start_values(population, network, seed, layout.dt))
        for instance in range(len(networks), layout.batch):
            _write(group, layout, instance, _silent_values(population))
        for variable in group.vars.values():
            variable.push_to_device()
        if population.neuron != SOURCE:
            for receptor in SUFFIXES:
                array = inputs_of(built, population, receptor)
                np.asarray(array.host_view)[:] = 0
                array.push_to_device()
    for projection in networks[0].projections:
        if not individual_weights(projection):
            weights = built.synapses[projection.name].extra_global_params["weight"]
            weights.view[:] = 0.0
            for instance, network in enumerate(networks):
                weights.view[instance] = _weight(network, projection.name)
            weights.push_to_device()


def silence(built: GennNetwork, layout: Layout, instance: int) -> None:
    """Stop an instance of the batch from spiking: its point has diverged."""
    for population in layout.populations:
        group = built.neurons[population.name]
        for name, value in _silent_values(population).items():
            # the potential goes on; the copy of it here is an old one
            if name != "V":
                _write(group, layout, instance, {name: value})
                group.vars[name].push_to_device()


def set_changing_values(
    built: GennNetwork, layout: Layout, network: Network, instance: int, seed: int, step: int
) -> None:
    """Set what changes during a point: step currents, and whether Poisson sources are on.

    Parameters
    ----------
    step : int
        The step about to be taken, counted from the end of the warm-up.
    """
    stepped = {given.target for given in network.inputs if isinstance(given, StepCurrent)}
    for population in layout.populations:
        described = network[population.name]
        group = built.neurons[population.name]
        if population.neuron == SOURCE:
            _write(group, layout, instance, {"probability": source_probability(described, step, layout.dt)})
            group.vars["probability"].push_to_device()
        elif population.name in stepped:
            given = drawn_parameters(described, seed)
            drift = neuron_constants(population.neuron, given, layout.dt)["drift"]
            gain = current_gain(population.neuron, given, layout.dt)
            drift = drift + gain * step_currents(network, described, step, layout.dt)
            _write(group, layout, instance, {"drift": drift})
            group.vars["drift"].push_to_device()


def _start_values(population: PopulationLayout, network: Network, seed: int, dt: float) -> dict[str, Any]:
    if population.neuron == SOURCE:
        return {"generator": generator_states(seed, population.size, population.name, "source"), "probability": 0.0}
    given = drawn_parameters(network[population.name], seed)
    values: dict[str, Any] = dict.fromkeys(STATES, 0.0) | neuron_constants(population.neuron, given, dt)
    values["V"] = initial_potential(given)
    return values | _drive_values(population, network, seed, dt)


def _silent_values(population: PopulationLayout) -> dict[str, float]:
    return {"probability": 0.0} if population.neuron == SOURCE else {"V": 0.0, "V_th": _UNREACHABLE}


def _drive_values(population: PopulationLayout, network: Network, seed: int, dt: float) -> dict[str, Any]:
    given = {i.name: i for i in network.inputs if isinstance(i, PoissonDrive)}
    values: dict[str, Any] = {}
    for name, drive in population.drives:
        constants = drive_constants(given[name], population.neuron, dt)
        values |= dict(zip(drive.constants, constants, strict=True))
        values[drive.generator] = generator_states(seed, population.size, name, "drive")
    return values


def _weight(network: Network, name: str) -> float:
    projection = next(projection for projection in network.projections if projection.name == name)
    assert isinstance(projection.weight, (int, float))
    return float(signed_weight(projection.weight, projection.receptor, network[projection.target].neuron))


def _write(group: Any, layout: Layout, instance: int, values: dict[str, Any]) -> None:
    """Write values of an instance to this side of the memory."""
    for name, value in values.items():
        view = group.vars[name].view
        view.reshape(layout.batch, -1)[instance] = value
