"""Native agrees with NEST on a small network of each kind; the long form is ``benchmarks/fidelity/agreement.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import default_settings, require_simulator
from workplaces import ROOT

from simulators.backends.native_simulator.synapses.layout import is_dense

sys.path.append(str(ROOT / "benchmarks" / "fidelity"))
import agreement

pytestmark = pytest.mark.native

N_SEEDS = 24  # of native, which is quick


@pytest.fixture(scope="module", params=agreement.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def native(kind: str, cache: Path) -> pd.DataFrame:
    require_simulator("native", default_settings("native"))
    return agreement.run_seeds("native", agreement.KINDS[kind](), range(1, N_SEEDS + 1), cache=str(cache))


@pytest.mark.nest
def test_means_are_those_of_nest(kind: str, native: pd.DataFrame) -> None:
    require_simulator("nest", default_settings("nest"))
    nest = agreement.run_seeds("nest", agreement.KINDS[kind](), range(1, 7))
    assert agreement.smallest_p(nest, native) > agreement.SIGNIFICANCE, (nest.describe(), native.describe())


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_inhibition_that_is_wrong_by_three_per_cent_would_show(
    kind: str, native: pd.DataFrame, cache: Path, factor: float
) -> None:
    network = agreement.with_inhibition(agreement.KINDS[kind](), factor)
    wrong = agreement.run_seeds("native", network, range(101, 101 + N_SEEDS), cache=str(cache))
    assert agreement.smallest_p(native, wrong) <= agreement.SIGNIFICANCE


def test_kinds_take_the_rows_they_are_named_after() -> None:
    def dense(name: str) -> set[bool]:
        network = agreement.KINDS[name]()
        return {is_dense(network, projection, agreement.SIMULATION.dt) for projection in network.projections}

    assert dense("bits") == dense("conductance") == dense("adapting") == {True}
    assert dense("compressed") == {False}
