"""Setting a loaded GeNN model to a point: state, parameters, weights and random generators of one instance."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulators.genn_code import STATES, SUFFIXES
from simulators.genn_layout import SOURCE, Layout, PopulationLayout, individual_weights
from simulators.genn_network import GennNetwork, inputs_of
from simulators.genn_values import (
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
from simulators.network import Network, PoissonDrive, StepCurrent

_UNREACHABLE = 1e30  # mV


def set_point(built: GennNetwork, layout: Layout, network: Network, instance: int, seed: int) -> None:
    """Set an instance of the batch to the start of a point; spikes under way must have been let out before.

    Parameters
    ----------
    built : GennNetwork
        The loaded model.
    layout : Layout
        What it was compiled from.
    network : Network
        The point.
    instance : int
        Which of the batch.
    seed : int
        Seed of all that is drawn.
    """
    for population in layout.populations:
        values: dict[str, Any] = {}
        if population.neuron == SOURCE:
            values["generator"] = generator_states(seed, population.size, population.name, "source")
        else:
            given = drawn_parameters(network[population.name], seed)
            values |= dict.fromkeys(STATES, 0.0) | neuron_constants(population.neuron, given, layout.dt)
            values["V"] = initial_potential(given)
            values |= _drive_values(population, network, seed, layout.dt)
            _clear_inputs(built, population, layout.batch, instance)
        _set_variables(built.neurons[population.name], layout.batch, instance, values)
    for projection in network.projections:
        if not individual_weights(projection):
            neuron = network[projection.target].neuron
            weight = signed_weight(projection.weight, projection.receptor, neuron)  # type: ignore[arg-type]
            _set_weight(built.synapses[projection.name], instance, float(weight))


def silence(built: GennNetwork, layout: Layout, instance: int) -> None:
    """Make an instance of the batch do nothing: it has no point, or its point has diverged."""
    for population in layout.populations:
        values = {"probability": 0.0} if population.neuron == SOURCE else {"V": 0.0, "V_th": _UNREACHABLE}
        _set_variables(built.neurons[population.name], layout.batch, instance, values)


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
            probability = source_probability(described, step, layout.dt)
            _set_variables(group, layout.batch, instance, {"probability": probability})
        elif population.name in stepped:
            given = drawn_parameters(described, seed)
            drift = neuron_constants(population.neuron, given, layout.dt)["drift"]
            gain = current_gain(population.neuron, given, layout.dt)
            drift = drift + gain * step_currents(network, described, step, layout.dt)
            _set_variables(group, layout.batch, instance, {"drift": drift})


def _drive_values(population: PopulationLayout, network: Network, seed: int, dt: float) -> dict[str, Any]:
    given = {i.name: i for i in network.inputs if isinstance(i, PoissonDrive)}
    values: dict[str, Any] = {}
    for name, drive in population.drives:
        constants = drive_constants(given[name], population.neuron, dt)
        values |= dict(zip(drive.constants, constants, strict=True))
        values[drive.generator] = generator_states(seed, population.size, name, "drive")
    return values


def _set_variables(group: Any, batch: int, instance: int, values: dict[str, Any]) -> None:
    for name, value in values.items():
        variable = group.vars[name]
        if batch > 1:
            # what other instances have reached lives on the device
            variable.pull_from_device()
            variable.view[instance] = value
        else:
            variable.view[:] = value
        variable.push_to_device()


def _set_weight(group: Any, instance: int, weight: float) -> None:
    weights = group.extra_global_params["weight"]
    weights.view[instance] = weight
    weights.push_to_device()


def _clear_inputs(built: GennNetwork, population: PopulationLayout, batch: int, instance: int) -> None:
    for receptor in SUFFIXES:
        array = inputs_of(built, population, receptor)
        if batch > 1:
            array.pull_from_device()
        np.asarray(array.host_view).view(np.float32).reshape(batch, -1)[instance] = 0.0
        array.push_to_device()
