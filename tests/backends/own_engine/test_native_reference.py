"""Spikes of the native simulator against a plain loop over steps in double precision that knows nothing of it.

The loop moves the neurons by their step rules, written out as Python, and delivers the synapses that the simulator drew
one by one. Spikes must be the same until single precision first tells: thousands of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import native_synapses, run_one

from simulators.backends.native_simulator.synapses.layout import layout_of
from simulators.backends.simulator import Simulator, find_simulator
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    Population,
    Projection,
    SpikeEvents,
    StepCurrent,
    Uniform,
)
from simulators.description.population import drawn_values
from simulators.models.clustered import make_network
from simulators.neurons.neuron_model import refractory_steps
from simulators.neurons.step_code import assignments, expression, written
from simulators.records.job import Simulation

pytestmark = pytest.mark.native

SIMULATION = Simulation(dt=0.1, warmup=10.0, duration=90.0)
SEED = 7

Fired = list[tuple[int, str, int]]


@pytest.fixture
def native(cache: Path) -> Iterator[Simulator]:
    settings = default_settings("native") | {"cache": str(cache)}
    require_simulator("native", settings)
    simulator = find_simulator("native").open_simulator(SIMULATION, settings)
    yield simulator
    simulator.close()


class ReferenceNeurons:
    """A population moved by its step rule, all of it in double precision."""

    def __init__(self, population: Population) -> None:
        model = population.model
        assert model.step is not None
        self.rule = rule = model.step
        self.size = population.size
        values = drawn_values(population, SEED)
        self.values = values
        self.constants = dict(rule.constants(values, SIMULATION.dt))
        self.constants["dt"] = SIMULATION.dt
        self.state = {name: np.zeros(population.size) for name in ("input_ex", "input_in", *rule.states)}
        for name, start in rule.start(values).items():
            self.state[name] = self.state[name] + start
        below = np.nextafter(np.float32(1.0), np.float32(0.0))  # the simulator puts a neuron at threshold just below
        threshold = self.constants[rule.threshold]
        self.state["V"] = np.where(self.state["V"] >= threshold, threshold * float(below), self.state["V"])
        self.refractory = np.broadcast_to(refractory_steps(model, values, SIMULATION.dt), population.size)
        self.waiting = np.zeros(population.size)
        self.fired = np.zeros(population.size, dtype=bool)

    def step(self, current: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Move by one step; return who fires."""
        functions: dict[str, Any] = {"exp": np.exp, "min": np.minimum, "max": np.maximum}
        constants = self.constants
        if current.any():
            values = {**self.values, "I_e": self.values["I_e"] + current}
            constants = {**self.rule.constants(values, SIMULATION.dt), "dt": SIMULATION.dt}
        after = {
            name: eval(written(expression(text), {}), functions, {**constants, **self.state})
            for name, text in self.rule.reset.items()
        }
        for name, value in after.items():
            self.state[name] = np.where(self.fired, value, self.state[name])
        self.waiting = np.where(self.fired, self.refractory, self.waiting)
        found = {**constants, **self.state}
        for line in assignments(self.rule):
            found[line.name] = eval(written(line.expression, {}), functions, found)
        moving = self.waiting <= 0
        for name in self.state:
            stays = ~moving if name in self.rule.held else np.zeros(self.size, dtype=bool)
            self.state[name] = np.where(stays, self.state[name], found[f"next_{name}"])
        self.waiting = np.maximum(self.waiting - 1, 0)
        self.fired = moving & (self.state["V"] >= constants[self.rule.threshold])
        return self.fired


def run_reference(network: Network, synapses: dict[str, np.ndarray[Any, Any]], n_steps: int) -> Fired:
    """Take steps; return (step, population, neuron) of every spike in order."""
    neurons = {p.name: ReferenceNeurons(p) for p in network.populations if not p.is_source}
    rows: dict[tuple[str, int], list[tuple[str, str, np.ndarray[Any, Any]]]] = {}
    for projection in network.projections:
        found = synapses[projection.name]
        for source in np.unique(found[0]).astype(int):
            own = found[:, found[0] == source]
            name = "input_ex" if projection.receptor == "excitatory" else "input_in"
            rows.setdefault((projection.source, source), []).append((projection.target, name, own))
    events: dict[int, list[tuple[str, int]]] = {}
    for given in network.inputs:
        if isinstance(given, SpikeEvents):
            steps = np.rint(given.times / SIMULATION.dt).astype(int) - 1 + SIMULATION.warmup_steps
            for step, neuron in sorted(set(zip(steps.tolist(), given.neurons.tolist(), strict=True))):
                events.setdefault(step, []).append((given.target, neuron))
    due: dict[int, list[tuple[str, str, int, float]]] = {}
    spikes: Fired = []
    for step in range(n_steps):
        new = list(events.get(step, []))
        for name, group in neurons.items():
            fired = group.step(injected(network, network[name], step - SIMULATION.warmup_steps))
            new += [(name, int(k)) for k in np.flatnonzero(fired)]
        for target, name, neuron, weight in due.pop(step, []):
            neurons[target].state[name][neuron] += weight
        for population, neuron in new:
            spikes.append((step + 1 - SIMULATION.warmup_steps, population, neuron))
            for target, name, own in rows.get((population, neuron), []):
                for _, k, delay, weight in own.T:
                    due.setdefault(step + int(delay), []).append((target, name, int(k), float(weight)))
    return spikes


