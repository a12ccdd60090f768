"""GeNN on a CPU: spikes at NEST's times, and no denormal numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import no_check, run_fresh, run_one, spikes_of

from simulators.backends.genn_simulator import GennSimulator, check_available, identity, open_simulator, problems
from simulators.backends.genn_simulator.problems import structure_problems
from simulators.backends.simulator import (
    PointFailure,
    SimulatorUnavailableError,
    UnsupportedNetworkError,
    find_simulator,
)
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FiringPhase,
    Network,
    NeuronModel,
    Normal,
    OneToOne,
    PoissonDrive,
    Population,
    Projection,
    Quantity,
    StepCurrent,
    Uniform,
)
from simulators.models.clustered import make_network
from simulators.records.job import Simulation

pytestmark = pytest.mark.genn

SIMULATION = Simulation(dt=0.1, warmup=50.0, duration=400.0)
SEED = 5
CPU = {**default_settings("genn"), "backend": "single_threaded_cpu"}


@pytest.fixture(autouse=True)
def _needs_genn() -> None:
    require_simulator("genn", CPU)


@pytest.fixture
def opened(cache: Path) -> Callable[..., GennSimulator]:
    def open_with(simulation: Simulation = SIMULATION) -> GennSimulator:
        return open_simulator(simulation, {**CPU, "cache": str(cache)})

    return open_with


# Against NEST, spike for spike: both draw neuron parameters and initial states alike, so explicit connections
# leave nothing to chance. GeNN computes in single precision, so networks are small and runs short.

CURRENT_BASED = {
    "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0,
    "tau_syn_ex": 0.5, "tau_syn_in": 0.7, "I_e": 450.0,
}  # fmt: skip
CONDUCTANCE_BASED = {
    "C_m": 200.0, "tau_m": 20.0, "E_L": -60.0, "V_reset": -60.0, "V_th": -50.0, "t_ref": 5.0,
    "tau_syn_ex": 5.0, "tau_syn_in": 10.0, "E_ex": 0.0, "E_in": -80.0, "I_e": 300.0,
}  # fmt: skip


def joined(sources: Sequence[int], targets: Sequence[int]) -> ConnectionList:
    return ConnectionList(np.array(sources), np.array(targets))


def tiny(
    neuron: str = "lif_psc_exp",
    delays: tuple[float, float] = (0.1, 0.1),
    individual: bool = False,
    steps: tuple[StepCurrent, ...] = (),
    **changes: Any,
) -> Network:
    """Seven neurons, joined by lists."""
    base = CURRENT_BASED if neuron == "lif_psc_exp" else CONDUCTANCE_BASED
    excitation, inhibition = (1500.0, -900.0) if neuron == "lif_psc_exp" else (4.0, 3.0)
    sources, targets = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 2, 3, 0])
    factors, lags = np.array([1.0, 0.1, 0.5, 0.8, 0.6]), np.array([0.1, 0.5, 1.2, 0.3, 2.0])
    listed = (
        ConnectionList(sources, targets, factors * excitation, lags) if individual else ConnectionList(sources, targets)
    )
    return Network(
        (
            Population("A", 3, neuron, {**base, **changes}, {"V_m": Uniform(-62.0, -55.0)}),
            Population(
                "B", 4, neuron, {**base, "I_e": 0.66 * base["I_e"], "t_ref": 1.0}, {"V_m": Uniform(-59.0, -55.0)}
            ),
        ),
        (
            Projection("BA", "A", "B", listed, excitation, delays[0], "excitatory"),
            Projection("BB", "B", "B", joined([0, 3], [1, 2]), excitation / 8, 0.4, "excitatory"),
            Projection("AB", "B", "A", joined([0, 1, 2, 3], [0, 1, 2, 1]), inhibition, delays[1], "inhibitory"),
            Projection("AA", "A", "A", joined([0, 1], [1, 2]), excitation / 3, delays[1], "excitatory"),
        ),
        steps,
    )  # fmt: skip


@pytest.mark.parametrize(
    "network",
    [
        tiny(),
        tiny(delays=(1.5, 0.1)),
        tiny(delays=(0.2, 3.0)),
        tiny(individual=True),
        tiny(steps=(StepCurrent("step", "A", (0,), 200.0, (50.0, 120.0), (80.0, 150.0)),)),
        tiny(tau_syn_ex=Uniform(0.4, 3.0), tau_syn_in=Uniform(0.4, 3.0)),
        tiny(I_e=Uniform(400.0, 600.0), V_th=Uniform(-52.0, -48.0), t_ref=Uniform(1.0, 3.0), C_m=Uniform(200.0, 300.0)),
        tiny(tau_syn_ex=10.0, tau_m=10.0),
        tiny("lif_cond_exp"),
        tiny("lif_cond_exp", delays=(1.5, 0.3), tau_m=Uniform(15.0, 25.0), E_in=Uniform(-85.0, -75.0)),
        tiny("lif_cond_exp", individual=True),
    ],
    ids=["delay 1", "15", "2, 30", "lists", "step", "tau_syn", "neurons", "tau_m", "cond", "conds", "cond lists"],
)  # fmt: skip
def test_spikes_come_at_the_same_steps_as_in_nest(network: Network, opened: Callable[..., GennSimulator]) -> None:
    require_simulator("nest", {"threads": 1})
    nest = find_simulator("nest").open_simulator(SIMULATION, {"threads": 1})
    (expected,) = run_fresh(nest, [network], SEED)
    nest.close()
    assert min(len(trains) for trains in expected.values()) >= 5
    (found,) = run_fresh(opened(), [network], SEED)
    assert found == expected


def test_nothing_is_left_of_a_point_that_overflowed(
    small: dict[str, Any], opened: Callable[..., GennSimulator]
) -> None:
    simulator = opened()
    points = [make_network({**small, "I_th_E": current}) for current in (1.0, 1.5)]
    broken = make_network({**small, "I_th_E": -1e38, "I_th_I": -1e38})
    fresh = run_fresh(simulator, points, SEED)
    simulator.build(points[0], SEED)
    for index in (0, 1, 1, 0):
        (failure,) = simulator.run([broken], no_check)
        assert isinstance(failure, PointFailure)
        assert failure.status == "diverged"
        assert "not finite" in failure.reason
        assert run_one(simulator, points[index]) == fresh[index]


def test_a_silent_network_keeps_away_from_denormal_numbers(
    small: dict[str, Any], opened: Callable[..., GennSimulator]
) -> None:
    from simulators.backends.genn_simulator.network import inputs_of

    simulator = opened(Simulation(0.1, 0.0, 2000.0))
    silent = make_network({**small, "I_th_E": 0.0, "I_th_I": 0.0})
    simulator.build(silent, SEED)
    assert spikes_of(simulator.run([silent], no_check)[0]) == {"E": (), "I": ()}
    built, layout = simulator._built, simulator._layout
    assert built is not None
    assert layout is not None
    smallest = np.finfo(np.float32).tiny
    for population, group in zip(silent.populations, layout.neurons, strict=True):
        inputs = [np.asarray(inputs_of(built, population.name, r).host_view).view(np.float32) for r in group.receptors]
        assert inputs
        for values in (*inputs, built.neurons[population.name].vars["state_V"].view):
            assert np.all(np.abs(values) > smallest)
            assert np.all(np.abs(values) < 1e-20)


# Sources and drive


def test_a_source_spikes_from_start_to_stop_at_its_rate(opened: Callable[..., GennSimulator]) -> None:
    quick = {**CURRENT_BASED, "C_m": 1.0, "tau_m": 1.0, "t_ref": 0.1, "tau_syn_ex": 0.05, "I_e": 0.0}
    network = Network(
        (
            Population("source", 2000, "poisson_source", {"rate": 50.0, "start": 40.0, "stop": 140.0}),
            Population("E", 2000, "lif_psc_exp", quick, {"V_m": -65.0}),
        ),
        (Projection("kick", "source", "E", OneToOne(), 5e3, 2.0, "excitatory"),),
    )
    simulator = opened(Simulation(0.1, 50.0, 300.0, max_rate=1e5))
    simulator.build(network, SEED)
    spikes = run_one(simulator, network)["E"]
    steps = np.array([step for step, _ in spikes])
    assert 420 <= steps.min() <= 425  # 40 ms and the delay, in steps
    assert 1400 <= steps.max() <= 1430
    assert abs(len(spikes) - 10_000) < 500  # 2000 · 50 Hz · 0.1 s, ± 5 standard deviations


@pytest.mark.parametrize("rate", [200.0, 10_000.0, 400_000.0])
def test_a_drive_has_the_mean_and_variance_of_a_poisson_process(
    rate: float, opened: Callable[..., GennSimulator]
) -> None:
    # The free membrane under shot noise: mean and variance of the potential (Campbell's theorem)
    passive = {**CURRENT_BASED, "V_th": 1e9, "I_e": 0.0, "tau_syn_ex": 0.5, "C_m": 250.0}
    weight = 1e3 / rate**0.5
    network = Network(
        (Population("E", 4000, "lif_psc_exp", passive, {"V_m": -65.0}),),
        (),
        (PoissonDrive("drive", "E", rate, weight, 0.1),),
    )
    simulator = opened(Simulation(0.1, 0.0, 100.0))
    simulator.build(network, SEED)
    simulator.run([network], no_check)
    assert simulator._built is not None
    potential = simulator._built.neurons["E"].vars["state_V"].view.astype(np.float64)
    tau_m, tau_s, C_m, per_ms = 10.0, 0.5, 250.0, rate * 1e-3
    mean = weight * tau_s * tau_m / C_m * per_ms * (1.0 - np.exp(-100.0 / tau_m))
    factor = weight * tau_s * tau_m / C_m / (tau_m - tau_s)
    variance = per_ms * factor**2 * (tau_m / 2 + tau_s / 2 - 2 * tau_m * tau_s / (tau_m + tau_s))
    n = len(potential)
    # the grid of 0.1 ms moves arrivals to the end of their step, 0.5 % of the mean
    assert abs(potential.mean() - mean) < 5.0 * np.sqrt(variance / n) + 0.01 * mean
    assert abs(potential.var() / variance - 1.0) < 0.15 + 5.0 * np.sqrt(2.0 / n)


# What cannot be run, and where


NO_STEP = NeuronModel("of_my_own", "no step rule", {"I_e": Quantity("pA", "current", 0.0)}, synapses="current")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron": NO_STEP, "parameters": {}}, "of_my_own has no step rule"),
        ({"delay": 0.01}, "at least one step"),
        ({"delay": 1e4}, "at most 65535"),
        ({"weight": FiringPhase(0.0, 1.0, 1.0, 1.0)}, "weights are not drawn from FiringPhase"),
        ({"weight": Normal(1.0, float("nan"))}, "weights cannot be drawn from Normal"),
        ({"weight": Normal(1.0, 0.1, 5.0)}, "weights cannot be drawn from Normal"),
        ({"weight": Normal(float("nan"), 0.1)}, "weights cannot be drawn from Normal"),
        ({"weight": Normal(1.0, 0.1, float("nan"))}, "weights cannot be drawn from Normal"),
        ({"weight": Uniform(float("nan"), 1.0)}, "weights cannot be drawn from Uniform"),
        ({"weight": Uniform(0.0, float("inf"))}, "weights cannot be drawn from Uniform"),
    ],
)
def test_what_cannot_be_built_is_said_at_plan_and_refused(
    change: dict[str, Any], message: str, opened: Callable[..., GennSimulator]
) -> None:
    network = one_projection(**change)
    assert any(message in problem for problem in problems(network, SIMULATION, CPU))
    with pytest.raises(UnsupportedNetworkError, match=message):
        opened().build(network, SEED)


BAD_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"weight": -1.0}, "an excitatory weight is negative"),
    ({"weight": float("nan")}, "a weight is not a finite number"),
    ({"rate": 1e7}, "spikes per step"),
    ({"rate": float("nan")}, "spikes per step"),
    ({"drive_weight": -1.0}, "an excitatory weight is negative"),
]


def test_a_scale_of_drawn_weights_must_be_a_number() -> None:
    network = one_projection(weight=float("nan") * Normal(1.0, 0.1, 0.0))
    assert problems(network, SIMULATION, CPU) == ["projection AA: a weight is not a finite number"]


@pytest.mark.parametrize(("change", "message"), BAD_VALUES)
def test_a_value_that_cannot_be_set_is_said_at_plan_and_fails_its_point(
    change: dict[str, Any], message: str, opened: Callable[..., GennSimulator]
) -> None:
    assert problems(one_projection(), SIMULATION, CPU) == []
    assert any(message in problem for problem in problems(one_projection(**change), SIMULATION, CPU))
    simulator = opened()
    expected = run_fresh(simulator, [one_projection()], SEED)
    simulator.build(one_projection(**change), SEED)  # it may be the first of a structure
    (failure,) = simulator.run([one_projection(**change)], no_check)
    assert isinstance(failure, PointFailure)
    assert failure.status == "failed"
    assert message in failure.reason
    assert [run_one(simulator, one_projection())] == expected


def one_projection(
    neuron: Any = "lif_psc_exp",
    parameters: Any = CURRENT_BASED,
    delay: float = 1.0,
    weight: Any = 1.0,
    rate: float = 10.0,
    drive_weight: float = 1.0,
) -> Network:
    return Network(
        (Population("A", 4, neuron, parameters),),
        (Projection("AA", "A", "A", Bernoulli(0.5), weight, delay, "excitatory"),),
        (PoissonDrive("drive", "A", rate, drive_weight, 0.1),),
    )


def test_procedural_connectivity_refuses_what_is_not_drawn_by_rows() -> None:
    assert any("row by row" in problem for problem in structure_problems(tiny(), 0.1, procedural=True))


def test_a_missing_backend_is_named_with_the_way_to_get_it() -> None:
    from pygenn.genn_model import backend_modules

    missing = next((name for name in ("hip", "cuda") if name not in backend_modules), None)
    if missing is None:
        pytest.skip("this PyGeNN has every backend")
    with pytest.raises(SimulatorUnavailableError, match=f"without the backend '{missing}'"):
        check_available({**CPU, "backend": missing})


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SimulatorUnavailableError, match="no-such-compiler or make is missing"):
        check_available(CPU)


def test_the_backend_belongs_to_the_identity_of_a_result() -> None:
    assert identity(CPU) == {"backend": "single_threaded_cpu"}
    assert identity({**CPU, "backend": "auto"}) == {"backend": None}


def test_loading_rewrites_no_file_of_a_model_that_others_may_share(tmp_path: Path) -> None:
    settings = {**CPU, "cache": str(tmp_path)}
    files: list[dict[Path, tuple[int, int, bytes]]] = []
    for _ in range(2):
        simulator = open_simulator(SIMULATION, settings)
        simulator.build(one_projection(), SEED)
        simulator.close()
        found = [path for path in tmp_path.glob("[!.]*/**/*") if path.is_file()]
        files.append({path: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()) for path in found})
    assert len(files[0]) > 5
    assert files[1] == files[0]
