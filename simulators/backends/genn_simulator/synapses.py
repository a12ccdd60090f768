"""Projections of the network description in GeNN's terms.

The ``pygenn`` module is handed in by `simulators.backends.genn_simulator`, which alone imports it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.backends.genn_simulator import code
from simulators.backends.genn_simulator.layout import (
    Layout,
    bounded_delay,
    buffered_steps,
    delay_steps,
    individual_delays,
    individual_weights,
)
from simulators.backends.genn_simulator.values import binomial_row_limit, projection_key, row_limit, signed_weight
from simulators.description.distributions import Normal, Uniform
from simulators.description.network import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    OneToOne,
    Projection,
)


def add_synapses(
    pygenn: Any,
    model: Any,
    name: str,
    network: Network,
    projection: Projection,
    neurons: Mapping[str, Any],
    layout: Layout,
    seed: int,
    shared: str,
    snippets: list[Any],
) -> Any:
    """Add the synapses of a projection to a model, and return their group.

    Parameters
    ----------
    pygenn : module
        PyGeNN.
    model : pygenn.GeNNModel
        The model, with its neurons.
    name : str
        Name of the group.
    network : Network
        The network.
    projection : Projection
        One of its projections.
    neurons : mapping of str to NeuronGroup
        By population.
    layout : Layout
        What is compiled.
    seed : int
        Seed of the connectivity.
    shared : str
        Type of values that are one per instance of a batch.
    snippets : list
        Takes what must not be collected while the model lives.
    """
    weight = _weight_update(pygenn, network, projection, layout, shared, snippets)
    # Spikes add directly to the synaptic current or conductance, one array per receptor. Groups are fused if their
    # postsynaptic models have the same parameters: the one here keeps the receptors apart.
    collect = pygenn.create_postsynaptic_model("collect", params=["receptor"], sim_code="")
    receptor = pygenn.init_postsynaptic(collect, {"receptor": list(code.SUFFIXES).index(projection.receptor)})
    source, target = neurons[projection.source], neurons[projection.target]
    snippet, parameters, keys = _connectivity(pygenn, network, projection, seed)
    snippets.append(snippet)
    matrix = "PROCEDURAL" if layout.procedural else "SPARSE"
    connectivity = None if snippet is None else pygenn.init_sparse_connectivity(snippet, parameters)
    group = model.add_synapse_population(name, matrix, source, target, weight, receptor, connectivity)
    given = group.connectivity_extra_global_params
    for key, values in keys.items():
        # PyGeNN 5.4 looks for these arrays under their plain name when it loads a model; the runtime adds a suffix.
        array = given[f"{key}SparseConnect"] = given.pop(key)
        array.set_init_values(values)
    for name in ("weight", "lag"):
        if name in group.extra_global_params:
            group.extra_global_params[name].set_init_values(np.zeros(layout.batch))
        elif name in group.vars and "key" in group.vars[name].extra_global_params:
            values = projection_key(seed, f"{projection.name} {name}")
            group.vars[name].extra_global_params["key"].set_init_values(values)
    if isinstance(projection.rule, ConnectionList):
        group.set_sparse_connections(projection.rule.sources, projection.rule.targets)
    elif isinstance(projection.rule, OneToOne):
        every = np.arange(network[projection.source].size)
        group.set_sparse_connections(every, every)
    # A spike adds to the current at the next step, and the current moves the potential one step later.
    buffered = buffered_steps(network, projection, layout.dt)
    if buffered:
        group.max_dendritic_delay_timesteps = buffered
    else:
        group.axonal_delay_steps = delay_steps(projection, layout.dt) - 1
    return group


def _weight_update(
    pygenn: Any, network: Network, projection: Projection, layout: Layout, shared: str, snippets: list[Any]
) -> Any:
    access = pygenn.VarAccess.READ_ONLY
    weighted, lagged = individual_weights(projection), individual_delays(projection)
    buffered = buffered_steps(network, projection, layout.dt)
    variables, values, parameters = [], {}, {}
    if weighted:
        variables.append(("weight", "scalar", access))
        values["weight"] = _weights(pygenn, network, projection, snippets)
    if lagged:
        variables.append(("lag", "uint8_t" if buffered <= 256 else "uint16_t", access))
        values["lag"] = _lags(pygenn, projection, layout, snippets)
    elif buffered:
        parameters["lag"] = delay_steps(projection, layout.dt) - 1
    pulse = pygenn.create_weight_update_model(
        "pulse",
        params=[(name, "unsigned int") for name in parameters],
        vars=variables,
        pre_spike_syn_code=code.pulse_code(weighted, lagged, bool(buffered)),
        extra_global_params=[] if weighted else [("weight", f"{shared}*")],
    )
    snippets.append(pulse)
    return pygenn.init_weight_update(pulse, parameters, values)


def _weights(pygenn: Any, network: Network, projection: Projection, snippets: list[Any]) -> Any:
    rule, neuron = projection.rule, network[projection.target].neuron
    if isinstance(rule, ConnectionList):
        assert rule.weights is not None
        return signed_weight(rule.weights, projection.receptor, neuron)
    if projection.receptor == "excitatory":
        expression = "drawn"
    else:
        expression = "fabs(drawn)" if neuron == "lif_cond_exp" else "-fabs(drawn)"
    assert isinstance(projection.weight, (Uniform, Normal))
    return _drawn(pygenn, code.synapse_value_code(projection.weight, expression), snippets)


def _lags(pygenn: Any, projection: Projection, layout: Layout, snippets: list[Any]) -> Any:
    rule = projection.rule
    if isinstance(rule, ConnectionList):
        assert rule.delays is not None
        return np.maximum(np.rint(rule.delays / layout.dt).astype(np.int64), 1) - 1
    expression = f"(uint32_t)fmax(rint(drawn / {layout.dt!r}) - 1.0, 0.0)"
    return _drawn(pygenn, code.synapse_value_code(bounded_delay(projection), expression), snippets)


def _drawn(pygenn: Any, code: str, snippets: list[Any]) -> Any:
    snippet = pygenn.create_var_init_snippet("drawn", var_init_code=code, extra_global_params=[("key", "uint64_t*")])
    snippets.append(snippet)
    return pygenn.init_var(snippet, {})


def _connectivity(
    pygenn: Any, network: Network, projection: Projection, seed: int
) -> tuple[Any, dict[str, float], dict[str, NDArray[Any]]]:
    """Snippet, parameters and arrays that draw a projection; no snippet for explicit connections."""
    source, target = network[projection.source], network[projection.target]
    itself = projection.source == projection.target
    pairs = projection.pairs
    n_targets = {"all": target.size, "within": target.cluster_size, "between": target.size - target.cluster_size}[pairs]
    n_targets -= itself and pairs != "between"
    parameters: dict[str, float] = {"source_cluster": source.cluster_size, "target_cluster": target.cluster_size}
    types = [("source_cluster", "unsigned int"), ("target_cluster", "unsigned int")]
    keys: dict[str, NDArray[Any]] = {"key": projection_key(seed, projection.name)}
    arrays = [("key", "uint64_t*")]
    match projection.rule:
        case Bernoulli(probability):
            limit = binomial_row_limit(n_targets, probability)
            return (
                pygenn.create_sparse_connect_init_snippet(
                    "bernoulli",
                    params=[*types, ("gap_scale", "scalar"), ("row_limit", "unsigned int")],
                    row_build_code=code.bernoulli_code(pairs, itself),
                    calc_max_row_len_func=lambda n_pre, n_post, given: max(1, int(given["row_limit"])),
                    extra_global_params=arrays,
                ),
                {**parameters, "gap_scale": _gap_scale(probability), "row_limit": limit if probability > 0.0 else 0},
                keys,
            )
        case FixedIndegree(indegree):
            limit = row_limit(indegree * target.size / source.size, indegree * target.size)
            return (
                pygenn.create_sparse_connect_init_snippet(
                    "fixed_indegree",
                    params=[*types, ("indegree", "unsigned int")],
                    col_build_code=code.fixed_indegree_code(pairs, itself),
                    calc_max_row_len_func=lambda n_pre, n_post, given: limit,
                    calc_max_col_len_func=lambda n_pre, n_post, given: int(given["indegree"]),
                    extra_global_params=arrays,
                ),
                {**parameters, "indegree": indegree},
                keys,
            )
        case FixedTotalNumber(number):
            limit = row_limit(number / source.size, number)
            rng = np.random.default_rng(projection_key(seed, f"{projection.name} rows"))
            counts = rng.multinomial(number, np.full(source.size, 1.0 / source.size)).astype(np.uint32)
            assert counts.max() <= limit
            return (
                pygenn.create_sparse_connect_init_snippet(
                    "fixed_total_number",
                    params=types,
                    row_build_code=code.fixed_total_number_code(pairs, itself),
                    calc_max_row_len_func=lambda n_pre, n_post, given: limit,
                    extra_global_params=[*arrays, ("row_counts", "uint32_t*")],
                ),
                parameters,
                {**keys, "row_counts": counts},
            )
        case _:
            return None, {}, {}


def _gap_scale(probability: float) -> float:
    """Factor that turns the logarithm of a uniform number into a gap between connected candidates."""
    if probability >= 1.0:
        return 0.0
    return 1.0 / math.log1p(-probability) if probability > 0.0 else -1.0
