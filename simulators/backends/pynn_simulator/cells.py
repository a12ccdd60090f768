"""Neuron models as PyNN's standard cells, with their units: ms, mV, nF, nA and µS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulators.backends.pynn_simulator.implementations import Implementation
from simulators.description import Population
from simulators.description.population import drawn_values
from simulators.neurons import find_neuron_model, neuron_model_names
from simulators.neurons.neuron_model import NeuronModel, Values, refractory_steps

NANO = 1e-3
"""pA in nA, pF in nF, nS in µS."""

_LEAKY = {
    "cm": ("C_m", NANO),
    "tau_m": ("tau_m", 1.0),
    "v_rest": ("E_L", 1.0),
    "v_reset": ("V_reset", 1.0),
    "v_thresh": ("V_th", 1.0),
    "tau_syn_E": ("tau_syn_ex", 1.0),
    "tau_syn_I": ("tau_syn_in", 1.0),
    "i_offset": ("I_e", NANO),
}


@dataclass(frozen=True)
class Cell:
    """A standard cell of PyNN.

    Parameters
    ----------
    name : str
        Its name there.
    parameters : mapping of str to (str, float)
        Parameter there: the one here, and what it is multiplied with.
    """

    name: str
    parameters: Mapping[str, tuple[str, float]]


CELLS: Mapping[str, Cell] = {
    "lif_psc_exp": Cell("IF_curr_exp", _LEAKY),
    "lif_cond_exp": Cell("IF_cond_exp", {**_LEAKY, "e_rev_E": ("E_ex", 1.0), "e_rev_I": ("E_in", 1.0)}),
}


def cell_of(model: NeuronModel) -> Cell | None:
    """Return the standard cell that a neuron model is; None if it is none."""
    if model.name not in neuron_model_names() or find_neuron_model(model.name) is not model:
        return None
    return CELLS.get(model.name)


def cell_parameters(
    population: Population, seed: int, dt: float, implementation: Implementation
) -> tuple[dict[str, Values], Values, Values]:
    """Return the parameters of a population under PyNN's names, its potential at the start, and that of its reset.

    Parameters
    ----------
    population : Population
        Neurons of a model that is a standard cell.
    seed : int
        Seed of the network draw.
    dt : float
        ms.
    implementation : Implementation
        Who runs it.

    Returns
    -------
    parameters : dict of str to float or ndarray of float64, shape (size,)
    start, reset : float or ndarray of float64, shape (size,)
        mV.
    """
    cell = cell_of(population.model)
    assert cell is not None, "is among the problems of a network"
    values = drawn_values(population, seed)
    found: dict[str, Values] = {name: values[ours] * factor for name, (ours, factor) in cell.parameters.items()}
    steps = refractory_steps(population.model, values, dt)
    found["tau_refrac"] = (
        (np.asarray(steps) + implementation.held) * dt
        if np.ndim(steps)
        else ((float(steps) + implementation.held) * dt)
    )
    return found, values["V_m"], values["V_reset"]
