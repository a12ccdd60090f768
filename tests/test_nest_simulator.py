"""NEST: a point's spikes depend on the point alone, and the network is the one described."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import networks
import numpy as np
import pytest
from conftest import require_simulator
from recordings import no_check, run_fresh, run_one, spikes_of

from simulators.distributions import Normal, Uniform
from simulators.models.clustered import make_network
from simulators.nest_simulator import open_simulator
from simulators.network import (
    Bernoulli,
    Network,
    OneToOne,
    PoissonDrive,
    Population,
    Projection,
    StepCurrent,
    structure_of,
)
from simulators.records import Simulation
from simulators.simulator import PointFailure, PointStopped, Recording

pytestmark = pytest.mark.nest

SIMULATION = Simulation(dt=0.1, warmup=50.0, duration=200.0)
SEED = 5


@pytest.fixture(autouse=True)
def _needs_nest() -> None:
    require_simulator("nest", {"threads": 1})


def assert_order_does_not_matter(points: Sequence[Network], threads: int, simulation: Simulation = SIMULATION) -> None:
    """Compare points on one build, in several orders, with each on a build of its own."""
    assert len({structure_of(point) for point in points}) == 1
    simulator = open_simulator(simulation, {"threads": threads})
    fresh = run_fresh(simulator, points, SEED)
    assert len({str(spikes) for spikes in fresh}) == len(points), "points that do not differ prove nothing"
    assert sum(len(trains) for spikes in fresh for trains in spikes.values()) > 100
    indices = list(range(len(points)))
    orders = [indices[::-1], random.Random(1).sample(indices * 2, len(indices) * 2)]
    for order in orders:
        simulator.build(points[order[-1]], SEED)
        for index in order:
            assert run_one(simulator, points[index]) == fresh[index], f"point {index} in the order {order}"
    simulator.close()


NEURON_AXES: list[dict[str, Any]] = [
    {},
    {"tau_m_E": 12.0},
    {"I_th_E": 1.2},
    {"t_ref": 2.0},
    {"tau_syn_cv": 0.05},
    {"I_th_E": 0.1, "I_th_I": 0.1},
    {"V_th": 15.0, "V_reset": 3.0, "delta_I_E": 0.2},
    {"tau_syn_E": 6.0, "C_m": 1.5},
]
WEIGHT_AXES: list[dict[str, Any]] = [{}, {"jep": 1.0}, {"ge": 1.6}, {"gie": 0.7}, {"gi": 0.5, "jep": 3.5}]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("axes", [NEURON_AXES, WEIGHT_AXES], ids=["neurons", "weights"])
def test_clustered_points_are_the_same_in_any_order(
    small: dict[str, Any], axes: list[dict[str, Any]], threads: int
) -> None:
    assert_order_does_not_matter([make_network({**small, **changes}) for changes in axes], threads)


def test_axes_together_are_the_same_in_any_order(small: dict[str, Any]) -> None:
    fixed = {**small, "fixed_indegree": True, "delay": 0.7, "init_at_current": True}
    assert_order_does_not_matter([make_network({**fixed, **changes}) for changes in NEURON_AXES + WEIGHT_AXES[1:]], 1)


def stimulated(small: dict[str, Any], amplitude: float, onset: float, offset: float) -> Network:
    stimulus = {"stim_clusters": [1], "stim_onsets": [onset], "stim_offsets": [offset]}
    return make_network({**small, **stimulus, "stim_amplitude": amplitude})


@pytest.mark.parametrize("threads", [1, 2])
def test_step_currents_are_the_same_in_any_order(small: dict[str, Any], threads: int) -> None:
    # Currents that are on at the end of a recording, and from its start, must not leak into the next point.
    points = [
        stimulated(small, 2.0, 20.0, 200.0),
        stimulated(small, 0.0, 50.0, 60.0),
        stimulated(small, 1.0, 0.0, 50.0),
        stimulated(small, 3.0, 150.0, 1000.0),
        stimulated({**small, "jep": 1.0}, 3.0, 199.9, 200.0),
    ]
    assert_order_does_not_matter(points, threads)


def driven(rate: float, weight: float, delay: Any, synapse: float = 40.0, t_ref: float = 2.0) -> Network:
    """Neurons under Poisson drive, with recurrent delays of several steps."""
    neuron = {
        "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": t_ref,
        "tau_syn_ex": 0.5, "tau_syn_in": 1.0, "I_e": 0.0,
    }  # fmt: skip
    populations = (
        Population("E", 80, "lif_psc_exp", neuron, {"V_m": Uniform(-65.0, -50.0)}),
        Population("I", 20, "lif_psc_exp", neuron, {"V_m": Uniform(-65.0, -50.0)}),
    )
    projections = tuple(
        Projection(target + source, source, target, Bernoulli(0.2), synapse if source == "E" else -4.0 * synapse,
                   delay, "excitatory" if source == "E" else "inhibitory")
        for target in "EI" for source in "EI"
    )  # fmt: skip
    return Network(populations, projections, tuple(PoissonDrive(f"to_{x}", x, rate, weight, 1.5) for x in "EI"))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "delay", [1.5, Normal(1.5, 0.75, 0.3, 5.0), Uniform(2.0, 4.0)], ids=["one", "normal", "uniform"]
)
def test_poisson_drive_and_delays_are_the_same_in_any_order(threads: int, delay: Any) -> None:
    points = [
        driven(8000.0, 87.8, delay),
        driven(12000.0, 87.8, delay),
        driven(8000.0, 120.0, delay, synapse=10.0),
        driven(0.0, 87.8, delay, t_ref=3.0),
        driven(20000.0, 100.0, delay, t_ref=10.0),
    ]
    assert_order_does_not_matter(points, threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_microcircuit_runs_and_is_the_same_in_any_order(threads: int) -> None:
    assert_order_does_not_matter([networks.microcircuit(rate) for rate in (12_000.0, 14_000.0, 9_000.0)], threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_vogels_abbott_runs_and_is_the_same_in_any_order(threads: int) -> None:
    points = [
        networks.vogels_abbott(),
        networks.vogels_abbott(weight_E=160.0),
        networks.vogels_abbott(weight_I=400.0),
        networks.vogels_abbott(kick=900.0),
    ]
    assert_order_does_not_matter(points, threads)


def test_explicit_lists_run_and_are_the_same_in_any_order() -> None:
    quiet = networks.explicit_lists()
    glomeruli, *cells = quiet.populations
    points = [
        replace(quiet, populations=(replace(glomeruli, parameters={**glomeruli.parameters, "rate": rate}), *cells))
        for rate in (150.0, 400.0, 250.0)
    ]
    assert_order_does_not_matter(points, 1)


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


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_is_left_of_a_point_that_diverged(small: dict[str, Any], threads: int) -> None:
    simulator = open_simulator(replace(SIMULATION, max_rate=60.0), {"threads": threads})
    points = [make_network({**small, "I_th_E": current}) for current in (1.0, 1.5)]
    wild = make_network({**small, "I_th_E": 20.0, "gie": 0.1})
    fresh = run_fresh(simulator, points, SEED)
    simulator.build(points[0], SEED)
    for index in (0, 1, 1, 0):
        (failure,) = simulator.run([wild], no_check)
        assert isinstance(failure, PointFailure)
        assert failure.status == "diverged"
        assert "max_rate = 60 Hz" in failure.reason
        assert run_one(simulator, points[index]) == fresh[index]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("describe", [make_network, lambda changed: stimulated(changed, 3.0, 10.0, 390.0)])
def test_nothing_is_left_of_a_point_that_was_stopped_in_mid_run(
    small: dict[str, Any], threads: int, describe: Callable[[dict[str, Any]], Network]
) -> None:
    simulator = open_simulator(Simulation(0.1, 50.0, 400.0), {"threads": threads})
    points = [describe({**small, "I_th_E": current}) for current in (1.2, 2.0)]
    fresh = run_fresh(simulator, points, SEED)
    simulator.build(points[0], SEED)
    times = []

    def stop_at_second_look() -> None:
        times.append(None)
        if len(times) % 2 == 0:
            raise PointStopped

    for index in (0, 1, 1, 0):
        with pytest.raises(PointStopped):
            simulator.run([points[1]], stop_at_second_look)
        assert run_one(simulator, points[index]) == fresh[index]


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
    lead = 0 if warmup >= 0.2 else 2 - round(warmup / 0.1)  # a generator needs two steps before it can act
    expected = {*range(1 + lead, 51), *range(201, 206)}  # a spike at step s comes of the current from s - 1 to s
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
