"""Points of a batch side by side, as a graphics processor has them, on memory that stands in for its own.

GeNN's CPU backend knows no batches. Nothing is simulated here: it is looked at what reaches which instance's memory.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import networks
import numpy as np
import pytest
from conftest import default_settings
from numpy.typing import NDArray
from recordings import no_check

from simulators.backends.genn_simulator.generated_code.neuron_code import Spread
from simulators.backends.genn_simulator.generated_code.poisson_code import DRAWS, NEVER, count_limits
from simulators.backends.genn_simulator.model import GennSimulator
from simulators.backends.genn_simulator.network import GennNetwork
from simulators.backends.genn_simulator.points.instances import Instances
from simulators.backends.genn_simulator.points.points import Point
from simulators.backends.genn_simulator.structure.layout import Layout, layout_of
from simulators.backends.simulator import PointFailure, Recording
from simulators.description import Network, StepCurrent, Uniform
from simulators.description.network import structure_of
from simulators.records.job import Simulation

BATCH = 4
CHUNK = 2000
SEED = 3
TYPES = {"scalar": np.float32, "shared": np.float32, "uint32_t": np.uint32, "int32_t": np.int32, "word": np.int32}


class Processor:
    """Takes a while for every step, and does them when something waits for it."""

    def __init__(self, seconds_per_step: float = 0.0) -> None:
        self._each = seconds_per_step
        self._launched = 0

    def launch(self) -> None:
        self._launched += 1

    def wait(self) -> None:
        time.sleep(self._launched * self._each)
        self._launched = 0


class Memory:
    """An array, and how often it was sent."""

    def __init__(self, size: int, kind: str, processor: Processor) -> None:
        self._processor = processor
        self.view: NDArray[Any] = np.zeros(size, TYPES[kind])
        self.pushed = 0

    @property
    def host_view(self) -> NDArray[Any]:
        return self.view

    def push_to_device(self) -> None:
        self._processor.wait()
        self.pushed += 1

    def pull_from_device(self) -> None:
        self._processor.wait()


def stand_in(network: Network, layout: Layout, seconds_per_step: float = 0.0) -> GennNetwork:
    """Memory of a loaded model, by GeNN's names."""
    processor = Processor(seconds_per_step)

    def memory(size: int, kind: str) -> Memory:
        return Memory(size, kind, processor)

    neurons, updates = {}, {}
    arrays: dict[tuple[int, str], Memory] = {}
    for population, group in zip(network.populations, layout.neurons, strict=True):
        size = population.size * BATCH
        room = {"events": BATCH * CHUNK * -(-population.size // 32)}
        own = SimpleNamespace(
            vars={v.name: memory(size if v.each else BATCH, v.type) for v in group.variables},
            extra_global_params={name: memory(room[name], kind) for name, kind in group.arrays},
        )
        neurons[population.name] = own
        arrays[id(own), "recordSpk"] = memory(BATCH * CHUNK * -(-population.size // 32), "uint32_t")
        for receptor in ("ex", "in"):
            arrays[id(own), f"input_{receptor}"] = memory(size, "scalar")
        n_drives = BATCH * len(group.drives)
        rooms = {"limits": n_drives * (1 + DRAWS[-1]), "strength": n_drives}
        for update in group.updates:
            given = {name: memory(rooms[name], kind) for name, kind in update.arrays}
            updates[population.name, update.launch] = SimpleNamespace(extra_global_params=given)
    synapses = {
        projection.name: SimpleNamespace(extra_global_params={"scale": memory(BATCH, "shared")})
        for projection in network.projections
    }
    runtime = SimpleNamespace(
        get_array=lambda group, name: arrays[id(group), name],
        custom_update=lambda name: None,
        step_time=processor.launch,
    )
    model = SimpleNamespace(
        _runtime=runtime, step_time=lambda: None, pull_recording_buffers_from_device=processor.wait, timestep=0
    )
    return GennNetwork(model, neurons, synapses, updates, {}, 1, [])


def rows(memory: Memory) -> NDArray[Any]:
    return memory.view.reshape(BATCH, -1)


def layout(network: Network) -> Layout:
    return layout_of(network, 0.1, BATCH, CHUNK, procedural=False)


def test_every_instance_gets_the_values_of_its_point() -> None:
    networks_of = {
        0: networks.bare("lif_psc_exp", rate=9000.0, weight=1.0),
        2: networks.bare("lif_psc_exp", rate=12_000.0, weight=2.0, V_th=-55.0, tau_m=Uniform(9.0, 11.0)),
        3: networks.bare("lif_psc_exp", rate=500.0, weight=0.5),
    }
    points = {instance: Point(network, SEED, 0.1) for instance, network in networks_of.items()}
    compiled = layout(networks_of[0])
    built = stand_in(networks_of[0], compiled)
    instances = Instances(built, compiled, points)
    # one code for all: that of the point whose neurons differ most
    assert instances.launches == [Spread.ALL.launch, "draw_16"]
    instances.start()
    instances.set_inputs(0)
    cells = built.neurons["E"].vars
    assert rows(cells["threshold"])[:, 0].tolist() == [15.0, np.float32(1e30), 10.0, 15.0]
    assert len(np.unique(rows(cells["decay_m_each"])[2])) == 32
    assert len(np.unique(rows(cells["decay_m_each"])[[0, 3]])) == 1
    assert rows(cells["random_a_0"])[0].tolist() == rows(cells["random_a_0"])[3].tolist()
    scale = built.synapses["EE"].extra_global_params["scale"].view
    assert scale.tolist() == [90.0, 0.0, 180.0, 45.0]
    assert built.synapses["EI"].extra_global_params["scale"].view.tolist() == [-360.0, 0.0, -720.0, -180.0]
    given = built.updates["E", "draw_16"].extra_global_params
    assert given["strength"].view.tolist() == [90.0, 0.0, 90.0, 90.0]
    for instance, rate in ((0, 9000.0), (2, 12_000.0), (3, 500.0)):
        first, *limits = count_limits(rate * 1e-4).tolist()
        found = rows(given["limits"])[instance].tolist()
        assert found[: 1 + len(limits)] == [first, *limits]
        assert set(found[1 + len(limits) :]) == {NEVER}
    # once for a population, not once for an instance
    assert {memory.pushed for memory in cells.values()} <= {0, 1}
    assert cells["threshold"].pushed == cells["decay_m_each"].pushed == given["limits"].pushed == 1
    assert cells["decay_m_shared"].pushed == 0


def test_currents_into_some_neurons_are_sent_once_for_all_instances() -> None:
    def driven(amplitude: float) -> Network:
        some = StepCurrent("some", "E", None, amplitude, (10.0,), (20.0,), neurons=np.array([1, 5]))
        return replace(networks.bare("lif_psc_exp"), inputs=(some,))

    points = {instance: Point(driven(amplitude), SEED, 0.1) for instance, amplitude in enumerate((0.0, 100.0, 200.0))}
    compiled = layout(driven(0.0))
    built = stand_in(driven(0.0), compiled)
    instances = Instances(built, compiled, points)
    instances.start()
    drift = built.neurons["E"].vars["drift_each"]
    before = drift.pushed
    instances.set_inputs(100)
    assert drift.pushed == before + 1
    found = rows(drift)[:3] / rows(drift)[2, 5]
    assert found[:, 5] == pytest.approx([0.0, 0.5, 1.0])
    assert np.count_nonzero(found > 1e-6) == 4
    instances.set_inputs(200)
    assert np.count_nonzero(rows(drift)[:3] > 1e-6) == 0


def test_given_spikes_reach_the_rows_of_their_steps_and_instances() -> None:
    points = {
        0: Point(networks.played([0.1, 250.0, 250.0], [0, 33, 7], size=40), SEED, 0.1),
        3: Point(networks.played([-5.0, 0.2], [39, 2], size=40), SEED, 0.1),
    }
    compiled = layout(points[0].network)
    built = stand_in(points[0].network, compiled)
    instances = Instances(built, compiled, points)
    words = built.neurons["source"].extra_global_params["events"].view.reshape(BATCH, CHUNK, 2)

    def found() -> set[tuple[int, int, int]]:
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=2, bitorder="little")
        return {(int(i), int(row), int(k)) for i, row, k in np.argwhere(bits)}

    warmup = 100  # steps; a spike of step s is emitted in the step before, which begins at s − 1
    instances.set_events(0, 2000, warmup)
    assert found() == {(0, 100, 0), (3, 49, 39), (3, 101, 2)}
    instances.set_events(2000, 4000, warmup)
    assert found() == {(0, 599, 33), (0, 599, 7)}
    instances.set_events(4000, 4001, warmup)
    assert found() == set()


def test_a_bad_value_fails_its_point_and_none_of_its_neighbours() -> None:
    good = networks.bare("lif_psc_exp")
    bad = networks.bare("lif_psc_exp", rate=1e7)
    broken = replace(
        good, populations=tuple(replace(p, parameters={**p.parameters, "C_m": float("nan")}) for p in good.populations)
    )
    simulation = Simulation(0.1, 0.0, 500.0)
    simulator = GennSimulator(None, simulation, default_settings("genn"), "single_threaded_cpu")
    simulator._layout, simulator._structure = layout(good), structure_of(good)
    simulator._built = stand_in(good, layout(good))
    found = simulator.run([good, bad, broken, good], no_check)
    assert [type(outcome) for outcome in found] == [Recording, PointFailure, PointFailure, Recording]
    _, rate, capacitance, _ = found
    assert isinstance(rate, PointFailure)
    assert isinstance(capacitance, PointFailure)
    assert (rate.status, capacitance.status) == ("failed", "failed")
    assert "spikes per step" in rate.reason
    assert "is not a number" in capacitance.reason
    scale = simulator._built.synapses["EE"].extra_global_params["scale"].view
    assert scale.tolist() == [90.0, 0.0, 0.0, 90.0]


def test_what_was_launched_is_waited_for_where_its_time_belongs() -> None:
    network = networks.bare("lif_psc_exp")
    simulator = GennSimulator(None, Simulation(0.1, 0.0, 400.0), default_settings("genn"), "single_threaded_cpu")
    simulator._layout, simulator._structure = layout(network), structure_of(network)
    simulator._built = stand_in(network, layout(network), seconds_per_step=1e-4)
    (found,) = simulator.run([network], no_check)
    assert isinstance(found, Recording)
    assert found.phases["t_simulate"] > 0.4, "4000 steps"
    assert found.phases["t_record"] < 0.2, "they are done before spikes are fetched"


def test_a_point_that_diverges_spikes_no_more_and_the_others_go_on() -> None:
    listed = networks.listed(600.0)
    points = {instance: Point(listed, SEED, 0.1) for instance in range(BATCH)}
    compiled = layout(listed)
    built = stand_in(listed, compiled)
    instances = Instances(built, compiled, points)
    instances.start()
    instances.set_inputs(0)
    on = rows(built.neurons["source"].vars["limit"])[0, 0]
    instances.stop(1)
    instances.set_inputs(1)
    assert rows(built.neurons["source"].vars["limit"])[:, 0].tolist() == [on, NEVER, on, on]
    assert rows(built.neurons["E"].vars["threshold"])[:, 0].tolist() == [15.0, np.float32(1e30), 15.0, 15.0]


def test_small_populations_are_added_to_spike_by_spike() -> None:
    """Where a population fits into a block of threads, GeNN's other way loses one of two additions at a time."""

    def found(factor: int, network: Network | None = None, procedural: bool = False) -> list[bool]:
        small = networks.bare("lif_psc_exp") if network is None else network
        sized = replace(small, populations=tuple(replace(p, size=factor * p.size) for p in small.populations))
        return [synapses.by_spike for synapses in layout_of(sized, 0.1, BATCH, CHUNK, procedural).synapses]

    assert found(1) == [True] * 4
    assert found(32) == [True] * 4, "1024 and 256 neurons"
    assert found(33) == [False, True] * 2, "1056 and 264 neurons: projections to E and I in turn"
    assert found(1, procedural=True) == [False] * 4, "a thread takes a spike there in any case"
    assert not any(found(1, networks.microcircuit())), "delays of their own are added to a buffer, without loss"
