"""Many populations: the model, and that describing and laying out hundreds of them costs no more than each of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from conftest import Engine
from scipy.integrate import quad
from scipy.stats import norm

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.backends.native_simulator.synapses.layout import layout_of
from simulators.backends.simulator import Cost, Recording, find_simulator
from simulators.description import FixedTotalNumber, Network, OneToOne, ParameterError, Population, Projection
from simulators.models import find_model
from simulators.records.job import Simulation

CELL = {
    "C_m": 250.0,
    "tau_m": 10.0,
    "E_L": -65.0,
    "V_reset": -65.0,
    "V_th": -50.0,
    "tau_syn_ex": 1.0,
    "tau_syn_in": 1.0,
}


def made(**changed: Any) -> Network:
    values = read_defaults(defaults_file("many_populations", Path())).values_by_name()
    return find_model("many_populations", Path())({**values, **changed})


def test_neurons_are_dealt_evenly() -> None:
    network = made(N=1000, n_populations=300)
    assert network.n_neurons == 1000
    assert {population.size for population in network.populations} == {3, 4}
    with pytest.raises(ParameterError, match="10 neurons are too few for 11 populations"):
        made(N=10, n_populations=11)


def test_neurons_fire_as_their_currents_say_however_they_are_dealt(engine: Engine) -> None:
    def rate(current: float) -> float:
        drive = current / 1000.0 * 20.0  # mV
        return 1e3 / (2.0 + 20.0 * math.log(drive / (drive - 19.0))) if drive > 19.0 else 0.0

    expected = quad(lambda current: rate(current) * norm.pdf(current, 1000.0, 250.0), 950.0, 2500.0, limit=200)[0]
    found = {}
    for number in (1, 60):
        network = made(N=6000, n_populations=number)
        simulator = engine(Simulation(0.1, 100.0, 400.0))
        simulator.build(network, 1)
        (outcome,) = simulator.run([network], lambda: None)
        simulator.close()
        assert isinstance(outcome, Recording), outcome
        assert len(outcome.spikes) == number
        found[number] = sum(trains.n_spikes for trains in outcome.spikes.values()) / 6000 / 0.4
    # the mean of 6,000 currents is known to .003 nA, rates in 400 ms to a spike in each train
    assert found[1] == pytest.approx(expected, rel=0.05)
    assert found[60] == pytest.approx(expected, rel=0.05)


def test_laying_out_projections_compares_none_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    equal = Projection.__eq__

    def counted(self: Projection, other: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(self, other)

    monkeypatch.setattr(Projection, "__eq__", counted)
    number = 20
    populations = tuple(Population(f"P{k}", 50, "lif_psc_exp", CELL) for k in range(number))
    projections = tuple(
        Projection(f"{t} {s}", f"P{s}", f"P{t}", OneToOne() if t % 2 else FixedTotalNumber(900), 1.0, 1.0, "excitatory")
        for t in range(number)
        for s in range(number)
    )
    layout = layout_of(Network(populations, projections), 0.1)
    laid_out = sum(len(block.projections) for block in layout.blocks)
    assert laid_out + sum(len(bundle.projections) for bundle in layout.bundles if not bundle.beyond) == number**2
    assert 0 < laid_out < number**2, "some of each kind"
    assert compared <= number**2


def test_native_is_planned_to_spend_time_on_every_projection_and_row_however_small() -> None:
    def cost(number: int) -> Cost:
        cells = tuple(Population(f"P{k}", 4000 // number, "lif_psc_exp", CELL) for k in range(number))
        rule = FixedTotalNumber(40_000 // number**2)  # 40,000 synapses in all
        pairs = ((one.name, other.name) for one in cells for other in cells)
        projections = (Projection(f"{s} {t}", s, t, rule, 87.8, 1.5, "excitatory") for s, t in pairs)
        return native.estimate(Network(cells, tuple(projections)), Simulation(0.1, 0.0, 1000.0), {"threads": 1})

    native = find_simulator("native")
    few, many = cost(2), cost(50)
    # 0.14 ms for a projection; a spike meets 48 rows more, at 0.1 µs or what their delay takes
    assert many.build - few.build == pytest.approx(2496 * 1.4e-4, rel=0.1)
    assert many.point - few.point > 0.9 * 4000 * 3.0 * 48 * 1e-7
