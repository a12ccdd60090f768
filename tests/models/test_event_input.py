"""Recordings of events as input: the format, the spikes made of them, and a layer that sees them on every simulator."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import Engine
from recordings import run_one
from workplaces import ROOT

from gridsearch.inputs.parameters import defaults_file, read_defaults
from simulators.description import Network, ParameterError, SpikeEvents
from simulators.guests.loading import load_file
from simulators.models import find_model
from simulators.records.job import Simulation

FOLDER = ROOT / "examples" / "event_input"
CAMERA = {"width": 34, "height": 34, "polarities": 2}


@pytest.fixture(scope="module")
def events() -> ModuleType:
    return load_file(FOLDER / "recordings.py")


@pytest.fixture(scope="module")
def bumps() -> ModuleType:
    return load_file(FOLDER / "moving_bump.py")


def layer(name: str, **changed: object) -> Network:
    values = read_defaults(defaults_file("event_layer.py", FOLDER)).values_by_name()
    return find_model("event_layer.py", FOLDER, {"events": FOLDER / name})({**values, **changed})


def test_bytes_mean_what_the_format_says(events: ModuleType, tmp_path: Path) -> None:
    # x = 3, y = 33, brighter, 0x012345 µs; x = 0, y = 1, darker, the last time there is
    path = tmp_path / "two.bin"
    path.write_bytes(bytes([3, 33, 0x81, 0x23, 0x45, 0, 1, 0x7F, 0xFF, 0xFF]))
    found = events.read_events(path)
    assert (found.x.tolist(), found.y.tolist()) == ([3, 0], [33, 1])
    assert found.times.tolist() == [0x012345, 2**23 - 1]
    assert found.brighter.tolist() == [True, False]
    events.write_events(tmp_path / "again.bin", found)
    assert (tmp_path / "again.bin").read_bytes() == path.read_bytes()


def test_broken_recordings_are_refused(events: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "cut.bin").write_bytes(bytes(7))
    with pytest.raises(ValueError, match=r"cut\.bin: 7 bytes are no whole number"):
        events.read_events(tmp_path / "cut.bin")
    with pytest.raises(ParameterError, match="outside 34 × 34 pixels"):
        layer("velocity.bin", **CAMERA)


def test_events_of_a_source_in_a_bin_are_one_spike(events: ModuleType) -> None:
    column = np.array
    given = events.Events(
        column([1, 1, 1, 1, 2]), column([0, 0, 0, 0, 1]), column([0, 999, 1000, 10, 10]), column([1, 1, 1, 0, 1]) > 0
    )
    times, sources = events.binned_spikes(given, 4, 2, 2, 1.0)
    assert sorted(zip(times.tolist(), sources.tolist(), strict=True)) == [(1.0, 1), (1.0, 9), (1.0, 14), (2.0, 9)]
    times, sources = events.binned_spikes(given, 4, 2, 1, 1.0)
    assert sorted(zip(times.tolist(), sources.tolist(), strict=True)) == [(1.0, 1), (1.0, 6), (2.0, 1)]


def test_the_example_files_are_what_their_script_writes(bumps: ModuleType, events: ModuleType) -> None:
    for name, scene in bumps.SCENES.items():
        made, read = bumps.bump(scene, 1), events.read_events(FOLDER / f"{name}.bin")
        assert all(np.array_equal(getattr(made, key), getattr(read, key)) for key in ("x", "y", "times", "brighter"))


def circular_mean(values: np.ndarray, side: int) -> float:
    angle = np.angle(np.exp(2j * np.pi * (values + 0.5) / side).mean())
    return float(np.mod(angle / (2 * np.pi) * side, side))


def test_the_bump_moves_blanks_flashes_and_turns(bumps: ModuleType) -> None:
    found = {name: bumps.bump(scene, 1) for name, scene in bumps.SCENES.items()}

    def at(name: str, begin: float, end: float) -> np.ndarray:
        return found[name].x[(found[name].times >= begin * 1e3) & (found[name].times < end * 1e3)]

    for name in ("velocity", "blank", "flash"):  # it goes on by .064 pixels per ms, over the border
        assert circular_mean(at(name, 900, 920), 64) == pytest.approx((32 + 0.064 * 910) % 64, abs=1.0)
    assert at("blank", 400, 600).size == 0
    assert at("flash", 500, 520).size > 5 * at("flash", 480, 500).size
    assert circular_mean(at("reversal", 690, 710), 64) == pytest.approx(32 + 0.064 * 300, abs=1.0)


@pytest.mark.parametrize(("name", "duration"), [("velocity.bin", 200.0), ("camera.bin", 100.0)])
def test_a_layer_sees_the_same_on_every_simulator(name: str, duration: float, engine: Engine) -> None:
    network = layer(name, weight=600.0, **(CAMERA if name == "camera.bin" else {}))
    simulator = engine(Simulation(0.1, 0.0, duration))
    simulator.build(network, 1)
    spikes = run_one(simulator, network)["layer"]
    simulator.close()
    expected = reference(network, duration)
    assert len(expected) > 1000
    assert len(spikes) == pytest.approx(len(expected), rel=2e-3)
    same = set(map(tuple, spikes)) & expected
    assert len(same) > 0.97 * len(expected)


def reference(network: Network, duration: float) -> set[tuple[int, int]]:
    """Spikes (step, neuron) of the layer by exact integration in double precision."""
    (given,), (projection,), layer = network.inputs, network.projections, network["layer"]
    assert isinstance(given, SpikeEvents)
    p = {name: float(value) for name, value in layer.parameters.items()}  # type: ignore[arg-type]
    decay, fading = np.exp(-0.1 / p["tau_m"]), np.exp(-0.1 / p["tau_syn_ex"])
    tau = p["tau_m"] * p["tau_syn_ex"] / (p["tau_m"] - p["tau_syn_ex"])
    gain = tau / p["C_m"] * (decay - fading)
    rule = projection.rule
    matrix = np.zeros((network["pixels"].size, layer.size), dtype=bool)
    matrix[rule.sources, rule.targets] = True  # type: ignore[union-attr]
    arrivals: dict[int, list[int]] = {}
    for step, source in zip(np.rint(given.times / 0.1).astype(int), given.neurons, strict=True):
        arrivals.setdefault(step + 10, []).append(source)
    potential, current, held = np.zeros(layer.size), np.zeros(layer.size), np.zeros(layer.size, dtype=int)
    found = set()
    for step in range(1, round(duration / 0.1) + 1):
        moved = decay * potential + gain * current
        potential = np.where(held > 0, 0.0, moved)
        held = np.maximum(held - 1, 0)
        current = fading * current
        if step in arrivals:
            current = current + float(projection.weight) * matrix[arrivals[step]].sum(axis=0)  # type: ignore[arg-type]
        fired = np.flatnonzero(potential >= p["V_th"] - p["E_L"])
        potential[fired], held[fired] = 0.0, round(p["t_ref"] / 0.1)
        found |= {(step, int(neuron)) for neuron in fired}
    return found
