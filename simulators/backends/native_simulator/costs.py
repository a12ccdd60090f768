"""What a network costs on the native simulator: time and memory of a worker.

Times were measured on one core of a virtual EPYC (Zen 4).
"""

from __future__ import annotations

from simulators.backends.native_simulator.synapses.layout import (
    PACKED_TARGETS,
    delay_steps,
    is_dense,
    layout_of,
    longest_delay,
    n_planes,
)
from simulators.backends.simulator import GENEROUS_RATE, NOMINAL_RATE, Cost
from simulators.description import ConnectionList, Network, PoissonDrive, Population
from simulators.description.network import projection_synapses
from simulators.records.job import Simulation

_NAMED = 10  # projections
_PROJECTION = 1.4e-4  # s, to build one however few synapses it has
_ROW = 100.0  # ns, to fetch a row however few targets it has
_MEETING = 2e-6  # s, in which threads wait for each other in a step


def estimate_cost(network: Network, simulation: Simulation, threads: int = 1, cores: int = 1) -> Cost:
    """Estimate a worker.

    Parameters
    ----------
    network, simulation : Network, Simulation
        What is run.
    threads, cores : int
        Of a point, and what there is for them: more threads than cores gain nothing.
    """
    at_once = min(threads, cores)
    dt = simulation.dt
    biology = (simulation.warmup + simulation.duration) / 1e3
    steps = biology * 1e3 / dt
    build, memory, spike_time = _PROJECTION * len(network.projections), 0.0, 0.0
    rows: dict[tuple[str, str, int, str], tuple[float, float]] = {}
    for projection in network.projections:
        source, target = network[projection.source], network[projection.target]
        synapses = projection_synapses(network, projection)
        if is_dense(network, projection, dt):
            planes = n_planes(network, projection)
            bits = float(source.size * (target.size + 256) * planes)
            key = (source.name, target.name, delay_steps(projection, dt), projection.receptor)
            rows[key] = (bits, max(target.size * planes * 0.015, _ROW))
            build += bits * 1.5e-10 if planes == 1 else synapses * 1.1e-8
        else:
            own = projection.drawn_weight is not None or (
                isinstance(projection.rule, ConnectionList) and projection.rule.weights is not None
            )
            wide = own and (isinstance(projection.rule, ConnectionList) or network.n_neurons > PACKED_TARGETS)
            memory += synapses * (8.0 if wide else 4.0)
            build += synapses * 1.3e-8
            spike_time += synapses * NOMINAL_RATE * 1.0e-9
    for (source_name, *_), (bits, each) in rows.items():
        memory += bits / 8.0
        spike_time += network[source_name].size * NOMINAL_RATE * each * 1e-9
    for bundle in layout_of(network, dt).bundles:
        size = network[bundle.source].size
        delays = float(max(longest_delay(projection, dt) for projection in bundle.projections))
        memory += 8.0 * size * (delays + 1.0)
        spike_time += size * NOMINAL_RATE * min(delays, 40.0) * 10e-9
    driven = {given.target for given in network.inputs if isinstance(given, PoissonDrive)}
    update = sum((population.size + 256) * _update_time(population) for population in network.populations)
    update += 0.25 * sum(network[name].size for name in driven)
    spikes_per_rate = network.n_neurons * simulation.duration / 1e3
    return Cost(
        build=0.1 + build,
        point=0.02
        + steps * (0.5e-6 + (_MEETING if threads > 1 else 0.0) + update * 1e-9 / at_once)
        + biology * spike_time / at_once
        + NOMINAL_RATE * spikes_per_rate * 4e-7,
        memory=2.3e8 + memory + network.n_neurons * 200.0 + 60.0 * GENEROUS_RATE * spikes_per_rate,
        start=1.0,
        note=_kinds_of_rows(network, dt),
    )


def _kinds_of_rows(network: Network, dt: float) -> str:
    """Say which projections become rows of bits, and which compressed rows."""
    names: dict[bool, list[str]] = {True: [], False: []}
    for projection in network.projections:
        names[is_dense(network, projection, dt)].append(projection.name)
    said = []
    for dense, kind in ((True, "rows of bits"), (False, "compressed rows")):
        few = names[dense] if len(names[dense]) <= _NAMED else [*names[dense][: _NAMED - 1], "…"]
        if few:
            said.append(f"{kind} for {len(names[dense])} projection{'s'[: len(few) > 1]} ({', '.join(few)})")
    return "; ".join(said)


def _update_time(population: Population) -> float:
    """Time to move a neuron of a population by a step, ns."""
    rule = population.model.step
    if rule is None:
        return 0.05
    operations = sum(rule.code.count(sign) for sign in "+-*/") + 15 * rule.code.count("exp(")
    return 0.07 + 0.01 * operations
