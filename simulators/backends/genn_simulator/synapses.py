"""Projections of the network description in GeNN's terms.

The ``pygenn`` module is handed in by `simulators.backends.genn_simulator`, which alone imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator.generated_code.synapse_code import distribution_values
from simulators.backends.genn_simulator.structure.delays import bounded_delay
from simulators.backends.genn_simulator.structure.layout import Layout
from simulators.backends.genn_simulator.structure.synapse_layout import ConnectivityLayout, SynapseLayout
from simulators.backends.genn_simulator.values import projection_key
from simulators.description.distributions import Normal, Uniform
from simulators.description.network import Network
from simulators.description.projection import ConnectionList, FixedTotalNumber, OneToOne, Projection
from simulators.neurons.neuron_model import SUFFIXES
from simulators.statistics.measures.accumulated import Plan


@dataclass(frozen=True)
class Description:
    """A model in the making.

    Parameters
    ----------
    pygenn : module
        PyGeNN.
    model : pygenn.GeNNModel
        The model.
    network : Network
        What it is to be.
    layout : Layout
        What is compiled of it.
    seed : int
        Seed of the connectivity.
    type_of : callable
        GeNN's name of a type of the layout.
    parallel : bool
        Whether it runs in many threads, as on a graphics processor.
    plans : mapping of str to Plan
        What is accumulated, by population.
    neurons : dict of str to NeuronGroup
        Those that were added, by population.
    kept : list
        What must not be collected while the model lives.
    models : dict
        PyGeNN's models of neurons, synapses and updates, by what they are made of: equal ones are made once.
    """

    pygenn: Any
    model: Any
    network: Network
    layout: Layout
    seed: int
    type_of: Callable[[str], str]
    parallel: bool
    plans: Mapping[str, Plan]
    neurons: dict[str, Any] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    models: dict[Hashable, Any] = field(default_factory=dict)

    def shared(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the model of a key, made when it is first asked for; PyGeNN itself holds no reference to it."""
        if key not in self.models:
            self.models[key] = make()
        return self.models[key]


def add_synapses(described: Description, name: str, projection: Projection, compiled: SynapseLayout) -> Any:
    """Add the synapses of a projection to a model, and return their group.

    Parameters
    ----------
    described : Description
        The model, with its neurons.
    name : str
        Name of the group.
    projection : Projection
        A projection of the network.
    compiled : SynapseLayout
        What is compiled of it.
    """
    pygenn = described.pygenn
    # Spikes add directly to the synaptic current or conductance, one array per receptor. Groups are fused if their
    # postsynaptic models have the same parameters: the one here keeps the receptors apart.
    postsynaptic = described.shared(
        "receptor", lambda: pygenn.create_postsynaptic_model("receptor", params=["receptor"], sim_code="")
    )
    receptor = pygenn.init_postsynaptic(postsynaptic, {"receptor": list(SUFFIXES).index(compiled.receptor)})
    group = described.model.add_synapse_population(
        name,
        "PROCEDURAL" if compiled.procedural else "SPARSE",
        described.neurons[projection.source],
        described.neurons[projection.target],
        _weight_update(described, projection, compiled),
        receptor,
        _connectivity(described, compiled.connectivity),
    )
    _hand_over_data(described, group, projection, compiled)
    if compiled.buffer:
        group.max_dendritic_delay_timesteps = compiled.buffer
    else:
        group.axonal_delay_steps = compiled.waits
    if compiled.by_spike and described.parallel:
        group.parallelism_hint = pygenn.ParallelismHint.PRESYNAPTIC
    return group


def _connectivity(described: Description, compiled: ConnectivityLayout) -> Any:
    """Snippet that draws connections; None for explicit ones."""
    if not compiled.code:
        return None
    drawing: dict[str, Any] = {"row_build_code" if compiled.by_row else "col_build_code": compiled.code}
    if not compiled.by_row:
        drawing["calc_max_col_len_func"] = lambda n_pre, n_post, given: compiled.longest_column
    snippet = described.pygenn.create_sparse_connect_init_snippet(
        "connections",
        params=[(name, kind) for name, kind, _ in compiled.parameters],
        calc_max_row_len_func=lambda n_pre, n_post, given: compiled.longest_row,
        extra_global_params=[(name, f"{kind}*") for name, kind in compiled.arrays],
        **drawing,
    )
    described.kept.append(snippet)
    return described.pygenn.init_sparse_connectivity(snippet, {name: value for name, _, value in compiled.parameters})