def injected(network: Network, population: Population, step: int) -> np.ndarray[Any, Any]:
    current = np.zeros(population.size)
    for given in network.inputs:
        if isinstance(given, StepCurrent) and given.target == population.name:
            for on, off in zip(given.onsets, given.offsets, strict=True):
                if round(on / SIMULATION.dt) <= step < round(off / SIMULATION.dt):
                    current[given.driven(population.size, population.n_clusters)] += given.amplitude
    return current


def alike(native: Simulator, network: Network) -> tuple[int, int]:
    """Run both; return how many spikes are the same from the start, and how many there are."""
    native.build(network, SEED)
    recorded = run_one(native, network)
    synapses = native_synapses(native, network)
    total = SIMULATION.warmup_steps + SIMULATION.n_steps
    own = sorted((step, name, k) for name, trains in recorded.items() for step, k in trains)
    sources = {population.name for population in network.populations if population.is_source}
    expected = sorted(
        spike for spike in run_reference(network, synapses, total) if spike[0] > 0 and spike[1] not in sources
    )
    same = next((k for k, pair in enumerate(zip(own, expected, strict=False)) if pair[0] != pair[1]), len(expected))
    return same, len(expected)


def test_clustered_network(native: Simulator, small: dict[str, Any]) -> None:
    same, total = alike(native, make_network({**small, "N_E": 1200, "N_I": 300}))
    assert total > 900
    assert same > 700


def test_distributed_parameters_step_currents_and_delays_of_several_steps(
    native: Simulator, small: dict[str, Any]
) -> None:
    stimulus = {"stim_clusters": [1, 3], "stim_onsets": [20.0], "stim_offsets": [60.0], "stim_amplitude": 1.0}
    changes = {"tau_syn_cv": 0.05, "delta_I_E": 0.2, "delay": 1.3, "t_ref": 2.05, **stimulus}
    same, total = alike(native, make_network({**small, **changes}))
    assert total > 600
    assert same > 500


def test_multapses(native: Simulator, small: dict[str, Any]) -> None:
    same, total = alike(native, make_network({**small, "fixed_indegree": True}))
    assert total > 500
    assert same > 400


ADAPTIVE = {
    "C_m": 281.0, "tau_m": 9.4, "E_L": -70.6, "V_reset": -70.6, "V_th": -50.4, "V_peak": 0.0, "Delta_T": 2.0, "a": 4.0,
    "b": 80.5, "tau_w": 144.0, "t_ref": 1.0, "tau_syn_ex": 2.0, "tau_syn_in": 5.0,
}  # fmt: skip


def with_events(neuron: str, parameters: dict[str, float], weight: float, sizes: tuple[int, int]) -> Network:
    """Given spikes into cells of one model, every kind of projection among them."""
    rng = np.random.default_rng(1)
    n, n_in = sizes
    populations = (
        Population("input", 40, "spike_source"),
        Population("cells", n, neuron, parameters),
        Population("others", n_in, neuron, parameters),
    )
    rule = ConnectionList(
        rng.integers(0, n, 400), rng.integers(0, n_in, 400), rng.uniform(0.5, 1.5, 400) * weight,
        rng.integers(1, 30, 400) * 0.1,
    )  # fmt: skip
    projections = (
        Projection("in", "input", "cells", FixedIndegree(8), 2.0 * weight, 0.1, "excitatory"),
        Projection("in_others", "input", "others", Bernoulli(0.3), weight, 0.4, "excitatory"),
        Projection("drawn", "cells", "cells", FixedTotalNumber(900), Normal(weight, 0.1 * weight, 0.0),
                   Normal(1.5, 0.75, 0.1), "excitatory"),
        Projection("uniform", "cells", "others", FixedIndegree(5), Uniform(0.5 * weight, weight), 0.3, "excitatory"),
        Projection("list", "cells", "others", rule, 0.0, 0.1, "excitatory"),
        Projection("back", "others", "cells", Bernoulli(0.2), 2.0 * weight, Uniform(0.5, 2.5), "inhibitory"),
    )  # fmt: skip
    times, neurons = rng.uniform(-10.0, 170.0, 4000), rng.integers(0, 40, 4000)
    return Network(populations, projections, (SpikeEvents("played", "input", times, neurons),))


