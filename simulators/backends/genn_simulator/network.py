"""The network description in GeNN's terms: groups of neurons and synapses, and the arrays of a loaded model.

The ``pygenn`` module is handed in by `simulators.backends.genn_simulator`, which alone imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator import code
from simulators.backends.genn_simulator.layout import SOURCE, Layout, PopulationLayout, longest_delay
from simulators.backends.genn_simulator.synapses import add_synapses
from simulators.description.network import Network, Receptor, projection_synapses

MODEL = "gridsearch"
INTEGRATE = "integrate"

_SEQUENTIAL = "single_threaded_cpu"


@dataclass(frozen=True)
class GennNetwork:
    """A GeNN model and its groups.

    Parameters
    ----------
    model : pygenn.GeNNModel
        The model.
    neurons : mapping of str to NeuronGroup
        By population.
    synapses : mapping of str to SynapseGroup
        By projection.
    collectors : mapping of (str, {'excitatory', 'inhibitory'}) to list of SynapseGroup
        By population and receptor, the groups that add to the same array.
    drain_steps : int
        Steps after which no spike that was emitted before is still under way.
    snippets : list
        Kept from being collected, as PyGeNN itself holds no reference to them.
    """

    model: Any
    neurons: Mapping[str, Any]
    synapses: Mapping[str, Any]
    collectors: Mapping[tuple[str, Receptor], list[Any]]
    drain_steps: int
    snippets: list[Any]


def describe_network(pygenn: Any, network: Network, layout: Layout, seed: int, backend: str) -> GennNetwork:
    """Describe a network to GeNN; nothing is generated, compiled or drawn yet.

    Parameters
    ----------
    pygenn : module
        PyGeNN.
    network : Network
        The network.
    layout : Layout
        From `simulators.backends.genn_simulator.layout.layout_of`.
    seed : int
        Seed of the connectivity. It is data, not code.
    backend : str
        Name of GeNN's backend.
    """
    model = pygenn.GeNNModel("float", MODEL, backend=backend, optimize_code=True)
    model.dt = layout.dt
    model.batch_size = layout.batch
    # All projections to one receptor of a population add up in one array, and an index takes two bytes where it can.
    model.fuse_postsynaptic_models = True
    model.default_narrow_sparse_ind_enabled = True
    shared = "double" if backend == _SEQUENTIAL else "scalar"
    neurons, synapses = {}, {}
    snippets: list[Any] = []
    for index, population in enumerate(layout.populations):
        add = _add_sources if population.neuron == SOURCE else _add_neurons
        neurons[population.name] = add(pygenn, model, f"neurons_{index}", population, shared)
    for index, projection in enumerate(network.projections):
        synapses[projection.name] = add_synapses(
            pygenn, model, f"synapses_{index}", network, projection, neurons, layout, seed, shared, snippets
        )
    collectors: dict[tuple[str, Receptor], list[Any]] = {}
    for projection in network.projections:
        collectors.setdefault((projection.target, projection.receptor), []).append(synapses[projection.name])
    for index, population in enumerate(layout.populations):
        if population.neuron != SOURCE:
            arriving = {r: groups[0] for (target, r), groups in collectors.items() if target == population.name}
            group = neurons[population.name]
            _add_integration(pygenn, model, f"integration_{index}", population, group, arriving, shared)
    longest = max((longest_delay(projection, layout.dt) for projection in network.projections), default=1)
    return GennNetwork(model, neurons, synapses, collectors, longest, snippets)


def compile_network(described: GennNetwork, folder: Path) -> None:
    """Generate and compile the code of a network in a folder."""
    described.model.build(str(folder))


def load_network(described: GennNetwork, folder: Path, chunk_steps: int) -> None:
    """Load compiled code, draw the connectivity and allocate recordings of that many steps."""
    described.model.build(str(folder), never_rebuild=True)
    described.model.load(num_recording_timesteps=chunk_steps)
    for (population, receptor), groups in described.collectors.items():
        arrays = [group for group in groups if _collects(described, group)]
        assert len(arrays) == 1, f"GeNN did not fuse the {receptor} inputs of {population}: some would be lost"


def count_synapses(described: GennNetwork, network: Network, procedural: bool) -> int:
    """Synapses drawn; the expected number where they are never stored."""
    if procedural:
        return round(sum(projection_synapses(network, projection) for projection in network.projections))
    total = 0
    for group in described.synapses.values():
        lengths = array_of(described, group, "rowLength", np.uint32)
        total += int(lengths.sum())
    return total


def array_of(described: GennNetwork, group: Any, name: str, dtype: type, pull: bool = True) -> NDArray[Any]:
    """Memory of one of GeNN's own arrays, fetched from the device first."""
    array = described.model._runtime.get_array(group, name)
    if pull:
        array.pull_from_device()
    return np.asarray(array.host_view).view(dtype)


