"""A stranger's folder: a network, a neuron model, a statistic and data of their own, and a sweep of them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

NEURON = '''
"""A leaky neuron with one time constant for all its synapses."""
import numpy as np
from simulators.description import NestNeuron, NeuronModel, Quantity, StepRule


def to_nest(values):
    translated = {name: value for name, value in values.items() if name != "tau_syn"}
    return translated | {"tau_syn_ex": values["tau_syn"], "tau_syn_in": values["tau_syn"]}


def constants(values, dt):
    decay, synaptic = np.exp(-dt / values["tau_m"]), np.exp(-dt / values["tau_syn"])
    rate = 1.0 / values["tau_syn"] - 1.0 / values["tau_m"]
    return {
        "V_th": values["V_th"] - values["E_L"],
        "V_reset": values["V_reset"] - values["E_L"],
        "drift": values["tau_m"] / values["C_m"] * (1.0 - decay) * values["I_e"],
        "decay": decay,
        "synaptic": synaptic,
        "gain": (decay - synaptic) / rate / values["C_m"],
    }


MODEL = NeuronModel(
    name="my_neuron",
    doc="leaky integrate-and-fire with one synaptic time constant",
    parameters={
        "C_m": Quantity("pF", "capacitance", 1.0),
        "tau_m": Quantity("ms", "membrane time constant"),
        "E_L": Quantity("mV", "rest", 0.0),
        "V_reset": Quantity("mV", "reset", 0.0),
        "V_th": Quantity("mV", "threshold", 20.0),
        "t_ref": Quantity("ms", "refractory time", 2.0),
        "tau_syn": Quantity("ms", "synaptic time constant", 3.0),
        "I_e": Quantity("pA", "current", 0.0),
    },
    states={"V_m": Quantity("mV", "potential", "E_L")},
    synapses="current",
    refractory="t_ref",
    nest=NestNeuron("iaf_psc_exp", to_nest, {"tau_syn_ex": 1e-5, "tau_syn_in": 1e-5, "V_th": 1e12}),
    step=StepRule(
        states=("V",),
        start=lambda values: {"V": values["V_m"] - values["E_L"]},
        constants=constants,
        threshold="V_th",
        reset={"V": "V_reset"},
        code="""
next_V = decay * V + drift + gain * (input_ex + input_in)
next_input_ex = synaptic * input_ex
next_input_in = synaptic * input_in
""",
    ),
)
'''

MODEL = '''
"""Cells wired as a file says."""
import h5py
import statistics  # the neighbour, not Python's own
from my_neuron import MODEL
from simulators.description import ConnectionList, Network, ParameterError, Population, Projection, Uniform


def make_network(parameters, data):
    if parameters["I"] > 3.0:
        raise ParameterError(("I",), f"I = {parameters['I']} is more than the cells stand")
    with h5py.File(data["scaffold"]) as file:
        sources, targets, size = file["sources"][:], file["targets"][:], int(file.attrs["size"])
    values = {"tau_m": 20.0, "I_e": parameters["I"]}
    cells = Population("C", size, MODEL, values, {"V_m": Uniform(0.0, 20.0)})
    rule = ConnectionList(sources, targets)
    weight = statistics.GAIN * parameters["J"]
    return Network((cells,), (Projection("CC", "C", "C", rule, weight, 1.0, "excitatory"),))
'''

NEIGHBOUR = "GAIN = 1.0\n"

DEFAULTS = """
description = "a stranger's cells"
[parameters]
I = { value = 1.2, unit = "pA", doc = "current", min = 0.0 }
J = { value = 0.1, unit = "pA", doc = "weight" }
"""

MEASURES = '''
"""Measures of our own."""
import numpy as np
from simulators.statistics import Column, Statistic


def shortest(spikes, settings):
    intervals = spikes.intervals[spikes.intervals > 0]
    return {"shortest_isi": float(intervals.min() * spikes.trains.dt) if intervals.size else float("nan")}


shortest_isi = Statistic(
    name="shortest_isi",
    doc="shortest interval of any neuron",
    columns={"shortest_isi": Column("ms", "shortest inter-spike interval")},
    function=shortest,
)
'''

SWEEP = """
name = "guest"
model = "my_network.py"
simulators = [{simulators}]
[data]
scaffold = "cells.h5"
[axes]
I = {{ values = [1.1, 1.3] }}
[simulation]
warmup = 50.0
duration = 200.0
[record]
statistics = ["rate", "my_measures.py:shortest_isi"]
spikes = "{spikes}"
[targets]
shortest_isi_C = {{ min = 1.0 }}
[jobs]
executor = "{executor}"
"""


def write_cells(folder: Path, n_synapses: int = 400, size: int = 50) -> None:
    """Write the file of connections."""
    rng = np.random.default_rng(n_synapses)
    with h5py.File(folder / "cells.h5", "w") as file:
        file["sources"] = rng.integers(0, size, n_synapses)
        file["targets"] = rng.integers(0, size, n_synapses)
        file.attrs["size"] = size


def write_sweep(
    folder: Path, simulators: tuple[str, ...] = ("nest",), spikes: str = "none", executor: str = "local"
) -> Path:
    """Write the sweep."""
    listed = ", ".join(f'"{name}"' for name in simulators)
    path = folder / "sweep.toml"
    path.write_text(SWEEP.format(simulators=listed, spikes=spikes, executor=executor))
    return path


def write_folder(folder: Path, simulators: tuple[str, ...] = ("nest",), spikes: str = "none") -> Path:
    """Write the whole folder and return the sweep's path."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "my_neuron.py": NEURON,
        "my_network.py": MODEL,
        "statistics.py": NEIGHBOUR,
        "my_network.toml": DEFAULTS,
        "my_measures.py": MEASURES,
    }
    for name, text in files.items():
        (folder / name).write_text(text.lstrip())
    write_cells(folder)
    return write_sweep(folder, simulators, spikes)


def edit(path: Path, before: str, after: str) -> None:
    """Change a file's text."""
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
