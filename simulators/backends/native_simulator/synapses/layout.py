"""How a network lies in memory: which projections become rows of bits, which compressed rows, and what shares rows.

No numbers of a point are here: networks of one structure have one layout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulators.backends.simulator import GENEROUS_RATE
from simulators.description import (
    Bernoulli,
    ConnectionList,
    FixedIndegree,
    FixedTotalNumber,
    Network,
    Normal,
    OneToOne,
    Projection,
    Receptor,
    Scaled,
    Uniform,
)
from simulators.description.network import projection_synapses
from simulators.records.job import Simulation

PADDING = 512  # neurons: a population begins at a cache line of bits, and at a place of a table of scales
PACKED_TARGETS = 2**17  # more neurons than this leave a packed weight too few bits
RECEPTORS: tuple[Receptor, Receptor] = ("excitatory", "inhibitory")

LONGEST = 65_535  # steps of a delay
MOST_PLANES = 4  # of bits that count the synapses of a pair
_MOST_SHARED = 2.0**31  # synapses of projections that share compressed rows

# ns, measured on one core of a virtual EPYC (Zen 4): what a spike costs in rows of bits, per plane and target, to read
# the row and to add the planes of a step to the inputs; and in compressed rows, per spike and delay and per synapse.
_BIT_READ, _PLANE = 0.0124, 0.03
_JOB, _SYNAPSE = 60.0, 1.0


@dataclass(frozen=True)
class BlockLayout:
    """Projections that share rows of bits.

    Parameters
    ----------
    source, target : str
        Populations.
    delay : int
        Steps.
    receptor : int
        0 or 1.
    planes : int
        Bits of a pair's number of synapses.
    projections : tuple of Projection
        One; or one within and one between clusters.
    """

    source: str
    target: str
    delay: int
    receptor: int
    planes: int
    projections: tuple[Projection, ...]

    @property
    def shared(self) -> bool:
        """Whether pairs within clusters have a weight apart from those between."""
        return len(self.projections) == 2

    @property
    def only_within(self) -> bool:
        """Whether there are no pairs but within clusters."""
        return {projection.pairs for projection in self.projections} == {"within"}


@dataclass(frozen=True)
class BundleLayout:
    """Projections that share compressed rows.

    Those that a point scales have different targets: a synapse's target tells its scale.

    Parameters
    ----------
    source : str
        Population.
    receptor : int
        0 or 1.
    kind : {'packed', 'own', 'shared'}
        Weight in the target's word, in a float of its own, or one for all.
    projections : tuple of Projection
        Which.
    beyond : bool
        Only those synapses of a dense projection that its planes cannot hold.
    """

    source: str
    receptor: int
    kind: str
    projections: tuple[Projection, ...]
    beyond: bool = False


@dataclass(frozen=True)
class Layout:
    """Places of neurons and synapses.

    Parameters
    ----------
    offsets, padded : tuple of int
        Number of each population's first neuron, and its size with padding.
    blocks : tuple of BlockLayout
        Sorted by target population.
    bundles : tuple of BundleLayout
        Sorted by source population.
    """

    offsets: tuple[int, ...]
    padded: tuple[int, ...]
    blocks: tuple[BlockLayout, ...]
    bundles: tuple[BundleLayout, ...]

    @property
    def n_all(self) -> int:
        """Neurons with padding."""
        return sum(self.padded)


def network_problems(network: Network, simulation: Simulation) -> list[str]:
    """Say what cannot be run, a line each."""
    return [*_population_problems(network), *_projection_problems(network, simulation.dt)]


def layout_of(network: Network, dt: float) -> Layout:
    """Place a network's neurons and synapses."""
    padded = tuple(-(-population.size // PADDING) * PADDING for population in network.populations)
    offsets = tuple(sum(padded[:index]) for index in range(len(padded)))
    order = {population.name: index for index, population in enumerate(network.populations)}
    dense: list[Projection] = []
    sparse: list[Projection] = []
    for projection in network.projections:
        (dense if is_dense(network, projection, dt) else sparse).append(projection)
    blocks = sorted(_blocks(network, dense, dt), key=lambda block: order[block.target])
    bundles = [*_bundles(network, sparse, sum(padded), dt), *_beyond(blocks)]
    return Layout(offsets, padded, tuple(blocks), tuple(sorted(bundles, key=lambda bundle: order[bundle.source])))


def is_dense(network: Network, projection: Projection, dt: float) -> bool:
    """Whether rows of bits are the faster way; they need one weight, one delay and a rule that draws pairs."""
    if not isinstance(projection.weight, (int, float)) or not isinstance(projection.delay, (int, float)):
        return False
    if isinstance(projection.rule, (ConnectionList, OneToOne)):
        return False
    source, target = network[projection.source], network[projection.target]
    synapses = projection_synapses(network, projection) / source.size  # of a source
    spikes = source.size * GENEROUS_RATE * dt * 1e-3  # in a step
    planes = n_planes(network, projection)
    n_targets = target.cluster_size if projection.pairs == "within" else target.size
    if planes > MOST_PLANES:
        return False
    bits = n_targets * planes * (_BIT_READ + _PLANE / max(1.0, spikes / 1.5))
    return bits < _JOB + _SYNAPSE * synapses


def n_planes(network: Network, projection: Projection) -> int:
    """Planes that hold all but half a per cent of a projection's synapses; beyond `MOST_PLANES` there are too many."""
    if isinstance(projection.rule, Bernoulli):
        return 1
    source, target = network[projection.source], network[projection.target]
    candidates = {"all": source.size, "within": source.cluster_size, "between": source.size - source.cluster_size}
    n_pairs = (
        candidates[projection.pairs] - (source.name == target.name and projection.pairs != "between")
    ) * target.size
    mean = projection_synapses(network, projection) / max(1, n_pairs)
    for planes in range(1, MOST_PLANES + 1):
        most = 2**planes - 1
        # expectation of what a Poisson number of this mean has beyond `most`
        held, term = 0.0, math.exp(-mean)
        for count in range(1, most + 1):
            term *= mean / count
            held += count * term
        reached = sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(most + 1))
        held += most * (1.0 - reached)
        if mean - held < 0.005 * mean:
            return planes
    return MOST_PLANES + 1


def delay_steps(projection: Projection, dt: float) -> int:
    """Delay in steps of a projection whose synapses share one."""
    assert isinstance(projection.delay, (int, float))
    return round(projection.delay / dt)


def longest_delay(projection: Projection, dt: float) -> int:
    """Longest delay of a projection in steps, at least one."""
    rule, delay = projection.rule, projection.delay
    if isinstance(rule, ConnectionList) and rule.delays is not None:
        delay = float(rule.delays.max(initial=0.0))
    elif isinstance(delay, Normal):
        delay = min(delay.high, delay.mean + 6.0 * delay.sd)
    elif isinstance(delay, Uniform):
        delay = delay.high
    assert isinstance(delay, (int, float))
    return max(1, round(delay / dt))


def shortest_delay(projection: Projection, dt: float) -> int:
    """Shortest delay of a projection in steps, at least one."""
    rule, delay = projection.rule, projection.delay
    if isinstance(rule, ConnectionList) and rule.delays is not None:
        delay = float(rule.delays.min(initial=math.inf if rule.delays.size else 0.0))
    elif isinstance(delay, Normal):
        delay = max(delay.low, delay.mean - 6.0 * delay.sd)
    elif isinstance(delay, Uniform):
        delay = delay.low
    assert isinstance(delay, (int, float))
    return max(1, round(delay / dt))


def _blocks(network: Network, dense: Sequence[Projection], dt: float) -> Iterator[BlockLayout]:
    waiting: dict[tuple[str, str, int, Receptor], list[Projection]] = {}
    for projection in dense:
        key = (projection.source, projection.target, delay_steps(projection, dt), projection.receptor)
        waiting.setdefault(key, []).append(projection)
    for (source, target, delay, receptor), found in waiting.items():
        groups: list[list[Projection]] = []
        for projection in found:
            # pairs within and between clusters never meet: they share rows
            other = next((g for g in groups if {g[0].pairs, projection.pairs} == {"within", "between"}), None)
            if other is not None and len(other) == 1:
                other.append(projection)
            else:
                groups.append([projection])
        for group in groups:
            planes = max(n_planes(network, projection) for projection in group)
            yield BlockLayout(source, target, delay, RECEPTORS.index(receptor), planes, tuple(group))


def _bundles(network: Network, sparse: Sequence[Projection], n_all: int, dt: float) -> Iterator[BundleLayout]:
    """Put projections of a source together: the longer its groups of synapses, the less time it takes to fetch them.

    One delay for all synapses goes together with the same delay only, so that rows have no groups that stay empty.
    """
    together: dict[tuple[str, int, str, bool, int], list[list[Projection]]] = {}
    for projection in sparse:
        one_delay = isinstance(projection.delay, (int, float)) and not _has_own_delays(projection)
        key = (
            projection.source,
            RECEPTORS.index(projection.receptor),
            _kind(projection, n_all),
            is_scaled(projection),
            delay_steps(projection, dt) if one_delay else 0,
        )
        groups = together.setdefault(key, [])
        group = next((group for group in groups if _fits(network, group, projection)), None)
        if group is None:
            groups.append([projection])
        else:
            group.append(projection)
    for (source, receptor, kind, *_), groups in together.items():
        for group in groups:
            yield BundleLayout(source, receptor, kind, tuple(group))


def _kind(projection: Projection, n_all: int) -> str:
    if isinstance(projection.rule, ConnectionList) and projection.rule.weights is not None:
        return "own"
    if projection.drawn_weight is None:
        return "shared"
    return "own" if n_all > PACKED_TARGETS else "packed"


def is_scaled(projection: Projection) -> bool:
    """Whether a point says what multiplies the weights; those that are given, or drawn as they are, stay."""
    if isinstance(projection.rule, ConnectionList) and projection.rule.weights is not None:
        return False
    return isinstance(projection.weight, (int, float, Scaled))


def _has_own_delays(projection: Projection) -> bool:
    return isinstance(projection.rule, ConnectionList) and projection.rule.delays is not None


def _fits(network: Network, group: Sequence[Projection], projection: Projection) -> bool:
    """Whether a projection may share rows: a target tells the scale, and 32 bits count the synapses."""
    if is_scaled(projection) and any(other.target == projection.target for other in group):
        return False
    return sum(projection_synapses(network, one) for one in (*group, projection)) < _MOST_SHARED


def _beyond(blocks: Sequence[BlockLayout]) -> Iterator[BundleLayout]:
    for block in blocks:
        for projection in block.projections:
            if isinstance(projection.rule, (FixedIndegree, FixedTotalNumber)):
                yield BundleLayout(block.source, block.receptor, "shared", (projection,), beyond=True)


def _population_problems(network: Network) -> Iterator[str]:
    for population in network.populations:
        if not population.is_source and population.model.step is None:
            yield f"population {population.name}: {population.model.name} has no step rule for the native simulator"


def _projection_problems(network: Network, dt: float) -> Iterator[str]:
    for projection in network.projections:
        where, rule, delay = f"projection {projection.name}", projection.rule, projection.delay
        if projection.drawn_weight is not None and not isinstance(projection.drawn_weight, (Normal, Uniform)):
            yield f"{where}: weights are not drawn from {projection.drawn_weight}"
        if isinstance(rule, ConnectionList) and rule.delays is not None:
            if rule.delays.size and round(float(rule.delays.min()) / dt) < 1:
                yield f"{where}: the shortest delay is {float(rule.delays.min()):g} ms; at least one step of {dt:g} ms"
        elif isinstance(delay, (int, float)):
            if round(delay / dt) < 1:
                yield f"{where}: the delay is {delay:g} ms; at least one step of {dt:g} ms"
        elif not isinstance(delay, (Normal, Uniform)):
            yield f"{where}: delays are not drawn from {delay}"
            continue
        if longest_delay(projection, dt) > LONGEST:
            yield f"{where}: the longest delay is {longest_delay(projection, dt)} steps; at most {LONGEST}"
