"""Threads of the native simulator: any number of them draws the same synapses and gives the same spikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import default_settings, require_simulator
from recordings import native_synapses, run_one
from test_native_simulator import CELL, SEED, everything

from simulators.backends.simulator import find_simulator
from simulators.description import FixedTotalNumber, Network, Normal, Population, Projection, Uniform
from simulators.records.job import Simulation

pytestmark = pytest.mark.native


@pytest.mark.parametrize("name", ["clustered", "microcircuit", "sources"])
def test_any_number_of_threads_gives_the_same_synapses_and_bits(cache: Path, name: str) -> None:
    network = everything()[name]
    found = []
    for threads in (1, 2, 3):
        settings = default_settings("native") | {"cache": str(cache), "threads": threads}
        require_simulator("native", settings)
        simulator = find_simulator("native").open_simulator(Simulation(0.1, 10.0, 60.0), settings)
        built = simulator.build(network, SEED)
        first, again = (run_one(simulator, network) for _ in range(2))
        assert first == again
        drawn = native_synapses(simulator, network)
        synapses = {key: columns[:, np.lexsort(columns)].tolist() for key, columns in drawn.items()}
        found.append((first, built.n_synapses, synapses))
    assert sum(map(len, found[0][0].values())) > 100
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_a_thread_that_has_nothing_to_do_waits_for_the_others(cache: Path) -> None:
    # one stretch of neurons, four threads; room runs out in all of them at once
    cell = {**CELL, "t_ref": 0.1, "I_e": 1e5}
    network = Network(
        (Population("A", 300, "lif_psc_exp", cell),),
        (Projection("p", "A", "A", FixedTotalNumber(3000), Normal(1.0, 0.1), Uniform(0.1, 2.0), "excitatory"),),
    )
    spikes = []
    for threads in (1, 4):
        settings = default_settings("native") | {"cache": str(cache), "threads": threads}
        require_simulator("native", settings)
        simulator = find_simulator("native").open_simulator(Simulation(0.1, 0.0, 50.0, max_rate=1e5), settings)
        simulator.build(network, SEED)
        spikes.append(run_one(simulator, network))
    assert spikes[0] == spikes[1]
    assert len(spikes[0]["A"]) > 60_000
