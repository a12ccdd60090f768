"""The network description in GeNN's terms: groups of neurons and synapses, and the arrays of a loaded model.

The ``pygenn`` module is handed in by `simulators.backends.genn_simulator`, which alone imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.poisson_code import DRAWS
from simulators.backends.genn_simulator.structure.accumulation_layout import rooms_of
from simulators.backends.genn_simulator.structure.layout import Layout, NeuronLayout, Variable
from simulators.backends.genn_simulator.structure.update_layout import UpdateLayout
from simulators.backends.genn_simulator.synapses import Description, add_synapses
from simulators.description.inputs import PoissonDrive
from simulators.description.network import Network, projection_synapses
from simulators.neurons.neuron_model import SUFFIXES, Receptor
from simulators.statistics.measures.accumulated import Plan

MODEL = "gridsearch"

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
    updates : mapping of (str, str) to CustomUpdate
        By population and launch.
    arriving : mapping of (str, {'excitatory', 'inhibitory'}) to list of SynapseGroup
        By population and receptor, the groups that add to the same array.
    longest_delay : int
        Steps after which no spike that was emitted before is still under way.
    kept : list
        Kept from being collected, as PyGeNN itself holds no reference to them.
    """

    model: Any
    neurons: Mapping[str, Any]
    synapses: Mapping[str, Any]
    updates: Mapping[tuple[str, str], Any]
    arriving: Mapping[tuple[str, Receptor], list[Any]]
    longest_delay: int
    kept: list[Any]


def describe_network(
    pygenn: Any,
    network: Network,
    layout: Layout,
    seed: int,
    backend: str,
    plans: Mapping[str, Plan] | None = None,
) -> GennNetwork:
    """Describe a network to GeNN; nothing is generated, compiled or drawn yet.

    Parameters
    ----------
    pygenn : module
        PyGeNN.
    network : Network
        The network.
    layout : Layout
        From `simulators.backends.genn_simulator.structure.layout.layout_of`.
    seed : int
        Seed of the connectivity. It is data, not code.
    backend : str
        Name of GeNN's backend.
    plans : mapping of str to Plan, optional
        What is accumulated of populations, as the layout has it.
    """
    model = pygenn.GeNNModel("float", MODEL, backend=backend, optimize_code=True)
    model.dt = layout.dt
    model.batch_size = layout.batch
    # All projections to one receptor of a population add up in one array, and an index takes two bytes where it can.
    model.fuse_postsynaptic_models = True
    model.default_narrow_sparse_ind_enabled = True
    parallel = backend != _SEQUENTIAL
    described = Description(pygenn, model, network, layout, seed, _types(backend), parallel, plans or {})
    names = [population.name for population in network.populations]
    for index, (name, group) in enumerate(zip(names, layout.neurons, strict=True)):
        described.neurons[name] = _add_neurons(described, f"neurons_{index}", group)
    synapses, arriving = {}, dict[tuple[str, Receptor], list[Any]]()
    for index, (projection, compiled) in enumerate(zip(network.projections, layout.synapses, strict=True)):
        added = add_synapses(described, f"synapses_{index}", projection, compiled)
        synapses[projection.name] = added
        arriving.setdefault((projection.target, projection.receptor), []).append(added)
    updates = {}
    for index, (name, group) in enumerate(zip(names, layout.neurons, strict=True)):
        references = _references(described, group, described.neurons[name], arriving, name)
        for update in group.updates:
            label = f"{update.launch}_{index}"
            updates[name, update.launch] = _add_update(described, label, update, name, references)
    longest = max((max(group.buffer, group.waits + 1) for group in layout.synapses), default=1)
    return GennNetwork(
        model, described.neurons, synapses, updates, arriving, longest, [*described.kept, described.models]
    )


def compile_network(described: GennNetwork, folder: Path) -> None:
    """Generate and compile the code of a network in a folder."""
    described.model.build(str(folder))


def load_network(described: GennNetwork, folder: Path, private: Path, chunk_steps: int) -> None:
    """Load compiled code, draw the connectivity and allocate recordings of that many steps.

    GeNN writes a Makefile even where it compiles nothing, and others may share the folder: it is shown a `private` one.
    """
    code = private / f"{MODEL}_CODE"
    code.mkdir()
    for path in (folder / code.name).iterdir():
        if path.name != "Makefile":
            (code / path.name).symlink_to(path.resolve())
    described.model.build(str(private), never_rebuild=True)
    described.model.load(num_recording_timesteps=chunk_steps)
    for (population, receptor), groups in described.arriving.items():
        arrays = [group for group in groups if _holds_inputs(described, group)]
        assert len(arrays) == 1, f"GeNN did not fuse the {receptor} inputs of {population}: some would be lost"


def count_synapses(described: GennNetwork, network: Network, procedural: bool) -> int:
    """Synapses drawn; the expected number where they are never stored."""
    if procedural:
        return round(sum(projection_synapses(network, projection) for projection in network.projections))
    return sum(int(array_of(described, group, "rowLength", np.uint32).sum()) for group in described.synapses.values())


def array_of(described: GennNetwork, group: Any, name: str, dtype: type, pull: bool = True) -> NDArray[Any]:
    """Memory of one of GeNN's own arrays, fetched from the device first."""
    array = described.model._runtime.get_array(group, name)
    if pull:
        array.pull_from_device()
    return np.asarray(array.host_view).view(dtype)


def wait_for_device(described: GennNetwork) -> None:
    """Wait until a graphics processor has done all that was launched.

    GeNN has no call for it, but whatever is fetched is fetched after that: here the few bytes that are one number for
    each point.
    """
    array = next((group.extra_global_params["scale"] for group in described.synapses.values()), None)
    if array is None:
        variables = [variable for group in described.neurons.values() for variable in group.vars.values()]
        array = min(variables, key=lambda variable: int(variable.view.size), default=None)
    if array is not None:
        array.pull_from_device()


