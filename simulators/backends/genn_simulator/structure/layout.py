"""What has to be compiled to run a network: all that is handed to GeNN, as text and numbers, and nothing that is data.

Networks of equal layout share compiled code (`simulators.backends.genn_simulator.host.cache`). Seeds, weights, explicit
connections, parameters of neurons and of distributions, and the values of inputs are no part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from simulators.backends.genn_simulator.generated_code.accumulation_code import MARK_CODE
from simulators.backends.genn_simulator.generated_code.neuron_code import (
    INPUTS,
    REFRACTORY_STEPS,
    THRESHOLD_CODE,
    Spread,
    integration_code,
    state_variables,
)
from simulators.backends.genn_simulator.generated_code.poisson_code import (
    DRAWS,
    SOURCE_CODE,
    SOURCE_LAUNCH,
    SOURCE_THRESHOLD_CODE,
    drive_code,
    drive_launch,
)
from simulators.backends.genn_simulator.generated_code.random_code import RANDOM_STATE
from simulators.backends.genn_simulator.structure.accumulation_layout import (
    TRAINS,
    accumulation_updates,
    mark_parameters,
)
from simulators.backends.genn_simulator.structure.delays import buffer_lengths
from simulators.backends.genn_simulator.structure.synapse_layout import (
    ConnectivityLayout,
    SynapseLayout,
    synapse_layout,
)
from simulators.backends.genn_simulator.structure.update_layout import UpdateLayout
from simulators.description.inputs import PoissonDrive
from simulators.description.network import Network
from simulators.description.population import Population
from simulators.neurons.neuron_model import SUFFIXES, NeuronModel, Receptor, Values
from simulators.statistics.measures.accumulated import Plan

_LONG = 40  # letters

# Whether a source fires in a step of a chunk, one bit each
_EVENTS_CODE = "(events[(batch * n_rows + (uint32_t)(t / dt + 0.5)) * n_words + id / 32U] & (1U << (id % 32U))) != 0U"


@dataclass(frozen=True)
class Variable:
    """A variable of a group of neurons.

    Parameters
    ----------
    name : str
        As code calls it.
    type : str
        GeNN's name of it; ``shared`` is that of numbers which all neurons share.
    each : bool
        One for each neuron, else one for all neurons of an instance.
    """

    name: str
    type: str = "scalar"
    each: bool = True


@dataclass(frozen=True)
class NeuronLayout:
    """A population as it is compiled.

    Parameters
    ----------
    size : int
        Neurons.
    variables : tuple of Variable
        All that its code reads and writes, without the inputs that synapses add to.
    threshold_code : str
        Condition of a spike.
    parameters : tuple of (str, int)
        Integers in that code.
    arrays : tuple of (str, str)
        Names and types of arrays that it reads.
    updates : tuple of UpdateLayout
        What is run before every step, in this order, and at the end of every chunk of steps.
    receptors : tuple of {'excitatory', 'inhibitory'}
        Those that synapses arrive at.
    drives : tuple of {'excitatory', 'inhibitory'}
        Receptors of its Poisson drives, in the network's order.
    recorded : bool
        Whether its spikes are, by GeNN.
    reset_code : str
        What a neuron does when it spikes.
    """

    size: int
    variables: tuple[Variable, ...]
    threshold_code: str
    parameters: tuple[tuple[str, int], ...] = ()
    arrays: tuple[tuple[str, str], ...] = ()
    updates: tuple[UpdateLayout, ...] = ()
    receptors: tuple[Receptor, ...] = ()
    drives: tuple[Receptor, ...] = ()
    recorded: bool = False
    reset_code: str = ""


@dataclass(frozen=True)
class Layout:
    """A network as it is compiled.

    Parameters
    ----------
    dt : float
        ms.
    batch : int
        Instances.
    chunk_steps : int
        Steps that are run between two looks at the clock.
    neurons : tuple of NeuronLayout
        Populations, in the network's order.
    synapses : tuple of SynapseLayout
        Projections, in the network's order.
    """

    dt: float
    batch: int
    chunk_steps: int
    neurons: tuple[NeuronLayout, ...]
    synapses: tuple[SynapseLayout, ...]

    @property
    def launches(self) -> frozenset[str]:
        """Names of all updates that there are."""
        return frozenset(update.launch for group in self.neurons for update in group.updates)


def layout_of(
    network: Network,
    dt: float,
    batch: int,
    chunk_steps: int,
    procedural: bool,
    plans: Mapping[str, Plan] | None = None,
) -> Layout:
    """Return what is compiled for a network; networks of equal layout share compiled code.

    Parameters
    ----------
    network : Network
        One without `simulators.backends.genn_simulator.problems`.
    dt : float
        ms.
    batch : int
        Instances.
    chunk_steps : int
        Steps that are run between two looks at the clock.
    procedural : bool
        Connectivity is drawn anew at every spike instead of stored.
    plans : mapping of str to Plan, optional
        What is accumulated of populations, in place of their spikes.
    """
    lengths = buffer_lengths(network, dt)
    arriving: dict[str, set[Receptor]] = defaultdict(set)
    for projection in network.projections:
        arriving[projection.target].add(projection.receptor)
    drives = drives_of(network)
    neurons = tuple(
        neuron_layout(population, arriving[population.name], drives.get(population.name, ()), chunk_steps)
        for population in network.populations
    )
    if plans is not None:
        neurons = tuple(
            _accumulating(group, plans[population.name], batch, chunk_steps) if group.recorded else group
            for population, group in zip(network.populations, neurons, strict=True)
        )
    places = {population.name: index for index, population in enumerate(network.populations)}
    synapses = tuple(
        synapse_layout(
            network, projection, places, lengths.get((projection.target, projection.receptor), 0), dt, procedural
        )
        for projection in network.projections
    )
    return Layout(dt, batch, chunk_steps, neurons, synapses)


def text_of(layout: Layout) -> str:
    """Return all of a layout as text, every code in it once."""
    codes: dict[str, str] = {}

    def brief(part: object) -> object:
        if isinstance(part, str) and len(part) > _LONG:
            return codes.setdefault(part, f"code {len(codes)}")
        if isinstance(part, tuple):
            return tuple(brief(item) for item in part)
        if isinstance(part, (UpdateLayout, NeuronLayout, ConnectivityLayout, SynapseLayout, Layout)):
            return type(part).__name__, *(brief(item) for item in vars(part).values())
        return part

    return repr((brief(layout), list(codes)))


def drives_of(network: Network) -> dict[str, tuple[PoissonDrive, ...]]:
    """Poisson drives by population."""
    found: dict[str, tuple[PoissonDrive, ...]] = {}
    for given in network.inputs:
        if isinstance(given, PoissonDrive):
            found[given.target] = (*found.get(given.target, ()), given)
    return found


@cache
def constant_names(model: NeuronModel) -> frozenset[str]:
    """Names of the constants of a neuron model, which do not depend on its values."""
    assert model.step is not None
    names = (*model.parameters, *model.states)
    # different from each other, as models may divide by differences
    values: dict[str, Values] = {name: np.float64(1.0 + 0.1 * place) for place, name in enumerate(names)}
    with np.errstate(all="ignore"):
        return frozenset(model.step.constants(values, 0.1))


def neuron_layout(
    population: Population, arriving: set[Receptor], drives: Sequence[PoissonDrive], chunk_steps: int
) -> NeuronLayout:
    """Return what is compiled for a population."""
    match population.model.source:
        case "poisson":
            return _poisson_source(population)
        case "events":
            words = -(-population.size // 32)
            return NeuronLayout(
                population.size,
                (),
                _EVENTS_CODE,
                parameters=(("n_rows", chunk_steps), ("n_words", words)),
                arrays=(("events", "uint32_t"),),
            )
    constants = constant_names(population.model)
    held = {*constants} | ({REFRACTORY_STEPS} if population.model.refractory is not None else set())
    states = state_variables(population.model)
    receptors: tuple[Receptor, ...] = tuple(receptor for receptor in SUFFIXES if receptor in arriving)
    unreached = [f"input_{suffix}" for receptor, suffix in SUFFIXES.items() if receptor not in arriving]
    generators = [f"{word}_{k}" for k in range(len(drives)) for word in RANDOM_STATE]
    variables = [
        *(Variable(name) for name in (*states, "threshold", *unreached)),
        *(Variable(name, "uint32_t") for name in generators),
        *(Variable(Spread.ALL.variable(name)) for name in sorted(held)),
        *(Variable(Spread.NONE.variable(name), "shared", each=False) for name in sorted(held)),
    ]
    driven = tuple(drive.receptor for drive in drives)
    updates = [
        UpdateLayout(
            spread.launch,
            integration_code(population.model, constants, spread),
            tuple(spread.variable(name) for name in sorted(held)),
            (*states, *INPUTS),
        )
        for spread in Spread
    ]
    if drives:
        inputs = tuple(f"input_{suffix}" for receptor, suffix in SUFFIXES.items() if receptor in driven)
        arrays = (("limits", "word"), ("strength", "shared"))
        updates += [
            UpdateLayout(drive_launch(n), drive_code(driven, n), (), (*generators, *inputs), arrays) for n in DRAWS
        ]
    return NeuronLayout(
        population.size,
        tuple(variables),
        THRESHOLD_CODE,
        updates=tuple(updates),
        receptors=receptors,
        drives=driven,
        recorded=True,
    )


def _accumulating(group: NeuronLayout, plan: Plan, batch: int, chunk_steps: int) -> NeuronLayout:
    """Return what is compiled for a population whose spikes are not recorded, but made into sums."""
    return replace(
        group,
        recorded=False,
        reset_code=MARK_CODE,
        parameters=mark_parameters(group.size, chunk_steps),
        arrays=(TRAINS,),
        updates=(*group.updates, *accumulation_updates(plan, batch, chunk_steps)),
    )


def _poisson_source(population: Population) -> NeuronLayout:
    variables = (
        *(Variable(word, "uint32_t") for word in RANDOM_STATE),
        *(Variable(x, "int32_t") for x in ("drawn", "limit")),
    )
    update = UpdateLayout(SOURCE_LAUNCH, SOURCE_CODE, (), (*RANDOM_STATE, "drawn"))
    return NeuronLayout(population.size, variables, SOURCE_THRESHOLD_CODE, updates=(update,))
