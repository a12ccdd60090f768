"""Code that draws which neurons are connected, in GeNN's C-like language.

Every row (of targets of a source) or column (of sources of a target) has its own stream of random numbers, from the
projection's ``key`` and the index: synapses depend on the seed alone, and no seed is part of the compiled code.
"""

from __future__ import annotations

from functools import cache

from simulators.backends.genn_simulator.generated_code.random_code import NEXT_RANDOM, UNIFORM, filled, start_stream
from simulators.description.projection import Pairs

CLUSTER_SIZES = ("source_cluster", "target_cluster")
"""Parameters of all that is drawn here: neurons per cluster of both populations."""

# Neurons are numbered from `begin`, `n_allowed` of them, without those that are left out: the number of one at or after
# `left_out` is moved on by `n_left_out`.
_ALLOWED = """
const uint32_t begin = $begin;
const uint32_t n_allowed = $n_allowed;
const uint32_t left_out = $left_out;
const uint32_t n_left_out = $n_left_out;
"""

_CONNECT = """
const uint32_t neuron = begin + $number;
addSynapse((neuron >= left_out) ? (neuron + n_left_out) : neuron);
"""

_BERNOULLI = """
$start_stream
$allowed
uint32_t number = 0U;
uint32_t n_made = 0U;
while(n_made < row_limit) {
$next_random
const scalar gap = log($uniform) * gap_scale;
if(gap >= (scalar)(n_allowed - number)) {
break;
}
number += (uint32_t)gap;
if(number >= n_allowed) {
break;
}
$connect
number += 1U;
n_made += 1U;
if(number >= n_allowed) {
break;
}
}
"""

_FIXED_NUMBER = """
$start_stream
$allowed
for(uint32_t k = 0U; k < $n_synapses; k++) {
$next_random
$connect
}
"""

_NOBODY = "0xFFFFFFFFU"
_ANY_NUMBER = "(uint32_t)(((uint64_t)random * (uint64_t)n_allowed) / ((uint64_t)1 << 32))"


@cache
def bernoulli_code(pairs: Pairs, same: bool) -> str:
    """Row of a projection that connects each pair with one probability, by geometrically distributed gaps.

    Generates, random streams aside ::

        while(n_made < row_limit) {
            gap = log(uniform) * gap_scale;             // gap_scale = 1 / log(1 - probability)
            if(gap >= n_allowed - number) break;
            number += gap;
            addSynapse(begin + number, moved on by n_left_out if it is at or after left_out);
            number += 1; n_made += 1;
            if(number >= n_allowed) break;
        }

    Parameters
    ----------
    pairs : {'all', 'within', 'between'}
        Which clusters are connected.
    same : bool
        Source and target are the same population: leave out autapses.
    """
    return filled(
        _BERNOULLI,
        start_stream=start_stream("id_pre"),
        allowed=_allowed(pairs, same, of_row=True),
        next_random=NEXT_RANDOM,
        uniform=UNIFORM,
        connect=filled(_CONNECT, number="number"),
    )


@cache
def fixed_indegree_code(pairs: Pairs, same: bool) -> str:
    """Column of a projection in which each target draws a fixed number of sources, with replacement.

    Generates, random streams aside ::

        for(k = 0; k < indegree; k++)
            addSynapse(begin + random number below n_allowed, moved on if it is at or after left_out);

    Parameters
    ----------
    pairs, same
        See `bernoulli_code`.
    """
    return _fixed_number("id_post", "indegree", _allowed(pairs, same, of_row=False))


@cache
def fixed_total_number_code(pairs: Pairs, same: bool) -> str:
    """Row of a projection with a fixed number of synapses; how many fall to the row is drawn beforehand.

    Generates what `fixed_indegree_code` does, of ``row_counts[id_pre]`` synapses.

    Parameters
    ----------
    pairs, same
        See `bernoulli_code`.
    """
    return _fixed_number("id_pre", "row_counts[id_pre]", _allowed(pairs, same, of_row=True))


def _fixed_number(index: str, n_synapses: str, allowed: str) -> str:
    return filled(
        _FIXED_NUMBER,
        start_stream=start_stream(index),
        allowed=allowed,
        n_synapses=n_synapses,
        next_random=NEXT_RANDOM,
        connect=filled(_CONNECT, number=_ANY_NUMBER),
    )


def _allowed(pairs: Pairs, same: bool, of_row: bool) -> str:
    """Code for the neurons a row (or column) may connect to."""
    if of_row:
        own, own_cluster, n_others, cluster = "id_pre", "source_cluster", "num_post", "target_cluster"
    else:
        own, own_cluster, n_others, cluster = "id_post", "target_cluster", "num_pre", "source_cluster"
    first_of_cluster = f"({own} / {own_cluster}) * {cluster}"
    if pairs == "between":
        return filled(
            _ALLOWED,
            begin="0U",
            n_allowed=f"{n_others} - {cluster}",
            left_out=first_of_cluster,
            n_left_out=cluster,
        )
    return filled(
        _ALLOWED,
        begin=first_of_cluster if pairs == "within" else "0U",
        n_allowed=f"{cluster if pairs == 'within' else n_others} - {'1U' if same else '0U'}",
        left_out=own if same else _NOBODY,
        n_left_out="1U" if same else "0U",
    )