CONDUCTANCE = {
    "C_m": 200.0, "tau_m": 20.0, "E_L": -60.0, "V_reset": -60.0, "V_th": -50.0, "t_ref": 5.0, "tau_syn_ex": 5.0,
    "tau_syn_in": 10.0, "E_ex": 0.0, "E_in": -80.0,
}  # fmt: skip
CURRENT = {
    "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0, "tau_syn_ex": 0.5,
    "tau_syn_in": 0.5, "I_e": 100.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("neuron", "parameters", "weight"),
    [("lif_psc_exp", CURRENT, 90.0), ("lif_cond_exp", CONDUCTANCE, 2.0), ("aeif_psc_exp", ADAPTIVE, 130.0)],
)
@pytest.mark.parametrize("sizes", [(150, 60), (700, 530)])
def test_neuron_models_rules_and_given_spikes(
    native: Simulator, neuron: str, parameters: dict[str, float], weight: float, sizes: tuple[int, int]
) -> None:
    same, total = alike(native, with_events(neuron, parameters, weight, sizes))
    assert total > 900
    assert same > 800


@pytest.mark.parametrize("sd", [0.1, 0.0])
def test_scales_of_projections_that_share_rows(native: Simulator, sd: float) -> None:
    """Weights as shares of a mean, of which targets have their own, as the microcircuit's."""
    rng = np.random.default_rng(2)
    sizes = {"A": 200, "B": 150, "C": 250}
    populations = tuple(
        Population(name, size, "lif_psc_exp", {**CURRENT, "I_e": 390.0}) for name, size in sizes.items()
    )
    projections = tuple(
        Projection(
            f"{target}_{source}", source, target, FixedTotalNumber(1500),
            weight * Normal(1.0, sd, 0.0) if sd else weight, Uniform(0.5, 2.5), receptor,
        )
        for source, receptor, sign in (("A", "excitatory", 1.0), ("B", "inhibitory", -2.0), ("C", "excitatory", 1.0))
        for target, weight in zip(sizes, sign * rng.permutation([20.0, 40.0, 30.0]), strict=True)
    )  # fmt: skip
    played = SpikeEvents("played", "input", rng.uniform(-10.0, 90.0, 3000), rng.integers(0, 40, 3000))
    network = Network(
        (*populations, Population("input", 40, "spike_source")),
        (
            *projections,
            *(Projection(f"in_{name}", "input", name, FixedIndegree(6), 90.0, 0.1, "excitatory") for name in sizes),
        ),
        (played,),
    )
    same, total = alike(native, network)
    assert total > 900
    assert same > 800
    assert all(len(bundle.projections) == 3 for bundle in layout_of(network, 0.1).bundles if bundle.source != "input")


def test_a_volley_of_more_spikes_than_planes_count(native: Simulator, small: dict[str, Any]) -> None:
    # all neurons start alike and fire together: hundreds of spikes within a step
    network = make_network(
        {**small, "I_th_E": 3.0, "I_th_I": 3.0, "p": ((0.5, 0.5), (0.5, 0.5)), "fixed_indegree": True}
    )
    populations = tuple(replace(population, initial={"V_m": 10.0}) for population in network.populations)
    same, total = alike(native, replace(network, populations=populations))
    assert total >= 600
    assert same >= 600


def test_the_reference_sees_a_weight_that_is_off(native: Simulator, small: dict[str, Any]) -> None:
    network = make_network({**small, "N_E": 1200, "N_I": 300})
    native.build(network, SEED)
    recorded = run_one(native, network)
    synapses = native_synapses(native, network)
    synapses["EI_between"][3] *= 1.001
    own = sorted((step, name, k) for name, trains in recorded.items() for step, k in trains)
    expected = sorted(spike for spike in run_reference(network, synapses, 1000) if spike[0] > 0)
    same = next(k for k, pair in enumerate(zip(own, expected, strict=False)) if pair[0] != pair[1])
    assert same < 500
    assert math.isfinite(same)