def _weight_update(described: Description, projection: Projection, compiled: SynapseLayout) -> Any:
    """What a spike does, with the weights and delays that synapses have of their own."""
    pygenn, rule = described.pygenn, projection.rule
    variables, values = [], {}
    if compiled.weight_code is not None:
        variables.append(("weight", "scalar", pygenn.VarAccess.READ_ONLY))
        listed = rule.weights if isinstance(rule, ConnectionList) else None
        if listed is not None and compiled.receptor == "inhibitory":
            listed = np.abs(listed)
        values["weight"] = _drawn(described, compiled.weight_code) if listed is None else listed
    if compiled.delay_code is not None:
        variables.append(("delay", compiled.delay_type, pygenn.VarAccess.READ_ONLY))
        listed = rule.delays if isinstance(rule, ConnectionList) else None
        steps = None if listed is None else np.maximum(np.rint(listed / described.layout.dt).astype(np.int64), 1) - 1
        values["delay"] = _drawn(described, compiled.delay_code) if steps is None else steps
    parameters = {} if compiled.delay is None else {"delay": compiled.delay}
    delivery = described.shared(
        ("delivery", compiled.delivery_code, tuple(parameters), tuple((name, kind) for name, kind, _ in variables)),
        lambda: pygenn.create_weight_update_model(
            "delivery",
            params=[(name, "unsigned int") for name in parameters],
            vars=variables,
            pre_spike_syn_code=compiled.delivery_code,
            extra_global_params=[("scale", f"{described.type_of('shared')}*")],
        ),
    )
    return pygenn.init_weight_update(delivery, parameters, values)


def _drawn(described: Description, code: str) -> Any:
    arrays = [("key", "uint64_t*"), ("given", "scalar*")]
    snippet = described.pygenn.create_var_init_snippet("drawn", var_init_code=code, extra_global_params=arrays)
    described.kept.append(snippet)
    return described.pygenn.init_var(snippet, {})


def _hand_over_data(described: Description, group: Any, projection: Projection, compiled: SynapseLayout) -> None:
    """Give a group what is no part of the code: keys of random streams, distributions, explicit connections."""
    rule, seed = projection.rule, described.seed
    group.extra_global_params["scale"].set_init_values(np.zeros(described.layout.batch))
    arrays: dict[str, NDArray[Any]] = {"key": projection_key(seed, projection.name)}
    if isinstance(rule, FixedTotalNumber):
        n_rows = described.network[projection.source].size
        arrays["row_counts"] = _row_counts(rule.number, n_rows, projection, seed)
        assert arrays["row_counts"].max() <= compiled.connectivity.longest_row
    given = group.connectivity_extra_global_params
    for key in list(given):
        # PyGeNN 5.4 looks for these arrays under their plain name when it loads a model; the runtime adds a suffix.
        array = given[f"{key}SparseConnect"] = given.pop(key)
        array.set_init_values(arrays[key])
    for name, distribution in (("weight", projection.drawn_weight), ("delay", _drawn_delay(projection))):
        if name in group.vars and "key" in group.vars[name].extra_global_params:
            data = group.vars[name].extra_global_params
            assert isinstance(distribution, (Uniform, Normal))
            data["key"].set_init_values(projection_key(seed, f"{projection.name} {name}"))
            data["given"].set_init_values(distribution_values(distribution))
    if isinstance(rule, ConnectionList):
        group.set_sparse_connections(rule.sources, rule.targets)
    elif isinstance(rule, OneToOne):
        every = np.arange(described.network[projection.source].size)
        group.set_sparse_connections(every, every)


def _row_counts(number: int, n_rows: int, projection: Projection, seed: int) -> NDArray[np.uint32]:
    rng = np.random.default_rng(projection_key(seed, f"{projection.name} rows"))
    return rng.multinomial(number, np.full(n_rows, 1.0 / n_rows)).astype(np.uint32)


def _drawn_delay(projection: Projection) -> object:
    return None if isinstance(projection.delay, (int, float)) else bounded_delay(projection)
