"""GeNN's code of neuron models against their step rules, computed in Python and double precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from numpy.typing import NDArray
from recordings import no_check, run_one

from simulators.backends.genn_simulator import GennSimulator, open_simulator, problems
from simulators.backends.simulator import Recording
from simulators.description import (
    Network,
    NeuronModel,
    OneToOne,
    PiecewiseConstant,
    PoissonDrive,
    Population,
    Projection,
    Quantity,
    SpikeEvents,
    StepCurrent,
    StepRule,
    Uniform,
)
from simulators.description.population import drawn_values
from simulators.neurons.neuron_model import refractory_steps
from simulators.records.job import Simulation

pytestmark = pytest.mark.genn

SIMULATION = Simulation(dt=0.1, warmup=0.0, duration=150.0)
SEED = 5
CPU = {**default_settings("genn"), "backend": "single_threaded_cpu"}
SIZE = 12


@pytest.fixture(autouse=True)
def _needs_genn() -> None:
    require_simulator("genn", CPU)


@pytest.fixture
def opened(cache: Path) -> Callable[..., GennSimulator]:
    return lambda simulation=SIMULATION: open_simulator(simulation, {**CPU, "cache": str(cache)})


def resonate(values: Mapping[str, Any], dt: float) -> dict[str, Any]:
    return {
        "threshold": values["peak"], "c": values["c"], "d": values["d"], "b": values["b"],
        "rate": 1.0 / values["tau"], "drift": values["I_e"] / values["C"], "inverse_C": 1.0 / values["C"],
        "decay": np.exp(-dt / np.asarray(values["tau_syn_ex"])),
    }  # fmt: skip


# A model of one's own: no refractory time, nothing held, a state that is reset to more than it was, names that mean
# something else to GeNN
OWN = NeuronModel(
    "quadratic",
    "quadratic membrane with recovery (Izhikevich 2003)",
    {
        "C": Quantity("1", "scale of currents", 1.0),
        "tau": Quantity("ms", "recovery", 50.0),
        "b": Quantity("1", "coupling of recovery", 0.2),
        "c": Quantity("mV", "reset", -65.0),
        "d": Quantity("mV", "recovery per spike", 8.0),
        "peak": Quantity("mV", "peak", 30.0),
        "tau_syn_ex": Quantity("ms", "synapses", 3.0),
        "tau_syn_in": Quantity("ms", "synapses", 3.0),
        "I_e": Quantity("1", "current", 10.0),
    },
    {"V_m": Quantity("mV", "potential", -65.0), "t": Quantity("mV", "recovery", -13.0)},
    synapses="current",
    step=StepRule(
        states=("V", "t"),
        start=lambda values: {"V": values["V_m"], "t": values["t"]},
        constants=resonate,
        threshold="threshold",
        reset={"V": "c", "t": "t + d"},
        held=(),
        code="""
