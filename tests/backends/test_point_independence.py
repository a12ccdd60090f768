"""A point's spikes depend on the point alone, to the bit, on every simulator that uses one build for many points."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import networks
import pytest
from conftest import Engine
from recordings import no_check, run_fresh, run_one

from simulators.backends.pace import WINDOW
from simulators.backends.simulator import PointFailure, PointStopped
from simulators.description import (
    Bernoulli,
    Network,
    Normal,
    PiecewiseConstant,
    PoissonDrive,
    Population,
    Projection,
    Uniform,
)
from simulators.description.network import structure_of
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

SIMULATION = Simulation(dt=0.1, warmup=50.0, duration=200.0)
LONGER = replace(SIMULATION, duration=400.0)
SEED = 5


def assert_order_does_not_matter(
    points: Sequence[Network], engine: Engine, simulation: Simulation = SIMULATION
) -> None:
    """Compare points on one build, in several orders, with each on a build of its own."""
    assert len({structure_of(point) for point in points}) == 1
    if engine.name == "pynn":  # makes a network anew for every point: what order there is between two shows it
        points = points[:2]
    simulator = engine(simulation)
    fresh = run_fresh(simulator, points, SEED)
    assert len({str(spikes) for spikes in fresh}) == len(points), "points that do not differ prove nothing"
    assert sum(len(trains) for spikes in fresh for trains in spikes.values()) > 20 * len(points)
    indices = list(range(len(points)))
    orders = [indices[::-1], random.Random(1).sample(indices * 2, len(indices) * 2)]
    for order in orders:
        built = None
        for index in order:
            structure = engine.module.structure(points[index])
            if structure != built:
                simulator.build(points[index], SEED)
                built = structure
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


@pytest.mark.parametrize("axes", [NEURON_AXES, WEIGHT_AXES], ids=["neurons", "weights"])
def test_clustered(small: dict[str, Any], axes: list[dict[str, Any]], engine: Engine) -> None:
    assert_order_does_not_matter([make_network({**small, **changes}) for changes in axes], engine)


def test_axes_together(small: dict[str, Any], engine: Engine) -> None:
    fixed = {**small, "fixed_indegree": True, "delay": 0.7, "init_at_current": True}
    axes = NEURON_AXES + WEIGHT_AXES[1:]
    assert_order_does_not_matter([make_network({**fixed, **changes}) for changes in axes], engine)


def stimulated(small: dict[str, Any], amplitude: float, onset: float, offset: float) -> Network:
    stimulus = {"stim_clusters": [1], "stim_onsets": [onset], "stim_offsets": [offset]}
    return make_network({**small, **stimulus, "stim_amplitude": amplitude})


def test_step_currents(small: dict[str, Any], engine: Engine) -> None:
    # Currents that are on at the end of a recording, and from its start, must not leak into the next point.
    points = [
        stimulated(small, 2.0, 20.0, 200.0),
        stimulated(small, 0.0, 50.0, 60.0),
        stimulated(small, 1.0, 0.0, 50.0),
        stimulated(small, 3.0, 150.0, 1000.0),
        stimulated({**small, "jep": 1.0}, 3.0, 199.9, 200.0),
    ]
    assert_order_does_not_matter(points, engine)


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


@pytest.mark.parametrize(
    "delay", [1.5, Normal(1.5, 0.75, 0.3, 5.0), Uniform(2.0, 4.0)], ids=["one", "normal", "uniform"]
)
def test_poisson_drive_and_delays(delay: Any, engine: Engine) -> None:
    points = [
        driven(8000.0, 87.8, delay),
        driven(12000.0, 87.8, delay),
        driven(8000.0, 120.0, delay, synapse=10.0),
        driven(0.0, 87.8, delay, t_ref=3.0),
        driven(20000.0, 100.0, delay, t_ref=10.0),
    ]
    assert_order_does_not_matter(points, engine)


def test_microcircuit(engine: Engine) -> None:
    assert_order_does_not_matter([networks.microcircuit(rate) for rate in (12_000.0, 14_000.0, 9_000.0)], engine)


def test_vogels_abbott(engine: Engine) -> None:
    points = [
        networks.vogels_abbott(),
        networks.vogels_abbott(weight_E=160.0),
        networks.vogels_abbott(weight_I=400.0),
        networks.vogels_abbott(kick=900.0),
    ]
    assert_order_does_not_matter(points, engine)


def test_explicit_lists(engine: Engine) -> None:
    quiet = networks.explicit_lists()
    glomeruli, *cells = quiet.populations
    points = [
        replace(quiet, populations=(replace(glomeruli, parameters={**glomeruli.parameters, "rate": rate}), *cells))
        for rate in (150.0, 400.0, 250.0)
    ]
    assert_order_does_not_matter(points, engine)


@pytest.mark.parametrize("neuron", networks.BARE)
def test_networks_that_leave_things_out(neuron: str, engine: Engine) -> None:
    points = [
        networks.bare(neuron),
        networks.bare(neuron, rate=12_000.0),
        networks.bare(neuron, weight=0.5),
        networks.bare(neuron, t_ref=3.0),
        networks.bare(neuron, E_L=-60.0),
        networks.bare(neuron, V_th=-55.0),
    ]
    assert_order_does_not_matter(points, engine)


def test_the_same_point_twice(engine: Engine) -> None:
    simulator = engine(SIMULATION)
    for neuron in networks.BARE:
        simulator.build(networks.bare(neuron), SEED)
        first, second = (run_one(simulator, networks.bare(neuron)) for _ in range(2))
        assert first["E"]
        assert first == second, neuron


@pytest.mark.parametrize("neuron", networks.BARE)
def test_parameters_that_are_one_number_or_one_per_neuron(neuron: str, engine: Engine) -> None:
    points = [
        networks.bare(neuron),
        networks.bare(neuron, V_th=Uniform(-52.0, -48.0)),
        networks.bare(neuron, E_L=Uniform(-67.0, -63.0), V_th=-51.0),
        networks.bare(neuron, V_reset=Uniform(-60.0, -55.0), tau_syn_in=Uniform(0.9, 1.1)),
        networks.bare(neuron, E_L=-70.0, V_th=-66.5, V_reset=-90.0, I_e=30.0),
        networks.bare(neuron, C_m=Uniform(240.0, 260.0), tau_m=Normal(10.0, 1.0, 5.0), t_ref=Uniform(0.0, 3.0)),
    ]
    assert_order_does_not_matter(points, engine)


def test_lists_of_one_weight(engine: Engine) -> None:
    points = [networks.listed(weight) for weight in (600.0, 0.0, 400.0, 1200.0)]
    assert_order_does_not_matter(points, engine)


def test_scaled_weights(engine: Engine) -> None:
    points = [networks.scaled(1.0), networks.scaled(0.0), networks.scaled(2.0), networks.scaled(1.0, inhibition=8.0)]
    assert_order_does_not_matter(points, engine)


def test_rates_that_change(engine: Engine) -> None:
    rates: list[float | PiecewiseConstant] = [
        9000.0,
        PiecewiseConstant((-50.0, 100.0), (0.0, 15_000.0)),
        PiecewiseConstant((30.0, 60.0, 199.95), (15_000.0, 2000.0, 9000.0)),
        0.0,
        PiecewiseConstant((0.0,), (12_000.0,)),
    ]
    points = [networks.bare("lif_psc_exp", rate=rate) for rate in rates]
    points[3] = networks.bare("lif_psc_exp", rate=7000.0)
    assert_order_does_not_matter(points, engine)


def test_sources_that_change(engine: Engine) -> None:
    listed = networks.listed(600.0)
    source, target = listed.populations
    changing = PiecewiseConstant((0.0, 50.0, 100.0), (100.0, 0.0, 300.0))
    given: list[dict[str, float | PiecewiseConstant]] = [
        {"rate": 100.0},
        {"rate": changing},
        {"rate": changing, "start": -20.0, "stop": 130.0},
        {"rate": 200.0, "start": -1000.0, "stop": 20.0},
    ]
    points = [replace(listed, populations=(replace(source, parameters=parameters), target)) for parameters in given]
    assert_order_does_not_matter(points, engine)


def test_given_spikes(engine: Engine) -> None:
    rng = random.Random(4)
    points = []
    for count, last in ((100, 200.0), (150, 300.0), (120, 100.0)):
        times = [rng.uniform(-60.0, last) for _ in range(count)]
        points.append(networks.played(times, [rng.randrange(20) for _ in times]))
    assert_order_does_not_matter(points, engine)


def test_given_spikes_of_whole_windows(engine: Engine) -> None:
    # What is read after the end of a point is not there: a simulator may look beyond the steps that it has room for
    rng = random.Random(5)
    points = []
    for count in (400, 600):
        times = [rng.uniform(0.0, 200.0) for _ in range(count)]
        points.append(networks.played(times, [rng.randrange(2000) for _ in times], size=2000))
    assert_order_does_not_matter(points, engine, replace(SIMULATION, warmup=0.0, duration=WINDOW))


def test_nothing_is_left_of_a_point_that_diverged(small: dict[str, Any], engine: Engine) -> None:
    simulator = engine(replace(SIMULATION, max_rate=60.0))
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


def absurd(neuron: str) -> tuple[Network, list[Network]]:
    """A point, and others whose neurons end at potentials that are far beyond any threshold."""
    if neuron == "aeif_psc_exp":  # in the last step of an upstroke
        rates = (25_000.0, 30_000.0, 35_000.0)
        steep = [networks.bare(neuron, rate=rate, Delta_T=0.5, V_peak=30.0) for rate in rates]
        return networks.bare(neuron, rate=12_000.0, V_peak=30.0), steep
    point = networks.bare(neuron, rate=12_000.0)
    excitatory, others = point.projections[:2], point.projections[2:]
    far = [networks.bare(neuron, rate=12_000.0, V_th=1e31, I_e=current) for current in (1e33, 1e36)]
    strong = [
        replace(point, projections=tuple(replace(p, weight=weight) for p in excitatory) + others)
        for weight in (1e25, 1e307)
    ]
    return point, [*far, networks.bare(neuron, rate=12_000.0, I_e=1e34), *strong]


@pytest.mark.parametrize("duration", [20.3, 21.4])
@pytest.mark.parametrize("neuron", networks.BARE)
def test_nothing_is_left_of_a_point_that_ended_at_absurd_potentials(
    neuron: str, duration: float, engine: Engine
) -> None:
    if engine.name in ("nest", "pynn") and neuron != "lif_psc_exp":
        pytest.skip("its steps become as small as currents are large, and every point is built anew")
    simulator = engine(Simulation(0.1, 0.0, duration))
    point, wild = absurd(neuron)
    (fresh,) = run_fresh(simulator, [point], SEED)
    assert fresh["E"]
    for before in wild:
        simulator.run([before], no_check)
        assert run_one(simulator, point) == fresh
    simulator.close()


@pytest.mark.parametrize("describe", [make_network, lambda changed: stimulated(changed, 3.0, 10.0, 390.0)])
@pytest.mark.parametrize("delay", [0.1, 2.0])
def test_nothing_is_left_of_a_point_that_was_stopped_in_mid_run(
    small: dict[str, Any], delay: float, describe: Callable[[dict[str, Any]], Network], engine: Engine
) -> None:
    simulator = engine(LONGER)
    points = [describe({**small, "delay": delay, "I_th_E": current}) for current in (1.2, 2.0)]
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
