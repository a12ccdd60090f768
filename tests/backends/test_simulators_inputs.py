"""Inputs arrive when and where they should, on every simulator that simulates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import networks
import numpy as np
import pytest
from conftest import Engine
from recordings import Spikes, run_one

from simulators.description import (
    Network,
    NetworkError,
    OneToOne,
    PiecewiseConstant,
    PoissonDrive,
    Population,
    Projection,
    SpikeEvents,
    StepCurrent,
)
from simulators.records.job import Simulation

SEED = 5

# Fires in every step in which a current flows
TRIGGERED = {
    "C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 1.0, "tau_syn_ex": 3.0, "tau_syn_in": 2.0,
}  # fmt: skip


def run(engine: Engine, network: Network, warmup: float = 30.0, duration: float = 100.0) -> Spikes:
    simulator = engine(Simulation(0.1, warmup, duration, max_rate=1e5))
    try:
        simulator.build(network, SEED)
        run_one(simulator, network)
        return run_one(simulator, network)  # of two points on a build, the second
    finally:
        simulator.close()


def steps_of(spikes: Spikes, population: str = "E") -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for step, sender in spikes[population]:
        found.setdefault(sender, set()).add(step)
    return found


def triggered(*inputs: StepCurrent, size: int = 8, n_clusters: int = 4) -> Network:
    return Network((Population("E", size, "lif_psc_exp", TRIGGERED, n_clusters=n_clusters),), (), inputs)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 30.0])
def test_step_currents_act_on_whom_they_name_from_onset_to_offset(engine: Engine, warmup: float) -> None:
    network = triggered(
        StepCurrent("clusters", "E", (1, 3), 100.0, (0.0, 20.0), (5.0, 20.5)),
        StepCurrent("neurons", "E", None, 100.0, (30.0,), (30.2,), neurons=np.array([7, 0, 0])),
        StepCurrent("all", "E", None, 100.0, (40.0,), (40.1,)),
        StepCurrent("none", "E", None, 100.0, (50.0,), (60.0,), neurons=np.array([], dtype=np.int64)),
    )
    found = steps_of(run(engine, network, warmup))
    for sender in range(8):
        expected = {401}  # a spike at step s comes of the current from s - 1 to s
        if sender in {2, 3, 6, 7}:
            expected |= {*range(1, 51), *range(201, 206)}
        if sender in {0, 7}:
            expected |= {301, 302}
        assert found[sender] == expected, sender


def test_step_currents_add_up(engine: Engine) -> None:
    threshold = 1.0 / 20.0 / -np.expm1(-0.1 / 20.0)  # pA that take the potential to threshold in a step
    network = triggered(
        StepCurrent("a", "E", None, 0.6 * threshold, (10.0,), (10.1,)),
        StepCurrent("b", "E", None, 0.6 * threshold, (10.0, 20.0), (10.1, 20.1), neurons=np.array([1, 2])),
        StepCurrent("c", "E", (1,), -0.6 * threshold, (10.0,), (10.1,)),
    )
    assert steps_of(run(engine, network)) == {1: {101}}


def test_given_spikes_are_played_at_their_steps(engine: Engine) -> None:
    # A target fires at a fixed time after each spike of its source
    times = [-0.2, 0.0, 0.04, 0.1, 25.0, 25.04, 25.06, 60.0, 60.0, 99.0]
    neurons = [0, 1, 2, 3, 4, 5, 6, 7, 7, 8]
    found = steps_of(run(engine, networks.played(times, neurons)))
    latency = min(found[1])  # of the spike at step 0
    expected = {0: -2, 1: 0, 2: 0, 3: 1, 4: 250, 5: 250, 6: 251, 7: 600}
    assert found == {sender: {step + latency} for sender, step in expected.items()}
    assert 20 < latency < 60  # the delay of 2 ms, and the way to threshold


def test_without_a_warm_up_given_spikes_begin_with_the_first_step(engine: Engine) -> None:
    found = steps_of(run(engine, networks.played([0.0, 0.1, 0.2], [0, 1, 2]), warmup=0.0))
    assert found.keys() == {1, 2}
    assert min(found[2]) - min(found[1]) == 1


def test_a_given_spike_acts_like_one_of_a_neuron(engine: Engine) -> None:
    # The source fires by itself; what it does to the target, a source that plays its spikes does as well
    cell = networks.BARE["lif_psc_exp"]
    target = Population("T", 1, "lif_psc_exp", {**cell, "I_e": 380.0})
    projection = Projection("TS", "S", "T", OneToOne(), 3000.0, 3.7, "excitatory")
    neuron = Network((Population("S", 1, "lif_psc_exp", {**cell, "I_e": 900.0}), target), (projection,))
    spikes = run(engine, neuron)
    assert len(spikes["S"]) > 5
    silent = run(engine, replace(neuron, projections=(replace(projection, weight=0.0),)))
    assert silent["T"] != spikes["T"]

    simulator = engine(Simulation(0.1, 0.0, 130.0))  # the spikes of the warm-up count, too
    simulator.build(neuron, SEED)
    whole = run_one(simulator, neuron)
    simulator.close()
    times = np.array([step for step, _ in whole["S"]]) * 0.1 - 30.0
    events = SpikeEvents("events", "S", times, np.zeros(len(times), dtype=np.int64))
    source = replace(neuron, populations=(Population("S", 1, "spike_source"), target), inputs=(events,))
    assert run(engine, source)["T"] == spikes["T"]


def test_several_inputs_play_one_population(engine: Engine) -> None:
    network = networks.played([10.0], [0])
    more = SpikeEvents("more", "source", np.array([10.0, 20.0]), np.array([0, 1]))
    spikes = run(engine, network)
    (step,) = steps_of(spikes)[0]
    found = steps_of(run(engine, replace(network, inputs=(*network.inputs, more))))
    assert found == {0: {step}, 1: {step + 100}}


def driven(rate: float | PiecewiseConstant, size: int = 400) -> Network:
    """Neurons that fire once for every spike of their drive, and at once."""
    cell = {**TRIGGERED, "V_th": 5.0, "tau_m": 0.5, "tau_syn_ex": 0.01}
    drive = PoissonDrive("drive", "E", rate, 1e4, 2.0)
    return Network((Population("E", size, "lif_psc_exp", cell),), (), (drive,))


def sourced(rate: float | PiecewiseConstant, size: int = 400, **times: float) -> Network:
    """The same, driven by as many Poisson sources."""
    (population,) = driven(rate).populations
    source = Population("source", size, "poisson_source", {"rate": rate, **times})
    return Network((source, population), (Projection("one", "source", "E", OneToOne(), 1e4, 2.0, "excitatory"),))


@pytest.mark.parametrize("describe", [driven, lambda rate: sourced(rate, start=-30.0)], ids=["drive", "source"])
def test_poisson_rates_hold_from_their_times_on(describe: Any, engine: Engine) -> None:
    rate = PiecewiseConstant((10.0, 20.0, 40.0, 70.0), (100.0, 0.0, 400.0, 50.0))
    steps = np.array([step for step, _ in run(engine, describe(rate))["E"]])
    # ms from the end of the warm-up, with the delay; a spike takes a step to act
    expected = {(0.0, 22.0): 100.0, (22.2, 42.0): 0.0, (42.2, 72.0): 400.0, (72.2, 100.0): 50.0}
    for (start, end), value in expected.items():
        count = ((steps > start * 10) & (steps <= end * 10)).sum()
        mean = value * 400 * (end - start) * 1e-3
        assert abs(count - mean) <= 4.5 * np.sqrt(mean), (start, count, mean)
    first = steps[(steps > 225) & (steps < 600)].min()
    assert 422 <= first <= 424  # 160 spikes per ms


def test_sources_spike_between_start_and_stop(engine: Engine) -> None:
    rate = PiecewiseConstant((0.0, 50.0), (400.0, 200.0))
    steps = np.array([step for step, _ in run(engine, sourced(rate, start=20.0, stop=60.0))["E"]])
    assert 221 <= steps.min() <= 224
    assert 615 <= steps.max() <= 622
    early, late = (steps <= 521).sum(), (steps > 521).sum()
    assert abs(early - 400 * 12.0) < 4.5 * np.sqrt(400 * 12.0)
    assert abs(late - 400 * 2.0) < 4.5 * np.sqrt(400 * 2.0)


def test_a_poisson_drive_has_the_moments_of_one(engine: Engine) -> None:
    counts = Counter(sender for _, sender in run(engine, driven(100.0), duration=1000.0)["E"])
    each = np.array([counts[k] for k in range(400)])
    assert abs(each.mean() - 100.0) < 4.5 * np.sqrt(100.0 / 400)
    assert abs(each.var(ddof=1) / 100.0 - 1.0) < 4.5 * np.sqrt(2.0 / 399)


def test_only_the_rate_of_sources_changes_in_time() -> None:
    changing = PiecewiseConstant((0.0,), (1.0,))
    with pytest.raises(NetworkError, match="source: only the rate of Poisson sources changes in time, not stop"):
        Population("source", 1, "poisson_source", {"rate": 1.0, "stop": changing})
    with pytest.raises(NetworkError, match="only the rate of Poisson sources changes in time, not I_e"):
        Population("E", 1, "lif_psc_exp", {**TRIGGERED, "I_e": changing})
