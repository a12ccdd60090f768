"""Rows of more synapses than native draws at a time: what each is, drawn here one number after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import native_synapses, run_one

from simulators.backends.native_simulator.kernels.compressed_rows import PIECE
from simulators.backends.native_simulator.synapses.layout import layout_of
from simulators.backends.native_simulator.synapses.synapse_values import (
    delay_table,
    projection_key,
    row_numbers,
    weight_table,
)
from simulators.backends.simulator import find_simulator
from simulators.description import (
    Bernoulli,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    Population,
    Projection,
    Uniform,
)
from simulators.records.job import Simulation

pytestmark = pytest.mark.native

SEED = 3
SIZE = 700
DELAY, WEIGHT = Uniform(0.5, 2.0), Normal(10.0, 1.0)
LONG = 2 * PIECE + 77  # a row of three pieces, the last of them cut short
RULES = {
    "number": FixedTotalNumber(SIZE * LONG),
    "indegree": FixedIndegree(LONG),
    "probability": Bernoulli(LONG / SIZE),
}
ALL = 2**64 - 1


def words(key: int, place: int) -> Iterator[int]:
    """Random numbers of a stream (splitmix64, whose increment is the odd number nearest 2⁶⁴ over the golden ratio)."""
    increment = 0x9E3779B97F4A7C15
    state = mixed(key + (place + 1) * increment) * 0xD1342543DE82EF95
    while True:
        state += increment
        yield mixed(state)


def mixed(word: int) -> int:
    word &= ALL
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & ALL
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & ALL
    return word ^ word >> 31


def network_of(rule: Any) -> Network:
    cell = {
        "C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_reset": -65.0, "V_th": -50.0, "t_ref": 2.0, "tau_syn_ex": 0.5,
        "tau_syn_in": 0.5,
    }  # fmt: skip
    population = Population("A", SIZE, "lif_psc_exp", cell)
    return Network((population,), (Projection("p", "A", "A", rule, WEIGHT, DELAY, "excitatory"),))


def rows_found(cache: Path, rule: Any, threads: int) -> np.ndarray[Any, Any]:
    """Source, target, delay and weight of every synapse that native has drawn."""
    network = network_of(rule)
    assert [bundle.kind for bundle in layout_of(network, 0.1).bundles] == ["packed"]
    settings = default_settings("native") | {"cache": str(cache), "threads": threads}
    require_simulator("native", settings)
    simulator = find_simulator("native").open_simulator(Simulation(0.1, 0.0, 1.0), settings)
    simulator.build(network, SEED)
    run_one(simulator, network)
    return native_synapses(simulator, network)["p"]


def other_end(word: int, own: int) -> int:
    """Neuron that a random number chooses among all but one."""
    found = (word >> 32) * (SIZE - 1) >> 32
    return found + (found >= own)


def rows_drawn(rule: Any, targets: dict[int, list[int]]) -> np.ndarray[Any, Any]:
    """Draw the same with Python's whole numbers, in the order of rows; `targets` are those of a probability."""
    projection = network_of(rule).projections[0]
    key, value_key = (int(projection_key(SEED, name)) for name in ("p", "p values"))
    steps, weights = delay_table(projection, 0.1), weight_table(projection, "current")
    numbers = row_numbers(SIZE, rule.number, SEED, "p") if isinstance(rule, FixedTotalNumber) else [LONG] * SIZE
    drawn = []
    for row in range(SIZE):
        if isinstance(rule, Bernoulli):
            others = targets[row]
        else:
            stream = words(key, row)
            others = [other_end(next(stream), row) for _ in range(numbers[row])]
        for other, word in zip(others, words(value_key, row), strict=False):
            ends = (other, row) if isinstance(rule, FixedIndegree) else (row, other)
            drawn.append((*ends, int(steps[(word >> 48) * len(steps) >> 16]), float(weights[word % len(weights)])))
    return np.array(drawn).T


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", RULES)
def test_long_rows_are_those_drawn_number_by_number(cache: Path, name: str, threads: int) -> None:
    rule = RULES[name]
    found = rows_found(cache, rule, threads)
    # of a probability, whose bits come from generators side by side, pairs are taken as they are: in ascending order
    pairs = found[:2, np.lexsort((found[1], found[0]))].astype(int)
    targets = {row: pairs[1][pairs[0] == row].tolist() for row in range(SIZE)} if name == "probability" else {}
    drawn = rows_drawn(rule, targets)
    assert max(np.bincount(drawn[0].astype(int))) > 2 * PIECE
    found, drawn = (rows[:, np.lexsort(rows[::-1])] for rows in (found, drawn))
    assert found[:3].tolist() == drawn[:3].tolist()
    # a weight is kept with the six bits of its fraction that targets leave
    np.testing.assert_allclose(found[3], drawn[3], rtol=0.008)


def test_long_rows_of_a_probability_are_binomial(cache: Path) -> None:
    sources, targets = rows_found(cache, RULES["probability"], 1)[:2].astype(int)
    p, n = LONG / SIZE, SIZE - 1
    for ends in (sources, targets):
        counts = np.bincount(ends, minlength=SIZE)
        assert abs(counts.mean() - p * n) < 5 * np.sqrt(p * (1 - p) * n / SIZE)
        assert abs(counts.var() / (p * (1 - p) * n) - 1.0) < 5 * np.sqrt(2 / SIZE)
    assert not (sources == targets).any()
    assert len(np.unique(sources * SIZE + targets)) == len(sources)
