from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_runs import axis, behave, write_run
from numpy.typing import NDArray
from workplaces import ROOT

import analysis
from analysis.opening.run import RunError
from analysis.timing import fit_per_neuron
from analysis.timing.scaling import SYNAPSES_PER_PAIR, fit_cost, realtime_frontier, variable_cost

PUBLISHED = {"genn": (0.1117, 7.10e-6, 7.71e-11), "nest": (0.4205, -2.17e-5, 1.182e-8)}


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return pd.read_csv(ROOT / "tests" / "data" / "published_timing.csv", comment="#")


@pytest.mark.parametrize("simulator", ["genn", "nest"])
def test_regression_of_the_original_study(published: pd.DataFrame, simulator: str) -> None:
    # The study fitted its single trials, which are not public; these are medians over trials. The slope on N is the
    # difference of large numbers in NEST, and the least certain: 21 % off here, within its interval.
    series = published[(published["simulator"] == simulator) & (published["search"] == 0)]
    model = fit_cost(series["n_neurons"], series["realtime_factor"])
    expected = np.array(PUBLISHED[simulator])
    np.testing.assert_array_less(np.abs(model.coefficients / expected - 1), [0.04, 0.25, 0.07])
    assert (model.low < expected).all()
    assert (expected < model.high).all()
    sizes = series["n_neurons"].to_numpy()
    published_factors = expected @ [np.ones(len(sizes)), sizes, SYNAPSES_PER_PAIR * sizes**2]
    np.testing.assert_allclose(model.factor(sizes), published_factors, rtol=0.01 if simulator == "genn" else 0.06)


def test_variable_cost_is_propagation_plus_recording(published: pd.DataFrame) -> None:
    variable = (published["t_simulate"] + published["t_record"]) / published["biological_s"]
    assert ((variable / published["realtime_factor"] - 1).abs().median()) < 0.01
    alone = published["t_simulate"] / published["biological_s"]
    genn = published["simulator"] == "genn"
    assert ((alone / published["realtime_factor"] - 1)[genn].abs().median()) > 0.2


def test_variable_cost_of_a_run(tmp_path: Path) -> None:
    table = analysis.open_run(write_run(tmp_path / "demo").root)
    np.testing.assert_allclose(variable_cost(table), (2.0 + 0.01) / 10.0)


def test_fit_recovers_coefficients_and_covers_them() -> None:
    random = np.random.default_rng(3)
    sizes = np.repeat([500, 2000, 8000, 20000, 50000, 100000], 5).astype(float)
    true = np.array([0.2, 5e-6, 1e-10])
    exact = fit_cost(sizes, true[0] + true[1] * sizes + true[2] * 0.308 * sizes**2)
    np.testing.assert_allclose(exact.coefficients, true, rtol=1e-6)
    inside = np.zeros(3)
    for _ in range(100):
        noisy = exact.factor(sizes) * (1 + 0.03 * random.standard_normal(len(sizes)))
        model = fit_cost(sizes, noisy)
        inside += (model.low < true) & (true < model.high)
    assert (inside >= 88).all()


