"""Numbers that go into a GeNN model and come out of it; no GeNN here."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.code import REST
from simulators.description.distributions import draw_values
from simulators.description.network import Network, PoissonDrive, Population, Receptor, StepCurrent

Values = float | NDArray[np.float64]

# Counts per step above this would underflow the probability of none in single precision.
LARGEST_MEAN_COUNT = 80.0

# Rows are given room for their expected length and this many standard deviations: no row of any network is cut.
_ROW_SPREAD = 7.0


def drawn_parameters(population: Population, seed: int) -> dict[str, Values]:
    """Parameters and initial state of a population, distributions drawn.

    Returns
    -------
    dict of str to float or ndarray of float64, shape (size,)
    """
    return {
        name: draw_values(value, population.size, seed, population.name, name)
        for name, value in {**population.parameters, **population.initial}.items()
    }


def neuron_constants(neuron: str, given: Mapping[str, Values], dt: float) -> dict[str, Values]:
    """Values of a neuron model's variables that are constant during a point.

    Potentials are relative to E_L, which single precision likes better.

    Parameters
    ----------
    neuron : str
        A key of `simulators.backends.genn_simulator.code.CONSTANTS`.
    given : mapping of str to float or ndarray
        Parameters as `simulators.neurons` names them.
    dt : float
        ms.

    Returns
    -------
    dict of str to float or ndarray
        By the names of `simulators.backends.genn_simulator.code.CONSTANTS`.

    References
    ----------
    Rotter, S., & Diesmann, M. (1999). Exact digital simulation of time-invariant linear systems with applications to
    neuronal modeling. Biological Cybernetics 81, 381–402.
    """
    C_m, tau_m, E_L = given["C_m"], given["tau_m"], given["E_L"]
    constants: dict[str, Values] = {
        "V_th": given["V_th"] - E_L,
        "V_reset": given["V_reset"] - E_L,
        # whole steps, up: the neuron is refractory for at least its time
        "refractory_steps": np.ceil(np.round(np.asarray(given["t_ref"]) / dt, 6)),
        "drift": current_gain(neuron, given, dt) * given["I_e"] + REST,
    }
    for suffix in ("ex", "in"):
        tau_syn = given[f"tau_syn_{suffix}"]
        if neuron == "lif_cond_exp":
            constants[f"half_decay_{suffix}"] = np.exp(-0.5 * dt / np.asarray(tau_syn))
            constants[f"reversal_{suffix}"] = given[f"E_{suffix}"] - E_L
        else:
            constants[f"decay_{suffix}"] = np.exp(-dt / np.asarray(tau_syn))
            constants[f"gain_{suffix}"] = _synaptic_gain(tau_syn, tau_m, C_m, dt)
    if neuron == "lif_cond_exp":
        constants |= {"leak": 1.0 / tau_m, "inverse_C": 1.0 / C_m}
    else:
        constants["decay_m"] = np.exp(-dt / np.asarray(tau_m))
    return constants


def current_gain(neuron: str, given: Mapping[str, Values], dt: float) -> Values:
    """What a constant current of 1 pA adds to ``drift``: mV per step, or mV/ms for conductance-based neurons."""
    if neuron == "lif_cond_exp":
        return 1.0 / given["C_m"]
    tau_m: Values = given["tau_m"]
    gain: Values = tau_m / given["C_m"] * -np.expm1(-dt / np.asarray(tau_m))
    return gain


def _synaptic_gain(tau_syn: Values, tau_m: Values, C_m: Values, dt: float) -> Values:
    """Potential after one step per initial synaptic current, mV/pA; continuous where the time constants meet."""
    tau_syn, tau_m = np.asarray(tau_syn), np.asarray(tau_m)
    difference = dt * (1.0 / tau_m - 1.0 / tau_syn)
    # dt·expm1(x)/x, whose limit at x = 0 is dt
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(difference == 0.0, 1.0, np.expm1(difference) / difference)
    gain: Values = dt / C_m * np.exp(-dt / tau_m) * ratio
    return gain


def initial_potential(given: Mapping[str, Values]) -> Values:
    """Potential at the start relative to E_L, mV; one at threshold is put just below: it is propagated first."""
    V_th = np.asarray(given["V_th"] - given["E_L"], dtype=np.float32)
    V_m = np.asarray(given.get("V_m", given["E_L"]) - given["E_L"], dtype=np.float32)
    below: Values = np.minimum(V_m, np.nextafter(V_th, np.float32(-np.inf))).astype(np.float64)
    return below


def signed_weight(weight: Values, receptor: Receptor, neuron: str) -> Values:
    """Weight as the code adds it: negative for an inhibitory current, positive otherwise.

    Raises
    ------
    ValueError
        If the weight of an excitatory synapse is negative.
    """
    if receptor == "inhibitory":
        size: Values = np.abs(weight)
        return size if neuron == "lif_cond_exp" else -size
    if np.any(np.asarray(weight) < 0.0):
        raise ValueError(f"an excitatory weight is negative: {np.min(weight):g}")
    return weight


def drive_constants(drive: PoissonDrive, neuron: str, dt: float) -> tuple[float, float, float]:
    """Mean count per step, probability of none, and weight of a Poisson drive.

    Raises
    ------
    ValueError
        If the mean count is beyond what a step can draw.
    """
    mean = drive.rate * dt * 1e-3
    if mean > LARGEST_MEAN_COUNT:
        raise ValueError(
            f"Poisson drive {drive.name}: {drive.rate:g} Hz is {mean:g} spikes per step; the GeNN simulator "
            f"draws at most {LARGEST_MEAN_COUNT:g}"
        )
    return mean, math.exp(-mean), float(signed_weight(drive.weight, drive.receptor, neuron))


def step_currents(network: Network, population: Population, step: int, dt: float) -> NDArray[np.float64]:
    """Current that step inputs feed to each neuron at a step.

    Parameters
    ----------
    step : int
        From the end of the warm-up; the current of step s moves the potential from time s·dt to (s + 1)·dt.

    Returns
    -------
    ndarray of float64, shape (size,)
        pA.
    """
    current = np.zeros(population.size)
    for given in network.inputs:
        if not isinstance(given, StepCurrent) or given.target != population.name:
            continue
        if any(round(on / dt) <= step < round(off / dt) for on, off in zip(given.onsets, given.offsets, strict=True)):
            for cluster in given.clusters:
                size = population.cluster_size
                current[cluster * size : (cluster + 1) * size] += given.amplitude
    return current


def source_probability(population: Population, step: int, dt: float) -> float:
    """Probability that a Poisson source fires in a step counted from the end of the warm-up."""
    rate, start, stop = (float(_plain(population, name)) for name in ("rate", "start", "stop"))
    active = start <= step * dt < stop
    return -math.expm1(-rate * dt * 1e-3) if active else 0.0


def change_steps(network: Network, dt: float) -> list[int]:
    """Steps, counted from the end of the warm-up, at which an input or source changes; in rising order."""
    times: set[float] = set()
    for given in network.inputs:
        if isinstance(given, StepCurrent):
            times |= {*given.onsets, *given.offsets}
    for population in network.populations:
        if population.neuron == "poisson_source":
            times |= {float(_plain(population, "start")), float(_plain(population, "stop"))}
    return sorted({math.ceil(round(time / dt, 6)) for time in times if math.isfinite(time)})


def generator_states(seed: int, size: int, *labels: str) -> NDArray[np.uint64]:
    """Initial states of the random generators of neurons, shape (size,)."""
    rng = np.random.default_rng([seed, *(zlib.crc32(label.encode()) for label in labels)])
    return rng.integers(0, 2**64, size, dtype=np.uint64)


def projection_key(seed: int, name: str) -> NDArray[np.uint64]:
    """Key of the random streams of a projection's rows, shape (1,)."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.frombuffer(digest[:8], dtype=np.uint64).copy()


