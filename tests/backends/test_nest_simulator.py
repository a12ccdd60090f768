"""NEST: the network is the one described, and spikes come when they should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import networks
import numpy as np
import pytest
from conftest import require_simulator
from recordings import no_check, run_fresh, run_one, spikes_of

from simulators.backends.nest_simulator import open_simulator
from simulators.backends.nest_simulator.problems import MOST_MODELS
from simulators.backends.nest_simulator.recording import SpikeLog
from simulators.backends.simulator import Recording, UnsupportedNetworkError, find_simulator
from simulators.description import (
    FiringPhase,
    FixedTotalNumber,
    Network,
    Normal,
    OneToOne,
    Population,
    Projection,
    StepCurrent,
)
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

pytestmark = pytest.mark.nest

SIMULATION = Simulation(dt=0.1, warmup=50.0, duration=200.0)
SEED = 5


@pytest.fixture(autouse=True)
def _needs_nest() -> None:
    require_simulator("nest", {"threads": 1})


def changed(**changes: Any) -> Network:
    """A small network whose first projection is another."""
    network = networks.bare("lif_psc_exp")
    first, *rest = network.projections
    return replace(network, projections=(replace(first, **changes), *rest))


def test_a_kick_ends(small: dict[str, Any]) -> None:
    simulator = open_simulator(Simulation(0.1, 50.0, 400.0), {"threads": 1})
    kicked = networks.vogels_abbott(weight_E=0.0, kick=2000.0)
    simulator.build(kicked, SEED)
    steps = [step for step, _ in run_one(simulator, kicked)["E"]]
    assert len(steps) > 20
    assert min(steps) < 200
    assert max(steps) < 1500  # the last conductances die out after the 50 ms


@pytest.mark.parametrize("neuron", ["lif_psc_exp", "lif_cond_exp"])
def test_a_source_spikes_from_start_to_stop_and_arrives_after_its_delay(neuron: str) -> None:
    strong = {
        "C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "t_ref": 0.1,
        "tau_syn_ex": 0.05, "tau_syn_in": 0.05, "I_e": 0.0,
    }  # fmt: skip
    if neuron == "lif_cond_exp":
        strong |= {"E_ex": 400.0, "E_in": -80.0}
    network = Network(
        (
            Population("source", 20, "poisson_source", {"rate": 2000.0, "start": 40.0, "stop": 60.0}),
            Population("E", 20, neuron, strong, {"V_m": 0.0}),
        ),
        (Projection("kick", "source", "E", OneToOne(), 5e4, 2.0, "excitatory"),),
    )
    simulator = open_simulator(Simulation(0.1, 50.0, 100.0, max_rate=1e5), {"threads": 1})
    simulator.build(network, SEED)
    steps = [step for step, _ in run_one(simulator, network)["E"]]
    assert len(steps) > 100
    assert 420 <= min(steps) <= 425  # 40 ms and the delay, in steps
    assert 615 <= max(steps) <= 635  # a conductance lasts a little


def test_threads_belong_to_the_identity_of_a_result(small: dict[str, Any]) -> None:
    found = []
    for threads in (1, 2):
        simulator = open_simulator(SIMULATION, {"threads": threads})
        found += run_fresh(simulator, [make_network(small)], SEED)
    assert found[0] != found[1]


def test_spikes_lie_within_the_recording_and_the_warm_up_is_cut_off(small: dict[str, Any]) -> None:
    network = make_network(small)
    whole, late = (
        run_fresh(open_simulator(simulation, {"threads": 1}), [network], SEED)[0]
        for simulation in (Simulation(0.1, 0.0, 250.0), Simulation(0.1, 50.0, 200.0))
    )
    assert whole["E"][0][0] >= 1
    assert whole["E"][-1][0] <= 2500
    assert late["E"] == tuple((step - 500, sender) for step, sender in whole["E"] if step > 500)
    assert late["E"]


def test_recorders_hold_a_window_at_most(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    look = SpikeLog.counts

    def counts(log: SpikeLog) -> dict[str, int]:
        held.append(sum(look(log).values()))  # as many are copied when NEST is asked
        return look(log)

    monkeypatch.setattr(SpikeLog, "counts", counts)
    network = make_network(small)
    simulator = open_simulator(Simulation(0.1, 0.0, 2000.0), {"threads": 2})
    simulator.build(network, SEED)
    (recording,) = simulator.run([network], no_check)
    assert isinstance(recording, Recording)
    n_spikes = sum(trains.n_spikes for trains in recording.spikes.values())
    assert 0.05 * n_spikes < max(held) < 0.25 * n_spikes


def test_a_point_costs_no_more_after_many_than_after_few(small: dict[str, Any], nest: Any) -> None:
    """NEST hands out whatever it has noted whenever it is asked for anything of its kernel."""
    network = make_network(small)
    simulator = open_simulator(SIMULATION, {"threads": 1})
    simulator.build(network, SEED)
    sizes = []
    for _ in range(20):
        simulator.run([network], no_check)
        sizes.append(sum(np.size(value) for value in _leaves(nest.GetKernelStatus())))
    assert sizes[-1] <= sizes[4], sizes


def _leaves(status: dict[str, Any]) -> Iterator[Any]:
    for value in status.values():
        yield from _leaves(value) if isinstance(value, dict) else (value,)


def test_a_network_without_a_spike_is_a_recording_without_a_spike(small: dict[str, Any]) -> None:
    simulator = open_simulator(SIMULATION, {"threads": 1})
    silent = make_network({**small, "I_th_E": 0.0, "I_th_I": 0.0, "V_th": 1e6, "init_at_current": True})
    simulator.build(silent, SEED)
    (recording,) = simulator.run([silent], no_check)
    assert spikes_of(recording) == {"E": (), "I": ()}


# The neuron without synapses


def lone(**changes: Any) -> Network:
    """Eight neurons in four clusters that fire in every step in which a current flows."""
    neuron = {
        "C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 1.0, "t_ref": 0.0,
        "tau_syn_ex": 3.0, "tau_syn_in": 2.0, "I_e": 0.0,
    }  # fmt: skip
    return Network(
        (Population("E", 8, "lif_psc_exp", {**neuron, **changes}, {"V_m": 0.0}, n_clusters=4),),
        (),
        (StepCurrent("step", "E", (1, 3), 100.0, (0.0, 20.0), (5.0, 20.5)),),
    )


@pytest.mark.parametrize("warmup", [0.0, 0.1, 30.0])
def test_a_step_current_acts_from_onset_to_offset_on_its_clusters_alone(warmup: float) -> None:
    simulator = open_simulator(Simulation(0.1, warmup, 50.0, max_rate=1e5), {"threads": 1})
    network = lone()
    simulator.build(network, SEED)
    expected = {*range(1, 51), *range(201, 206)}  # a spike at step s comes of the current from s - 1 to s
    for _ in range(2):
        spikes = run_one(simulator, network)["E"]
        for sender in range(8):
            steps = {step for step, one in spikes if one == sender}
            assert steps == (expected if sender in {2, 3, 6, 7} else set())


def test_a_lone_neuron_fires_with_the_period_of_the_analytic_solution() -> None:
    # 40 mV of drive, threshold 20 mV, tau 20 ms, t_ref 5 ms: 5 + 20·ln 2 ms, rounded up to the next step.
    neuron = lone(V_th=20.0, I_e=2.0, t_ref=5.0)
    network = replace(neuron, inputs=())
    simulator = open_simulator(Simulation(0.1, 0.0, 500.0), {"threads": 1})
    simulator.build(network, SEED)
    steps = [step for step, sender in run_one(simulator, network)["E"] if sender == 0]
    assert set(np.diff(steps)) == {int(np.ceil((5.0 + 20.0 * np.log(2.0)) / 0.1))}


def test_a_spike_arrives_after_its_delay_with_the_peak_of_its_weight() -> None:
    # E fires once at a known step; the weight takes T just above threshold, and 1 % less leaves it silent.
    from simulators.models.clustered import psp_peak

    base = lone(V_th=20.0, t_ref=400.0).populations[0].parameters
    weight = 20.0 / psp_peak(20.0, 3.0, 1.0)

    def made(factor: float, delay: float) -> Network:
        return Network(
            (
                Population("S", 1, "lif_psc_exp", {**base, "I_e": 2.0}, {"V_m": 0.0}),
                Population("T", 1, "lif_psc_exp", base, {"V_m": 0.0}),
            ),
            (Projection("TS", "S", "T", OneToOne(), factor * weight, delay, "excitatory"),),
        )

    simulator = open_simulator(Simulation(0.1, 0.0, 100.0), {"threads": 1})
    simulator.build(made(1.0, 0.1), SEED)
    assert run_one(simulator, made(0.99, 0.1))["T"] == ()
    near = run_one(simulator, made(1.5, 0.1))
    simulator.build(made(1.0, 4.1), SEED)
    far = run_one(simulator, made(1.5, 4.1))
    assert len(near["T"]) == len(far["T"]) == 1
    assert far["T"][0][0] - near["T"][0][0] == 40
    assert near["S"] == far["S"]


def test_phases_of_a_recording_add_up_to_the_call(small: dict[str, Any]) -> None:
    import time

    simulator = open_simulator(SIMULATION, {"threads": 1})
    network = make_network(small)
    simulator.build(network, SEED)
    begin = time.perf_counter()
    (recording,) = simulator.run([network], no_check)
    wall = time.perf_counter() - begin
    assert isinstance(recording, Recording)
    assert sum(recording.phases.values()) == pytest.approx(wall, abs=0.01)


@pytest.mark.parametrize(
    ("network", "threads", "problems"),
    [
        (networks.played([1.0], [0]), 1, []),
        (networks.bare("lif_psc_exp", rate=1.0), 1, []),
        (changed(delay=Normal(1.5, 0.5)), 1, ["delays must be at least a step of 0.1 ms, not -inf ms"]),
        (changed(delay=Normal(1.5, 0.5, 0.1)), 1, []),
        (changed(delay=FiringPhase(1.0, 2.0, 3.0, 4.0)), 1, ["NEST draws delays that are normal or uniform"]),
        (changed(weight=FiringPhase(1.0, 2.0, 3.0, 4.0)), 1, ["NEST draws weights that are normal or uniform"]),
        (changed(rule=FixedTotalNumber(300_000_000)), 2, ["3e+08 synapses are more than the 2.68e+08 that NEST holds"]),
        (changed(rule=FixedTotalNumber(300_000_000)), 3, []),
    ],
)  # fmt: skip
def test_problems_are_said_before_anything_is_built(network: Network, threads: int, problems: list[str]) -> None:
    found = find_simulator("nest").problems(network, SIMULATION, {"threads": threads})
    assert len(found) == len(problems)
    for said, expected in zip(found, problems, strict=True):
        assert expected in said


def test_more_projections_than_synapse_models_are_a_problem(nest: Any) -> None:
    population = networks.bare("lif_psc_exp")["E"]
    projections = tuple(
        Projection(f"{k}", "E", "E", OneToOne(), 1.0, 1.0, "excitatory") for k in range(MOST_MODELS + 1)
    )
    simulator = open_simulator(SIMULATION, {"threads": 1})
    build = simulator.build(Network((population,), projections[:-1]), SEED)
    assert build.n_synapses == MOST_MODELS * population.size
    assert len(nest.synapse_models) < 511
    with pytest.raises(UnsupportedNetworkError, match="401 projections"):
        simulator.build(Network((population,), projections), SEED)
    simulator.close()


_BUILD = """
import sys
from simulators.backends.simulator import find_simulator
from simulators.description import *
from simulators.records.job import Simulation
cell = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0}
cell |= {"tau_syn_ex": 0.5, "tau_syn_in": 0.5}
n, weight = int(sys.argv[1]), eval(sys.argv[2])
network = Network(
    (Population("E", n, "lif_psc_exp", cell),),
    (Projection("EE", "E", "E", FixedTotalNumber(int(sys.argv[3])), weight, Normal(1.5, 0.75, 0.1), "excitatory"),),
)
simulation, settings = Simulation(0.1, 0.0, 100.0), {"threads": 1}
module = find_simulator("nest")
simulator = module.open_simulator(simulation, settings)
simulator.build(network, 1)
simulator.run([network], lambda: None)
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
print(module.estimate(network, simulation, settings).memory, int(peak) * 1024)
"""


@pytest.mark.parametrize(
    ("n_neurons", "weight", "n_synapses"),
    [(10_000, "1.0", 10_000_000), (10_000, "Normal(1.0, 0.1, 0.0)", 10_000_000), (70_000, "1.0", 1_000_000)],
    ids=["one weight", "drawn weights", "many neurons"],
)
def test_the_memory_of_a_network_is_known_beforehand(n_neurons: int, weight: str, n_synapses: int) -> None:
    command = [sys.executable, "-c", _BUILD, str(n_neurons), weight, str(n_synapses)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    estimated, peak = map(float, said.split()[-2:])
    assert 0.9 * peak < estimated < 1.25 * peak
