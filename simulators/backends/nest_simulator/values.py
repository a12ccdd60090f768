"""Numbers of a description under NEST's names and rules; no NEST here."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulators.description import Normal, Population, Projection, Receptor, Uniform
from simulators.description.distributions import Distribution
from simulators.description.population import drawn_values
from simulators.neurons.neuron_model import Values


def neuron_parameters(population: Population, seed: int) -> dict[str, Values]:
    """Parameters and initial state of a population under NEST's names, distributions drawn and defaults filled in.

    Returns
    -------
    dict of str to float or ndarray of float64, shape (size,)
    """
    nest = population.model.nest
    assert nest is not None, "is among the problems of a network"
    return nest.translate(drawn_values(population, seed))


def set_values(nodes: Any, values: dict[str, Values]) -> None:
    """Set parameters and state of a population.

    If one of them differs between neurons, all go in one call, neuron by neuron: NEST keeps potentials relative to
    ``E_L`` and checks the reset against the threshold, so that what one call leaves behind for the next would depend on
    the values of the last point.

    Parameters
    ----------
    nodes : NodeCollection
        The neurons.
    values : dict of str to float or ndarray of float64, shape (size,)
        From `neuron_parameters`.
    """
    if all(np.ndim(value) == 0 for value in values.values()):
        nodes.set(**{name: float(value) for name, value in values.items()})
        return
    columns = [np.broadcast_to(value, len(nodes)).tolist() for value in values.values()]
    nodes.set([dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)])


def signed_weight(weight: Values, receptor: Receptor) -> Values:
    """Weight under NEST's rule that the sign chooses the receptor.

    Raises
    ------
    ValueError
        If the weight of an excitatory synapse is negative.
    """
    if receptor == "inhibitory":
        return -np.abs(weight) if isinstance(weight, np.ndarray) else -abs(weight)
    if np.any(np.asarray(weight) < 0.0):
        raise ValueError(f"an excitatory weight is negative: {np.min(weight):g}")
    return weight


def drawn_sign(projection: Projection) -> float:
    """What the drawn weights of a projection are multiplied with: its scale, under the rule of `signed_weight`.

    The centre of the distribution decides the sign of all its weights.

    Raises
    ------
    ValueError
        If the weights of an excitatory projection are negative, or nothing is drawn that has a centre.
    """
    drawn = projection.drawn_weight
    assert isinstance(drawn, (Normal, Uniform)), "is among the problems of a network"
    centre = drawn.mean if isinstance(drawn, Normal) else (drawn.low + drawn.high) / 2.0
    scale = projection.weight_scale
    if signed_weight(centre * scale, projection.receptor) == centre * scale:
        return scale
    return -scale


def random_value(nest: Any, value: float | Distribution) -> Any:
    """Translate a distribution into NEST's own, drawn while connecting; a number stays."""
    match value:
        case Uniform(low, high):
            return nest.random.uniform(low, high)
        case Normal(mean, sd, low, high):
            drawn = nest.random.normal(mean, sd)
            if np.isinf(low) and np.isinf(high):
                return drawn
            return nest.math.redraw(drawn, max(low, -1e300), min(high, 1e300))
        case int() | float():
            return float(value)
    raise AssertionError(f"{value} is among the problems of a network")