def inputs_of(described: GennNetwork, population: str, receptor: Receptor) -> Any:
    """Array of a population's synaptic currents or conductances, shape (batch · size,)."""
    runtime = described.model._runtime
    for group in described.arriving.get((population, receptor), ()):
        if _holds_inputs(described, group):
            return runtime.get_array(group, "outPost")
    return runtime.get_array(described.neurons[population], f"input_{SUFFIXES[receptor]}")


def _holds_inputs(described: GennNetwork, group: Any) -> bool:
    """Whether a group of synapses holds the array that all fused with it add to."""
    try:
        described.model._runtime.get_array(group, "outPost")
    except IndexError:
        return False
    return True


def _types(backend: str) -> Callable[[str], str]:
    """GeNN's names of types.

    Numbers that all neurons share are double ones on a CPU: a compiler knows that storing a neuron's values, which are
    not, leaves them as they are, and so keeps them in registers.
    """
    sequential = backend == _SEQUENTIAL
    names = {"shared": "double" if sequential else "scalar", "word": "double" if sequential else "int32_t"}
    return lambda name: names.get(name, name)


def _add_neurons(described: Description, name: str, group: NeuronLayout) -> Any:
    pygenn = described.pygenn
    variables = [(v.name, described.type_of(v.type), _access(pygenn, v)) for v in group.variables]
    model = described.shared(
        (
            "neuron",
            group.variables,
            group.threshold_code,
            group.reset_code,
            tuple(name for name, _ in group.parameters),
            group.arrays,
        ),
        lambda: pygenn.create_neuron_model(
            "neuron",
            vars=variables,
            params=[(parameter, "unsigned int") for parameter, _ in group.parameters],
            sim_code="",
            threshold_condition_code=group.threshold_code,
            reset_code=group.reset_code,
            extra_global_params=[(array, f"{described.type_of(kind)}*") for array, kind in group.arrays],
        ),
    )
    added = described.model.add_neuron_population(
        name, group.size, model, dict(group.parameters), {v[0]: 0 for v in variables}
    )
    if group.arrays:
        given = dict(group.parameters)
        # Given spikes have a row of words for each step, marked ones a word for each neuron
        room = described.layout.batch * given.get("n_rows", group.size) * given["n_words"]
        for array, _ in group.arrays:
            added.extra_global_params[array].set_init_values(np.zeros(room, dtype=np.uint32))
    added.spike_recording_enabled = group.recorded
    return added


def _access(pygenn: Any, variable: Variable) -> Any:
    # Only updates change variables; to GeNN's own loop over neurons they are read-only, so it stores nothing.
    access = pygenn.VarAccess
    return access.READ_ONLY_DUPLICATE if variable.each else access.READ_ONLY_SHARED_NEURON


def _references(
    described: Description,
    group: NeuronLayout,
    neurons: Any,
    arriving: Mapping[tuple[str, Receptor], list[Any]],
    name: str,
) -> dict[str, tuple[str, Any]]:
    """Type of, and reference to, each variable that updates of a population read or write."""
    pygenn = described.pygenn
    types = {variable.name: described.type_of(variable.type) for variable in group.variables}
    synapses = {f"input_{SUFFIXES[receptor]}": arriving[name, receptor][0] for receptor in group.receptors}
    used = dict.fromkeys(one for update in group.updates for one in (*update.reads, *update.writes))
    return {
        one: ("scalar", pygenn.create_out_post_var_ref(synapses[one]))
        if one in synapses
        else (types[one], pygenn.create_var_ref(neurons, one))
        for one in used
    }


def _add_update(
    described: Description,
    label: str,
    update: UpdateLayout,
    population: str,
    references: Mapping[str, tuple[str, Any]],
) -> Any:
    pygenn = described.pygenn
    modes = pygenn.VarAccessMode
    used = [(one, modes.READ_ONLY) for one in update.reads] + [(one, modes.READ_WRITE) for one in update.writes]
    parameters = tuple(name for name, _ in update.parameters)
    model = described.shared(
        ("update", replace(update, parameters=()), parameters, tuple(references[one][0] for one, _ in used)),
        lambda: pygenn.create_custom_update_model(
            "update",
            params=[(name, "unsigned int") for name in parameters],
            var_refs=[(one, references[one][0], mode) for one, mode in used],
            update_code=update.code,
            extra_global_params=[(array, f"{described.type_of(kind)}*") for array, kind in update.arrays],
            extra_global_param_refs=[(array, f"{described.type_of(kind)}*") for array, kind in update.of_neurons],
        ),
    )
    neurons = described.neurons[population]
    added = described.model.add_custom_update(
        label,
        update.launch,
        model,
        dict(update.parameters),
        {},
        {one: references[one][1] for one, _ in used},
        {array: pygenn.create_egp_ref(neurons, array) for array, _ in update.of_neurons},
    )
    rooms = _rooms(described, population, update.launch)
    for array, _ in update.arrays:
        added.extra_global_params[array].set_init_values(np.zeros(rooms[array]))
    return added


def _rooms(described: Description, population: str, launch: str) -> Mapping[str, int]:
    """Numbers in the arrays of an update."""
    layout = described.layout
    if population in described.plans:
        rooms = rooms_of(described.plans[population], layout.batch, layout.chunk_steps)
        if launch in rooms:
            return rooms[launch]
    n_drives = layout.batch * sum(
        isinstance(given, PoissonDrive) and given.target == population for given in described.network.inputs
    )
    return {"limits": n_drives * (1 + DRAWS[-1]), "strength": n_drives}