id = 0.04 * V * V + 5 * V + 140 - t
half = V + 0.5 * dt * (id + drift + inverse_C * (input_ex + input_in))
next_V = max(min(half + 0.5 * dt * (0.04 * half * half + 5 * half + 140 - t + drift), 1000), -1000)
next_t = t + dt * rate * (b * V - t)
next_input_ex = decay * input_ex
next_input_in = decay * input_in
""",
    ),
)

BASE = {
    "C_m": 250.0,
    "tau_m": 10.0,
    "E_L": -65.0,
    "V_reset": -67.0,
    "V_th": -50.0,
    "tau_syn_ex": 0.8,
    "tau_syn_in": 1.5,
}
SPREAD = {
    "C_m": Uniform(240.0, 260.0),
    "tau_m": Uniform(9.0, 11.0),
    "t_ref": Uniform(1.0, 3.0),
    "E_L": Uniform(-66.0, -64.0),
}
COND = {**BASE, "E_ex": 0.0, "E_in": -80.0, "t_ref": 2.0, "I_e": 400.0}
AEIF = {**BASE, "Delta_T": 2.0, "tau_w": 80.0, "a": 4.0, "b": 60.0, "t_ref": 2.0, "I_e": 600.0}
NEURONS: dict[str, tuple[Any, dict[str, Any], float]] = {
    "lif": ("lif_psc_exp", {**BASE, "t_ref": 2.0, "I_e": 420.0}, 700.0),
    "lif, spread": ("lif_psc_exp", {**BASE, **SPREAD, "I_e": 420.0}, 700.0),
    "lif, spread currents": ("lif_psc_exp", {**BASE, "I_e": Uniform(380.0, 450.0)}, 700.0),
    "conductances": ("lif_cond_exp", COND, 8.0),
    "conductances, spread": ("lif_cond_exp", {**COND, **SPREAD, "E_in": Uniform(-85.0, -75.0)}, 8.0),
    "exponential": ("aeif_psc_exp", AEIF, 300.0),
    "exponential, spread": ("aeif_psc_exp", {**AEIF, **SPREAD, "tau_w": Uniform(60.0, 100.0)}, 300.0),
    "own": (OWN, {}, 4.0),
    "own, spread": (OWN, {"b": Uniform(0.19, 0.21), "d": Uniform(6.0, 9.0)}, 4.0),
}  # fmt: skip


def played(neuron: Any, parameters: Mapping[str, Any], weight: float) -> Network:
    """Neurons that are given spikes of both signs, and currents."""
    rng = np.random.default_rng(3)
    n_spikes = 60
    inhibition = weight if neuron == "lif_cond_exp" else -weight
    return Network(
        (
            Population("ex", SIZE, "spike_source"),
            Population("in", SIZE, "spike_source"),
            Population("A", SIZE, neuron, parameters),
        ),
        (
            Projection("A_ex", "ex", "A", OneToOne(), weight, 0.1, "excitatory"),
            Projection("A_in", "in", "A", OneToOne(), inhibition, 1.3, "inhibitory"),
        ),
        (
            *(
                SpikeEvents(name, name, rng.uniform(1.0, 150.0, n_spikes), rng.integers(0, SIZE, n_spikes))
                for name in ("ex", "in")
            ),
            StepCurrent("some", "A", None, 0.1 * weight, (20.0, 80.0), (60.0, 90.0), neurons=np.arange(3, 7)),
            StepCurrent("all", "A", None, -0.05 * weight, (50.0,), (100.0,)),
        ),
    )


def step_by_step(network: Network) -> tuple[list[tuple[int, int]], dict[str, NDArray[np.float64]]]:
    """Spikes (step, neuron) of ``A``, and its states at the end, from the arithmetic of its step rule alone."""
    population, dt = network["A"], SIMULATION.dt
    model, values = population.model, drawn_values(population, SEED)
    rule = model.step
    assert rule is not None
    functions = {"exp": np.exp, "min": np.minimum, "max": np.maximum}
    states = {name: np.broadcast_to(np.float64(value), SIZE) for name, value in rule.start(values).items()}
    inputs = {name: np.zeros(SIZE) for name in ("input_ex", "input_in")}
    waiting, spikes = np.zeros(SIZE), []
    for step in range(SIMULATION.n_steps):
        current = np.zeros(SIZE)
        for given in network.inputs:
            if isinstance(given, StepCurrent):
                on = any(a <= step * dt + 1e-9 < b for a, b in zip(given.onsets, given.offsets, strict=True))
                current[given.driven(SIZE, 1)] += given.amplitude * on
        known = {**rule.constants({**values, "I_e": values["I_e"] + current}, dt), **states, **inputs, "dt": dt}
        fired = states["V"] >= known[rule.threshold]
        for name, text in rule.reset.items():
            states = {**states, name: np.where(fired, eval(text, functions, known), states[name])}
        waiting = np.where(fired, refractory_steps(model, values, dt), waiting)
        moved = {**known, **states}
        exec(rule.code, functions, moved)
        for name in states:
            held = (waiting > 0) & (name in rule.held)
            states = {**states, name: np.where(held, states[name], moved[f"next_{name}"])}
        waiting = np.maximum(waiting - 1.0, 0.0)
        inputs = {name: moved[f"next_{name}"] for name in inputs}
        for projection in network.projections:
            given = next(i for i in network.inputs if i.name == projection.source)
            assert isinstance(given, SpikeEvents)
            assert isinstance(projection.weight, float)
            # a spike of step s arrives a delay later, and moves the potential one step after that
            due = np.unique(np.stack([np.rint(given.times / dt), given.neurons]), axis=1)
            arriving = due[1, due[0] + round(projection.delay / dt) == step + 1].astype(int)
            inputs[f"input_{projection.source}"][arriving] += projection.weight
        spikes += [(step + 1, k) for k in np.flatnonzero(states["V"] >= known[rule.threshold]).tolist()]
    return spikes, states


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_move_by_their_step_rules(name: str, opened: Callable[..., GennSimulator]) -> None:
    network = played(*NEURONS[name])
    assert problems(network, SIMULATION, CPU) == []
    simulator = opened()
    simulator.build(network, SEED)
    found = list(run_one(simulator, network)["A"])
    with np.errstate(over="ignore"):
        expected, states = step_by_step(network)
    assert len(expected) > 20
    assert len({neuron for _, neuron in expected}) > 4
    # single precision moves a spike by a step now and then, and with it the state of its neuron
    assert len(found) == len(expected)
    strict = sorted(found, key=lambda pair: pair[::-1]), sorted(expected, key=lambda pair: pair[::-1])
    moved = {b[1] for a, b in zip(*strict, strict=True) if a != b}
    assert all(a[1] == b[1] and abs(a[0] - b[0]) <= 1 for a, b in zip(*strict, strict=True))
    assert len(moved) <= 2
    alike = [k for k in range(SIZE) if k not in moved]
    assert simulator._built is not None
    for state, values in states.items():
        own = simulator._built.neurons["A"].vars[f"state_{state}"].view
        assert own[alike] == pytest.approx(values[alike], rel=2e-3, abs=2e-2), state


def test_a_model_without_a_drift_takes_no_current_and_says_so() -> None:
    rule = OWN.step
    assert rule is not None

    def constants(values: Mapping[str, Any], dt: float) -> dict[str, Any]:
        return {("push" if name == "drift" else name): value for name, value in resonate(values, dt).items()}

    pushed = StepRule(
        rule.states, rule.start, constants, "threshold", rule.reset, rule.code.replace("drift", "push"), ()
    )
    model = NeuronModel("pushed", "own", OWN.parameters, OWN.states, "current", step=pushed)
    network = played(model, {}, 4.0)
    assert [problem for problem in problems(network, SIMULATION, CPU) if "no I_e that acts" in problem]
    broken = StepRule(rule.states, rule.start, resonate, "threshold", rule.reset, "next_V = V + nothing", ())
    model = NeuronModel("broken", "own", OWN.parameters, OWN.states, "current", step=broken)
    assert any("nothing is not known" in problem for problem in problems(played(model, {}, 4.0), SIMULATION, CPU))


@pytest.mark.parametrize("warmup", [0.0, 30.0])
def test_given_spikes_act_like_those_of_neurons(warmup: float, opened: Callable[..., GennSimulator]) -> None:
    cell = {**BASE, "t_ref": 2.0, "I_e": Uniform(400.0, 500.0)}
    follower = {**BASE, "t_ref": 1.0, "I_e": 360.0}

    def joined(source: Population, *inputs: SpikeEvents) -> Network:
        projection = Projection("BA", "A", "B", OneToOne(), 900.0, 0.7, "excitatory")
        return Network((source, Population("B", 100, "lif_psc_exp", follower)), (projection,), inputs)

    # beyond one look at the clock, and with two groups of 32 that are not full
    everything = opened(Simulation(0.1, 0.0, 430.0))
    neurons = joined(Population("A", 100, "lif_psc_exp", cell))
    everything.build(neurons, SEED)
    spikes = run_one(everything, neurons)
    everything.close()
    simulator = opened(Simulation(0.1, warmup, 430.0 - warmup))
    steps, senders = np.array(spikes["A"]).T
    order = np.random.default_rng(1).permutation(steps.size)
    twice = np.concatenate([order, order[:50]])  # a source plays at most one spike in a step
    times = steps[twice] * 0.1 - warmup + 0.02
    events = joined(Population("A", 100, "spike_source"), SpikeEvents("events", "A", times, senders[twice]))
    simulator.build(events, SEED)
    shift = round(warmup / 0.1)
    expected = tuple((step - shift, sender) for step, sender in spikes["B"] if step > shift)
    assert len(expected) > 1000
    for _ in range(2):
        assert run_one(simulator, events)["B"] == expected
    nothing = SpikeEvents("events", "A", np.array([]), np.array([], dtype=np.int64))
    assert run_one(simulator, joined(Population("A", 100, "spike_source"), nothing))["B"] == ()


def test_a_rate_that_changes_reaches_neurons_a_delay_later(opened: Callable[..., GennSimulator]) -> None:
    quick = {**BASE, "C_m": 1.0, "tau_m": 1.0, "t_ref": 0.1, "tau_syn_ex": 0.05, "V_reset": -65.0}
    rate = PiecewiseConstant((-50.0, 40.0, 140.0), (0.0, 50.0, 0.0))
    populations = (
        Population("source", 2000, "poisson_source", {"rate": rate, "start": -1000.0}),
        Population("E", 2000, "lif_psc_exp", quick),
        Population("F", 2000, "lif_psc_exp", quick),
    )
    network = Network(
        populations,
        (Projection("kick", "source", "E", OneToOne(), 5e3, 3.0, "excitatory"),),
        (PoissonDrive("drive", "F", rate, 5e3, 3.0),),
    )
    simulator = opened(Simulation(0.1, 50.0, 300.0, max_rate=1e5))
    simulator.build(network, SEED)
    (recording,) = simulator.run([network], no_check)
    assert isinstance(recording, Recording)
    for name in "EF":
        steps = recording.spikes[name].steps
        assert 430 <= steps.min() <= 436, name  # 40 ms and the delay, in steps
        assert 1410 <= steps.max() <= 1440, name
        assert abs(len(steps) - 10_000) < 500, name  # 2000 · 50 Hz · 0.1 s, ± 5 standard deviations