def _fit_by_fitted(sizes: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares on (T − f)/f, repeated until f stays."""
    design = np.column_stack([np.ones_like(sizes), sizes, SYNAPSES_PER_PAIR * sizes**2])
    divisor, found = cost, np.zeros(3)
    for _ in range(50):
        scaled = design / divisor[:, None]
        size = np.abs(scaled).max(axis=0)
        found = np.linalg.lstsq(scaled / size, cost / divisor)[0] / size
        divisor = np.maximum(design @ found, 0.1 * cost)
    return found


@pytest.mark.parametrize("simulator", ["genn", "nest"])
@pytest.mark.parametrize("noise", ["even", "delays"])
def test_dividing_by_the_measured_time_stands_delays(published: pd.DataFrame, simulator: str, noise: str) -> None:
    random = np.random.default_rng(1)
    series = published[(published["simulator"] == simulator) & (published["search"] == 0)]
    sizes = np.repeat(series["n_neurons"].to_numpy(float), 3)
    true = np.array(PUBLISHED[simulator])
    exact = true @ [np.ones(len(sizes)), sizes, SYNAPSES_PER_PAIR * sizes**2]
    ours, theirs = [], []
    for _ in range(100):
        scatter = 0.05 * random.standard_normal(len(sizes))
        if noise == "delays":  # a floor with a little above it; one run of twenty is held up
            held_up = random.random(len(sizes)) < 0.05
            scatter = 0.3 * np.abs(scatter) + held_up * random.exponential(0.2, len(sizes))
        cost = exact * (1 + scatter)
        ours.append(fit_cost(sizes, cost).coefficients / true - 1)
        theirs.append(_fit_by_fitted(sizes, cost) / true - 1)
    error, other = (np.sqrt((np.array(one) ** 2).mean(axis=0)) for one in (ours, theirs))
    if noise == "delays":
        assert (error < 0.8 * other).all()
        assert (np.abs(np.mean(ours, axis=0)) < 0.03).all()
    else:
        np.testing.assert_allclose(error, other, rtol=0.15)
        assert (np.abs(np.mean(ours, axis=0)) < 3 * error / 10 + 0.005).all()


def test_fit_takes_the_synapses_that_were_counted() -> None:
    sizes = np.array([1e3, 2e3, 4e3, 8e3, 16e3])
    synapses = 100 * sizes**1.5
    model = fit_cost(sizes, 0.1 + 1e-6 * sizes + 1e-9 * synapses, synapses)
    np.testing.assert_allclose(model.coefficients, [0.1, 1e-6, 1e-9], rtol=1e-6)


def test_fit_refuses_too_little() -> None:
    with pytest.raises(analysis.RunError, match="four measurements of three sizes"):
        fit_cost([1, 2, 3], [1, 2, 3])
    with pytest.raises(analysis.RunError, match="positive"):
        fit_cost([1, 2, 3, 4], [1, 2, 3, 0])


@pytest.mark.parametrize(("simulator", "published_frontier"), [("genn", 94_300), ("nest", 15_700)])
def test_frontier_of_the_original_study(published: pd.DataFrame, simulator: str, published_frontier: int) -> None:
    series = published[published["simulator"] == simulator]
    frontier = realtime_frontier(series["n_neurons"], series["realtime_factor"])
    assert frontier.n_neurons == pytest.approx(published_frontier, rel=0.05)
    assert frontier.low < frontier.n_neurons < frontier.high
    assert (frontier.high - frontier.low) / frontier.n_neurons < 0.25


def test_frontier_between_two_sizes() -> None:
    frontier = realtime_frontier([1000, 2000], [0.5, 3.0])
    assert frontier.n_neurons == pytest.approx(1200)
    assert (frontier.low, frontier.high) == (1000, 2000)


def test_frontier_is_not_extrapolated() -> None:
    below = realtime_frontier([1000, 2000], [0.5, 0.6])
    assert np.isnan(below.n_neurons)
    assert (below.low, below.high) == (2000, np.inf)
    above = realtime_frontier([1000, 2000], [1.5, 1.6])
    assert (above.low, above.high) == (0, 1000)


def test_synapses_in_proportion_to_neurons_have_no_cost_of_their_own() -> None:
    # every neuron with as many inputs at each size: any a2 fits, with the a1 that belongs to it
    sizes = np.array([1013, 2025, 4050, 6075] * 2, dtype=float)
    cost = np.array([0.21, 0.40, 0.83, 1.20, 0.19, 0.41, 0.79, 1.23])
    with pytest.raises(RunError, match="proportion"):
        fit_cost(sizes, cost, np.round(79.01 * sizes))
    fit_cost(sizes, cost, 0.02 * sizes**2)


def scan_run(folder: Path, durations: Sequence[float], noise: float = 0.0, loading: float = 0.0) -> pd.DataFrame:
    """A run whose stages take ms = a·N + b·N·T for two simulators, T with the warm-up of one second."""
    random = np.random.default_rng(1)

    def behaviour(swept: Mapping[str, Any], seed: int, simulator: str) -> dict[str, Any]:
        size, biology = swept["N_E"] * 1.25, 1.0 + swept["duration"] * 1e-3
        factor = (2.0 if simulator == "genn" else 1.0) * (1.0 + noise * random.standard_normal())
        return {
            **behave({"I_th_E": 1.0, "I_th_I": 0.7}, seed, simulator),
            "n_neurons": round(size),
            "t_load": 100.0,  # what does not grow with the network is in no stage
            "t_compile": 100.0,
            "t_build": loading + 0.583e-3 * size * factor,
            "t_reset": 0.0,
            "t_simulate": 2.841e-3 * size * biology * factor,
            "t_record": 0.1e-3 * size * factor,
            "t_write": (0.102e-3 * size + 0.035e-3 * size * biology) * factor,
        }

    axes = [axis("N_E", [800, 1600, 3200]), axis("duration", list(durations), "ms")]
    simulators = [{"simulator": "nest", "threads": 1}, {"simulator": "genn", "threads": 1}]
    run = write_run(folder, axes, (1, 2), simulators, behaviour=behaviour)
    return analysis.open_run(run.root)


def test_cost_of_a_neuron_is_parted_into_what_is_fixed_and_what_grows(tmp_path: Path) -> None:
    fits = fit_per_neuron(scan_run(tmp_path / "scan", [500.0, 1000.0, 4000.0]))
    assert len(fits) == 6
    expected = {"build": (0.583, 0.0), "simulate": (0.0, 2.841), "write": (0.202, 0.035)}
    for (simulator, stage), row in fits.iterrows():
        factor = 2.0 if "genn" in str(simulator).lower() else 1.0
        assert (row["a"] / factor, row["b"] / factor) == pytest.approx(expected[stage], abs=1e-9)
        assert row["r2"] == pytest.approx(1.0)
        assert row["results"] == 18


def test_what_any_network_takes_is_told_apart(tmp_path: Path) -> None:
    table = scan_run(tmp_path / "scan", [500.0, 4000.0], loading=2.0)
    build = fit_per_neuron(table, constant=True).loc[("nest", "build")]
    assert (build["c"], build["a"], build["b"]) == pytest.approx((2000.0, 0.583, 0.0), abs=1e-6)
    assert fit_per_neuron(table).loc[("nest", "build"), "r2"] < 0.0


def test_errors_of_the_cost_of_a_neuron_cover_it(tmp_path: Path) -> None:
    fits = fit_per_neuron(scan_run(tmp_path / "scan", [500.0, 1000.0, 4000.0], noise=0.05))
    row = next(row for (_, stage), row in fits.iterrows() if stage == "simulate")
    assert 0.0 < row["b_error"] < 0.3
    assert abs(row["b"] - 2.841) < 4.0 * row["b_error"]
    assert 0.9 < row["r2"] < 1.0


def test_one_duration_does_not_tell_what_grows_with_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="two durations"):
        fit_per_neuron(scan_run(tmp_path / "scan", [1000.0]))
