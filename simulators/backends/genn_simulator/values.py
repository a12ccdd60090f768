"""Numbers that go into a GeNN model and come out of it; no GeNN here."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.neuron_code import DRIFT, REFRACTORY_STEPS, REST
from simulators.description.inputs import PiecewiseConstant
from simulators.neurons.neuron_model import NeuronModel, Receptor, Values, refractory_steps

_FLOAT32_LARGEST = float(np.finfo(np.float32).max)


def neuron_constants(model: NeuronModel, values: Mapping[str, Values], dt: float) -> dict[str, Values]:
    """Values of a neuron's constants.

    Parameters
    ----------
    model : NeuronModel
        A model with a step.
    values : mapping of str to float or ndarray
        Its parameters and states.
    dt : float
        ms.

    Returns
    -------
    dict of str to float or ndarray of float64, shape (size,)

    Raises
    ------
    ValueError
        If one is not a number.
    """
    assert model.step is not None
    constants: dict[str, Values] = dict(model.step.constants(values, dt))
    if DRIFT in constants:
        constants[DRIFT] = constants[DRIFT] + REST
    if model.refractory is not None:
        constants[REFRACTORY_STEPS] = refractory_steps(model, values, dt)
    for name, value in constants.items():
        if np.any(np.isnan(value)):
            raise ValueError(f"{name} of {model.name} is not a number")
        # so that no comparison meets an infinite number, which fast arithmetic need not know
        constants[name] = np.clip(value, -_FLOAT32_LARGEST, _FLOAT32_LARGEST)
    return constants


def start_states(
    model: NeuronModel, values: Mapping[str, Values], constants: Mapping[str, Values]
) -> dict[str, Values]:
    """States at the start by the names of their variables; a potential at threshold is put just below.

    The first step propagates a neuron before it looks whether it has fired.
    """
    assert model.step is not None
    states = {f"state_{name}": value for name, value in model.step.start(values).items()}
    threshold = np.asarray(constants[model.step.threshold], dtype=np.float32)
    potential = np.asarray(states["state_V"], dtype=np.float32)
    below: Values = np.minimum(potential, np.nextafter(threshold, np.float32(-np.inf))).astype(np.float64)
    states["state_V"] = below
    return states


def signed_weight(weight: Values, receptor: Receptor, model: NeuronModel) -> Values:
    """Weight as the code adds it: negative for an inhibitory current, positive otherwise.

    Raises
    ------
    ValueError
        If it is not a number, or that of an excitatory synapse is negative.
    """
    if not np.all(np.isfinite(weight)):
        raise ValueError(f"a weight is not a finite number: {weight}")
    if receptor == "inhibitory":
        size: Values = np.abs(weight)
        return size if model.synapses == "conductance" else -size
    if np.any(np.asarray(weight) < 0.0):
        raise ValueError(f"an excitatory weight is negative: {np.min(weight):g}")
    return weight


def value_at_step(value: float | PiecewiseConstant, step: int, dt: float) -> float:
    """Value that holds at a step counted from the end of the warm-up; times count as the step next to them."""
    if not isinstance(value, PiecewiseConstant):
        return float(value)
    steps = np.rint(np.asarray(value.times) / dt)
    return value.values[max(0, int(np.searchsorted(steps, step, side="right")) - 1)]


def generator_states(seed: int, size: int, *labels: str) -> NDArray[np.uint32]:
    """Initial words of the random generators of neurons, shape (2, size); never both zero."""
    rng = np.random.default_rng([seed, *(zlib.crc32(label.encode()) for label in labels)])
    words = rng.integers(0, 2**32, (2, size), dtype=np.uint32)
    words[0, ~words.any(axis=0)] = 1
    return words


def projection_key(seed: int, name: str) -> NDArray[np.uint64]:
    """Key of the random streams of a projection's rows, shape (1,)."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.frombuffer(digest[:8], dtype=np.uint64).copy()


def packed_events(
    steps: NDArray[np.int64], neurons: NDArray[np.int64], first_step: int, n_steps: int, size: int
) -> NDArray[np.uint32]:
    """Spikes of some steps as GeNN reads them, one bit per neuron and step (see `unpacked_spikes`).

    Returns
    -------
    ndarray of uint32, shape (n_steps, n_words)
        Neuron k is bit ``k % 32`` of word ``k // 32``.
    """
    words = np.zeros((n_steps, -(-size // 32)), dtype=np.uint32)
    kept = (steps >= first_step) & (steps < first_step + n_steps)
    rows, senders = steps[kept] - first_step, neurons[kept]
    np.bitwise_or.at(words, (rows, senders // 32), np.uint32(1) << (senders % 32).astype(np.uint32))
    return words