def row_limit(mean: float, largest: int) -> int:
    """Room for a row whose length varies like a Poisson or binomial number of this mean."""
    return max(1, min(largest, math.ceil(mean + _ROW_SPREAD * math.sqrt(mean) + 10.0)))


def binomial_row_limit(candidates: int, probability: float) -> int:
    """Room for a row in which each candidate is connected with one probability."""
    spread = math.sqrt(candidates * probability * (1.0 - probability))
    return min(candidates, math.ceil(candidates * probability + _ROW_SPREAD * spread + 10.0))


def unpack_spikes(
    words: NDArray[np.uint32], instance: int, first_step: int, n_steps: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Spikes of one instance from GeNN's recording, one bit per neuron and step.

    Parameters
    ----------
    words : ndarray of uint32, shape (n_steps or more, batch, n_words)
        The recording; neuron k is bit ``k % 32`` of word ``k // 32``.
    instance : int
        Which of the batch.
    first_step : int
        The step that the first recorded step is counted as.
    n_steps : int
        How many of the steps hold spikes.

    Returns
    -------
    steps, senders : ndarray of int32, shape (n_spikes,)
        In order of step, then sender.
    """
    n_words = words.shape[2]
    recorded = np.ascontiguousarray(words[:n_steps, instance]).ravel()
    place = np.flatnonzero(recorded)
    bits = np.unpackbits(recorded[place].astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    found, bit = np.nonzero(bits)
    step, word = np.divmod(place[found], n_words)
    return (step + first_step).astype(np.int32), (word * 32 + bit).astype(np.int32)


def _plain(population: Population, name: str) -> float:
    value = population.parameters[name]
    if not isinstance(value, (int, float)):
        raise ValueError(f"population {population.name}: {name} of a Poisson source must be one number")
    return value