def inputs_of(described: GennNetwork, population: PopulationLayout, receptor: Receptor) -> Any:
    """Array of a population's synaptic currents or conductances, shape (batch · size,)."""
    runtime = described.model._runtime
    for group in described.collectors.get((population.name, receptor), ()):
        if _collects(described, group):
            return runtime.get_array(group, "outPost")
    return runtime.get_array(described.neurons[population.name], f"input_{code.SUFFIXES[receptor]}")


def _collects(described: GennNetwork, group: Any) -> bool:
    """Whether a group of synapses holds the array that all fused with it add to."""
    try:
        described.model._runtime.get_array(group, "outPost")
    except IndexError:
        return False
    return True


def _variables(pygenn: Any, population: PopulationLayout, shared: str) -> list[tuple[str, str, Any]]:
    access = pygenn.VarAccess
    # Only the integration changes the state; to GeNN's own loop over neurons it is read-only, so it stores nothing.
    states = [*code.STATES]
    states += [f"input_{suffix}" for receptor, suffix in code.SUFFIXES.items() if receptor not in population.receptors]
    variables = [(name, "scalar", access.READ_ONLY_DUPLICATE) for name in states]
    variables += [(drive.generator, "uint64_t", access.READ_ONLY_DUPLICATE) for _, drive in population.drives]
    constants = [*code.CONSTANTS[population.neuron]]
    constants += [name for _, drive in population.drives for name in drive.constants]
    for name in constants:
        if name in population.varied:
            variables.append((name, "scalar", access.READ_ONLY_DUPLICATE))
        else:
            variables.append((name, shared, access.READ_ONLY_SHARED_NEURON))
    return variables


def _add_neurons(pygenn: Any, model: Any, name: str, population: PopulationLayout, shared: str) -> Any:
    variables = _variables(pygenn, population, shared)
    neuron = pygenn.create_neuron_model(
        "neuron", vars=variables, sim_code="", threshold_condition_code=code.THRESHOLD_CODE, reset_code=""
    )
    group = model.add_neuron_population(name, population.size, neuron, {}, {v[0]: 0 for v in variables})
    group.spike_recording_enabled = True
    return group


def _add_sources(pygenn: Any, model: Any, name: str, population: PopulationLayout, shared: str) -> Any:
    access = pygenn.VarAccess
    neuron = pygenn.create_neuron_model(
        "source",
        vars=[
            ("generator", "uint64_t", access.READ_WRITE),
            ("level", "scalar", access.READ_WRITE),
            ("probability", shared, access.READ_ONLY_SHARED_NEURON),
        ],
        sim_code=code.SOURCE_CODE,
        threshold_condition_code=code.SOURCE_THRESHOLD_CODE,
        reset_code="",
    )
    return model.add_neuron_population(
        name, population.size, neuron, {}, {"generator": 0, "level": 0, "probability": 0}
    )


def _add_integration(
    pygenn: Any,
    model: Any,
    name: str,
    population: PopulationLayout,
    group: Any,
    collectors: Mapping[Receptor, Any],
    shared: str,
) -> None:
    modes = pygenn.VarAccessMode
    changing = {*code.STATES, "input_ex", "input_in", *(drive.generator for _, drive in population.drives)}
    variables = _variables(pygenn, population, shared)
    references = {variable: pygenn.create_var_ref(group, variable) for variable, _, _ in variables}
    types = [(v[0], v[1], modes.READ_WRITE if v[0] in changing else modes.READ_ONLY) for v in variables]
    for receptor, collector in collectors.items():
        arriving = f"input_{code.SUFFIXES[receptor]}"
        references[arriving] = pygenn.create_out_post_var_ref(collector)
        types.append((arriving, "scalar", modes.READ_WRITE))
    update_code = code.integration_code(population.neuron, [drive for _, drive in population.drives])
    update = pygenn.create_custom_update_model("integration", var_refs=types, update_code=update_code)
    model.add_custom_update(name, INTEGRATE, update, {}, {}, references)
